//! What the program refuses of values that are each well-formed, the chart refuses too: bounds, and
//! what must not exceed or be like something else. The chart repeats bounds and defaults of the
//! program; here both are held against the program's own list, and against the program.

use std::collections::BTreeMap;
use std::fs;

use testbed::{program, workspace};

use super::{Chart, folder, set};

/// Keys of which the first must not be more than the second.
const ORDERED: [(&str, &str); 4] = [
    ("retry.first_delay", "retry.max_delay"),
    ("delivery.connect_timeout", "delivery.timeout"),
    ("webhooks.breaker.first_pause", "webhooks.breaker.max_pause"),
    ("admin.answer_after", "admin.timeout"),
];

/// Names that must differ.
const EXCHANGES: [&str; 3] = ["events_exchange", "dead_letter_exchange", "ops_exchange"];
const QUEUES: [&str; 4] = ["events_queue", "deliveries_queue", "rejected_queue", "dead_queue"];

/// A key of the program's list: its default as it stands there, and what is said of it.
struct Key {
    default: String,
    said: String,
}

fn keys() -> BTreeMap<String, Key> {
    let source = workspace::root().join("crates/service/src/default.toml");
    let (mut section, mut said) = (String::new(), String::new());
    let mut keys = BTreeMap::new();
    for line in fs::read_to_string(source).unwrap().lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            (section, said) = (name.to_owned(), String::new());
        } else if let Some(comment) = line.strip_prefix("# ") {
            said = format!("{said} {comment}");
        } else if let Some((key, default)) = line.split_once(" = ") {
            let default = default.trim_matches('"').to_owned();
            keys.insert(format!("{section}.{key}"), Key { default, said: said.clone() });
            said.clear();
        } else {
            said.clear();
        }
    }
    keys
}

/// "1s to 5m" at the end of what is said, of what is a duration or a size.
fn bounds(key: &Key) -> Option<[&str; 2]> {
    let is_unit = |end: char| end.is_ascii_alphabetic();
    let measured = key.default.starts_with(|first: char| first.is_ascii_digit())
        && key.default.ends_with(is_unit)
        && key.default.chars().all(|c| c.is_ascii_alphanumeric());
    let words: Vec<&str> = key.said.split_whitespace().collect();
    let at = words.iter().rposition(|word| *word == "to").filter(|_| measured)?;
    let most = words.get(at + 1)?.trim_end_matches(['.', ',']);
    Some([words[at - 1], most])
}

#[test]
fn bounds_are_those_of_the_program() {
    let text = fs::read_to_string(folder().join("templates/_bounds.tpl")).unwrap();
    let table = text.split("boundsOfConfig\" -}}\n").nth(1).unwrap().split("{{- end }}").next();
    let ours: Vec<&str> = table.unwrap().lines().collect();
    // The chart has a value of its own for it, in seconds.
    let keys = keys();
    let theirs = keys.iter().filter(|(name, _)| *name != "shutdown.grace");
    let mut theirs: Vec<String> = theirs
        .filter_map(|(name, key)| bounds(key).map(|[a, b]| format!("{name}: [{a}, {b}]")))
        .collect();
    theirs.sort();
    let mut sorted = ours.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, theirs);
    assert!(theirs.len() > 20, "{theirs:?}");
}

/// With the default of one of two, the other may be as much and no more. The program says the same.
#[tokio::test]
async fn what_must_not_exceed_something_is_refused_as_by_the_program() {
    let (chart, keys) = (Chart::open().await, keys());
    for (less, more) in ORDERED {
        let (least, most) = (&keys[less].default, &keys[more].default);
        for (key, value, taken) in [
            (less, most.clone(), true),
            (less, format!("{most} 1ms"), false),
            (more, least.clone(), true),
            (more, format!("{}s 999ms", seconds(least) - 1), false),
        ] {
            both(&chart, key, &value, taken, less).await;
        }
    }
}

fn seconds(text: &str) -> u64 {
    text.strip_suffix('s').unwrap().parse().unwrap()
}

#[tokio::test]
async fn names_that_must_differ_are_refused_as_by_the_program() {
    let (chart, keys) = (Chart::open().await, keys());
    for names in [&EXCHANGES[..], &QUEUES[..]] {
        for (name, other) in names.iter().flat_map(|a| names.iter().map(move |b| (a, b))) {
            let value = &keys[&format!("broker.names.{other}")].default;
            let key = format!("broker.names.{name}");
            both(&chart, &key, value, name == other, &key).await;
        }
    }
}

