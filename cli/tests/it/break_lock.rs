//! `break_lock`.
