//! The demo's child processes: what they say and that they end, in one stream with the user's wish to stop.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use lock_core::Moment;

use super::{error::DemoError, interrupt};

/// How long a child may take to end by itself after the end of its stdin.
const END_WITHIN: Duration = Duration::from_secs(3);
/// How much of what a child says on stderr is kept for errors.
const LAST_WORDS_BYTES: usize = 2048;

/// Tells children apart.
pub(crate) type ChildId = usize;

/// What happens in one of them.
#[derive(Debug)]
enum Event {
    /// It said a line.
    Line(ChildId, String),
    /// Its stdout ended, and so, as good as, did it.
    Ended(ChildId),
    /// The user wants the demo to end: the signal's number.
    Interrupted(u8),
}

/// Where all children are started and heard.
#[derive(Debug)]
pub(crate) struct Backstage {
    events: Receiver<Event>,
    to_events: Sender<Event>,
    children: usize,
    /// What was heard of those who were not listened to at the time.
    kept: VecDeque<Event>,
}

/// A child process. It ends when this is dropped, and by the end of its stdin when this process is killed.
#[derive(Debug)]
pub(crate) struct Player {
    id: ChildId,
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    last_words: Arc<Mutex<Vec<u8>>>,
}

impl Backstage {
    /// An empty one. From now on INT and TERM do not end this process, but every wait here.
    pub(crate) fn open() -> Result<Self, DemoError> {
        let (to_events, events) = channel();
        let to_demo = to_events.clone();
        // A demo that has ended needs no more interrupting.
        interrupt::on_signal(move |signal| drop(to_demo.send(Event::Interrupted(signal))))
            .map_err(|source| DemoError::System { what: "listen for signals", source })?;
        Ok(Self { events, to_events, children: 0, kept: VecDeque::new() })
    }

    /// The signal that has come, if one has. For as long as there are no children.
    pub(crate) fn interrupted(&self) -> Option<u8> {
        self.events.try_iter().find_map(|event| match event {
            Event::Interrupted(signal) => Some(signal),
            Event::Line(..) | Event::Ended(_) => None,
        })
    }

    /// Starts a child. `name` is for errors.
    pub(crate) fn start(&mut self, name: impl Into<String>, command: &mut Command) -> Result<Player, DemoError> {
        let (name, id) = (name.into(), self.children);
        self.children += 1;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        apart_from_terminal(command);
        let mut child = command.spawn().map_err(|source| DemoError::Start { name: name.clone(), source })?;
        let (stdout, stderr, stdin) = (child.stdout.take(), child.stderr.take(), child.stdin.take());
        let player = Player { id, name, child, stdin, last_words: Arc::default() };
        let (events, words) = (self.to_events.clone(), Arc::clone(&player.last_words));
        // Pipes that are not there have nothing to say.
        spawn(move || stdout.into_iter().for_each(|stdout| hear(stdout, id, &events)))?;
        spawn(move || stderr.into_iter().for_each(|stderr| keep_last_words(stderr, &words)))?;
        Ok(player)
    }

    /// The next line of one of `players`; `None` when none comes until `until`.
    ///
    /// # Errors
    /// One of them ended, or the user wants to stop.
    pub(crate) fn line(&mut self, players: &[&Player], until: Moment) -> Result<Option<(ChildId, String)>, DemoError> {
        let speaker = |event: &Event| match event {
            Event::Line(id, _) | Event::Ended(id) => players.iter().find(|player| player.id == *id),
            Event::Interrupted(_) => None,
        };
        let kept = self.kept.iter().position(|event| speaker(event).is_some());
        let mut next = kept.and_then(|at| self.kept.remove(at));
        loop {
            let event = match next.take() {
                Some(event) => event,
                None => match self.events.recv_timeout(until.remaining()) {
                    Ok(event) => event,
                    // It cannot be disconnected while this end of it is kept for new children.
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(None),
                },
            };
            match (speaker(&event), event) {
                (_, Event::Interrupted(signal)) => return Err(DemoError::Interrupted(signal)),
                (Some(player), Event::Line(_, line)) => return Ok(Some((player.id, line))),
                (Some(player), Event::Ended(_)) => return Err(player.has_ended()),
                (None, of_another) => self.kept.push_back(of_another),
            }
        }
    }
}

impl Player {
    pub(crate) const fn id(&self) -> ChildId {
        self.id
    }

    /// Says a line to it.
    pub(crate) fn tell(&mut self, line: &str) -> Result<(), DemoError> {
        let told = match &mut self.stdin {
            Some(stdin) => writeln!(stdin, "{line}").and_then(|()| stdin.flush()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        told.map_err(|_| self.has_ended())
    }

    /// Asks it to end, by the end of its stdin; does not wait.
    pub(crate) fn dismiss(&mut self) {
        self.stdin = None;
    }

    /// The error that it is gone, with what it said last.
    pub(crate) fn has_ended(&self) -> DemoError {
        let words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        DemoError::Ended { name: self.name.clone(), last_words: String::from_utf8_lossy(&words).trim().to_owned() }
    }

    /// Waits until it has ended; `false` when it still runs after `within`.
    fn await_end(&mut self, within: Duration) -> bool {
        let until = Moment::now() + within;
        while matches!(self.child.try_wait(), Ok(None)) {
            if until.is_past() {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Asks it to end by SIGTERM: for programs that do not look at their stdin and leave files when they are killed.
    #[cfg(target_os = "linux")]
    pub(crate) fn terminate(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw)
            && matches!(self.child.try_wait(), Ok(None))
            && let Err(error) = rustix::process::kill_process(pid, rustix::process::Signal::TERM)
        {
            tracing::debug!(%error, name = self.name, "cannot be asked to end");
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.dismiss();
        if !self.await_end(END_WITHIN) {
            tracing::warn!(name = self.name, "does not end by itself and is killed");
            let killed = self.child.kill().and_then(|()| self.child.wait());
            if let Err(error) = killed {
                tracing::warn!(%error, name = self.name, "cannot be killed");
            }
        }
    }
}

/// Ctrl-C at the terminal is for the demo alone, which then ends its children in order.
pub(crate) fn apart_from_terminal(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), DemoError> {
    let spawned = thread::Builder::new().name("demo-listener".to_owned()).spawn(work);
    spawned.map(drop).map_err(|source| DemoError::System { what: "start a thread", source })
}

fn hear(stdout: impl Read, id: ChildId, events: &Sender<Event>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if events.send(Event::Line(id, line)).is_err() {
            return;
        }
    }
    // Nobody is left to hear it when the demo is over.
    let _over = events.send(Event::Ended(id));
}

fn keep_last_words(mut stderr: impl Read, words: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 512];
    while let Ok(read @ 1..) = stderr.read(&mut chunk) {
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend_from_slice(&chunk[..read]);
        let excess = words.len().saturating_sub(LAST_WORDS_BYTES);
        words.drain(..excess);
    }
}
