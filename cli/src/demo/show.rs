//! The whole demo, from the choice of the stage to the table.

use std::{
    io::{self, BufRead, IsTerminal},
    ops::ControlFlow,
    path::Path,
};

use deliver::SurfaceKind;
use lock_core::StoreConfig;

use super::{
    backstage::Backstage,
    error::DemoError,
    folder::DemoFolder,
    interrupt::Signals,
    report::{self, Report},
    run::{self, LockChoice, Run},
    scenario::Scenario,
    stage::{PrivateStage, Stage},
};
use crate::{
    ExitStatus,
    args::{DemoArgs, DemoSurface},
    backends, env_vars,
    error::CommandError,
    gates::GuardedDesktop,
    runtime,
    settings::Settings,
    ui::Ui,
};

/// The lock of a stage that nobody else plays on.
const PRIVATE_KEY: &str = "demo";
/// Other messages of the same kind tell no more.
const PROBLEMS_SHOWN_MAX: usize = 5;

/// Shows the demo: success when talkstick delivered every message as it promises.
pub(crate) fn show(args: &DemoArgs, settings: &Settings, ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    if !may_take_display(args, ui)? {
        ui.say("nothing was done");
        return Ok(ExitStatus::SUCCESS);
    }
    // Signals are heard before there is a folder: one that ended the process would leave it.
    let mut backstage = Backstage::open()?;
    let folder = DemoFolder::make()?;
    let lock = match choose_lock(args, settings, folder.path(), &backstage)? {
        ControlFlow::Continue(lock) => lock,
        ControlFlow::Break(signal) => return Ok(ExitStatus::signalled(signal)),
    };
    let played = choose_stage(args, &mut backstage, folder.path(), ui)
        .and_then(|stage| Ok((play_all(args, &mut backstage, &stage, &lock, ui)?, stage)));
    let (runs, stage) = match played {
        Err(DemoError::Interrupted(signal)) => return Ok(ExitStatus::signalled(signal)),
        played => played?,
    };
    if ui.is_json() {
        ui.json(&Report::new(&stage, &lock, &runs));
    } else {
        ui.data(&format!("{}\n\n{}", report::table(&runs), report::conclusion(&runs, &stage)));
    }
    Ok(if report::all_perfect(&runs) { ExitStatus::SUCCESS } else { ExitStatus::DEMO_IMPERFECT })
}

fn play_all(
    args: &DemoArgs,
    backstage: &mut Backstage,
    stage: &Stage,
    lock: &LockChoice,
    ui: &mut Ui,
) -> Result<Vec<Run>, DemoError> {
    ui.say(&format!(
        "on {}, with the lock `{}`; each sender is a process of its own, and all begin at once",
        stage.words(),
        lock.scheme()
    ));
    let scenarios = if args.scenario.is_empty() { &Scenario::SEED[..] } else { &args.scenario };
    let mut runs = Vec::new();
    for scenario in scenarios.iter().copied() {
        if let Some(stage) = stage.private() {
            say_next(scenario, "as the seed did without a lock", ui);
            runs.push(run::unprotected(backstage, stage, scenario)?);
        }
        say_next(scenario, "with talkstick", ui);
        runs.push(run::protected(backstage, stage, lock, scenario)?);
        for problem in runs.iter().rev().take(2).flat_map(|run| &run.problems).take(PROBLEMS_SHOWN_MAX) {
            ui.warn(problem);
        }
    }
    Ok(runs)
}

fn say_next(scenario: Scenario, how: &str, ui: &mut Ui) {
    let Scenario { senders, messages } = scenario;
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    ui.say(&format!("{senders} sender{}, {messages} message{} each, {how} ...", plural(senders), plural(messages)));
}

