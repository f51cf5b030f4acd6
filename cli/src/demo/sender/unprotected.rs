//! The seed's sequence before it had a lock: move, click, copy, Ctrl+V, Enter, each when the last one has been asked for,
//! whoever else is at it.
//!
//! It types into whatever has the focus, so it must never reach a desktop that somebody uses. Hands that do so are made for
//! two things only: the simulated desktop, which has no others' windows, and a [`PrivateDisplay`], which is proven to be
//! an X server that a demo started for itself.

use std::{thread, time::Duration};

use deliver::{desktop::Chord, simulated::Raw};
use lock_core::Moment;

use super::{say, wait_for_the_end, wait_for_the_word};
use crate::{
    demo::{
        plan::{Playground, Said},
        scenario::Planned,
    },
    error::{CommandError, ErrorKind},
};

/// PyAutoGUI's default pause after each of its calls.
const PAUSE: Duration = Duration::from_millis(100);

/// Mouse, keyboard and clipboard, asked without looking.
trait Hands {
    fn move_to(&mut self, point: (i32, i32)) -> Result<(), CommandError>;
    fn click(&mut self) -> Result<(), CommandError>;
    fn copy(&mut self, text: &str) -> Result<(), CommandError>;
    fn paste(&mut self) -> Result<(), CommandError>;
    fn enter(&mut self) -> Result<(), CommandError>;
}

/// Sends all messages, and stays until the demo ends: the clipboard of its last paste is its own.
pub(super) fn send(playground: &Playground, points: &[(i32, i32)], messages: &[Planned]) -> Result<(), CommandError> {
    let mut hands = hands(playground)?;
    if !wait_for_the_word()? {
        return Ok(());
    }
    // Whoever waits for the word and for the end hears when the demo has gone: then this process must go too.
    thread::spawn(|| {
        wait_for_the_end();
        std::process::exit(0);
    });
    for message in messages {
        let point = *points.get(message.window).ok_or_else(|| CommandError::usage("no such window"))?;
        let asked_ns = Moment::now().since_boot_ns();
        let problem = type_it(hands.as_mut(), point, &message.text).err().map(|error| error.message);
        say(&Said::Message { number: message.number, asked_ns, ticket: None, problem })?;
    }
    say(&Said::Done)?;
    loop {
        thread::park();
    }
}

/// PyAutoGUI pauses after each call of its own; pyperclip's copy is none of them.
fn type_it(hands: &mut dyn Hands, point: (i32, i32), text: &str) -> Result<(), CommandError> {
    hands.move_to(point)?;
    thread::sleep(PAUSE);
    hands.click()?;
    thread::sleep(PAUSE);
    hands.copy(text)?;
    hands.paste()?;
    thread::sleep(PAUSE);
    hands.enter()?;
    thread::sleep(PAUSE);
    Ok(())
}

fn hands(playground: &Playground) -> Result<Box<dyn Hands>, CommandError> {
    match playground {
        Playground::Simulated(address) => {
            let address = address.parse().map_err(|error| failed(&error))?;
            Ok(Box::new(Raw::connect(&address).map_err(|error| failed(&error))?))
        }
        #[cfg(target_os = "linux")]
        Playground::Xvfb(secret) => {
            let display = crate::demo::private_display::PrivateDisplay::prove(secret)?;
            Ok(Box::new(xvfb::XvfbHands::new(&display)?))
        }
        #[cfg(not(target_os = "linux"))]
        Playground::Xvfb(_) => Err(CommandError::usage("there is no private display on this system")),
    }
}

fn failed(error: &dyn std::error::Error) -> CommandError {
    CommandError::chain(ErrorKind::Backend, error)
}

impl Hands for Raw {
    fn move_to(&mut self, (x, y): (i32, i32)) -> Result<(), CommandError> {
        Self::move_to(self, x, y).map_err(|error| failed(&error))
    }

    fn click(&mut self) -> Result<(), CommandError> {
        Self::click(self).map_err(|error| failed(&error))
    }

    fn copy(&mut self, text: &str) -> Result<(), CommandError> {
        Self::copy(self, text).map_err(|error| failed(&error))
    }

    fn paste(&mut self) -> Result<(), CommandError> {
        let chord = Chord { ctrl: true, shift: false, alt: false, key: "v".to_owned() };
        self.chord(&chord).map_err(|error| failed(&error))
    }

    fn enter(&mut self) -> Result<(), CommandError> {
        let chord = Chord { ctrl: false, shift: false, alt: false, key: "return".to_owned() };
        self.chord(&chord).map_err(|error| failed(&error))
    }
}

/// enigo and arboard, as a Rust program would do what the seed does.
#[cfg(target_os = "linux")]
mod xvfb {
    use arboard::Clipboard;
    use enigo::{Button, Coordinate, Direction, Enigo, Key, Keyboard, Mouse, Settings};

    use super::{CommandError, Hands, failed};
    use crate::demo::private_display::PrivateDisplay;

    pub(super) struct XvfbHands {
        enigo: Enigo,
        clipboard: Clipboard,
    }

    impl XvfbHands {
        /// The display is the one of the environment, which the proof was about.
        pub(super) fn new(display: &PrivateDisplay) -> Result<Self, CommandError> {
            let settings = Settings {
                x11_display: Some(display.name().to_owned()),
                // enigo's own pauses come on top of the seed's otherwise.
                linux_delay: 0,
                ..Settings::default()
            };
            let enigo = Enigo::new(&settings).map_err(|error| failed(&error))?;
            Ok(Self { enigo, clipboard: Clipboard::new().map_err(|error| failed(&error))? })
        }
    }

    impl Hands for XvfbHands {
        fn move_to(&mut self, (x, y): (i32, i32)) -> Result<(), CommandError> {
            self.enigo.move_mouse(x, y, Coordinate::Abs).map_err(|error| failed(&error))
        }

        fn click(&mut self) -> Result<(), CommandError> {
            self.enigo.button(Button::Left, Direction::Click).map_err(|error| failed(&error))
        }

        fn copy(&mut self, text: &str) -> Result<(), CommandError> {
            self.clipboard.set_text(text).map_err(|error| failed(&error))
        }

        fn paste(&mut self) -> Result<(), CommandError> {
            let keys = [
                (Key::Control, Direction::Press),
                (Key::Unicode('v'), Direction::Click),
                (Key::Control, Direction::Release),
            ];
            keys.into_iter().try_for_each(|(key, how)| self.enigo.key(key, how)).map_err(|error| failed(&error))
        }

        fn enter(&mut self) -> Result<(), CommandError> {
            self.enigo.key(Key::Return, Direction::Click).map_err(|error| failed(&error))
        }
    }
}
