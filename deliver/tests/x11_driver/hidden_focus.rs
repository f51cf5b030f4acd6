//! Toolkits that take the keys of a window by a hidden window inside it.

use deliver::{
    agent_windows::Behaviour,
    desktop::{Desktop as _, Place, Refusal},
};
use lock_core::Moment;
use tests::require;
use x11rb::{
    COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT, CURRENT_TIME,
    connection::Connection as _,
    protocol::xproto::{ConnectionExt as _, CreateWindowAux, InputFocus, Window, WindowClass},
    rust_connection::RustConnection,
};

use crate::desk::{Desk, guard, soon};

/// Where the application's window is, and its size.
const PLACE: (i16, i16, u16) = (100, 100, 400);

fn window(x: &RustConnection, parent: Window, (left, upper, size): (i16, i16, u16), class: WindowClass) -> Window {
    let window = x.generate_id().unwrap();
    let depth = if class == WindowClass::INPUT_ONLY { 0 } else { COPY_DEPTH_FROM_PARENT };
    let aux = CreateWindowAux::new().override_redirect(1);
    x.create_window(depth, window, parent, left, upper, size, size, 0, class, COPY_FROM_PARENT, &aux).unwrap();
    x.map_window(window).unwrap().check().unwrap();
    window
}

#[test]
fn the_focus_may_be_on_a_hidden_window_of_the_target_and_on_no_other() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    let (mut driver, guard) = (desk.driver(), guard());
    let (x, _) = RustConnection::connect(Some(desk.display())).unwrap();
    let root = x.setup().roots[0].root;
    let application = window(&x, root, PLACE, WindowClass::INPUT_OUTPUT);
    let box_under_the_point = window(&x, application, (0, 0, 200), WindowClass::INPUT_OUTPUT);
    let other_box = window(&x, application, (200, 200, 200), WindowClass::INPUT_OUTPUT);
    let hidden = window(&x, application, (-1, -1, 1), WindowClass::INPUT_ONLY);
    let hidden_in_another = window(&x, other_box, (-1, -1, 1), WindowClass::INPUT_ONLY);
    let target = driver.bind(&Place { point: Some((200, 200)), window: None }).unwrap();
    driver.click(&guard.permit(), &target).unwrap();

    for (focus, accepted) in [
        (box_under_the_point, true),
        (hidden, true),
        (application, true),
        (other_box, false),
        (hidden_in_another, false),
    ] {
        x.set_input_focus(InputFocus::POINTER_ROOT, focus, CURRENT_TIME).unwrap().check().unwrap();
        let until = if accepted { soon() } else { Moment::now() };
        match driver.await_focus(&target, until) {
            Ok(_) => assert!(accepted, "the focus on {focus:#x} was accepted"),
            Err(Refusal::FocusElsewhere { .. }) => assert!(!accepted, "the focus on {focus:#x} was refused"),
            Err(other) => panic!("{other}"),
        }
    }
}
