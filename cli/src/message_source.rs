//! Where a message's text comes from.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use deliver::{Cleaned, Message};

use crate::{
    args::{Content, show_span},
    error::{CommandError, ErrorKind},
};

/// What cleaning may take out at most: beyond the limit and this much more, nothing is read.
const CLEANED_BYTES_MAX: usize = 1024 * 1024;

/// Reads, cleans and checks the message; a writer that does not come to its end within `timeout` is not waited for.
pub(crate) fn read(content: &Content, bytes_max: usize, timeout: Duration) -> Result<(Message, Cleaned), CommandError> {
    let raw = match (&content.message, &content.message_file) {
        (Some(text), _) => text.as_encoded_bytes().to_vec(),
        (None, Some(path)) => read_within(path, bytes_max, timeout)?,
        (None, None) => return Err(CommandError::usage("there is no message")),
    };
    Message::from_bytes(&raw, bytes_max).map_err(|error| {
        let error = CommandError::chain(ErrorKind::BadMessage, &error);
        error.hint("nothing was typed")
    })
}

/// On a thread that may stay behind: opening a FIFO and reading have no deadline of their own.
fn read_within(path: &Path, bytes_max: usize, timeout: Duration) -> Result<Vec<u8>, CommandError> {
    let (tell, told) = mpsc::channel();
    let from = path.to_owned();
    thread::spawn(move || tell.send(read_path(&from, bytes_max)));
    let shown = path.display();
    match told.recv_timeout(timeout) {
        Ok(Ok(raw)) => Ok(raw),
        Ok(Err(error)) => Err(CommandError::usage(format!("cannot read the message from `{shown}`: {error}"))
            .hint("nothing was typed; correct --message-file")),
        Err(_) => {
            let within = show_span(timeout);
            Err(CommandError::usage(format!("the message from `{shown}` did not come to its end within {within}"))
                .hint("nothing was typed; end what writes it, or raise --timeout"))
        }
    }
}

fn read_path(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    match path.as_os_str() == "-" {
        true => read_some(&mut io::stdin().lock(), bytes_max),
        false => read_some(&mut File::open(path)?, bytes_max),
    }
}

fn read_some(from: &mut impl Read, bytes_max: usize) -> io::Result<Vec<u8>> {
    let limit = bytes_max.saturating_add(CLEANED_BYTES_MAX);
    let mut raw = Vec::new();
    from.take(limit as u64 + 1).read_to_end(&mut raw)?;
    match raw.len() > limit {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes"))),
        false => Ok(raw),
    }
}
