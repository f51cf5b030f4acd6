//! Targets that are slow, that do not fetch, and texts that are huge.

use deliver::agent_windows::{Behaviour, Fetch, Options};

use super::{bout::Bout, focus::send_in_turn, verdict::Tally};

/// The target asks for the text 3 s after the paste key.
pub(crate) fn slow(bout: Bout) -> Tally {
    let behaviour = Behaviour { fetch: Fetch::AfterMs(3000), ..Behaviour::default() };
    let mut arena = bout.arena(&Options { count: 2, behaviour, ..Options::default() });
    send_in_turn(&mut arena, bout.deliveries);
    arena.verdict()
}

/// The target never asks for it.
pub(crate) fn deaf(bout: Bout) -> Tally {
    let behaviour = Behaviour { fetch: Fetch::Never, ..Behaviour::default() };
    let mut arena = bout.impatient_arena(&Options { count: 2, behaviour, ..Options::default() });
    send_in_turn(&mut arena, bout.deliveries);
    assert!(arena.sent().iter().all(|sent| sent.exit == 5), "claimed without a fetch");
    arena.verdict()
}

/// The text has a mebibyte: it goes over in pieces (INCR).
pub(crate) fn huge(bout: Bout) -> Tally {
    let options = Options { count: 2, ..Options::default() };
    let mut arena = bout.arena_with(&options, |places| format!("[message]\nbytes_max = 2097152\n{places}"));
    arena.body = "0123456789abcde\n".repeat(64 * 1024 - 1) + "the end";
    send_in_turn(&mut arena, bout.deliveries);
    arena.verdict()
}
