//! What the NetworkPolicy opens: the ports of what the values name.

use std::collections::BTreeSet;

use super::{Chart, find, list, set};

/// Changes of a value set, and ports that are open to every address with them and not without.
const PORTS: [(&str, &str, &[u64]); 9] = [
    ("least", "broker.url=amqp://a:b@h:5673/x", &[5673]),
    ("least", "broker.url=amqps://a:b@h/x,networkPolicy.broker.ports={5673}", &[5671, 5673]),
    ("postgres-autoscaling", "store.postgres.url=postgres://a:b@pgb:6432/x", &[6432]),
    ("least", "deliveryLog.postgres.url=postgresql://a:b@[fd00::1]:6432/x", &[5432, 6432]),
    ("least", "config.traces.endpoint=http://otel.mon:8080", &[4318, 8080]),
    ("least", "config.traces.endpoint=https://otel.mon/x:1", &[4318, 443]),
    (
        "least",
        "extraEnv[0].name=OTEL_EXPORTER_OTLP_ENDPOINT,extraEnv[0].value=http://otel.mon:8080/",
        &[4318, 8080],
    ),
    ("least", "config.delivery.dns_servers={10.0.0.53:5353,[fd00::53]:54}", &[54, 5353]),
    ("least", "config.delivery.dns_servers={10.0.0.53,fd00::53}", &[]),
];

#[tokio::test]
async fn the_port_of_every_url_in_the_values_is_open() {
    let chart = Chart::open().await;
    for (name, change, more) in PORTS {
        let before = open(&chart, name, &[]).await;
        let after = open(&chart, name, &["--set", change]).await;
        let opened: Vec<u64> = after.difference(&before).copied().collect();
        let mut expected: Vec<u64> =
            more.iter().copied().filter(|port| !before.contains(port)).collect();
        expected.sort_unstable();
        assert!(more.iter().all(|port| after.contains(port)), "{change}: {after:?}");
        assert_eq!(opened, expected, "{change}");
    }
}

/// Ports by which any address is reached.
async fn open(chart: &Chart, name: &str, more: &[&str]) -> BTreeSet<u64> {
    let yaml = chart.helm.template(&set(name), more).await.unwrap();
    let objects = chart.kubernetes.documents(&yaml).await.unwrap();
    let rules = list(&find(&objects, "NetworkPolicy", "")["spec"]["egress"]);
    let anywhere = rules.iter().filter(|rule| rule["to"].is_null());
    anywhere.flat_map(|rule| list(&rule["ports"])).map(|p| p["port"].as_u64().unwrap()).collect()
}

/// What stands in a Secret has a port that the chart cannot see: who installs it reads where to name it.
#[tokio::test]
async fn ports_that_secrets_hide_are_asked_for() {
    let chart = Chart::open().await;
    for (name, change, hidden) in [
        ("least", "replicaCount=1", &[][..]),
        ("closed", "replicaCount=1", &[]),
        ("keda", "networkPolicy.broker.ports={5673}", &["broker on 5673", "postgres on 5432"]),
        ("sqlite-tokens", "replicaCount=1", &["networkPolicy.broker.ports"]),
        ("gitops", "replicaCount=1", &["networkPolicy.postgres.ports"]),
    ] {
        let said = chart.helm.notes(&set(name), &["--set", change]).await.unwrap();
        assert_eq!(said.contains("stands in a Secret"), !hidden.is_empty(), "{name}: {said}");
        for words in hidden {
            assert!(said.contains(words), "{name}: {words} is not in {said}");
        }
    }
}
