//! Where a message's text comes from.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use deliver::{Cleaned, Message};

use crate::{
    args::Content,
    error::{CommandError, ErrorKind},
};

/// What cleaning may take out at most: beyond the limit and this much more, nothing is read.
const CLEANED_BYTES_MAX: usize = 1024 * 1024;

/// Reads, cleans and checks the message.
pub(crate) fn read(content: &Content, bytes_max: usize) -> Result<(Message, Cleaned), CommandError> {
    let raw = match (&content.message, &content.message_file) {
        (Some(text), _) => text.as_encoded_bytes().to_vec(),
        (None, Some(path)) => read_path(path, bytes_max)?,
        (None, None) => return Err(CommandError::usage("there is no message")),
    };
    Message::from_bytes(&raw, bytes_max).map_err(|error| {
        let error = CommandError::chain(ErrorKind::BadMessage, &error);
        error.hint("nothing was typed")
    })
}

fn read_path(path: &Path, bytes_max: usize) -> Result<Vec<u8>, CommandError> {
    let failed = |error: io::Error| {
        CommandError::usage(format!("cannot read the message from `{}`: {error}", path.display()))
            .hint("nothing was typed; correct --message-file")
    };
    match path.as_os_str() == "-" {
        true => read_some(&mut io::stdin().lock(), bytes_max).map_err(failed),
        false => read_some(&mut File::open(path).map_err(failed)?, bytes_max).map_err(failed),
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
