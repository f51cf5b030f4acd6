//! What `doctor` tells of this session: our rights, and who keeps the keyboard to itself.

use super::{super::Finding, accessibility::Permissions};

/// For `doctor`.
pub(in crate::desktop::portable) fn findings() -> Vec<Finding> {
    let Permissions { accessibility, post_events, secure_input } = Permissions::now();
    let finding = |name, fine: bool, [yes, no]: [&str; 2], advice| {
        let seen = if fine { yes } else { no }.to_owned();
        Finding { name, seen, advice: (!fine).then_some(advice) }
    };
    let settings = "allow it under Privacy & Security, Accessibility, in the System Settings";
    vec![
        finding("accessibility", accessibility, ["allowed", "not allowed"], settings),
        finding("posting events", post_events, ["allowed", "not allowed"], settings),
        finding(
            "secure input",
            !secure_input,
            ["off", "a program keeps the keyboard to itself"],
            "close the password prompt, or end the program that left it on",
        ),
    ]
}
