//! The command line: what can be asked, in clap's words. Nothing is done here.

mod dead;
mod webhooks;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand};

pub(crate) use self::dead::{Dead, DeadFilter, DeadList, DeadMove, Since};
pub(crate) use self::webhooks::{Create, Fields, One, Show, Update, Webhooks};

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
    /// Look at deliveries that were given up, send them again, drop them.
    #[command(subcommand)]
    Dead(Dead),
    /// Publish one event to the events exchange, as an orchestrator would.
    Send(Send),
    /// Forward live events, signed, to a URL of your own: a receiver that is being written.
    ///
    /// Each event is attempted once. Nobody else gets fewer events because of it, and nothing is kept
    /// for when it does not run.
    Listen(Listen),
    /// Check the signature of a request body.
    Verify(Verify),
    /// Put webhooks and the key of their secrets into an archive, while `serve` goes on.
    ///
    /// Of an embedded database, that is (store sqlite://). The archive is a tar of the files that
    /// stand in the folder of the database and in webhooks.state_dir; it holds secrets.
    Backup(Backup),
    /// Ask a running program whether it takes events (or, with --live, whether it lives).
    Health(Health),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, for `man -l -`.
    Man(Man),
}

impl Command {
    /// Whether it reads messages that others wrote, from the broker.
    pub(crate) fn takes_messages(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Dead(_) | Self::Listen(_))
    }
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

/// Options of `backup`.
#[derive(Args, Debug)]
pub(crate) struct Backup {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Where the archive goes; nothing may be there yet. `-` is standard output.
    #[arg(value_name = "FILE")]
    pub(crate) to: PathBuf,
}

/// Options of `man`.
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// Write it into this folder instead, and beside it a page for each subcommand.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) into: Option<PathBuf>,
}

/// Options of `health`.
#[derive(Args, Debug)]
pub(crate) struct Health {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Ask whether its loops turn (/healthz), and not whether it takes events (/readyz).
    #[arg(long)]
    pub(crate) live: bool,
    /// Ask this operations listener, whatever the configuration says.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<String>,
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
    /// Send another one every so often, such as 2s (100ms at least), until a signal ends it.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration,
          conflicts_with_all = ["file", "id"])]
    pub(crate) every: Option<Duration>,
    /// Print JSON: the event id and how many webhooks match, null where they cannot be read here.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `listen`.
#[derive(Args, Debug)]
pub(crate) struct Listen {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Where events go, such as http://127.0.0.1:3000/boottify. Private addresses are allowed here.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Stand in for this webhook: its events, projects, condition, headers, secret and delivery ids.
    #[arg(long, value_name = "ID", conflicts_with_all = ["event", "project"])]
    pub(crate) webhook: Option<String>,
    /// Only these events: an exact type, deployment.*, domain.* or *. Can be repeated.
    #[arg(long, value_name = "PATTERN", default_value = "*")]
    pub(crate) event: Vec<String>,
    /// Only events of this project. Can be repeated.
    #[arg(long, value_name = "ID")]
    pub(crate) project: Vec<String>,
    /// The file that holds the secret to sign with; without it and --webhook, a new one is made and
    /// printed.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// End after so many events.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Print a JSON object for each event.
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
