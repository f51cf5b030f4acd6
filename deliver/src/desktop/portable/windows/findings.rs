//! What `doctor` tells of this session: its desktop, our rights, its screens.

use super::{
    super::Finding,
    screens::{RealPixels, VirtualDesktop},
    session,
};

/// For `doctor`.
pub(in crate::desktop::portable) fn findings() -> Vec<Finding> {
    let _pixels = RealPixels::on_this_thread();
    let desktop = match session::input_desktop() {
        Ok(name) if name == session::ORDINARY => Finding { name: "input desktop", seen: name, advice: None },
        Ok(name) => {
            let advice = Some("close the screen lock or the secure prompt");
            Finding { name: "input desktop", seen: format!("{name} has the input"), advice }
        }
        Err(error) => {
            let advice = Some("start this in an unlocked session of a user, not as a service");
            Finding { name: "input desktop", seen: error.to_string(), advice }
        }
    };
    let rights = match session::own_integrity() {
        Ok(level) => {
            let seen = format!("integrity {level:#x}; windows of programs with a higher one drop our keys (UIPI)");
            Finding { name: "rights", seen, advice: None }
        }
        Err(error) => {
            let advice = Some("without it, windows that drop our keys (UIPI) cannot be told from others");
            Finding { name: "rights", seen: error.to_string(), advice }
        }
    };
    let screens = Finding { name: "screens", seen: VirtualDesktop::now().to_string(), advice: None };
    vec![desktop, rights, screens]
}
