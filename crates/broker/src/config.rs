//! What the broker's side must be told: where it is, what its things are called, its bounds.
//!
//! The values arrive checked by the service's configuration; only the URL is parsed here, because
//! only this crate knows what an AMQP URL is. The password never leaves [`Config`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use lapin::uri::AMQPUri;
use thiserror::Error;

/// The largest AMQP frame that we agree to on the two connections, in bytes.
///
/// lapin keeps room for 32 frames each way. What comes must be as large as the broker's default, for
/// the properties of a message come in one frame whatever their size; what we send we bound.
const CONSUMING_FRAME_MAX: u32 = 128 * 1024;
const PUBLISHING_FRAME_MAX: u32 = 32 * 1024;

/// How the broker is reached and which bounds hold on it.
#[derive(Clone)]
pub struct Config {
    uri: AMQPUri,
    /// Time limit of every single wait for the broker.
    pub deadline: Duration,
    /// Unsettled messages that each of the two consumers holds at most.
    pub prefetch: u16,
    /// The largest event, in bytes; may change at any time. What is larger will be rejected, and
    /// counts as large.
    pub max_event_bytes: Arc<AtomicUsize>,
    /// Bytes of large messages that may be held before messages are taken one by one.
    pub max_large_bytes: usize,
    /// How often a message may be given back unsettled before it counts as poison.
    pub delivery_limit: u32,
    /// Dead letters that are listed or counted in one go at most.
    pub max_walk: usize,
    /// The names of exchanges and queues.
    pub names: Names,
    /// Routing keys with which the events queue is bound to the events exchange.
    pub bindings: Vec<String>,
}

/// A broker URL that is no AMQP URL. It does not quote the URL, which may hold a password.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the broker URL is no AMQP URL such as amqp://user:password@host:5672/vhost")]
pub struct InvalidUrl;

/// Names of exchanges and queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Topic exchange to which the orchestrator publishes.
    pub events_exchange: String,
    /// Exchange through which everything that waits, died or was refused passes.
    pub dead_letter_exchange: String,
    /// Topic exchange on which the service tells what happened to webhooks.
    pub ops_exchange: String,
    /// Queue of events that no replica has settled yet.
    pub events_queue: String,
    /// Queue of single deliveries whose delay is over.
    pub deliveries_queue: String,
    /// Queue of what was no event, and of poison.
    pub rejected_queue: String,
    /// Queue of deliveries that were given up.
    pub dead_queue: String,
    /// What the names of the delay queues start with.
    pub delay_prefix: String,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            events_exchange: "boottify.events".to_owned(),
            dead_letter_exchange: "webhooks.dlx".to_owned(),
            ops_exchange: "boottify.webhooks.ops".to_owned(),
            events_queue: "webhooks.events".to_owned(),
            deliveries_queue: "webhooks.deliveries".to_owned(),
            rejected_queue: "webhooks.rejected".to_owned(),
            dead_queue: "webhooks.dead".to_owned(),
            delay_prefix: "webhooks.delay".to_owned(),
        }
    }
}

impl Config {
    /// A configuration for the broker at `url` with the default names and bounds.
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`] where `url` does not parse as an AMQP URL.
    pub fn try_new(url: &str, heartbeat: Duration) -> Result<Self, InvalidUrl> {
        let mut uri: AMQPUri = url.parse().map_err(|_| InvalidUrl)?;
        // No virtual host is called nothing: RabbitMQ's Cluster Operator ends its URLs with a slash
        // and means the default one.
        if uri.vhost.is_empty() {
            uri.vhost = "/".to_owned();
        }
        let seconds = u16::try_from(heartbeat.as_secs()).unwrap_or(u16::MAX).max(1);
        uri.query.heartbeat = Some(lapin::types::Heartbeat::from(seconds));
        Ok(Self {
            uri,
            deadline: Duration::from_secs(10),
            prefetch: 500,
            max_event_bytes: Arc::new(AtomicUsize::new(256 * 1024)),
            max_large_bytes: 32 * 1024 * 1024,
            delivery_limit: 50,
            max_walk: 100_000,
            names: Names::default(),
            bindings: vec!["#".to_owned()],
        })
    }

    pub(crate) fn consuming_uri(&self) -> AMQPUri {
        self.uri_with(CONSUMING_FRAME_MAX)
    }

    pub(crate) fn publishing_uri(&self) -> AMQPUri {
        self.uri_with(PUBLISHING_FRAME_MAX)
    }

    fn uri_with(&self, frame_max: u32) -> AMQPUri {
        let mut uri = self.uri.clone();
        uri.query.frame_max = Some(frame_max);
        uri
    }

    /// Where the broker is, for people: host, port and virtual host, never the password.
    #[must_use]
    pub fn place(&self) -> String {
        let authority = &self.uri.authority;
        format!("{}:{}{}", authority.host, authority.port, vhost(&self.uri.vhost))
    }
}

fn vhost(name: &str) -> String {
    match name {
        "/" => String::new(),
        other => format!("/{other}"),
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("place", &self.place())
            .field("deadline", &self.deadline)
            .field("prefetch", &self.prefetch)
            .field("max_event_bytes", &self.max_event_bytes)
            .field("max_large_bytes", &self.max_large_bytes)
            .field("delivery_limit", &self.delivery_limit)
            .field("max_walk", &self.max_walk)
            .field("names", &self.names)
            .field("bindings", &self.bindings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Result<Config, InvalidUrl> {
        Config::try_new(url, Duration::from_secs(10))
    }

    #[test]
    fn the_place_hides_the_password() {
        let config = config("amqp://user:hunter2@broker.internal:5673/shop").unwrap();
        assert_eq!(config.place(), "broker.internal:5673/shop");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_slash_at_the_end_means_the_default_virtual_host() {
        for url in ["amqp://user:pass@host:5672/", "amqp://user:pass@host:5672"] {
            assert_eq!(config(url).unwrap().consuming_uri().vhost, "/", "{url}");
        }
        assert_eq!(config("amqp://user:pass@host/%2f").unwrap().place(), "host:5672");
    }

    #[test]
    fn what_is_no_amqp_url_is_refused_without_being_quoted() {
        let error = config("http://user:hunter2@broker/").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
