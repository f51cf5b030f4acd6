//! The Redis backend of the lock contract. It is not built yet; `talkstick` answers `--backend redis` with the list of what is.