/// The lock, opened once here: what is wrong with it is said before anything begins. Or the signal that came instead.
fn choose_lock(
    args: &DemoArgs,
    settings: &Settings,
    folder: &Path,
    backstage: &Backstage,
) -> Result<ControlFlow<u8, LockChoice>, CommandError> {
    backends::check_built(settings)?;
    let url = backends::store_config(settings).url;
    let lock = match &args.display {
        // A display that others send to: with their lock.
        Some(_) => LockChoice {
            backend: url,
            redis: settings.lock.redis.clone(),
            root: settings.root.path.clone(),
            key: GuardedDesktop::of(settings, SurfaceKind::Desktop).key().as_str().to_owned(),
        },
        None => LockChoice {
            backend: url,
            redis: settings.lock.redis.clone(),
            root: folder.to_owned(),
            key: PRIVATE_KEY.to_owned(),
        },
    };
    let opened = runtime::start()?.block_on(async {
        let heard = |source| DemoError::System { what: "listen for signals", source };
        let mut signals = Signals::listen().map_err(heard)?;
        if let Some(signal) = backstage.interrupted() {
            return Ok(ControlFlow::Break(signal));
        }
        let registry = backends::registry(&lock.redis);
        tokio::select! {
            biased;
            signal = signals.next() => Ok(ControlFlow::Break(signal)),
            opened = registry.open(StoreConfig::new(&lock.backend, &lock.root)) => {
                Ok::<_, CommandError>(ControlFlow::Continue(opened?))
            }
        }
    })?;
    match opened {
        ControlFlow::Break(signal) => Ok(ControlFlow::Break(signal)),
        ControlFlow::Continue(opened) if opened.capabilities().cross_process => Ok(ControlFlow::Continue(lock)),
        ControlFlow::Continue(opened) => Err(CommandError::usage(format!(
            "the senders are processes, and the backend `{opened}` holds off threads only"
        ))
        .hint("choose another one with --backend")),
    }
}

fn choose_stage(args: &DemoArgs, backstage: &mut Backstage, folder: &Path, ui: &mut Ui) -> Result<Stage, DemoError> {
    #[cfg(target_os = "linux")]
    if let Some(display) = &args.display {
        return Ok(Stage::Real { display: display.clone() });
    }
    let private = match args.surface {
        Some(DemoSurface::Simulated) => PrivateStage::Simulated,
        Some(DemoSurface::X11) if !xvfb_is_installed() => return Err(DemoError::NoXvfb),
        Some(DemoSurface::X11) => PrivateStage::xvfb(backstage, folder)?,
        None if !xvfb_is_installed() => {
            ui.say("Xvfb is not installed, so the desktop is a simulated one");
            PrivateStage::Simulated
        }
        None => match PrivateStage::xvfb(backstage, folder) {
            Err(error) if !matches!(error, DemoError::Interrupted(_)) => {
                let why = crate::error::chain(&error);
                ui.warn(&format!("no private X server ({why}), so the desktop is a simulated one"));
                PrivateStage::Simulated
            }
            stage => stage?,
        },
    };
    Ok(Stage::Private(private))
}

fn xvfb_is_installed() -> bool {
    let folders = env_vars::value(env_vars::PATH).unwrap_or_default();
    cfg!(target_os = "linux") && std::env::split_paths(&folders).any(|folder| folder.join("Xvfb").is_file())
}

/// Whether the display that somebody may be using may be taken: asks, unless that was said before.
fn may_take_display(args: &DemoArgs, ui: &Ui) -> Result<bool, CommandError> {
    let Some(display) = &args.display else { return Ok(true) };
    if args.surface == Some(DemoSurface::Simulated) {
        return Err(CommandError::usage("a simulated desktop has no --display"));
    }
    if !cfg!(target_os = "linux") {
        return Err(CommandError::usage("the demo's windows are made for X11 on Linux; leave --display out"));
    }
    if args.yes {
        return Ok(true);
    }
    // A question is not JSON.
    if ui.is_json() || !io::stdin().is_terminal() {
        return Err(CommandError::usage(format!("the display {display} may be in use, and nobody can be asked"))
            .hint("say --yes to let the demo take its mouse, keyboard and clipboard for a while"));
    }
    eprint_question(display);
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|source| DemoError::System { what: "read the answer", source })?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn eprint_question(display: &str) {
    use io::Write as _;
    let question =
        format!("The demo takes mouse, keyboard and clipboard of the display {display} for a while. Go on? [y/N] ");
    let mut stderr = io::stderr().lock();
    // Who cannot be shown the question is read as no: nothing else stands there to be answered.
    let _unseen = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
}
