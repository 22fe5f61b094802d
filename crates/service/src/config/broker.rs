//! `[broker]`: where RabbitMQ is, its bounds, and what its things are called.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use broker::Names;
use settings::{Section, Value, Wrong};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// The longest name that AMQP 0-9-1 can carry (a short string), in bytes.
const LONGEST_NAME: usize = 255;
/// Leaves room in a queue's name for what the delay queues have after the prefix.
const LONGEST_PREFIX: usize = 200;
/// Leaves room for the queue that is the lock of the dead one.
const LONGEST_DEAD: usize = 250;

/// How the broker is reached and what holds there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broker {
    pub(crate) url: BrokerUrl,
    pub(crate) heartbeat: Duration,
    pub(crate) deadline: Duration,
    pub(crate) prefetch: u16,
    pub(crate) max_large_bytes: usize,
    pub(crate) delivery_limit: u32,
    pub(crate) names: Names,
    pub(crate) bindings: Vec<String>,
}

/// A URL that the broker's side takes. It may hold a password and shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BrokerUrl(String);

impl Broker {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let expected = "a URL such as \"amqp://user:password@host:5672/vhost\"";
        let url = section.required_secret("url", expected, BrokerUrl::try_new);
        let wait = |value: &Value<'_>| value.duration(SECOND..=5 * MINUTE);
        let heartbeat = section.required("heartbeat", "a duration", wait);
        let deadline = section.required("deadline", "a duration", wait);
        let prefetch = section.required("prefetch", "a number", |value| value.integer(1..=10_000));
        let large = |value: &Value<'_>| value.size(1024 * 1024..=1024 * 1024 * 1024);
        let max_large_bytes = section.required("max_large_bytes", "a size", large);
        let delivery_limit =
            section.required("delivery_limit", "a number", |value| value.integer(1..=1_000_000));
        let bindings = section.required("bindings", "a list of routing keys", bindings);
        let names = section.table("names", names);
        Some(Self {
            url: url?,
            heartbeat: heartbeat?,
            deadline: deadline?,
            prefetch: prefetch?,
            max_large_bytes: usize::try_from(max_large_bytes?).unwrap_or(usize::MAX),
            delivery_limit: delivery_limit?,
            names: names?,
            bindings: bindings?,
        })
    }
}

impl BrokerUrl {
    fn try_new(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        if !matches!(scheme, "amqp" | "amqps") {
            return Err("expected a URL that starts with amqp:// or amqps://");
        }
        // lapin would silently connect to localhost instead.
        if rest.split('/').next().is_some_and(|authority| authority.contains('[')) {
            return Err("an IPv6 address cannot stand in a broker URL; use a host name");
        }
        match broker::Config::try_new(text, SECOND) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err("expected a URL such as amqp://user:password@host:5672/vhost"),
        }
    }

    /// The URL, password and all.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrokerUrl(…)")
    }
}

fn bindings(value: &Value<'_>) -> Result<Vec<String>, Wrong> {
    let keys = value.list(|element| element.parse(|text| bounded(text, LONGEST_NAME)))?;
    if keys.is_empty() {
        return Err(value.expected("at least one routing key, such as \"#\""));
    }
    Ok(keys)
}

fn names(section: &mut Section<'_, '_>) -> Option<Names> {
    let mut name = |key: &'static str, most: usize| {
        section.required(key, "a name", |value| value.parse(|text| name(text, most)))
    };
    let names = (
        (name("events_exchange", LONGEST_NAME), name("dead_letter_exchange", LONGEST_NAME)),
        (name("events_queue", LONGEST_NAME), name("deliveries_queue", LONGEST_NAME)),
        (name("rejected_queue", LONGEST_NAME), name("dead_queue", LONGEST_DEAD)),
        (name("ops_exchange", LONGEST_NAME), name("delay_prefix", LONGEST_PREFIX)),
    );
    let (exchanges, (events, deliveries), (rejected, dead), (ops_exchange, delay)) = names;
    let (events_exchange, dead_letter_exchange) = exchanges;
    let names = Names {
        events_exchange: events_exchange?,
        dead_letter_exchange: dead_letter_exchange?,
        ops_exchange: ops_exchange?,
        events_queue: events?,
        deliveries_queue: deliveries?,
        rejected_queue: rejected?,
        dead_queue: dead?,
        delay_prefix: delay?,
    };
    distinct(section, &names);
    Some(names)
}

/// Two queues, or two exchanges, of one name would be one.
fn distinct(section: &mut Section<'_, '_>, names: &Names) {
    let exchanges = [
        ("events_exchange", &names.events_exchange),
        ("dead_letter_exchange", &names.dead_letter_exchange),
        ("ops_exchange", &names.ops_exchange),
    ];
    let queues = [
        ("events_queue", &names.events_queue),
        ("deliveries_queue", &names.deliveries_queue),
        ("rejected_queue", &names.rejected_queue),
        ("dead_queue", &names.dead_queue),
    ];
    for named in [&exchanges[..], &queues[..]] {
        let mut seen = BTreeMap::new();
        for (key, name) in named {
            if let Some(other) = seen.insert(name, *key) {
                section.same(key, other);
            }
        }
    }
}

fn name(text: &str, most: usize) -> Result<String, String> {
    if text.starts_with("amq.") {
        return Err("names that start with amq. belong to the broker".to_owned());
    }
    bounded(text, most)
}

fn bounded(text: &str, most: usize) -> Result<String, String> {
    if (1..=most).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected 1 to {most} bytes"))
    }
}
