//! Servers that are too old. None of them is at hand, so a server of this test's own says to the true client what such a one
//! would: its answers are those of Redis 6.0.16 and 5.0.14 to what clients send first.

use std::{
    io::{self, BufRead, BufReader, Write as _},
    net::{TcpListener, TcpStream},
};

use lock_redis::RedisConfig;

use crate::refused;

/// What 6.0.16 says to HELLO 3: it speaks RESP3.
const HELLO_OF_6_0: &str = "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n6.0.16\r\n$5\r\nproto\r\n:3\r\n\
    $2\r\nid\r\n:5\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
/// What 5.0.14 says to it: the command came with 6.0.
const HELLO_OF_5_0: &str = "-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n";
/// Both, to CLIENT SETINFO, which came with 7.2.
const NO_SETINFO: &str = "-ERR Unknown subcommand or wrong number of arguments for 'SETINFO'. Try CLIENT HELP.\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_too_old() {
    refused(serve(HELLO_OF_6_0), &["redis://127.0.0.1:", "runs version 6.0.16", "at least 6.2 is needed", "update"])
        .await;
    refused(serve(HELLO_OF_5_0), &["redis://127.0.0.1:", "runs version below 6", "at least 6.2 is needed", "update"])
        .await;
}

/// A server for as long as the test's process runs, and how to reach it.
fn serve(hello: &'static str) -> RedisConfig {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // It ends with the client, whatever ends that.
            std::thread::spawn(move || stream.and_then(|stream| answer(stream, hello)));
        }
    });
    RedisConfig::parse(&format!("redis://127.0.0.1:{port}")).unwrap()
}

/// Answers one command after the other until the client hangs up.
fn answer(stream: TcpStream, hello: &str) -> io::Result<()> {
    let mut from = BufReader::new(stream.try_clone()?);
    let mut to = stream;
    loop {
        let words = command(&mut from)?;
        let said = match words.first().map(|word| word.to_ascii_uppercase()).as_deref() {
            Some("HELLO") => hello,
            Some("CLIENT") => NO_SETINFO,
            Some(_) => "-ERR not asked of a server that is too old\r\n",
            None => return Ok(()),
        };
        to.write_all(said.as_bytes())?;
    }
}

/// The words of one command; none at the end.
fn command(from: &mut impl BufRead) -> io::Result<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..number(from, '*')? {
        let length = number(from, '$')?;
        let mut bytes = vec![0; length + 2];
        from.read_exact(&mut bytes)?;
        words.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
    }
    Ok(words)
}

/// The number on a line behind this sign; 0 at the end.
fn number(from: &mut impl BufRead, sign: char) -> io::Result<usize> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let digits = line.trim_end().strip_prefix(sign).unwrap_or("0");
    digits.parse().map_err(io::Error::other)
}
