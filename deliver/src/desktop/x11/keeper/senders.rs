//! Who is connected to the keeper, and what they say.

use std::os::unix::net::UnixStream;

use super::{
    frame::{FromKeeper, ToKeeper, VERSION},
    peer::{Hangup, Peer, Said},
    server::Keeper,
};
use crate::desktop::{Refusal, Selection};

/// Connected senders. A whole swarm fits; more is somebody who opens connections for their own sake.
const PEERS_MAX: usize = 256;

impl Keeper {
    pub(super) fn accept(&mut self) {
        while let Ok((socket, _)) = self.listener.accept() {
            self.admit(socket);
        }
    }

    fn admit(&mut self, socket: UnixStream) {
        self.peers_so_far += 1;
        match Peer::accept(socket, self.peers_so_far) {
            Ok(peer) if self.peers.len() < PEERS_MAX => self.peers.push(peer),
            Ok(_) => tracing::warn!("too many senders: one is turned away"),
            Err(Hangup(why)) => tracing::warn!(why, "a connection is refused"),
        }
    }

    pub(super) fn hear(&mut self, number: u64) -> Result<(), Refusal> {
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.number == number) else { return Ok(()) };
        match peer.flush().and_then(|()| peer.hear()) {
            Ok(said) => said.into_iter().try_for_each(|said| self.answer(number, said)),
            Err(Hangup(why)) => {
                tracing::debug!(why, "a sender's connection ends");
                self.hung_up.push(number);
                Ok(())
            }
        }
    }

    fn answer(&mut self, number: u64, said: Said) -> Result<(), Refusal> {
        let answer = match said {
            Said::Hello(watched) => {
                if let Err(error) = self.watchdog.watch(watched) {
                    // Unwatched, it does not grab: its wait for the watchdog's word ends with this connection.
                    tracing::error!(%error, "a sender cannot be watched");
                    self.hung_up.push(number);
                    return Ok(());
                }
                FromKeeper::Welcome { version: VERSION, window: self.window, nonce: self.nonce }
            }
            Said::Message(ToKeeper::Offer { offer, selection, text, after, client }) => {
                self.set_in_line(number, true);
                self.leave_readings(number)?;
                let at = usize::from(selection == Selection::Primary);
                let answer = self.offer(at, number, offer, &text, (after, client))?;
                self.tell(number, &answer);
                return self.make_firm(at);
            }
            Said::Message(ToKeeper::Restore) => {
                self.set_in_line(number, false);
                self.leave_readings(number)?;
                self.restore(number)
            }
        };
        self.tell(number, &answer);
        Ok(())
    }

    fn set_in_line(&mut self, number: u64, in_line: bool) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.number == number) {
            peer.in_line = in_line;
        }
    }

    /// Tells a sender something, if it is still there.
    pub(super) fn tell(&mut self, number: u64, message: &FromKeeper) {
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.number == number) else { return };
        if let Err(Hangup(why)) = peer.tell(message) {
            tracing::debug!(why, "a sender cannot be told");
            self.hung_up.push(number);
        }
    }

    pub(super) fn let_go(&mut self) -> Result<(), Refusal> {
        for number in std::mem::take(&mut self.hung_up) {
            self.peers.retain(|peer| peer.number != number);
            self.leave_readings(number)?;
            self.orphan(number);
        }
        Ok(())
    }
}
