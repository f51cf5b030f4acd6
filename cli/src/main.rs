//! talkstick: only the one who holds the talking stick speaks.

fn main() {
    cli::run(std::env::args_os()).exit()
}
