//! `docs/configure.md` lists every key as `default.toml` explains it. This writes the list
//! (`cargo xtask docs`), and holds it true.

use std::fmt::Write;
use std::path::Path;

use super::*;
use crate::wiring::needs_restart;

/// Asks for the list to be written instead of compared.
const WRITE: &str = "WRITE_DOCS";

/// What stands before the list and behind it.
const MARK: &str = "<!-- keys -->\n";

const KEY: &str = "BAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiM=";
const OTHER_KEY: &str = "CQUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiM=";

/// A value of each key that is not its default, to see what its change comes to.
const OTHERS: [(&str, &str); 83] = [
    ("admin.answer_after", "7s"),
    ("admin.enabled", "false"),
    ("admin.listen", "127.0.0.1:8081"),
    ("admin.max_connections", "7"),
    ("admin.public_url", "https://hooks.example.com"),
    ("admin.session", "1h"),
    ("admin.timeout", "7s"),
    ("admin.tokens", "alice admin 0123456789abcdefghij"),
    ("admin.trusted_proxies", "10.0.0.0/8"),
    ("audit.max_age", "7days"),
    ("audit.max_rows", "7000"),
    ("broker.bindings", "deployment.*"),
    ("broker.deadline", "7s"),
    ("broker.delivery_limit", "7"),
    ("broker.heartbeat", "7s"),
    ("broker.max_large_bytes", "7MiB"),
    ("broker.names.dead_letter_exchange", "other"),
    ("broker.names.dead_queue", "other"),
    ("broker.names.delay_prefix", "other"),
    ("broker.names.deliveries_queue", "other"),
    ("broker.names.events_exchange", "other"),
    ("broker.names.events_queue", "other"),
    ("broker.names.ops_exchange", "other"),
    ("broker.names.rejected_queue", "other"),
    ("broker.prefetch", "7"),
    ("broker.url", "amqp://other@localhost"),
    ("dead.check_every", "7s"),
    ("dead.max_age", "7days"),
    ("dead.max_bytes", "7MiB"),
    ("dead.max_count", "7"),
    ("dead.max_walk", "7"),
    ("delivery.allow_addresses", "10.0.0.0/8"),
    ("delivery.ca_file", "/ca.pem"),
    ("delivery.connect_timeout", "7s"),
    ("delivery.dns_max_names", "7"),
    ("delivery.dns_max_ttl", "7s"),
    ("delivery.dns_servers", "10.0.0.53"),
    ("delivery.idle_timeout", "7s"),
    ("delivery.max_connections", "7"),
    ("delivery.max_idle_per_host", "7"),
    ("delivery.max_in_flight", "7"),
    ("delivery.max_in_flight_per_host", "7"),
    ("delivery.max_response_bytes", "7KiB"),
    ("delivery.timeout", "7s"),
    ("delivery_log.enabled", "false"),
    ("delivery_log.max_age", "7days"),
    ("delivery_log.max_rows", "7000"),
    ("delivery_log.max_waiting_bytes", "7MiB"),
    ("delivery_log.store", "sqlite:///other.db"),
    ("events.extra_types", "team.invited"),
    ("events.max_bytes", "7KiB"),
    ("log.format", "json"),
    ("log.level", "debug"),
    ("operations.listen", "127.0.0.1:9465"),
    ("operations.max_connections", "7"),
    ("operations.timeout", "7s"),
    ("operations.webhook_label", "true"),
    ("retry.first_delay", "7s"),
    ("retry.give_up_after", "7days"),
    ("retry.jitter", "0.7"),
    ("retry.max_delay", "7h"),
    ("retry.multiplier", "7"),
    ("retry.retry_after_max", "7h"),
    ("runtime.threads", "7"),
    ("shutdown.grace", "7s"),
    ("traces.ca_file", "/ca.pem"),
    ("traces.endpoint", "http://other:4318"),
    ("traces.headers", "name=other"),
    ("traces.max_waiting_spans", "777"),
    ("traces.propagate", "false"),
    ("traces.sample_ratio", "0.7"),
    ("traces.timeout", "7s"),
    ("webhooks.allow_http", "true"),
    ("webhooks.breaker.failures", "7"),
    ("webhooks.breaker.first_pause", "7s"),
    ("webhooks.breaker.max_pause", "7m"),
    ("webhooks.disable_after", "7days"),
    ("webhooks.earlier_encryption_key", OTHER_KEY),
    ("webhooks.encryption_key", OTHER_KEY),
    ("webhooks.max_in_flight", "7"),
    ("webhooks.secret_overlap", "7h"),
    ("webhooks.state_dir", "/other"),
    ("webhooks.store", "sqlite:///other.db"),
];

