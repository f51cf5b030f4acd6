//! The SQLite backend of the lock contract. It is not built yet; `talkstick` answers `--backend sqlite` with the list of what is.
