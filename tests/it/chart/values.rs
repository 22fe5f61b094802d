//! The schema of the values: it knows what the program knows, and refuses the rest with its place.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use testbed::workspace;

use super::{Chart, folder, set};

/// Keys of the program that the chart has values of its own for, or writes itself, and secrets, which
/// a ConfigMap must not hold.
const OWN: [&str; 19] = [
    "admin.enabled",
    "admin.listen",
    "admin.public_url",
    "admin.tokens",
    "admin.tokens_file",
    "broker.url",
    "broker.url_file",
    "delivery_log.store",
    "delivery_log.store_file",
    "operations.listen",
    "shutdown.grace",
    "traces.headers",
    "webhooks.earlier_encryption_key",
    "webhooks.earlier_encryption_key_file",
    "webhooks.encryption_key",
    "webhooks.encryption_key_file",
    "webhooks.state_dir",
    "webhooks.store",
    "webhooks.store_file",
];

fn schema() -> Value {
    let text = fs::read_to_string(folder().join("values.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Whoever adds a key to the program adds it to the chart.
#[test]
fn the_schema_has_every_key_of_the_program() {
    let source = workspace::root().join("crates/service/src/default.toml");
    let known = keys_of(&fs::read_to_string(source).unwrap());
    let mut taken: BTreeSet<String> = OWN.iter().map(|key| (*key).to_owned()).collect();
    leaves("", &schema()["properties"]["config"], &mut taken);
    let missing: Vec<_> = known.difference(&taken).collect();
    let stale: Vec<_> = taken.difference(&known).collect();
    assert!(missing.is_empty() && stale.is_empty(), "missing: {missing:?}, stale: {stale:?}");
}

/// The keys of default.toml, also those that are commented out.
fn keys_of(text: &str) -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        }
        let line = line.strip_prefix("# ").unwrap_or(line);
        let Some((key, _)) = line.split_once(" = ") else { continue };
        if key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

fn leaves(path: &str, schema: &Value, keys: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(properties) => {
            assert_eq!(schema["additionalProperties"], false, "{path}");
            for (key, schema) in properties {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(&path, schema, keys);
            }
        }
        None => drop(keys.insert(path.to_owned())),
    }
}

/// Every value that the schema knows has a documented default, and the other way round.
#[tokio::test]
async fn every_value_has_a_default() {
    let chart = Chart::open().await;
    let defaults = chart.file("values.yaml").await;
    both("", &schema(), &defaults);
}

fn both(path: &str, schema: &Value, defaults: &Value) {
    let resolved = match schema["$ref"].as_str() {
        Some(_) => &self::schema()["$defs"]["secretKey"],
        None => schema,
    };
    let (Some(properties), Some(defaults)) =
        (resolved["properties"].as_object(), defaults.as_object())
    else {
        return;
    };
    // The program's own defaults are its own; free objects have none.
    let free = ["/config", "/resources", "/global"].contains(&path)
        || path.starts_with("/config/")
        || path.starts_with("/probes/");
    for (key, schema) in properties {
        let path = format!("{path}/{key}");
        match defaults.get(key) {
            Some(default) => both(&path, schema, default),
            None => assert!(free || path == "/global", "no default for {path}"),
        }
    }
    for key in defaults.keys() {
        assert!(properties.contains_key(key), "{path}/{key} is unknown to the schema");
    }
}

/// Each wrong value is refused by the schema with its path.
#[tokio::test]
async fn every_wrong_value_is_refused_with_its_place() {
    let chart = Chart::open().await;
    let rows: [(&str, &str, &str); 40] = [
        ("least", "replicaCuont=2", "'replicaCuont'"),
        ("least", "broker.ulr=amqp://x", "'/broker'"),
        ("least", "broker.url=", "'/broker/url'"),
        ("least", "broker.url=http://x", "'/broker/url'"),
        ("least", "replicaCount=2", "'/replicaCount'"),
        ("least", "replicaCount=many", "'/replicaCount'"),
        ("least", "autoscaling.enabled=true", "'/autoscaling/enabled'"),
        ("least", "keda.enabled=true", "'/keda/enabled'"),
        ("least", "store.type=mysql", "'/store/type'"),
        ("least", "store.type=postgres", "'/store/postgres/url'"),
        ("postgres-autoscaling", "store.encryptionKey.value=", "'/store/encryptionKey/value'"),
        ("postgres-autoscaling", "store.postgres.url=mysql://x", "'/store/postgres/url'"),
        ("postgres-autoscaling", "keda.enabled=true", "'/keda/enabled'"),
        ("postgres-autoscaling", "podDisruptionBudget.maxUnavailable=half", "/maxUnavailable'"),
        ("keda", "keda.queueLength=0", "'/keda/queueLength'"),
        ("gitops", "store.type=sqlite", "'/webhooks'"),
        ("gitops", "webhooks[0].evnts=x", "'/webhooks/0'"),
        ("gitops", "webhooks[0].id=1", "'/webhooks/0/id'"),
        ("gitops", "webhooks[0].url=ftp://x", "'/webhooks/0/url'"),
        ("gitops", "webhooks[0].secret=x", "'/webhooks/0'"),
        ("gitops", "webhooks[0].retry.first=1s", "'/webhooks/0/retry'"),
        ("gitops", "webhooks[1].max_in_flight=0", "'/webhooks/1/max_in_flight'"),
        ("least", "config.delivry.timeout=1s", "'/config'"),
        ("least", "config.delivery.timeuot=1s", "'/config/delivery'"),
        ("least", "config.delivery.timeout=5", "'/config/delivery/timeout'"),
        ("least", "config.broker.prefetch=0", "'/config/broker/prefetch'"),
        ("least", "config.broker.url=amqp://x", "'/config/broker'"),
        ("least", "config.log.level=loud", "'/config/log/level'"),
        ("least", "config.retry.jitter=1", "'/config/retry/jitter'"),
        ("least", "config.traces.endpoint=collector", "'/config/traces/endpoint'"),
        ("least", "config.traces.headers=a=b", "'/config/traces'"),
        ("least", "admin.tokens[0].name=a,admin.tokens[0].role=admin", "'/admin/tokens/0'"),
        ("sqlite-tokens", "admin.tokens[0].token=short", "'/admin/tokens/0/token'"),
        ("sqlite-tokens", "admin.tokens=null", "'/admin/tokens'"),
        ("sqlite-tokens", "admin.enabled=false", "'/admin/enabled'"),
        ("monitoring", "admin.tokens=null", "'/admin/tokens'"),
        ("least", "shutdown.graceSeconds=-1", "'/shutdown/graceSeconds'"),
        ("least", "image.digest=sha256:short", "'/image/digest'"),
        ("least", "persistence.size=big", "'/persistence/size'"),
        ("monitoring", "prometheusRule.runbookBase=docs", "'/prometheusRule/runbookBase'"),
    ];
    for (name, wrong, place) in rows {
        // An emptied list, for `--set` cannot say one.
        let flag = if wrong.ends_with("=null") { "--set-json" } else { "--set" };
        let wrong = wrong.replace("=null", "=[]");
        let refused = chart.helm.template(&set(name), &[flag, &wrong]).await;
        let Err(error) = refused else { panic!("{wrong} was taken") };
        let said = format!("{error:#}");
        assert!(said.contains("schema") && said.contains(place), "{wrong}: {said}");
    }
}
