//! What `send` and `broadcast` share: from checked arguments to receipts.

use std::{collections::HashMap, sync::Arc, time::Duration};

use deliver::{
    Agent, Cleaned, Deliverer, Journal, Message, Receipt, SendError, SendOptions, State, Stop, SurfaceKind,
    desktop::{Bound, Desktop, Refusal},
};
use lock_core::{DistributedLock, Gate, Moment};

use super::agents::show_place;
use crate::{
    ExitStatus,
    args::{Delivering, Timeout, WaitLevel},
    backends,
    error::{CommandError, ErrorKind},
    gates::GuardedDesktop,
    message_source,
    settings::{Settings, without_password},
    signals, surfaces,
    ui::Ui,
    waiting::{self, Announcer},
};

/// In a line of senders each hold takes a second or more, so that a shorter wait often ends before its turn.
const TIMEOUT_SENSIBLE: Duration = Duration::from_secs(10);

/// One message on its way to some agents.
pub(crate) struct Sending<'a> {
    settings: &'a Settings,
    args: &'a Delivering,
    timeout: Duration,
    /// What reading the message took of it.
    read_in: Duration,
    message: Message,
    cleaned: Cleaned,
}

impl<'a> Sending<'a> {
    /// Reads and checks everything that can be checked without touching anything.
    pub(crate) fn prepare(args: &'a Delivering, settings: &'a Settings, ui: &mut Ui) -> Result<Self, CommandError> {
        let timeout = built_timeout(args, settings)?;
        let began = Moment::now();
        // Who does not want to wait in line waits for the message all the same.
        let reading = if timeout.is_zero() { settings.send.timeout } else { timeout };
        let (message, cleaned) = message_source::read(&args.content, settings.send.message_bytes_max, reading)?;
        if !cleaned.is_nothing() {
            ui.warn(&format!("the message was cleaned; {cleaned}"));
        }
        if timeout < TIMEOUT_SENSIBLE {
            let setting = if args.timeout.is_some() { "--timeout" } else { "send.timeout" };
            let shown = crate::args::show_span(timeout);
            ui.warn(&format!("{setting} {shown} is below 10s: in a line of senders it may end before its turn comes"));
        }
        let message = message.with_from(args.from.as_deref().unwrap_or_default());
        let read_in = began.elapsed();
        Ok(Self { settings, args, timeout, read_in, message, cleaned })
    }

