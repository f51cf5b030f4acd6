//! Agent windows take what is typed and pasted, and nothing is lost on them.

use std::time::Duration;

use deliver::agent_windows::{Behaviour, Fetch, Options, PasteKey, Waiting};
use tests::agent_windows_process::AgentWindowsProcess;
use tests::clipboard::{self, Answer, ClipboardOwner, Selection};
use tests::hand::{Hand, key};
use tests::messages::{LONGEST, Messages};
use tests::openbox::Openbox;
use tests::probe::{READY_WITHIN, until};
use tests::require;
use tests::xvfb::Xvfb;
use x11rb::protocol::xproto::{ConnectionExt as _, InputFocus};

/// A display with agent windows and a hand that knows them.
struct Desk {
    windows: AgentWindowsProcess,
    hand: Hand,
    server: Xvfb,
}

impl Desk {
    fn open(behaviour: Behaviour) -> Self {
        Self::open_with(&Options { behaviour, ..Options::default() })
    }

    fn open_with(options: &Options) -> Self {
        let server = Xvfb::start();
        let windows = AgentWindowsProcess::start(server.display(), options);
        let hand = Hand::on(server.display());
        Self { windows, hand, server }
    }

    /// Clicks window `index` and waits until it has the focus.
    fn click(&self, index: usize) {
        let window = &self.windows.windows()[index];
        self.hand.click(window.centre());
        until(READY_WITHIN, "the clicked window has the focus", || self.hand.focus() == window.id);
    }

    fn own(&self, text: &str, answer: Answer) -> ClipboardOwner {
        ClipboardOwner::own(self.server.display(), Selection::Clipboard, text, answer)
    }

    fn settled_texts(&mut self) -> Vec<(usize, String)> {
        let (submissions, unsent) = self.windows.settle();
        assert_eq!(unsent.len(), 0, "{unsent:?}");
        submissions.into_iter().map(|submission| (submission.window, submission.text)).collect()
    }

    /// Waits for `count` messages and returns their texts.
    fn texts(&self, count: usize) -> Vec<String> {
        let submissions = self.windows.submissions(count, READY_WITHIN);
        submissions.into_iter().map(|submission| submission.text).collect()
    }
}

#[test]
fn a_paste_and_return_submit_the_text_in_the_window_that_was_clicked() {
    require!("Xvfb");
    let mut desk = Desk::open(Behaviour::default());
    let text = "two lines\nwith a tab\t, \u{4f60}\u{597d} and \u{1f642}";
    let owner = desk.own(text, Answer::Whole);
    desk.click(2);
    desk.hand.chord(&[key::CTRL, key::V]);
    desk.hand.chord(&[key::RETURN]);
    assert_eq!(desk.texts(1), [text]);
    assert_eq!(desk.settled_texts(), [(2, text.to_owned())]);
    assert_eq!(owner.wait_served(READY_WITHIN), Some(desk.windows.windows()[2].id));
}

#[test]
fn long_texts_arrive_whole_and_in_pieces_and_can_be_read_by_others() {
    require!("Xvfb");
    let desk = Desk::open(Behaviour { keeps_property: true, ..Behaviour::default() });
    let text = Messages::new(3).of_length(LONGEST);
    for answer in [Answer::Whole, Answer::Pieces(1000), Answer::Whole] {
        let _owner = desk.own(&text, answer);
        desk.click(0);
        desk.hand.chord(&[key::CTRL, key::V]);
        desk.hand.chord(&[key::RETURN]);
        let read = clipboard::read(desk.server.display(), Selection::Clipboard, READY_WITHIN);
        assert!(read.as_ref() == Some(&text), "{answer:?}: read {} bytes", read.map_or(0, |read| read.len()));
        until(READY_WITHIN, "the text was submitted", || desk.texts(0).last() == Some(&text));
        desk.hand.chord(&[key::RETURN]);
        until(READY_WITHIN, "the empty draft was submitted", || desk.texts(0).last().is_some_and(String::is_empty));
    }
    assert_eq!(desk.texts(6).len(), 6);
    drop(desk.own("", Answer::Whole));
    assert_eq!(clipboard::read(desk.server.display(), Selection::Clipboard, READY_WITHIN), None);
}

