//! Real programs as targets, with and without a window manager.

use std::time::Duration;

use deliver::{
    agent_windows::{Behaviour, Options, Waiting},
    desktop::{FetchRule, Place},
};
use tests::{agent_windows_process::AgentWindowsProcess, chromium::Chromium, openbox::Openbox, require, xvfb::Xvfb};

use crate::desk::{DEADLINE, Desk, ONCE, deliver, guard, titled};

/// Chromium reads twice, and now and then sleeps on an answer.
const CHROMIUM: FetchRule =
    FetchRule { fetches: 2, quiet: Duration::from_millis(20), nudge: Some(Duration::from_millis(40)), ..ONCE };

#[test]
fn managed_windows_are_raised_and_told_apart() {
    require!("Xvfb", "openbox");
    let xvfb = Xvfb::start();
    let _manager = Openbox::start(xvfb.display());
    let behaviour = Behaviour { waiting: Waiting::Impatient, focus_on_click: false, ..Behaviour::default() };
    let options = Options { count: 4, managed: true, behaviour, ..Options::default() };
    let desk = Desk { windows: AgentWindowsProcess::start(xvfb.display(), &options), xvfb };
    let (mut driver, guard) = (desk.driver(), guard());
    for nth in 0..80 {
        let title = format!("Agent-{}", nth % 4 + 1);
        deliver(&mut driver, &guard, &titled(&title), &nth.to_string(), ONCE)
            .unwrap_or_else(|refusal| panic!("{title}: {refusal}"));
    }
    let mut submitted = desk.submitted(80);
    submitted.sort_by_key(|(_, text)| text.parse::<usize>().unwrap());
    let expected: Vec<_> = (0..80).map(|nth| (nth % 4, nth.to_string())).collect();
    assert_eq!(submitted, expected);
}

#[test]
fn chromium_gets_every_message_in_the_right_box() {
    require!("Xvfb", "chromium");
    let xvfb = Xvfb::start();
    let browser = Chromium::start(xvfb.display());
    let mut driver =
        deliver::desktop::x11::X11Desktop::connect(Some(xvfb.display()), &crate::desk::keeper_command()).unwrap();
    let guard = guard();
    let boxes = browser.boxes().len();
    let mut took = Vec::new();
    for nth in 0..60 {
        let (x, y) = browser.boxes()[nth % boxes].centre();
        let place = Place { point: Some((x.into(), y.into())), window: None };
        let began = std::time::Instant::now();
        match deliver(&mut driver, &guard, &place, &format!("message {nth}\nsecond line"), CHROMIUM) {
            Ok(_) => took.push(began.elapsed()),
            Err(refusal) => panic!("{nth}: {refusal}"),
        }
    }
    let messages = browser.wait_messages(60, DEADLINE);
    took.sort();
    println!("chromium: p50 {:?}, max {:?}", took[30], took[59]);
    for (nth, message) in messages.iter().enumerate() {
        assert_eq!((message.index, message.text.as_str()), (nth % boxes, &*format!("message {nth}\nsecond line")));
    }
    assert_eq!(messages.len(), 60);
}
