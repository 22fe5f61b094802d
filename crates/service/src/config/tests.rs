//! The reference against the code, precedence, and the line of every mistake.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::*;

mod reference;

const URL: &str = "amqp://user:hunter2@localhost:5672/shop";

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let variables =
        pairs.iter().map(|(key, value)| (format!("{PREFIX}__{key}"), (*value).to_owned()));
    variables.collect()
}

/// The configuration of this file, with a broker.
fn config(text: &str) -> Config {
    Config::parse(Some(("c.toml", text)), variables(&[("BROKER__URL", URL)])).unwrap()
}

/// The mistakes of this file, with a broker, one line each.
fn mistakes(text: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let mut env = variables(&[("BROKER__URL", URL)]);
    env.extend(variables(pairs));
    let report = Config::parse(Some(("c.toml", text)), env).expect_err(text).to_string();
    assert!(!report.contains("hunter2"), "{report}");
    report.lines().map(str::to_owned).collect()
}

fn check(text: &str, expected: &str) {
    assert_eq!(mistakes(text, &[]), [expected], "{text}");
}

/// The default file with everything that is commented out, switched on.
fn reference() -> String {
    let is_key = |line: &str| {
        let (key, rest) = line.split_once(" = ").unwrap_or_default();
        !key.is_empty()
            && !rest.is_empty()
            && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    let lines = DEFAULTS.lines().map(|line| match line.strip_prefix("# ") {
        Some(key) if is_key(key) => key,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn keys_of(prefix: &str, table: &toml::Table, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => keys_of(&format!("{prefix}{key}."), inner, keys),
            _ => {
                keys.insert(format!("{prefix}{key}"));
            }
        }
    }
}

#[test]
fn the_reference_names_every_key_that_is_read_and_no_other() {
    let mut written = BTreeSet::new();
    keys_of("", &reference().parse().unwrap(), &mut written);
    let read: BTreeSet<String> = reading(None, []).unwrap().keys.into_iter().collect();
    assert_eq!(written, read);
}

#[test]
fn every_default_is_explained() {
    let mut explained = false;
    for line in DEFAULTS.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(explained, "{line}");
        }
        explained = line.starts_with('#');
    }
}

#[test]
fn the_defaults() {
    let config = config("");
    assert_eq!(config.broker.url.expose(), URL);
    assert_eq!(config.broker.names, ::broker::Names::default());
    assert_eq!((config.broker.prefetch, config.broker.delivery_limit), (500, 50));
    assert_eq!(config.events.max_bytes, 256 * 1024);
    assert_eq!(config.events.catalog.iter().len(), 5);
    assert_eq!(config.webhooks.max_in_flight.get(), 256);
    assert!(!config.webhooks.allow_http);
    assert_eq!(config.delivery.timeout, Duration::from_secs(15));
    assert_eq!(config.retry, RetryPolicy::default());
    assert_eq!(config.operations.listen, "127.0.0.1:9464".parse().unwrap());
    assert_eq!(config.admin.listen, "127.0.0.1:8080".parse().unwrap());
    assert!(config.admin.enabled && config.admin.tokens.is_empty());
    assert!(config.admin.trusted_proxies.is_empty());
    assert_eq!(config.audit.max_age, Duration::from_secs(365 * 24 * 60 * 60));
    assert_eq!(config.audit.max_rows, 100_000);
    assert_eq!(config.shutdown.grace, Duration::from_secs(25));
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.runtime.threads, None);
}

#[test]
fn who_may_ask_is_said_before_others_can_reach_it() {
    const TOKEN: &str = "tok_hunter2_0123456789";
    let open = "[admin]\nlisten = \"0.0.0.0:8080\"\n";
    check(
        open,
        "c.toml:2:10: admin.listen: without admin.tokens this must be a loopback address such as \
         127.0.0.1:8080, for everybody who reaches it could do everything",
    );
    assert!(!config(&format!("{open}enabled = false")).admin.enabled);
    let with = config(&format!("{open}tokens = \"alice admin {TOKEN}\"")).admin;
    assert!(!with.tokens.is_empty() && !format!("{with:?}").contains(TOKEN));
    for (tokens, why) in [
        (
            "alice admin hunter2",
            "the token in line 1 must have 20 to 256 printable ASCII characters",
        ),
        ("alice root tok_hunter2_0123456789", "the role in line 1 must be admin or read"),
        ("tok_hunter2_0123456789", "line 1 is not \"name role token\", such as \"alice admin …\""),
    ] {
        let expected = format!("c.toml:2:10: admin.tokens: {why}");
        check(&format!("[admin]\ntokens = {tokens:?}"), &expected);
    }
    check(
        "[admin]\npublic_url = \"https://a.example/x\"",
        "c.toml:2:14: admin.public_url: expected where browsers find the page, such as \
         https://hooks.example.com",
    );
}