#[test]
fn everything_typed_is_seen() {
    require!("Xvfb");
    let mut desk = Desk::open(Behaviour::default());
    desk.click(1);
    desk.hand.type_plainly("stray 1");
    desk.hand.chord(&[key::CTRL, 'a'.into()]);
    desk.hand.chord(&[key::SHIFT, 'b'.into()]);
    desk.hand.chord(&[key::SHIFT, key::RETURN]);
    desk.hand.chord(&[key::SHIFT, key::INSERT]);
    let (submissions, unsent) = desk.windows.settle();
    assert_eq!(submissions, []);
    assert_eq!(unsent[&1].text, "stray 1<C-a>B\n<0xff63>");
    desk.hand.chord(&[key::RETURN]);
    desk.hand.chord(&[key::RETURN]);
    assert_eq!(desk.settled_texts(), [(1, "stray 1<C-a>B\n<0xff63>".to_owned()), (1, String::new())]);
}

#[test]
fn a_patient_window_holds_return_back_and_an_impatient_one_does_not() {
    require!("Xvfb");
    for waiting in [Waiting::Patient, Waiting::Impatient] {
        let mut desk = Desk::open(Behaviour { waiting, ..Behaviour::default() });
        let owner = desk.own("late", Answer::WhenTold);
        desk.click(0);
        desk.hand.chord(&[key::CTRL, key::V]);
        desk.hand.chord(&[key::RETURN]);
        let (submissions, unsent) = desk.windows.settle();
        let submitted: Vec<_> = submissions.into_iter().map(|submission| submission.text).collect();
        assert!(unsent[&0].pasting, "{waiting:?}");
        owner.tell();
        match waiting {
            Waiting::Patient => {
                assert_eq!(submitted, [""; 0]);
                assert_eq!(desk.texts(1), ["late"]);
            }
            Waiting::Impatient => {
                assert_eq!(submitted, [""]);
                until(READY_WITHIN, "the late text stands unsent", || {
                    desk.windows.settle().1.get(&0).is_some_and(|draft| draft.text == "late")
                });
            }
        }
    }
}

#[test]
fn a_deaf_window_never_asks_and_a_curious_one_asks_often() {
    require!("Xvfb");
    let mut deaf = Desk::open(Behaviour { fetch: Fetch::Never, ..Behaviour::default() });
    let owner = deaf.own("unheard", Answer::Whole);
    deaf.click(0);
    deaf.hand.chord(&[key::CTRL, key::V]);
    assert_eq!(deaf.settled_texts(), []);
    assert!(owner.served().is_empty());

    let curious = Desk::open(Behaviour { target_requests: 15, text_requests: 2, ..Behaviour::default() });
    let owner = curious.own("asked twice", Answer::Whole);
    curious.click(0);
    curious.hand.chord(&[key::CTRL, key::V]);
    curious.hand.chord(&[key::RETURN]);
    assert_eq!(curious.texts(1), ["asked twice"]);
    assert!(owner.wait_served(READY_WITHIN).is_some() && owner.wait_served(READY_WITHIN).is_some());
    assert!(owner.served().is_empty());
}

#[test]
fn a_window_that_misses_the_arrival_wakes_up_when_the_pointer_moves() {
    require!("Xvfb");
    let mut desk = Desk::open(Behaviour { misses_arrival: true, ..Behaviour::default() });
    let owner = desk.own("missed", Answer::Whole);
    desk.click(0);
    desk.hand.chord(&[key::CTRL, key::V]);
    let asked = owner.wait_served(READY_WITHIN);
    assert_eq!(asked, Some(desk.windows.windows()[0].id));
    let (_, unsent) = desk.windows.settle();
    assert!(unsent[&0].pasting && unsent[&0].text.is_empty(), "{unsent:?}");
    let (x, y) = desk.windows.windows()[0].centre();
    desk.hand.move_to((x + 1, y));
    until(READY_WITHIN, "the text is there", || desk.windows.settle().1[&0].text == "missed");
}

#[test]
fn a_window_that_another_client_closes_in_the_middle_of_a_paste_does_not_take_the_others_along() {
    require!("Xvfb");
    let mut desk = Desk::open(Behaviour { misses_arrival: true, ..Behaviour::default() });
    let owner = desk.own("too late", Answer::Whole);
    desk.click(0);
    desk.hand.chord(&[key::CTRL, key::V]);
    assert!(owner.wait_served(READY_WITHIN).is_some());
    // Its end is the event at which the answer is noticed.
    let stranger = desk.server.connect();
    let gone = stranger.destroy_window(desk.windows.windows()[0].id).expect("request");
    gone.check().expect("the window was there");
    assert_eq!(desk.settled_texts(), []);
    desk.click(1);
    desk.hand.type_plainly("still here");
    desk.hand.chord(&[key::RETURN]);
    assert_eq!(desk.texts(1), ["still here"]);
}

