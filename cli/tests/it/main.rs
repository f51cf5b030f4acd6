//! The program, as its users run it.

mod run_fixture;
mod run_foreign;
mod run_killed;
mod run_line;
mod run_nested;
mod run_signals;
mod run_status;
mod run_terminal;
mod run_waiting;
