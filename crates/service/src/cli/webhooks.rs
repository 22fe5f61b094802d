//! `webhooks …`: what can be asked of webhooks.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::cli::Configured;

/// Commands on webhooks; those that change them need a database as the store.
#[derive(Debug, Subcommand)]
pub(crate) enum Webhooks {
    /// List all webhooks of the store.
    List {
        #[command(flatten)]
        configured: Configured,
        /// Print JSON, one array.
        #[arg(long)]
        json: bool,
    },
    /// Show one webhook with all that is set.
    Show(Show),
    /// Make a webhook and print its secret.
    Create(Create),
    /// Change what is given; the rest stays.
    Update(Update),
    /// Send events to it (again).
    Enable(One),
    /// Send no events to it until it is enabled.
    Disable(One),
    /// Delete it; what waits for it ends.
    Delete(One),
    /// Print its secret; during a rotation also the one that comes, in a second line.
    ///
    /// Standard output holds secrets and nothing else: the first line is the one that signs
    /// x-boottify-signature. Which is which is said on standard error.
    Secret(One),
    /// Make a new secret and print it; both sign until the overlap is over.
    Rotate(Rotate),
    /// End the overlap of a rotation: the new secret signs alone.
    Promote(One),
    /// Encrypt all secrets with the present key, after the key was changed.
    Reseal(Configured),
    /// Print a new secret: whsec_ and the base64 of 32 random bytes.
    NewSecret,
}

impl Webhooks {
    /// The options of reading the configuration.
    pub(crate) fn configured(&self) -> &Configured {
        static NONE: Configured = Configured { config: None };
        match self {
            Self::List { configured, .. } | Self::Reseal(configured) => configured,
            Self::Show(show) => &show.one.configured,
            Self::Create(create) => &create.configured,
            Self::Update(update) => &update.one.configured,
            Self::Enable(one)
            | Self::Disable(one)
            | Self::Delete(one)
            | Self::Secret(one)
            | Self::Promote(one) => &one.configured,
            Self::Rotate(rotate) => &rotate.one.configured,
            Self::NewSecret => &NONE,
        }
    }
}

/// Options of `webhooks create`.
#[derive(Args, Debug)]
pub(crate) struct Create {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Where requests go.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) fields: Fields,
    /// Make it disabled.
    #[arg(long)]
    pub(crate) disabled: bool,
    /// Print JSON: the id and the secret.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `webhooks update`.
#[derive(Args, Debug)]
pub(crate) struct Update {
    #[command(flatten)]
    pub(crate) one: One,
    /// Where requests go.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) fields: Fields,
    /// Want the events of all projects.
    #[arg(long, conflicts_with = "projects")]
    pub(crate) all_projects: bool,
    /// Want events whatever their payload holds.
    #[arg(long, conflicts_with = "clauses")]
    pub(crate) unconditional: bool,
    /// Try again as the service does, without a policy of its own.
    #[arg(long, conflicts_with = "retry")]
    pub(crate) service_retry: bool,
}

/// What can be said of a webhook; what is not given stays, or is the default of a new one.
#[derive(Args, Debug)]
pub(crate) struct Fields {
    /// Which events are wanted: exact types, deployment.*, domain.* or *; all for a new webhook. May
    /// be repeated.
    #[arg(long = "event", value_name = "PATTERN")]
    pub(crate) events: Vec<String>,
    /// Of which projects; of all for a new webhook. May be repeated.
    #[arg(long = "project", value_name = "ID")]
    pub(crate) projects: Vec<String>,
    /// Want an event only if the payload holds VALUE at the JSON pointer, such as
    /// /deployment/meta/gitBranch=main. Repeated with one pointer: any of the values; with several:
    /// all of them. A value is a text, or JSON: true, null, 7, "7".
    #[arg(long = "where", value_name = "POINTER=VALUE")]
    pub(crate) clauses: Vec<String>,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// How many attempts to it go on at the same time.
    #[arg(long, value_name = "N", value_parser = max_in_flight)]
    pub(crate) max_in_flight: Option<NonZeroU32>,
    /// How many attempts to it begin in a second, by each replica; 0 for no limit.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) rate_limit: Option<f64>,
    /// How many of them may begin at once after a pause; what the rate gives in a second by default.
    #[arg(long, value_name = "N", requires = "rate_limit")]
    pub(crate) rate_burst: Option<u32>,
    /// A header that is added to every request; NAME= takes it away. May be repeated. Other people on
    /// this machine see arguments of commands.
    #[arg(long = "header", value_name = "NAME=VALUE")]
    pub(crate) headers: Vec<String>,
    /// A part of its own retry policy, named as in the configuration's table retry: first_delay=10s,
    /// multiplier=3, max_delay=6h, jitter=0.2, give_up_after=3days, retry_after_max=1h. May be repeated.
    #[arg(long = "retry", value_name = "KEY=VALUE")]
    pub(crate) retry: Vec<String>,
    /// Whether its events are kept as dead letters while it is disabled; they are by default.
    #[arg(long, value_name = "BOOL")]
    pub(crate) keep_while_disabled: Option<bool>,
}

/// Options of `webhooks show`.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) one: One,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of the commands on one webhook.
#[derive(Args, Debug)]
pub(crate) struct One {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// The webhook's id.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

/// Options of `webhooks rotate`.
#[derive(Args, Debug)]
pub(crate) struct Rotate {
    #[command(flatten)]
    pub(crate) one: One,
    /// How long both secrets sign, such as 24h or 30m; webhooks.secret_overlap by default.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) overlap: Option<Duration>,
}

/// As the webhooks file has it.
fn max_in_flight(text: &str) -> Result<NonZeroU32, String> {
    let number = text.parse().ok().and_then(NonZeroU32::new);
    number
        .filter(|number| number.get() <= 10_000)
        .ok_or_else(|| "expected a whole number from 1 to 10000".to_owned())
}