#[test]
fn an_owner_that_hangs_leaves_the_window_waiting() {
    require!("Xvfb");
    let mut desk = Desk::open(Behaviour::default());
    let _owner = desk.own("never told", Answer::Never);
    desk.click(3);
    desk.hand.chord(&[key::CTRL, key::V]);
    desk.hand.chord(&[key::RETURN]);
    let (submissions, unsent) = desk.windows.settle();
    assert_eq!(submissions, []);
    assert!(unsent[&3].pasting);
}

#[test]
fn terminals_paste_with_other_keys() {
    require!("Xvfb");
    let desk = Desk::open(Behaviour { paste_key: PasteKey::ShiftInsert, ..Behaviour::default() });
    let _owner = ClipboardOwner::own(desk.server.display(), Selection::Primary, "marked", Answer::Whole);
    desk.click(0);
    desk.hand.chord(&[key::SHIFT, key::INSERT]);
    desk.hand.chord(&[key::RETURN]);
    assert_eq!(desk.texts(1), ["marked"]);
}

#[test]
fn a_focus_that_nobody_has_is_theirs_from_the_start() {
    require!("Xvfb");
    let desk = Desk::open(Behaviour::default());
    let first = desk.windows.windows()[0].id;
    assert_eq!(desk.hand.focus(), first);
    let _later = AgentWindowsProcess::start(desk.server.display(), &Options::default());
    assert_eq!(desk.hand.focus(), first);
    let following = Desk::open(Behaviour { focus_on_click: false, ..Behaviour::default() });
    assert_eq!(following.hand.focus(), u32::from(InputFocus::POINTER_ROOT));
}

#[test]
fn windows_of_one_client_share_its_connection_and_a_closed_one_is_gone() {
    require!("Xvfb");
    let mut desk = Desk::open_with(&Options { windows_per_client: 2, ..Options::default() });
    let ids: Vec<u32> = desk.windows.windows().iter().map(|window| window.id).collect();
    let titles: Vec<&str> = desk.windows.windows().iter().map(|window| window.title.as_str()).collect();
    assert_eq!(titles, ["Agent-1", "Agent-2", "Agent-3", "Agent-4"]);
    let connection = desk.server.connect();
    let mask = x11rb::connection::Connection::setup(&connection).resource_id_mask;
    assert_eq!(ids[0] & !mask, ids[1] & !mask);
    assert_ne!(ids[1] & !mask, ids[2] & !mask);
    let exists = |id: u32| {
        use x11rb::protocol::xproto::ConnectionExt as _;
        connection.get_window_attributes(id).expect("request").reply().is_ok()
    };
    desk.windows.close(1);
    assert!(exists(ids[0]) && !exists(ids[1]));
    desk.click(0);
    desk.hand.type_plainly("x");
    desk.hand.chord(&[key::RETURN]);
    assert_eq!(desk.settled_texts(), [(0, "x".to_owned())]);
    desk.windows.quit();
    // The process is dead; that its connection has ended, the server may not have noticed yet.
    until(READY_WITHIN, "its windows are gone", || !exists(ids[0]));
}

#[test]
fn a_window_manager_may_place_and_focus_the_windows() {
    require!("Xvfb", "openbox");
    let server = Xvfb::start();
    let manager = Openbox::start(server.display());
    let behaviour = Behaviour { focus_on_click: false, ..Behaviour::default() };
    let options = Options { managed: true, behaviour, ..Options::default() };
    let windows = AgentWindowsProcess::start(server.display(), &options);
    let mut desk = Desk { windows, hand: Hand::on(server.display()), server };
    for index in [3, 0, 1] {
        desk.click(index);
        desk.hand.type_plainly("typed");
        desk.hand.chord(&[key::RETURN]);
    }
    let typed = "typed".to_owned();
    let mut texts = desk.settled_texts();
    texts.sort();
    assert_eq!(texts, [(0, typed.clone()), (1, typed.clone()), (3, typed)]);
    drop(manager);
}

#[test]
fn a_slow_window_does_everything_late() {
    require!("Xvfb");
    let desk = Desk::open(Behaviour { delay_ms: 20, ..Behaviour::default() });
    let began = std::time::Instant::now();
    desk.click(0);
    desk.hand.type_plainly("ab");
    desk.hand.chord(&[key::RETURN]);
    assert_eq!(desk.texts(1), ["ab"]);
    assert!(began.elapsed() >= Duration::from_millis(80), "{:?}", began.elapsed());
}
