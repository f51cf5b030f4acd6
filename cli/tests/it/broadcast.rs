//! `broadcast`.
