//! One name for one display, however it was written.

use x11rb::reexports::x11rb_protocol::parse_display::parse_display;

/// The display's name without its screen: `:7` for `:7.1`. All screens of a display share pointer, keyboard and
/// clipboard. `None` for what names no display.
#[must_use]
pub fn display_name(display: &str) -> Option<String> {
    let parsed = parse_display(Some(display)).ok()?;
    Some(format!("{}:{}", parsed.host, parsed.display))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_display_has_one_name() {
        for same in [":7", ":7.0", ":7.1"] {
            assert_eq!(display_name(same).as_deref(), Some(":7"), "{same}");
        }
        assert_eq!(display_name("remote.example:7.0").as_deref(), Some("remote.example:7"));
        assert_eq!(display_name("no display"), None);
    }
}
