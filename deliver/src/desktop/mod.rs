//! The desktop surface: one pointer, one focus, one clipboard, and the protocol that uses them safely.

mod driver;
mod place;
pub mod portable;
pub mod protocol;
mod refusal;
mod surface;
pub(crate) mod unsent;
#[cfg(unix)]
pub mod x11;

pub use driver::{Bound, Desktop, FetchRule, Fetched, InputBox, Sight};
pub use place::{BadChord, Chord, Place, Selection, WindowIdentity};
pub use refusal::{Hindrance, Refusal, Step};
pub use surface::DesktopSurface;
pub use unsent::Unsent;