#[test]
fn environment_beats_file_beats_default() {
    let text = "[delivery]\ntimeout = \"20s\"\nallow_addresses = [\"10.0.0.0/8\"]\n";
    assert_eq!(config(text).delivery.timeout, Duration::from_secs(20));
    let mut env = variables(&[("BROKER__URL", URL), ("DELIVERY__TIMEOUT", "30s")]);
    env.extend(variables(&[
        ("BROKER__NAMES__EVENTS_QUEUE", "q"),
        ("DELIVERY__ALLOW_ADDRESSES", "127.0.0.0/8, ::1/128"),
    ]));
    let config = Config::parse(Some(("c.toml", text)), env).unwrap();
    assert_eq!(config.delivery.timeout, Duration::from_secs(30));
    assert_eq!(config.delivery.allow_addresses.len(), 2);
    assert_eq!(config.broker.names.events_queue, "q");
}

#[test]
fn the_broker_is_required_and_never_shown() {
    let report = Config::parse(None, []).unwrap_err().to_string();
    assert_eq!(
        report,
        "broker.url: missing; expected a URL such as \
         \"amqp://user:password@host:5672/vhost\" here or in url_file \
         (environment variable BOOTTIFY_WEBHOOKS__BROKER__URL)"
    );
    assert!(!format!("{:?}", config("")).contains("hunter2"));
    for (url, why) in [
        ("http://user:hunter2@h", "expected a URL that starts with amqp:// or amqps://"),
        ("amqp:user:hunter2@h", "expected a URL that starts with amqp:// or amqps://"),
        ("", "expected a URL that starts with amqp:// or amqps://"),
        (
            "amqp://user:hunter2@h:port",
            "expected a URL such as amqp://user:password@host:5672/vhost",
        ),
        (
            "amqps://user:hunter2@[::1]/",
            "an IPv6 address cannot stand in a broker URL; use a host name",
        ),
    ] {
        let text = format!("[broker]\nurl = {url:?}\n");
        let report = Config::parse(Some(("c.toml", &text)), []).unwrap_err().to_string();
        assert_eq!(report, format!("c.toml:2:7: broker.url: {why}"), "{url}");
    }
}

#[test]
fn the_broker_url_may_stand_in_a_file_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("url"), format!("{URL}\n")).unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, "[broker]\nurl_file = \"url\"\n").unwrap();
    assert_eq!(Config::load(Some(&path), []).unwrap().broker.url.expose(), URL);
    let missing = folder.path().join("missing.toml");
    let report = Config::load(Some(&missing), []).unwrap_err().to_string();
    assert!(report.starts_with(&format!("{}: cannot be read: ", missing.display())), "{report}");
}

#[test]
fn broker_events_and_webhooks_tell_their_mistakes() {
    check(
        "delivery.timout = 1",
        "c.toml:1:10: delivery.timout: unknown key; did you mean delivery.timeout?",
    );
    check("[brokr]", "c.toml:1:2: brokr: unknown key; did you mean broker?");
    check(
        "broker.prefetch = 0",
        "c.toml:1:19: broker.prefetch: found 0; expected a whole number from 1 to 10000",
    );
    check(
        "broker.heartbeat = 10",
        "c.toml:1:20: broker.heartbeat: found 10; expected a duration from \"1s\" to \"5m\"",
    );
    check(
        "broker.bindings = []",
        "c.toml:1:19: broker.bindings: found a list; expected at least one routing key, such as \"#\"",
    );
    check(
        "broker.names.dead_queue = \"\"",
        "c.toml:1:27: broker.names.dead_queue: \"\": expected 1 to 250 bytes",
    );
    check(
        "broker.names.dead_queue = \"amq.x\"",
        "c.toml:1:27: broker.names.dead_queue: \"amq.x\": names that start with amq. belong to the broker",
    );
    check(
        "broker.names.dead_queue = \"webhooks.events\"",
        "c.toml:1:27: broker.names.dead_queue: has the same value as events_queue",
    );
    // Whoever reads it is sent to what they wrote, and not to a default.
    check(
        "broker.names.events_queue = \"webhooks.dead\"",
        "c.toml:1:29: broker.names.events_queue: has the same value as dead_queue",
    );
    check(
        "broker.names.events_exchange = \"boottify.webhooks.ops\"",
        "c.toml:1:32: broker.names.events_exchange: has the same value as ops_exchange",
    );
    check(
        "events.max_bytes = \"1GiB\"",
        "c.toml:1:20: events.max_bytes: found \"1GiB\"; expected a size from \"1KiB\" to \"16MiB\"",
    );
    check(
        "webhooks.store = \"redis:///x\"",
        "c.toml:1:18: webhooks.store: unknown store \"redis\"; expected sqlite:///path, postgres://user:password@host/database or file:///path",
    );
    check(
        "webhooks.state_dir = \"state\"",
        "c.toml:1:22: webhooks.state_dir: \"state\": expected an absolute path",
    );
    check(
        "webhooks.max_in_flight = 0",
        "c.toml:1:26: webhooks.max_in_flight: found 0; expected a whole number from 1 to 10000",
    );
    let unknown = mistakes("events.extra_types = [\"nonsense\"]", &[]);
    assert!(
        unknown[0].starts_with("c.toml:1:23: events.extra_types[0]: \"nonsense\" is no event type"),
        "{unknown:?}"
    );
}