    /// Says what would be done for each agent, and does nothing: the places are looked for, as a delivery would.
    pub(crate) fn dry_run(
        &self,
        agents: &[&Agent],
        ui: &mut Ui,
        mut report: impl FnMut(&Done<'_>, &mut Ui),
    ) -> Result<ExitStatus, CommandError> {
        backends::check_built(self.settings)?;
        let mut desktops = HashMap::new();
        let mut worst = ExitStatus::SUCCESS;
        for agent in agents {
            match self.look(agent, &mut desktops) {
                Ok(bound) if ui.is_json() => ui.json(&self.plan_json(agent, &bound)),
                Ok(bound) => ui.data(&self.plan_line(agent, &bound)),
                Err(refused) => {
                    let done = self.done(refused.receipt(&self.message, agent), None);
                    worst = worst.worse_of(done.status);
                    report(&done, ui);
                }
            }
        }
        Ok(worst)
    }

    /// Finds the agent's place. One connection serves all agents of a desktop.
    fn look(
        &self,
        agent: &Agent,
        desktops: &mut HashMap<SurfaceKind, Result<Box<dyn Desktop>, Refusal>>,
    ) -> Result<Bound, SendError> {
        agent.surface.check_built()?;
        if !agent.profile.multiline && self.message.text().contains('\n') {
            return Err(SendError::Newlines { agent: agent.name.clone(), profile: agent.profile.name.clone() });
        }
        let desktop = desktops.entry(agent.surface).or_insert_with(|| surfaces::connect(agent.surface, self.settings));
        let desktop = desktop.as_mut().map_err(|refusal| SendError::Surface(refusal.clone()))?;
        desktop.bind(&agent.place).map_err(SendError::Surface)
    }

    fn plan_line(&self, agent: &Agent, bound: &Bound) -> String {
        format!(
            "{}: would paste {} bytes at {}, now {} ({}, profile {}) under the lock `{}` of {}, priority {}, within {}",
            agent.name,
            self.message.text().len(),
            show_place(&agent.place),
            bound.description,
            agent.surface,
            agent.profile.name,
            GuardedDesktop::of(self.settings, agent.surface).key(),
            without_password(&self.settings.lock.backend),
            self.args.priority,
            crate::args::show_span(self.timeout),
        )
    }

    fn plan_json(&self, agent: &Agent, bound: &Bound) -> serde_json::Value {
        serde_json::json!({
            "dry_run": true,
            "agent": agent.name,
            "surface": agent.surface,
            "point": agent.place.point,
            "window": agent.place.window,
            "found": bound.description,
            "profile": agent.profile.name,
            "key": GuardedDesktop::of(self.settings, agent.surface).key(),
            "backend": without_password(&self.settings.lock.backend),
            "priority": self.args.priority,
            "timeout_ms": self.timeout.as_millis() as u64,
            "bytes": self.message.text().len(),
            "cleaned": self.cleaned,
        })
    }

    /// Sends to each agent in turn, and reports each as it is done.
    pub(crate) fn deliver(
        &self,
        agents: &[&Agent],
        ui: &mut Ui,
        mut report: impl FnMut(&Done<'_>, &mut Ui),
    ) -> Result<ExitStatus, CommandError> {
        crate::runtime::start()?.block_on(async {
            let stop = Stop::new();
            signals::stop_on_signals(&stop)?;
            let lock = backends::open(self.settings).await?;
            backends::warn_if_weak(&lock, ui.talk());
            waiting::warn_of_malformed(&self.settings.held, ui.talk());
            let options = self.options(&stop, ui);
            let announcer = Announcer::new(ui.talk());
            let mut deliverers = HashMap::new();
            let mut worst = ExitStatus::SUCCESS;
            for agent in agents {
                let deliverer = self.deliverer(&mut deliverers, agent.surface, &lock, &announcer)?;
                let done = self.deliver_one(&deliverer, agent, &options).await;
                match options.stop.requested() {
                    None => announcer.settle().await,
                    Some(_) => announcer.end(),
                }
                worst = worst.worse_of(done.status);
                report(&done, ui);
            }
            Ok(worst)
        })
    }

    fn options(&self, stop: &Stop, ui: &Ui) -> SendOptions {
        SendOptions {
            priority: self.args.priority,
            // Who waits at all does not become one who does not.
            timeout: self.timeout.saturating_sub(self.read_in).max(self.timeout.min(Duration::from_millis(1))),
            timeout_setting: "--timeout (or send.timeout)",
            ttl: self.settings.lock.ttl,
            label: self.args.from.clone().unwrap_or_default(),
            held: self.settings.held.clone(),
            // Each lock of the desktop has its own.
            observer: None,
            stop: stop.clone(),
            idle: self.settings.send.idle,
            postponed: Some(waiting::announce_postponed(ui.talk(), self.settings.send.idle)),
        }
    }

    fn deliverer(
        &self,
        open: &mut HashMap<SurfaceKind, Arc<Deliverer>>,
        kind: SurfaceKind,
        lock: &Arc<dyn DistributedLock>,
        announcer: &Announcer,
    ) -> Result<Arc<Deliverer>, CommandError> {
        if let Some(known) = open.get(&kind) {
            return Ok(Arc::clone(known));
        }
        let desktop = GuardedDesktop::of(self.settings, kind);
        let locks = desktop.locks(Gate::new(Arc::clone(lock), desktop.key()), Some(announcer))?;
        let journal = Journal::open(&self.settings.root.path, &desktop.journal_key())
            .map_err(|error| CommandError::chain(ErrorKind::Config, &error).hint("nothing was typed"))?;
        let deliverer = Arc::new(Deliverer::new(locks, surfaces::open(kind, self.settings)?, journal));
        open.insert(kind, Arc::clone(&deliverer));
        Ok(deliverer)
    }

    async fn deliver_one<'b>(&'b self, deliverer: &Deliverer, agent: &'b Agent, options: &SendOptions) -> Done<'b> {
        let (receipt, stored) = match deliverer.send(&self.message, agent, options).await {
            Ok(receipt) => (receipt, None),
            Err(error) => (error.receipt(&self.message, agent), Some(error)),
        };
        tracing::debug!(?receipt, error = ?stored, "settled");
        self.done(receipt, options.stop.requested())
    }

    fn done(&self, receipt: Receipt, stopped: Option<&'static str>) -> Done<'_> {
        let status = match stopped.filter(|_| reason(&receipt) == "stopped") {
            Some(by) => signals::exit_status(by),
            None => exit_status(&receipt),
        };
        Done { receipt, status, cleaned: &self.cleaned }
    }
}

/// One agent's outcome.
pub(crate) struct Done<'a> {
    pub(crate) receipt: Receipt,
    pub(crate) status: ExitStatus,
    cleaned: &'a Cleaned,
}

impl Done<'_> {
    /// The receipt as `--json` prints it: with its exit status, what can be done about it, and what cleaning took out.
    pub(crate) fn as_json(&self) -> serde_json::Value {
        let mut object = serde_json::to_value(&self.receipt).unwrap_or_default();
        object["exit"] = self.status.code().into();
        if let Some(hint) = self.hint() {
            object["hint"] = hint.into();
        }
        if !self.cleaned.is_nothing() {
            object["cleaned"] = serde_json::json!(self.cleaned);
        }
        object
    }

    /// What the sender can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let advice = match self.status {
            // Their own words say it.
            _ if matches!(reason(&self.receipt), "newlines" | "not_built") => return None,
            ExitStatus::UNCERTAIN => {
                return Some("look at the agent's window before sending again: it may be typed already".to_owned());
            }
            ExitStatus::NO_LOCK => "`talkstick status` shows who holds the lock",
            ExitStatus::NO_TARGET => "check the place with `talkstick doctor`",
            ExitStatus::BLOCKED => "send again when the screen is free, or raise --timeout (or send.timeout)",
            ExitStatus::REJECTED => "it is safe to send again",
            ExitStatus::CONFIG => "`talkstick doctor` checks lock store and display",
            _ => return None,
        };
        let said = self.receipt.reason.as_ref().is_some_and(|reason| reason.message.contains(NOTHING_TYPED));
        Some(if said { advice.to_owned() } else { format!("{NOTHING_TYPED}; {advice}") })
    }
}

