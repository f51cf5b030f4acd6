//! A person at the keyboard and mouse, and strangers' synthetic input: no key of ours is pressed among theirs.

use std::time::Duration;

use deliver::agent_windows::{Behaviour, Options};
use deliver::desktop::{Bound, Desktop as _, Place, Refusal, Selection, x11::X11Desktop};
use lock_core::{BlockingGuard, Moment};
use tests::{
    agent_windows_process::AgentWindowsProcess,
    hand::{Hand, key},
    openbox::Openbox,
    probe::until,
    require,
    xvfb::Xvfb,
    xvnc::{Person, Xvnc},
};
use x11rb::{
    CURRENT_TIME,
    protocol::xproto::{ConnectionExt as _, InputFocus},
};

use crate::desk::{DEADLINE, Desk, ONCE, chord, deliver, guard, keeper_command, message_id, soon};

/// Long enough for what a test does in a row to be recent, short enough to wait for.
const IDLE: Duration = Duration::from_millis(400);

/// A display with a person at it, and two agent windows.
pub(crate) struct Office {
    pub(crate) windows: AgentWindowsProcess,
    pub(crate) person: Person,
    xvnc: Xvnc,
}

impl Office {
    pub(crate) fn open() -> Self {
        let xvnc = Xvnc::start();
        let options = Options { count: 2, behaviour: Behaviour::default(), ..Options::default() };
        let windows = AgentWindowsProcess::start(xvnc.display(), &options);
        let office = Self { windows, person: xvnc.person(), xvnc };
        office.leave_the_windows();
        office
    }

    /// What the person types goes to none of the agent windows, as long as none is clicked.
    fn leave_the_windows(&self) {
        let stranger = self.xvnc.connect();
        let pointer_root = u32::from(InputFocus::POINTER_ROOT);
        stranger.set_input_focus(InputFocus::POINTER_ROOT, pointer_root, CURRENT_TIME).unwrap().check().unwrap();
    }

    pub(crate) fn display(&self) -> &str {
        self.xvnc.display()
    }

    fn driver(&self) -> X11Desktop {
        X11Desktop::connect(Some(self.xvnc.display()), &keeper_command()).unwrap()
    }

    pub(crate) fn point(&self, window: usize) -> Place {
        let (x, y) = self.windows.windows()[window].centre();
        Place { point: Some((x.into(), y.into())), window: None }
    }

    /// Up to the focus, watched.
    fn clicked(&self, driver: &mut X11Desktop, guard: &BlockingGuard) -> Bound {
        until_idle(driver);
        let target = driver.bind(&self.point(0)).unwrap();
        driver.sweep(&guard.permit()).unwrap();
        driver.click(&guard.permit(), &target).unwrap();
        driver.await_focus(&target, soon()).unwrap();
        driver.offer(&guard.permit(), "text", Selection::Clipboard).unwrap();
        target
    }

    /// Up to the fetch, watched.
    fn pasted(&self, driver: &mut X11Desktop, guard: &BlockingGuard) -> Bound {
        let target = self.clicked(driver, guard);
        driver.paste(&guard.permit(), &target, &chord("ctrl+v"), &message_id()).unwrap();
        driver.await_fetched(&target, ONCE, soon()).unwrap();
        target
    }

    /// What was submitted, and what stands unsent in the first window.
    pub(crate) fn settled(&mut self) -> (Vec<String>, String) {
        let (submissions, drafts) = self.windows.settle();
        let texts = submissions.into_iter().map(|submission| submission.text).collect();
        (texts, drafts.into_iter().filter(|(window, _)| *window == 0).map(|(_, draft)| draft.text).collect())
    }
}

/// Waits until nobody has been at work for [`IDLE`], as a postponed delivery does, and watches from then on.
fn until_idle(driver: &mut X11Desktop) {
    until_idle_for(driver, IDLE);
}

fn until_idle_for(driver: &mut X11Desktop, idle: Duration) {
    let until = soon();
    loop {
        match driver.watch(Some(&guard().permit()), idle) {
            Ok(_) => return,
            Err(Refusal::Person { ago, .. }) if !until.is_past() => {
                driver.await_change(Moment::now() + idle.saturating_sub(ago)).unwrap();
            }
            Err(other) => panic!("{other}"),
        }
    }
}

