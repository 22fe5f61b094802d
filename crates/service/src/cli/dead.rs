//! The command line of `dead`.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use control::dead_reason;
use event::EventType;
use jiff::Timestamp;
use subscriptions::WebhookId;

use crate::cli::Configured;

/// Commands on deliveries that were given up.
#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    /// List them, newest first.
    List(DeadList),
    /// Send them again; each has its whole schedule of attempts before it.
    Replay(DeadMove),
    /// Drop them for good.
    Drop(DeadMove),
}

impl Dead {
    /// The options of reading the configuration.
    pub(crate) fn configured(&self) -> &Configured {
        match self {
            Self::List(list) => &list.configured,
            Self::Replay(moved) | Self::Drop(moved) => &moved.configured,
        }
    }
}

/// Options of `dead list`.
#[derive(Args, Debug)]
pub(crate) struct DeadList {
    #[command(flatten)]
    pub(crate) configured: Configured,
    #[command(flatten)]
    pub(crate) filter: DeadFilter,
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
    /// Print JSON, one object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `dead replay` and `dead drop`.
#[derive(Args, Debug)]
#[command(group(
    ArgGroup::new("which")
        .required(true)
        .multiple(true)
        .args(["deliveries", "webhook", "reason", "kind", "since", "all"])
))]
pub(crate) struct DeadMove {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// The ids of deliveries, as in the list.
    #[arg(value_name = "ID")]
    pub(crate) deliveries: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: DeadFilter,
    /// All that there are.
    #[arg(long, conflicts_with_all = ["deliveries", "webhook", "reason", "kind", "since"])]
    pub(crate) all: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print JSON: the ids of the deliveries.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which dead letters are meant: those that fit all that is given.
#[derive(Args, Debug)]
pub(crate) struct DeadFilter {
    /// Those of this webhook.
    #[arg(long, value_name = "ID", value_parser = webhook)]
    pub(crate) webhook: Option<String>,
    /// Those given up for this reason: gave_up, gone, disabled or malformed.
    #[arg(long, value_name = "REASON", value_parser = dead_reason)]
    pub(crate) reason: Option<String>,
    /// Those of this event type.
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    pub(crate) kind: Option<String>,
    /// Those given up since then: so long ago, such as 2h or 3days, or a time as in RFC 3339.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub(crate) since: Option<Since>,
}

/// A moment of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// So long ago.
    Ago(Duration),
    /// At this time, ms since 1970.
    At(i64),
}

fn webhook(text: &str) -> Result<String, String> {
    WebhookId::try_new(text).map(|id| id.to_string()).map_err(|error| error.to_string())
}

fn event_type(text: &str) -> Result<String, String> {
    EventType::try_new(text).map(|kind| kind.to_string()).map_err(|error| error.to_string())
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(duration) = humantime::parse_duration(text) {
        return Ok(Since::Ago(duration));
    }
    let time: Timestamp = text
        .parse()
        .map_err(|_| "neither a duration such as 2h nor a time such as 2026-11-24T10:00:00Z")?;
    if time > Timestamp::now() {
        return Err("it lies in the future: nothing was given up since then".to_owned());
    }
    Ok(Since::At(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_duration_or_a_time() {
        assert_eq!(since("2h"), Ok(Since::Ago(Duration::from_secs(7_200))));
        assert_eq!(since("1970-01-01T00:00:01Z"), Ok(Since::At(1_000)));
        assert!(since("yesterday").is_err());
        assert!(since("2999-01-01T00:00:00Z").unwrap_err().contains("in the future"));
    }
}