/// What a sender most wants to know of a message that failed.
const NOTHING_TYPED: &str = "nothing was typed";

fn reason(receipt: &Receipt) -> &str {
    receipt.reason.as_ref().map_or("", |reason| reason.code.as_ref())
}

/// The status of a receipt: by how far it came, then by what was in the way.
fn exit_status(receipt: &Receipt) -> ExitStatus {
    match receipt.state {
        State::Submitted | State::Confirmed => return ExitStatus::SUCCESS,
        State::Uncertain => return ExitStatus::UNCERTAIN,
        _ => {}
    }
    match reason(receipt) {
        "not_built" => ExitStatus::USAGE,
        "target_gone" | "ambiguous_target" | "outside_screens" => ExitStatus::NO_TARGET,
        "no_lock" | "display_taken" => ExitStatus::NO_LOCK,
        "covered" | "focus_elsewhere" | "grabbed" | "interference" => ExitStatus::BLOCKED,
        "id_conflict" => ExitStatus::CONFLICT,
        "lock_store" | "journal" | "no_display" | "wayland" | "no_such_key" | "higher_rights" => ExitStatus::CONFIG,
        _ => ExitStatus::REJECTED,
    }
}

/// The wait, and a refusal of what this version does not have.
fn built_timeout(args: &Delivering, settings: &Settings) -> Result<Duration, CommandError> {
    if args.id.is_some() {
        return Err(CommandError::not_built("`--id`"));
    }
    match args.wait {
        WaitLevel::Submitted => {}
        WaitLevel::Queued => return Err(CommandError::not_built("`--wait queued`")),
        WaitLevel::Confirmed => return Err(CommandError::not_built("`--wait confirmed`")),
    }
    match args.timeout {
        Some(Timeout::Adaptive) => Err(CommandError::not_built("`--timeout adaptive`")),
        Some(Timeout::Span(span)) => Ok(span),
        None => Ok(settings.send.timeout),
    }
}