fn is_person<T: std::fmt::Debug>(refused: Result<T, Refusal>, device: &str) {
    match refused {
        Err(Refusal::Person { device: used, ago, .. }) => {
            assert!(used.contains(device), "{used}");
            assert!(ago < DEADLINE, "{ago:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_sender_knows_what_a_person_did_before_it_came() {
    require!("Xvnc");
    let mut office = Office::open();
    for (act, device) in [
        (Box::new(|person: &mut Person| person.types("a")) as Box<dyn Fn(&mut Person)>, "TigerVNC keyboard"),
        (Box::new(|person: &mut Person| person.moves_to((700, 700))), "TigerVNC pointer"),
    ] {
        act(&mut office.person);
        let mut driver = office.driver();
        is_person(driver.watch(None, Duration::from_secs(10)).map(drop), device);
        until_idle(&mut driver);
    }
}

#[test]
fn input_after_the_click_keeps_the_paste_back() {
    require!("Xvnc");
    let mut office = Office::open();
    let (mut driver, guard) = (office.driver(), guard());
    let target = office.clicked(&mut driver, &guard);
    office.person.types("mine");
    is_person(driver.paste(&guard.permit(), &target, &chord("ctrl+v"), &message_id()), "TigerVNC keyboard");
    let target = office.clicked(&mut driver, &guard);
    office.person.moves_to((701, 701));
    is_person(driver.paste(&guard.permit(), &target, &chord("ctrl+v"), &message_id()), "TigerVNC pointer");
    assert_eq!(office.settled(), (Vec::new(), "mine".into()));
}

#[test]
fn input_after_the_paste_keeps_enter_back() {
    require!("Xvnc");
    let mut office = Office::open();
    let (mut driver, guard) = (office.driver(), guard());
    let target = office.pasted(&mut driver, &guard);
    office.person.types("mine");
    is_person(driver.submit(&guard.permit(), &target, &chord("return"), true), "TigerVNC keyboard");
    let target = office.pasted(&mut driver, &guard);
    office.person.clicks((1500, 1100));
    is_person(driver.submit(&guard.permit(), &target, &chord("return"), true), "TigerVNC pointer");
    assert_eq!(office.settled(), (Vec::new(), "textminetext".into()));
}

#[test]
fn keys_that_a_person_holds_are_waited_for() {
    require!("Xvnc");
    let mut office = Office::open();
    let (mut driver, guard) = (office.driver(), guard());
    for (held, name) in [(key::CTRL, "Ctrl"), (key::SHIFT, "Shift")] {
        office.person.key(held, true);
        until_idle(&mut driver);
        let target = driver.bind(&office.point(0)).unwrap();
        assert_eq!(
            driver.sweep(&guard.permit()).unwrap(),
            Vec::<String>::new(),
            "a person's key is not ours to release"
        );
        let refused = driver.click(&guard.permit(), &target).unwrap_err();
        assert_eq!(refused, Refusal::Interference { device: format!("the keyboard: {name} is held") });
        let still = driver.still_hindered(Some(&refused), Some(&target), IDLE).unwrap();
        assert_eq!(still, Some(refused.clone()));
        office.person.key(held, false);
        let still = driver.still_hindered(Some(&refused), Some(&target), IDLE).unwrap();
        assert!(matches!(still, Some(Refusal::Person { .. })), "{still:?}");
    }
    let target = office.pasted(&mut driver, &guard);
    driver.submit(&guard.permit(), &target, &chord("return"), true).unwrap();
    assert_eq!(office.settled(), (vec!["text".into()], String::new()));
}

/// The server's time for an answer counts from the question, not from when the sender came or was busy last.
#[test]
fn a_long_wait_for_the_turn_is_no_silence_of_the_server() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    let (mut new, mut used) = (desk.driver(), desk.driver());
    used.watch(None, IDLE).unwrap();
    let busy_last = Moment::now();
    until(DEADLINE, "longer than any answer may take", || busy_last.elapsed() > Duration::from_millis(2100));
    for driver in [&mut new, &mut used] {
        driver.watch(None, IDLE).unwrap();
    }
}

#[test]
fn synthetic_input_of_others_is_a_stranger_s_and_ours_is_not() {
    require!("Xvfb");
    let mut desk = Desk::with(2, Behaviour::default());
    let (mut driver, guard) = (desk.driver(), guard());
    let stranger = Hand::on(desk.display());
    let place = desk.point(0);
    driver.watch(Some(&guard.permit()), IDLE).unwrap();
    let target = driver.bind(&place).unwrap();
    driver.click(&guard.permit(), &target).unwrap();
    driver.await_focus(&target, soon()).unwrap();
    driver.offer(&guard.permit(), "text", Selection::Clipboard).unwrap();
    stranger.type_plainly("x");
    is_person(
        driver.paste(&guard.permit(), &target, &chord("ctrl+v"), &message_id()),
        "synthetic input that is not ours",
    );
    driver.watch(Some(&guard.permit()), IDLE).unwrap();
    driver.paste(&guard.permit(), &target, &chord("ctrl+v"), &message_id()).unwrap();
    driver.await_fetched(&target, ONCE, soon()).unwrap();
    stranger.move_to((3, 3));
    stranger.move_to(desk.windows.windows()[0].centre());
    is_person(driver.submit(&guard.permit(), &target, &chord("return"), true), "synthetic input that is not ours");
    driver.watch(Some(&guard.permit()), IDLE).unwrap();
    driver.submit(&guard.permit(), &target, &chord("return"), true).unwrap();
    driver.restore(&guard.permit()).unwrap();
    for nth in 0..50 {
        driver.watch(Some(&guard.permit()), IDLE).unwrap();
        let rule = deliver::desktop::FetchRule {
            quiet: Duration::from_millis(2),
            nudge: Some(Duration::from_millis(1)),
            ..ONCE
        };
        deliver(&mut driver, &guard, &place, &format!("message {nth}"), rule).unwrap();
    }
    let (submitted, _) = desk.settled();
    assert_eq!(submitted.len(), 51);
    assert_eq!(submitted[0], (0, "xtext".into()));
}

/// A window manager's grab of the button freezes the pointer right behind our press, and what follows comes later.
#[test]
fn a_click_that_a_window_manager_held_back_is_no_stranger_s() {
    require!("Xvfb", "openbox");
    let xvfb = Xvfb::start();
    let _manager = Openbox::start(xvfb.display());
    let options = Options { count: 2, managed: true, ..Options::default() };
    let windows = AgentWindowsProcess::start(xvfb.display(), &options);
    let mut driver = X11Desktop::connect(Some(xvfb.display()), &keeper_command()).unwrap();
    let guard = guard();
    for nth in 0..20 {
        driver.watch(Some(&guard.permit()), Duration::ZERO).unwrap();
        let (x, y) = windows.windows()[nth % 2].centre();
        let place = Place { point: Some((x.into(), y.into())), window: None };
        deliver(&mut driver, &guard, &place, &format!("message {nth}"), ONCE).unwrap();
    }
    assert_eq!(windows.submissions(20, DEADLINE).len(), 20);
}

/// A delivery step by step, with something done in its middle.
fn attempt(driver: &mut X11Desktop, office: &Place, text: &str, middle: impl FnOnce()) -> Result<(), Refusal> {
    let guard = guard();
    let target = driver.bind(office)?;
    driver.click(&guard.permit(), &target)?;
    driver.await_focus(&target, soon())?;
    driver.offer(&guard.permit(), text, Selection::Clipboard)?;
    middle();
    driver.paste(&guard.permit(), &target, &chord("ctrl+v"), &message_id())?;
    driver.await_fetched(&target, ONCE, soon())?;
    driver.submit(&guard.permit(), &target, &chord("return"), true)
}

/// A person's key at any instant of a delivery: what is claimed was pasted and submitted with nothing in between.
#[test]
fn nothing_is_claimed_that_a_person_typed_into() {
    require!("Xvnc");
    let mut office = Office::open();
    let (mut driver, place) = (office.driver(), office.point(0));
    let mut entered = vec!["<alone>".to_owned()];
    until_idle_for(&mut driver, Duration::from_millis(50));
    let began = Moment::now();
    attempt(&mut driver, &place, "<alone>", || {}).unwrap();
    // What a delivery takes on this machine: the person's keys come all along one.
    let span = began.elapsed();
    until_idle_for(&mut driver, Duration::from_millis(50));
    is_person(attempt(&mut driver, &place, "<met>", || office.person.types("p")), "keyboard");
    for nth in 0..60 {
        until_idle_for(&mut driver, Duration::from_millis(50));
        let text = format!("<{nth}>");
        let person = &mut office.person;
        let done = std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(span * nth / 40);
                person.types("p");
            });
            attempt(&mut driver, &place, &text, || {})
        });
        match done {
            Ok(()) => entered.push(text),
            Err(Refusal::Person { .. } | Refusal::PressNotSeen { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    let (submitted, _) = office.settled();
    for text in &entered {
        assert!(submitted.iter().any(|line| line.ends_with(text)), "{text} was claimed: {submitted:?}");
    }
}
