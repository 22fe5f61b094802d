//! The configuration: three layers, read at once, every mistake told.
//!
//! `default.toml` is compiled in; it is the reference that people read, and the lowest layer. Above
//! it stands the operator's file, above that the environment. One file per section says which keys
//! there are and what they may be; what two sections must agree on is said here.

mod admin;
mod audit;
mod broker;
mod dead;
mod delivery;
mod delivery_log;
mod events;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod log;
mod operations;
mod retry;
mod runtime;
mod shutdown;
mod traces;
mod webhooks;

use std::io;
use std::path::Path;

use settings::{
    Document, Environment, MAX_DOCUMENT_BYTES, Problem, Reader, Reading, Report, Section,
    read_bounded,
};
use store::AuditBounds;
use subscriptions::RetryPolicy;

pub(crate) use self::admin::Admin;
pub(crate) use self::broker::Broker;
pub(crate) use self::dead::Dead;
pub(crate) use self::delivery::Delivery;
pub(crate) use self::delivery_log::DeliveryLog;
pub(crate) use self::events::Events;
pub(crate) use self::log::{Log, LogFormat};
pub(crate) use self::operations::Operations;
pub(crate) use self::runtime::Runtime;
pub(crate) use self::shutdown::Shutdown;
pub(crate) use self::traces::Traces;
pub(crate) use self::webhooks::{EncryptionKeys, Webhooks};

/// Where the operator's file is looked for when nobody says where it is.
pub(crate) const DEFAULT_PATH: &str = "/etc/boottify-webhooks/config.toml";
/// What our environment variables start with, before two underscores.
const PREFIX: &str = "BOOTTIFY_WEBHOOKS";
/// The lowest layer.
pub(crate) const DEFAULTS: &str = include_str!("default.toml");

/// Everything that can be configured, checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) broker: Broker,
    pub(crate) events: Events,
    pub(crate) webhooks: Webhooks,
    pub(crate) delivery_log: DeliveryLog,
    pub(crate) delivery: Delivery,
    pub(crate) retry: RetryPolicy,
    pub(crate) dead: Dead,
    pub(crate) admin: Admin,
    pub(crate) audit: AuditBounds,
    pub(crate) operations: Operations,
    pub(crate) shutdown: Shutdown,
    pub(crate) log: Log,
    pub(crate) traces: Traces,
    pub(crate) runtime: Runtime,
}

impl Config {
    /// Reads the file at `path` (or the default one, which may be absent) and our part of `env`.
    ///
    /// # Errors
    ///
    /// A [`Report`] with every mistake of file and environment, one line each.
    pub(crate) fn load(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Report> {
        let shown = path.unwrap_or(Path::new(DEFAULT_PATH));
        let name = shown.display().to_string();
        match read_bounded(shown, MAX_DOCUMENT_BYTES) {
            Ok(text) => Self::parse(Some((&name, &text)), env),
            Err(why) if path.is_none() && why.kind() == io::ErrorKind::NotFound => {
                Self::parse(None, env)
            }
            Err(why) => Err(Report::about_file(&name, Problem::Unreadable(why.to_string()))),
        }
    }

    /// Reads a file's name and text, and our part of `env`.
    fn parse(
        file: Option<(&str, &str)>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Report> {
        reading(file, env)?.value
    }

    fn read(root: &mut Section<'_, '_>, standard: &traces::Standard) -> Option<Self> {
        let broker = root.table("broker", Broker::read);
        let events = root.table("events", Events::read);
        let webhooks = root.table("webhooks", Webhooks::read);
        let delivery_log = root.table("delivery_log", DeliveryLog::read);
        let delivery = root.table("delivery", Delivery::read);
        let retry = root.table("retry", retry::read);
        let dead = root.table("dead", Dead::read);
        let admin = root.table("admin", Admin::read);
        let audit = root.table("audit", audit::read);
        let admin_listen = admin.as_ref().filter(|admin| admin.enabled).map(|admin| admin.listen);
        let operations =
            root.table("operations", |section| Operations::read(section, admin_listen));
        let shutdown = root.table("shutdown", Shutdown::read);
        let log = root.table("log", Log::read);
        let traces = root.table("traces", |section| Traces::read(section, standard));
        let runtime = root.table("runtime", Runtime::read);
        Some(Self {
            broker: broker?,
            events: events?,
            webhooks: webhooks?,
            delivery_log: delivery_log?,
            delivery: delivery?,
            retry: retry?,
            dead: dead?,
            admin: admin?,
            audit: audit?,
            operations: operations?,
            shutdown: shutdown?,
            log: log?,
            traces: traces?,
            runtime,
        })
    }
}

fn reading(
    file: Option<(&str, &str)>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Reading<Config>, Report> {
    let env: Vec<(String, String)> = env.into_iter().collect();
    let standard = traces::Standard::of(&env);
    let environment = Environment::new(PREFIX, env);
    let defaults = Document::parse("default.toml", DEFAULTS)?;
    let file = file.map(|(name, text)| Document::parse(name, text)).transpose()?;
    Ok(Reader::layered(&environment, file.as_ref(), &defaults)
        .read(|root| Config::read(root, &standard)))
}

#[cfg(test)]
mod tests;
