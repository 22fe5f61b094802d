//! What happened to the webhooks: told once per happening, for the log.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use subscriptions::{Unopened, WebhookId};

use crate::options::ReadError;
use crate::state_file::StateError;

/// The most webhooks that a notice names.
const NAMED: usize = 10;

/// Something that people should be told.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A new snapshot is live.
    Live {
        /// Its number.
        generation: u64,
        /// How many webhooks it has.
        webhooks: usize,
        /// How many of them are enabled.
        enabled: usize,
        /// Where they come from.
        origin: Origin,
    },
    /// The store cannot be read, or holds mistakes; what was live stays so. Told once per change.
    Unreadable {
        /// What is wrong.
        error: Arc<ReadError>,
        /// Whether anything was live.
        live: bool,
    },
    /// Other webhooks than before cannot be opened: these, and what is for them waits. None where all
    /// can be.
    Unopened(Vec<(WebhookId, Unopened)>),
    /// Another process uses the state directory, and nothing is written there before it ends.
    Shared(PathBuf),
    /// That process is gone, and the state directory is this one's.
    Claimed(PathBuf),
    /// The store can be read again, and holds what is live already.
    Readable,
    /// The service disabled a webhook.
    Disabled(WebhookId),
    /// The owner changed or removed a webhook that the service had disabled.
    Lifted(WebhookId),
    /// A file of the state directory cannot be read or written; the service goes on without.
    State(Arc<StateError>),
    /// The system does not tell about changes, so that they are seen by looking every half second.
    NotWatched(Arc<notify::Error>),
}

/// Where a snapshot's webhooks come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The store itself.
    Store,
    /// What was saved when the store could last be read.
    Saved,
}

impl Notice {
    /// Whether it is as it should be for a while, as during a rolling update, and not for long.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// Whether somebody has to act.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        if let Self::Unopened(unopened) = self {
            return !unopened.is_empty();
        }
        matches!(
            self,
            Self::Unreadable { .. } | Self::State(_) | Self::Live { origin: Origin::Saved, .. }
        )
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live { generation, webhooks, enabled, origin } => {
                let from = match origin {
                    Origin::Store => "",
                    Origin::Saved => ", as saved when the store could last be read",
                };
                write!(
                    f,
                    "webhooks live: {webhooks}, enabled: {enabled}, generation {generation}{from}"
                )
            }
            Self::Unreadable { error, live: true } => {
                write!(f, "the webhooks cannot be read, what was live stays so: {error}")
            }
            Self::Unreadable { error, live: false } => {
                write!(f, "the webhooks cannot be read, and none are live yet: {error}")
            }
            Self::Unopened(unopened) => write_unopened(f, unopened),
            Self::Shared(path) => write!(
                f,
                "another process uses the state directory {}: nothing is written there until it \
                 ends; where both are to go on, give each its own",
                path.display()
            ),
            Self::Claimed(path) => {
                write!(f, "the state directory {} is this process's now", path.display())
            }
            Self::Readable => f.write_str("the webhooks can be read again and have not changed"),
            Self::Disabled(id) => write!(f, "webhook {id} was disabled"),
            Self::Lifted(id) => {
                write!(f, "webhook {id} is no longer disabled: its owner changed or removed it")
            }
            Self::State(error) => write!(f, "the state directory cannot be used: {error}"),
            Self::NotWatched(error) => {
                write!(f, "changes of the webhooks are seen by looking only: {error}")
            }
        }
    }
}

/// Which webhooks cannot be opened, and what to do.
fn write_unopened(f: &mut fmt::Formatter<'_>, all: &[(WebhookId, Unopened)]) -> fmt::Result {
    if all.is_empty() {
        return f.write_str("all webhooks can be opened again");
    }
    let (named, rest) = all.split_at(all.len().min(NAMED));
    let named: Vec<_> = named.iter().map(|(id, why)| format!("{id} ({why})")).collect();
    let verb = if all.len() == 1 { "webhook cannot" } else { "webhooks cannot" };
    write!(f, "{} {verb} be opened, and what is for it waits: {}", all.len(), named.join(", "))?;
    if !rest.is_empty() {
        write!(f, " and {} more", rest.len())?;
    }
    let mut advice: Vec<_> = all.iter().map(|(_, why)| why.advice()).collect();
    advice.sort_unstable();
    advice.dedup();
    write!(f, "; {}, or delete it: `boottify-webhooks webhooks delete ID`", advice.join("; "))
}
