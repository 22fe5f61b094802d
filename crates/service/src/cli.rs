//! The command line: what can be asked, in clap's words. Nothing is done here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand};

/// Signed webhooks for events from RabbitMQ.
#[derive(Debug, Parser)]
#[command(name = "boottify-webhooks", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take events from the broker and deliver them, until a signal ends it.
    Serve(Configured),
    /// Validate the configuration and the webhooks it names; say all that is wrong, with its place.
    Check(Configured),
    /// Look at webhooks and change them.
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// Publish one event to the events exchange, as an orchestrator would.
    Send(Send),
    /// Check the signature of a request body.
    Verify(Verify),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Options of every command that reads the configuration.
#[derive(Args, Debug)]
pub(crate) struct Configured {
    /// The configuration file; without it /etc/boottify-webhooks/config.toml is read if it is there.
    ///
    /// Every key can be overridden by the environment: BOOTTIFY_WEBHOOKS__SECTION__KEY.
    #[arg(long, value_name = "FILE", env = "BOOTTIFY_WEBHOOKS_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

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
    /// Make a webhook and print its secret.
    Create(Create),
    /// Send events to it (again).
    Enable(One),
    /// Send no events to it until it is enabled.
    Disable(One),
    /// Delete it; what waits for it ends.
    Delete(One),
    /// Print its secret.
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
            Self::Create(create) => &create.configured,
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
    /// Which events are wanted: exact types, deployment.*, domain.* or *. May be repeated.
    #[arg(long = "event", value_name = "PATTERN", default_value = "*")]
    pub(crate) events: Vec<String>,
    /// Of which projects; all by default. May be repeated.
    #[arg(long = "project", value_name = "ID")]
    pub(crate) projects: Vec<String>,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Make it disabled.
    #[arg(long)]
    pub(crate) disabled: bool,
    /// Print JSON: the id and the secret.
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
    /// How long both secrets sign, such as 24h or 30m.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
    pub(crate) overlap: Duration,
}

/// Options of `send`.
#[derive(Args, Debug)]
pub(crate) struct Send {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// The event type, such as deployment.succeeded. Without --file, a sample of it is sent.
    #[arg(value_name = "TYPE", required_unless_present = "file")]
    pub(crate) kind: Option<String>,
    /// Read the event from this JSON file; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The event id; a random one by default. The same id makes the same delivery ids.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// The project id of the sample.
    #[arg(long, value_name = "ID", default_value = "prj_xyz789", conflicts_with = "file")]
    pub(crate) project: String,
    /// Print JSON: the event id and how many webhooks match.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `verify`.
#[derive(Args, Debug)]
#[command(group(
    ArgGroup::new("signatures")
        .required(true)
        .multiple(true)
        .args(["signature", "webhook_signature"])
))]
pub(crate) struct Verify {
    /// The file that holds the webhook's secret; `-` is standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "secret")]
    pub(crate) secret_file: Option<PathBuf>,
    /// The secret itself, best given by the environment: a process list shows arguments. A
    /// --secret-file comes before it.
    #[arg(long, env = "WEBHOOK_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
    /// The value of the header x-boottify-signature.
    #[arg(long, value_name = "VALUE")]
    pub(crate) signature: Option<String>,
    /// The value of the header webhook-signature (Standard Webhooks).
    #[arg(long, value_name = "VALUE", requires_all = ["webhook_id", "webhook_timestamp"])]
    pub(crate) webhook_signature: Option<String>,
    /// The value of the header webhook-id.
    #[arg(long, value_name = "VALUE", requires = "webhook_signature")]
    pub(crate) webhook_id: Option<String>,
    /// The value of the header webhook-timestamp.
    #[arg(long, value_name = "SECONDS", requires = "webhook_signature")]
    pub(crate) webhook_timestamp: Option<i64>,
    /// The request body exactly as it came; `-` (the default) is standard input.
    #[arg(value_name = "BODY_FILE", default_value = "-")]
    pub(crate) body: PathBuf,
}
