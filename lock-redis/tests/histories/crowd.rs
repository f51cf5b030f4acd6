//! Many senders, and what they have said.

use std::{process::Command, time::Duration};

use lock_core::Moment;
use tests::{
    probe::{READY_WITHIN, until},
    process::Process,
};

use crate::{
    history::{Excuses, Span, Turn, Violation, violations},
    sender::{self, ANSWER_WITHIN},
};

/// How long a crowd may take to come to its end.
pub(crate) const END_WITHIN: Duration = Duration::from_secs(90);

/// How to start one of them.
pub(crate) struct Recipe {
    /// What runs it where it is to run, such as `ip netns exec NAME`; may be empty.
    pub(crate) within: Vec<String>,
    pub(crate) url: String,
    pub(crate) turns: u64,
    pub(crate) ttl: Duration,
    /// The longest of its turns.
    pub(crate) longest: Duration,
    pub(crate) seed: u64,
    /// One of its turns is special: the variable of [`sender`] that says how, and which one.
    pub(crate) special: Option<(&'static str, u64)>,
}

/// A sender and what it has said so far.
pub(crate) struct Member {
    pub(crate) process: Process,
    pub(crate) killed: bool,
    pub(crate) turns: Vec<Turn>,
    /// What its wall clock showed at the ends of its turns, in microseconds since 1970.
    pub(crate) wall_us: Vec<u64>,
    stalls: Vec<Span>,
    done: bool,
}

/// All of them.
pub(crate) struct Crowd {
    pub(crate) members: Vec<Member>,
}

impl Crowd {
    /// Starts them; they begin when told.
    pub(crate) fn gather(recipes: &[Recipe]) -> Self {
        let members: Vec<Member> = recipes.iter().map(Member::start).collect();
        for member in &members {
            member.process.expect_line("that it is ready", |line| (line == "READY").then_some(()));
        }
        Self { members }
    }

    /// All begin but `first`, which has begun already.
    pub(crate) fn begin(&mut self, first: Option<usize>) {
        let all = self.members.iter_mut().enumerate().filter(|(number, _)| Some(*number) != first);
        all.for_each(|(_, member)| member.process.say("begin"));
    }

    /// Reads what they have said meanwhile.
    pub(crate) fn listen(&mut self) {
        for (number, member) in self.members.iter_mut().enumerate() {
            while let Some(line) = member.process.line(Duration::ZERO) {
                member.hear(number, &line);
            }
        }
    }

    /// Waits until what they have said is as `question` wants it.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, question: impl Fn(&[Member]) -> bool) {
        until(READY_WITHIN, what, || {
            self.listen();
            question(&self.members)
        });
    }

    /// Waits until all that were not killed have had their turns.
    pub(crate) fn until_all_have_ended(&mut self) {
        let deadline = Moment::now() + END_WITHIN;
        for (number, member) in self.members.iter_mut().enumerate() {
            while let Some(line) = member.process.line(deadline.remaining()) {
                member.hear(number, &line);
            }
            assert!(member.killed || member.done, "sender {number} did not end: {}", member.process.said());
        }
    }

    pub(crate) fn turns(&self) -> Vec<Turn> {
        self.members.iter().flat_map(|member| member.turns.iter().copied()).collect()
    }

    /// What the history shows that nothing excuses. A sender that did not run, or could not ask, was silent, whoever kept it
    /// from that.
    pub(crate) fn violations(&self, mut excuses: Excuses) -> Vec<Violation> {
        for (number, member) in self.members.iter().enumerate() {
            excuses.silences.extend(member.stalls.iter().map(|stall| (number, *stall)));
        }
        violations(&self.turns(), &excuses)
    }
}

impl Member {
    fn start(recipe: &Recipe) -> Self {
        let this = std::env::current_exe().unwrap();
        let mut command = match recipe.within.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(this);
                command
            }
            None => Command::new(this),
        };
        command.args(["--exact", "sender::sender", "--nocapture", "--test-threads=1"]);
        command.env(sender::URL, &recipe.url).env(sender::SEED, recipe.seed.to_string());
        command.env(sender::TTL, recipe.ttl.as_millis().to_string());
        command.env(sender::LONGEST, recipe.longest.as_millis().to_string());
        command.env(sender::TURNS, recipe.turns.to_string());
        if let Some((how, which)) = recipe.special {
            command.env(how, which.to_string());
        }
        let process = Process::start(command);
        Self { process, killed: false, turns: Vec::new(), wall_us: Vec::new(), stalls: Vec::new(), done: false }
    }

    fn hear(&mut self, sender: usize, line: &str) {
        let mut words = line.split(' ');
        let word = words.next();
        // A process that was killed may have been in the middle of a line; what it had said before counts.
        let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        let moment = Moment::from_since_boot_ns;
        match (word, &numbers[..]) {
            (Some("GRANTED"), &[class, ticket, token, asked, since]) => self.turns.push(Turn {
                sender,
                class: u8::try_from(class).unwrap(),
                ticket,
                token,
                asked: moment(asked),
                since: moment(since),
                until: moment(since),
            }),
            (Some("HELD"), &[now]) => {
                let turn = self.turns.last_mut().unwrap();
                turn.until = turn.until.max(moment(now));
            }
            (Some("STALL"), &[from, to]) => self.stalls.push(Span { from: moment(from), to: moment(to) }),
            (Some("AWAY"), &[now]) => {
                let asked = Moment::from_since_boot_ns(now - u64::try_from(ANSWER_WITHIN.as_nanos()).unwrap());
                self.stalls.push(Span { from: asked, to: moment(now) });
            }
            (Some("WALL"), &[us]) => self.wall_us.push(us),
            (Some("DONE"), _) => self.done = true,
            _ => {}
        }
    }
}