/// Values that are each wrong by themselves.
#[tokio::test]
async fn names_and_networks_are_judged_as_by_the_program() {
    let chart = Chart::open().await;
    for (key, value, taken) in [
        ("broker.names.events_queue", "amq.x", false),
        ("broker.names.delay_prefix", "amq.x", false),
        ("broker.names.ops_exchange", "amqx", true),
    ] {
        both(&chart, key, value, taken, key).await;
    }
    for (network, taken) in [
        ("10.0.0.0/8", true),
        ("10.0.0.1/8", false),
        ("192.168.4.0/22", true),
        ("192.168.5.0/22", false),
        ("10.0.0.1/32", true),
        ("0.0.0.0/0", true),
        ("fd00::/8", true),
        ("fd00:::/8", false),
        ("fd00::1/8", false),
        ("fd00:1:8000::/33", true),
        ("fd00:1:8000::/32", false),
        ("1:2:3:4:5:6:7:8/128", true),
        ("1:2:3:4:5:6:7/128", false),
        ("::/0", true),
    ] {
        for key in ["delivery.allow_addresses", "admin.trusted_proxies"] {
            let setting = format!("config.{key}[0]={network}");
            let place = format!("config/{}/0", key.replace('.', "/"));
            judged(&chart, &setting, (&variable(key), network), taken, &place).await;
        }
    }
}

/// Without their password in what is said.
#[tokio::test]
async fn urls_of_broker_and_database_are_judged_as_by_the_program() {
    let chart = Chart::open().await;
    for (url, taken) in [
        ("amqp://a:b@h:5673/x?heartbeat=5", true),
        ("amqps://h", true),
        ("amqp://a:hunter2@h:99999/x", false),
        ("amqp://a:hunter2@/x", false),
    ] {
        let setting = format!("broker.url={url}");
        judged(&chart, &setting, (&variable("broker.url"), url), taken, "broker/url").await;
    }
    for url in ["postgres://a:hunter2@h:99999/x", "postgres://a:hunter2@/x"] {
        for (setting, place) in [
            ("deliveryLog.postgres.url", "deliveryLog/postgres/url"),
            ("store.type=postgres,store.postgres.url", "store/postgres/url"),
        ] {
            let setting = format!("{setting}={url}");
            judged(&chart, &setting, (&variable("webhooks.store"), url), false, place).await;
        }
    }
}

/// The chart and the program judge a value alike; the chart's place is `place`.
async fn both(chart: &Chart, key: &str, value: &str, taken: bool, place: &str) {
    let place = format!("config/{}", place.replace('.', "/"));
    judged(chart, &format!("config.{key}={value}"), (&variable(key), value), taken, &place).await;
}

fn variable(key: &str) -> String {
    format!("BOOTTIFY_WEBHOOKS__{}", key.replace('.', "__").to_uppercase())
}

async fn judged(chart: &Chart, setting: &str, variable: (&str, &str), taken: bool, place: &str) {
    match chart.helm.template(&set("least"), &["--set", setting]).await {
        Ok(_) => assert!(taken, "the chart takes {setting}"),
        Err(error) => {
            let said = format!("{error:#}");
            assert!(!taken && said.contains(&format!("'/{place}'")), "{setting}: {said}");
            assert!(!said.contains("hunter2"), "{setting}: {said}");
        }
    }
    let state = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}", state.path().join("webhooks.db").display());
    let environment = [
        ("BOOTTIFY_WEBHOOKS__BROKER__URL", "amqp://a/"),
        ("BOOTTIFY_WEBHOOKS__WEBHOOKS__STORE", &store),
        ("BOOTTIFY_WEBHOOKS__WEBHOOKS__STATE_DIR", state.path().to_str().unwrap()),
        variable,
    ];
    let checked = program::run(&["check"], &environment).await.unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.success(), taken, "{variable:?}: {said}");
}

/// Who misses a value reads how a Secret can hold it, with the very key that the chart looks for.
#[tokio::test]
async fn what_is_missing_is_told_with_the_secret_that_can_hold_it() {
    let chart = Chart::open().await;
    let rows: [(&str, &str, &[&str]); 5] = [
        (
            "least",
            "image.repository=,broker.url=",
            &["'/image/repository'", "deploy/Dockerfile", "docker push", "'/broker/url'"],
        ),
        (
            "least",
            "broker.url=,broker.existingSecret.key=uri",
            &["broker.existingSecret.name", "create secret generic", "--from-literal=uri='amqp://"],
        ),
        (
            "least",
            "store.type=postgres",
            &["store.postgres.existingSecret.name", "--from-literal=url='postgres://"],
        ),
        (
            "least",
            "store.type=postgres",
            &["store.encryptionKey.existingSecret.name", "--from-literal=encryption-key="],
        ),
        (
            "sqlite-tokens",
            "admin.tokens=",
            &["admin.existingSecret.name", "--from-literal=tokens=", "ingress.enabled"],
        ),
    ];
    for (name, wrong, words) in rows {
        let (flag, wrong) = match wrong.strip_suffix("tokens=") {
            Some(_) => ("--set-json", format!("{wrong}[]")),
            None => ("--set", wrong.to_owned()),
        };
        let refused = chart.helm.template(&set(name), &[flag, &wrong]).await;
        let said = format!("{:#}", refused.unwrap_err());
        for word in words {
            assert!(said.contains(word), "{wrong}: {word} is not in {said}");
        }
    }
}