#[test]
fn the_documentation_lists_every_key_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configure.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(MARK).unwrap();
    let (written, after) = rest.split_once(MARK).unwrap();
    let list = list();
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, format!("{before}{MARK}{list}{MARK}{after}")).unwrap();
    } else {
        assert_eq!(written, list, "docs/configure.md is not true: run `cargo xtask docs`");
    }
}

/// A section for each table of `default.toml`, a subsection for each key.
fn list() -> String {
    let (mut list, mut section, mut said) = ("\n".to_owned(), String::new(), Vec::new());
    let mut lines = DEFAULTS.lines().peekable();
    while let Some(line) = lines.next() {
        let comment = line.strip_prefix("# ");
        let key = comment.filter(|text| is_key(text)).or(Some(line).filter(|line| is_key(line)));
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
            let said = std::mem::take(&mut said).join(" ");
            write!(list, "## `[{name}]`\n\n").unwrap();
            if !said.is_empty() {
                write!(list, "{said}\n\n").unwrap();
            }
        } else if let Some(key) = key {
            let (key, value) = key.split_once(" = ").unwrap();
            let default = comment.is_none().then(|| value.to_owned());
            // Its twin, which names a file that holds the value, is told together with it.
            let twin = format!("# {key}_file = ");
            let secret = lines.next_if(|next| next.starts_with(&twin)).is_some();
            let said = sentences(&std::mem::take(&mut said));
            list += &entry(&format!("{section}.{key}"), default, secret, &said);
        } else if let Some(text) = comment {
            said.push(text);
        } else if line.is_empty() && section.is_empty() {
            // The head of the file explains the file.
            said.clear();
        }
    }
    list
}

fn entry(key: &str, default: Option<String>, secret: bool, said: &str) -> String {
    let variable = format!("{PREFIX}__{}", key.to_uppercase().replace('.', "__"));
    let default = default.map_or("no default".to_owned(), |value| format!("default `{value}`"));
    let file =
        if secret { format!(", or a file's path in `{variable}_FILE`") } else { String::new() };
    let change = if reloads(key) { "`SIGHUP` reloads it" } else { "a change needs a restart" };
    format!("### `{key}`\n\n{said}\n\n{default} · `{variable}`{file} · {change}\n\n")
}

/// Whether a change of the key takes effect without a restart.
fn reloads(key: &str) -> bool {
    // Whose value is a file's content is what its twin is.
    let key = key.strip_suffix("_file").filter(|twin| *twin == "admin.tokens").unwrap_or(key);
    let other = OTHERS.iter().find(|(known, _)| *known == key);
    let (_, other) = other.unwrap_or_else(|| panic!("{key} has no other value in OTHERS"));
    let base = [("BROKER__URL", URL), ("WEBHOOKS__ENCRYPTION_KEY", KEY)];
    let name = key.to_uppercase().replace('.', "__");
    let kept = base.into_iter().filter(|(base, _)| *base != name);
    let changed: Vec<_> = kept.chain([(name.as_str(), *other)]).collect();
    let [before, after] = [&base[..], &changed].map(|pairs| {
        Config::parse(None, variables(pairs)).unwrap_or_else(|report| panic!("{key}: {report}"))
    });
    assert_ne!(before, after, "{key}: its other value changes nothing");
    needs_restart(&before, &after).is_empty()
}

/// One sentence per line.
fn sentences(said: &[&str]) -> String {
    let text = said.join(" ");
    let mut lines = String::new();
    let mut rest = text.as_str();
    while let Some(end) = rest.find(". ") {
        let (sentence, next) = rest.split_at(end + 1);
        lines += sentence;
        lines.push('\n');
        rest = next.trim_start();
    }
    lines + rest
}

fn is_key(line: &str) -> bool {
    let (key, rest) = line.split_once(" = ").unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    !key.is_empty() && !rest.is_empty() && key.bytes().all(fits)
}
