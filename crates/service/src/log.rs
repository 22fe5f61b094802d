//! The log: where it goes, in which form, and how much of it.
//!
//! One rule for all of the program: a message is a sentence that stands alone, with fields to query
//! by (`webhook.id`, `event.id`); *error* means that someone must act, *warn* that something was
//! not as it should be, *info* tells of changes; nothing is said per healthy delivery; a failure is
//! logged once, where it is handled. Bodies, secrets and URLs with their queries are never logged.

use std::io::IsTerminal;

use anyhow::Result;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::LogFormat;

/// The log, whose level can change while the program runs.
pub(crate) struct Log(Handle<Targets, Registry>);

impl Log {
    /// Changes the level from now on.
    pub(crate) fn set(&self, level: Level) {
        if let Err(error) = self.0.reload(targets(level)) {
            tracing::warn!(%error, "the level of the log could not be changed");
        }
    }
}

/// Starts logging to standard error.
///
/// # Errors
///
/// Where somebody else in this process has started a log.
pub(crate) fn start(format: LogFormat, level: Level) -> Result<Log> {
    let (filter, handle) = reload::Layer::new(targets(level));
    let layer = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let layer = match format {
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
        LogFormat::Text => layer.with_ansi(colour()).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(layer).try_init()?;
    Ok(Log(handle))
}

/// Ours at the chosen level. Libraries speak of what we handle and tell ourselves: theirs counts
/// only when someone debugs.
fn targets(level: Level) -> Targets {
    let libraries = if level >= Level::DEBUG { LevelFilter::WARN } else { LevelFilter::OFF };
    let ours = ["broker", "delivery", "dispatch", "store", "traces", "boottify_webhooks"];
    let level = LevelFilter::from_level(level);
    // lapin calls the end that we gave a connection an error.
    let lapin = ("lapin", LevelFilter::OFF);
    Targets::new()
        .with_default(libraries)
        .with_targets([lapin])
        .with_targets(ours.map(|target| (target, level)))
}

fn colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