#[test]
fn two_listeners_have_two_addresses() {
    let why = "operations.listen: is the same address as admin.listen: give each its own";
    check("operations.listen = \"127.0.0.1:8080\"", &format!("c.toml:1:21: {why}"));
    check("admin.listen = \"127.0.0.1:9464\"", &format!("c.toml: {why}"));
    config("operations.listen = \"127.0.0.1:8080\"\nadmin.enabled = false");
    config("operations.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"");
}

#[test]
fn an_earlier_key_is_nothing_without_a_present_one() {
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let earlier = format!("[webhooks]\nearlier_encryption_key = \"{key}\"\n");
    let told = mistakes(&earlier, &[]);
    assert!(
        told[0].contains("c.toml:2:26: webhooks.earlier_encryption_key: does nothing"),
        "{told:?}"
    );
    config(&format!("{earlier}encryption_key = \"{key}\""));
}

#[test]
fn the_other_sections_tell_their_mistakes() {
    check(
        "delivery.max_in_flight = 0",
        "c.toml:1:26: delivery.max_in_flight: found 0; expected a whole number from 1 to 100000",
    );
    check(
        "delivery.connect_timeout = \"16s\"",
        "c.toml:1:28: delivery.connect_timeout: connect_timeout must not exceed timeout",
    );
    check(
        "delivery.allow_addresses = [\"10.0.0.0\"]",
        "c.toml:1:29: delivery.allow_addresses[0]: \"10.0.0.0\": expected a network such as 10.0.0.0/8 or fd00::/8",
    );
    check(
        "delivery.allow_addresses = [\"10.1.0.0/8\"]",
        "c.toml:1:29: delivery.allow_addresses[0]: \"10.1.0.0/8\": the address has bits beyond the prefix length; write the network, such as 10.0.0.0/8",
    );
    check(
        "admin.trusted_proxies = [\"10.0.0.1\"]",
        "c.toml:1:26: admin.trusted_proxies[0]: \"10.0.0.1\": expected a network such as 10.0.0.0/8 or fd00::/8",
    );
    check(
        "audit.max_rows = 10",
        "c.toml:1:18: audit.max_rows: found 10; expected a whole number from 1000 to 100000000",
    );
    check(
        "retry.first_delay = \"7h\"",
        "c.toml:1:21: retry.first_delay: first_delay must not exceed max_delay",
    );
    check(
        "retry.jitter = 1",
        "c.toml:1:16: retry.jitter: found 1; expected a number from 0 to 0.99",
    );
    check(
        "operations.listen = \"localhost\"",
        "c.toml:1:21: operations.listen: \"localhost\": expected an address and a port, such as 127.0.0.1:9464",
    );
    check(
        "shutdown.grace = \"11m\"",
        "c.toml:1:18: shutdown.grace: found \"11m\"; expected a duration from \"0s\" to \"10m\"",
    );
    check(
        "log.level = \"loud\"",
        "c.toml:1:13: log.level: found \"loud\"; expected \"error\" or \"warn\" or \"info\" or \"debug\" or \"trace\"",
    );
    check(
        "runtime.threads = 0",
        "c.toml:1:19: runtime.threads: found 0; expected a whole number from 1 to 1024",
    );
}

#[test]
fn all_mistakes_of_file_and_environment_are_told_at_once() {
    let text = "[retry]\njitter = 2\n[log]\nformat = \"xml\"\nlevle = \"info\"\n";
    assert_eq!(
        mistakes(text, &[("RETRY__FIRST_DELAY", "soon"), ("LOG__FORMATT", "x")]),
        [
            "c.toml:2:10: retry.jitter: found 2; expected a number from 0 to 0.99",
            "c.toml:4:10: log.format: found \"xml\"; expected \"text\" or \"json\"",
            "c.toml:5:1: log.levle: unknown key; did you mean log.level?",
            "environment variable BOOTTIFY_WEBHOOKS__LOG__FORMATT: unknown key; \
             did you mean BOOTTIFY_WEBHOOKS__LOG__FORMAT?",
            "environment variable BOOTTIFY_WEBHOOKS__RETRY__FIRST_DELAY: retry.first_delay: \
             found \"soon\"; expected a duration from \"1s\" to \"1day\"",
        ]
    );
}
