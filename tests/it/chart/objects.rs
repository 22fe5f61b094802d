//! What must hold of the rendered objects, whatever the values.

use std::fs;
use std::net::IpAddr;

use serde_json::{Value, json};
use testbed::workspace;

use super::{Chart, find, list, of_kind, set, sets};

/// Where the set `monitoring` says that runbooks are.
const RUNBOOKS: &str = "https://git.example.com/platform/boottify-webhooks/blob/main";

/// The pods' templates and the pods of hooks.
fn pods(objects: &[Value]) -> Vec<&Value> {
    let templates =
        of_kind(objects, "Deployment").map(|object| &object["spec"]["template"]["spec"]);
    templates.chain(of_kind(objects, "Pod").map(|object| &object["spec"])).collect()
}

fn deployment(objects: &[Value]) -> &Value {
    find(objects, "Deployment", "")
}

/// The restricted Pod Security Standard, field by field, and what a cautious operator adds to it.
#[tokio::test]
async fn every_pod_passes_the_restricted_standard() {
    let chart = Chart::open().await;
    for (name, values) in sets() {
        let objects = chart.objects(&values).await;
        let hooks = of_kind(&objects, "Pod").count();
        assert_eq!(pods(&objects).len(), 1 + hooks, "{name}");
        assert_eq!(hooks, usize::from(name != "configured"), "{name}");
        for pod in pods(&objects) {
            let context = &pod["securityContext"];
            assert_eq!(context["runAsNonRoot"], true, "{name}");
            assert!(context["runAsUser"].as_u64().unwrap() > 0, "{name}");
            assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{name}");
            for no in ["hostNetwork", "hostPID", "hostIPC"] {
                assert!(pod[no].is_null(), "{name}: {no}");
            }
            assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
            for container in list(&pod["containers"]) {
                let context = &container["securityContext"];
                assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
                assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
                assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }), "{name}");
                assert!(list(&container["ports"]).iter().all(|port| port["hostPort"].is_null()));
                assert!(!container["resources"]["limits"]["memory"].is_null(), "{name}");
            }
            let allowed = ["configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"];
            for volume in list(&pod["volumes"]) {
                let mut kinds = volume.as_object().unwrap().keys().filter(|key| *key != "name");
                assert!(kinds.all(|kind| allowed.contains(&kind.as_str())), "{name}: {volume}");
            }
        }
    }
}

#[tokio::test]
async fn secrets_are_in_secrets_alone() {
    let chart = Chart::open().await;
    for (name, values) in sets() {
        for object in chart.objects(&values).await {
            let text = object.to_string();
            let secret = ["hunter", "whsec_", "MDEyMzQ1"].iter().any(|part| text.contains(part));
            let kind = &object["kind"];
            assert!(!secret || kind == "Secret", "{name}: a secret in {kind}");
        }
    }
}

/// What the program reads at its start rolls the pods, what it follows by itself does not.
#[tokio::test]
async fn a_change_rolls_the_pods_where_the_program_needs_a_restart() {
    let chart = Chart::open().await;
    let annotations = async |name: &str, more: &[&str]| {
        let yaml = chart.helm.template(&super::set(name), more).await.unwrap();
        let objects = chart.kubernetes.documents(&yaml).await.unwrap();
        deployment(&objects)["spec"]["template"]["metadata"]["annotations"].clone()
    };
    let before = annotations("least", &[]).await;
    assert_eq!(before, annotations("least", &["--set", "keda.queueLength=5"]).await);
    for change in ["config.log.level=debug", "shutdown.graceSeconds=30"] {
        let after = annotations("least", &["--set", change]).await;
        assert_ne!(before["checksum/config"], after["checksum/config"], "{change}");
    }
    let after = annotations("least", &["--set", "broker.url=amqp://other/"]).await;
    assert_ne!(before["checksum/secrets"], after["checksum/secrets"]);

    let before = annotations("gitops", &[]).await;
    for live in ["webhooks[1].enabled=true", "webhooks[1].secret=whsec_other"] {
        assert_eq!(before, annotations("gitops", &["--set", live]).await, "{live}");
    }
}

#[tokio::test]
async fn an_embedded_database_has_one_owner_and_others_roll_without_a_gap() {
    let chart = Chart::open().await;
    let of = async |name: &str| chart.of_set(name).await;
    for (name, claim) in [("least", "hooks-boottify-webhooks"), ("closed", "webhooks")] {
        let objects = of(name).await;
        let spec = &deployment(&objects)["spec"];
        assert_eq!((&spec["replicas"], &spec["strategy"]["type"]), (&json!(1), &json!("Recreate")));
        let state = volume(&spec["template"]["spec"], "state");
        assert_eq!(state["persistentVolumeClaim"]["claimName"], claim);
        assert_eq!(
            of_kind(&objects, "PersistentVolumeClaim").count(),
            usize::from(name == "least")
        );
    }
    let objects = of("postgres-references").await;
    let spec = &deployment(&objects)["spec"];
    assert_eq!(spec["replicas"], 3);
    let rolling = json!({ "maxUnavailable": 0, "maxSurge": 1 });
    assert_eq!(spec["strategy"]["rollingUpdate"], rolling);
    assert_eq!(volume(&spec["template"]["spec"], "state")["emptyDir"], json!({}));
    for scaled in ["postgres-autoscaling", "keda"] {
        assert!(deployment(&of(scaled).await)["spec"]["replicas"].is_null(), "{scaled}");
    }
}

fn volume<'o>(pod: &'o Value, name: &str) -> &'o Value {
    list(&pod["volumes"]).iter().find(|volume| volume["name"] == name).unwrap()
}

/// Services, probes and routes lead to ports that the program listens on, and the pod outlives the
/// drain.
#[tokio::test]
async fn what_leads_to_the_program_arrives() {
    let chart = Chart::open().await;
    for (name, values) in sets() {
        let objects = chart.objects(&values).await;
        let spec = &deployment(&objects)["spec"];
        let (template, selector) = (&spec["template"], &spec["selector"]["matchLabels"]);
        let container = &template["spec"]["containers"][0];
        let labels = &template["metadata"]["labels"];
        let selects = |selector: &Value, labels: &Value| {
            selector.as_object().unwrap().iter().all(|(key, value)| labels[key] == *value)
        };
        assert!(selects(selector, labels), "{name}");
        let port = |name: &Value| {
            list(&container["ports"]).iter().find(|port| port["name"] == *name).cloned()
        };
        for service in of_kind(&objects, "Service") {
            assert!(selects(&service["spec"]["selector"], labels), "{name}");
            assert!(port(&service["spec"]["ports"][0]["targetPort"]).is_some(), "{name}");
            for pod in of_kind(&objects, "Pod") {
                let hook = &pod["metadata"]["labels"];
                assert!(!selects(&service["spec"]["selector"], hook), "{name}: the test's pod");
            }
        }
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert!(port(&container[probe]["httpGet"]["port"]).is_some(), "{name}: {probe}");
        }
        let config = config_of(&objects);
        let grace: u64 = between(&config, "grace = \"", "s\"").parse().unwrap();
        let sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap_or(0);
        let termination = template["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(termination >= sleep + grace + 10, "{name}");
        let open = port(&json!("admin")).is_some();
        assert_eq!(!config.contains("127.0.0.1:8080"), open, "{name}");
        assert_eq!(config.contains("tokens_file"), open, "{name}");
        assert_eq!(of_kind(&objects, "Service").count(), 1 + usize::from(open), "{name}");
    }
}

/// The text of `config.toml`.
pub(super) fn config_of(objects: &[Value]) -> String {
    let maps = of_kind(objects, "ConfigMap");
    let mut texts = maps.filter_map(|map| map["data"]["config.toml"].as_str());
    texts.next().unwrap().to_owned()
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

#[tokio::test]
async fn the_page_is_routed_to() {
    let chart = Chart::open().await;
    let objects = chart.of_set("sqlite-tokens").await;
    let rule = &find(&objects, "Ingress", "")["spec"]["rules"][0];
    assert_eq!(rule["host"], "hooks.example.com");
    let service = find(&objects, "Service", "boottify-webhooks");
    for (path, expected) in list(&rule["http"]["paths"]).iter().zip(["/admin", "/api/v1"]) {
        assert_eq!(path["path"], expected);
        assert_eq!(path["backend"]["service"]["name"], service["metadata"]["name"]);
        assert_eq!(path["backend"]["service"]["port"]["name"], service["spec"]["ports"][0]["name"]);
    }
    assert!(config_of(&objects).contains("public_url = \"https://hooks.example.com\""));

    let objects = chart.of_set("monitoring").await;
    let route = &find(&objects, "HTTPRoute", "")["spec"];
    let service = find(&objects, "Service", "boottify-webhooks");
    let backend = &route["rules"][0]["backendRefs"][0];
    assert_eq!(backend["name"], service["metadata"]["name"]);
    assert_eq!(backend["port"], service["spec"]["ports"][0]["port"]);
    assert_eq!(list(&route["rules"][0]["matches"]).len(), 2);
    assert_eq!(route["parentRefs"][0]["name"], "public");
    assert!(config_of(&objects).contains("listen = \"[::]:8080\""));
}

#[tokio::test]
async fn prometheus_finds_the_figures_and_the_rules() {
    let chart = Chart::open().await;
    let objects = chart.of_set("monitoring").await;
    let monitor = &find(&objects, "ServiceMonitor", "")["spec"];
    let service = find(&objects, "Service", "-operations");
    let labels = &service["metadata"]["labels"];
    for (key, value) in monitor["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&labels[key], value, "{key}");
    }
    assert_eq!(monitor["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
    // A job of its own that alerts and dashboard find, also where the objects are called otherwise.
    let job = |name: String| json!({ "targetLabel": "job", "replacement": name });
    let name =
        find(&objects, "ServiceMonitor", "")["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(name.contains("boottify-webhooks"), "{name}");
    assert_eq!(monitor["endpoints"][0]["relabelings"], json!([job(name)]));
    let renamed =
        ["--set", "nameOverride=hooks", "--set", "serviceMonitor.relabelings[0].action=keep"];
    let yaml = chart.helm.template(&super::set("monitoring"), &renamed).await.unwrap();
    let renamed = chart.kubernetes.documents(&yaml).await.unwrap();
    let monitor = &find(&renamed, "ServiceMonitor", "")["spec"];
    let name = find(&renamed, "ServiceMonitor", "")["metadata"]["name"].as_str().unwrap();
    assert!(!name.contains("boottify-webhooks"), "{name}");
    let relabelings = json!([job(format!("boottify-webhooks/{name}")), { "action": "keep" }]);
    assert_eq!(monitor["endpoints"][0]["relabelings"], relabelings);

    let rules = find(&objects, "PrometheusRule", "");
    assert_eq!(rules["metadata"]["labels"]["release"], "prometheus");
    let text = fs::read_to_string(workspace::root().join("deploy/prometheus/rules.yml")).unwrap();
    let deployed = chart.kubernetes.documents(&text).await.unwrap();
    let mut linked = 0;
    for group in list(&rules["spec"]["groups"]) {
        for rule in list(&group["rules"]).iter().filter(|rule| rule["alert"].is_string()) {
            let anchor = rule["alert"].as_str().unwrap().to_lowercase();
            let link = format!("{RUNBOOKS}/docs/operate.md#{anchor}");
            assert_eq!(rule["annotations"]["runbook_url"], link);
            linked += 1;
        }
    }
    assert!(linked > 20, "{linked}");
    let own = ["--set", "prometheusRule.runbookBase="];
    let yaml = chart.helm.template(&super::set("monitoring"), &own).await.unwrap();
    let objects_without = chart.kubernetes.documents(&yaml).await.unwrap();
    assert_eq!(find(&objects_without, "PrometheusRule", "")["spec"], deployed[0]);
    for (more, told) in [(&own[..], true), (&[], false)] {
        let said = chart.helm.notes(&set("monitoring"), more).await.unwrap();
        assert_eq!(said.contains("prometheusRule.runbookBase makes"), told, "{more:?}: {said}");
    }

    let dashboard = find(&objects, "ConfigMap", "-dashboard");
    let text = dashboard["data"]["boottify-webhooks.json"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(text).unwrap()["panels"].is_array());
    assert_eq!(dashboard["metadata"]["labels"]["grafana_dashboard"], "1");
}

#[tokio::test]
async fn scaling_asks_about_the_right_things() {
    let chart = Chart::open().await;
    let objects = chart.of_set("postgres-autoscaling").await;
    let scaler = &find(&objects, "HorizontalPodAutoscaler", "")["spec"];
    assert_eq!(scaler["scaleTargetRef"]["name"], deployment(&objects)["metadata"]["name"]);

    let objects = chart.of_set("keda").await;
    let scaled = &find(&objects, "ScaledObject", "")["spec"];
    assert_eq!(scaled["scaleTargetRef"]["name"], deployment(&objects)["metadata"]["name"]);
    let authentication = find(&objects, "TriggerAuthentication", "");
    let queues: Vec<&Value> = list(&scaled["triggers"])
        .iter()
        .map(|trigger| {
            assert_eq!(trigger["type"], "rabbitmq");
            assert_eq!(trigger["authenticationRef"]["name"], authentication["metadata"]["name"]);
            assert!(trigger["metadata"].as_object().unwrap().values().all(Value::is_string));
            &trigger["metadata"]["queueName"]
        })
        .collect();
    assert_eq!(queues, ["hooks.events", "hooks.deliveries"]);
    let host = &authentication["spec"]["secretTargetRef"][0];
    assert_eq!(host, &json!({ "parameter": "host", "name": "amqp", "key": "url" }));
}

/// The policy shuts out at least what the program's own guard does.
#[tokio::test]
async fn the_network_policy_covers_the_address_guard() {
    let chart = Chart::open().await;
    let objects = chart.of_set("configured").await;
    let policy = find(&objects, "NetworkPolicy", "");
    let rules = list(&policy["spec"]["egress"]);
    let collector = json!([{ "port": 4318, "protocol": "TCP" }]);
    assert!(rules.iter().any(|rule| rule["ports"] == collector), "no way to the collector");
    // As platforms name it, in the environment.
    for (name, leads) in [("OTEL_EXPORTER_OTLP_ENDPOINT", true), ("OTEL_SERVICE_NAME", false)] {
        let variable = format!("extraEnv[0].name={name},extraEnv[0].value=http://collector:4318");
        let yaml = chart.helm.template(&set("least"), &["--set", &variable]).await.unwrap();
        assert_eq!(yaml.contains("port: 4318"), leads, "{name}");
    }
    let blocks: Vec<&Value> =
        rules.iter().flat_map(|rule| list(&rule["to"])).map(|peer| &peer["ipBlock"]).collect();
    for allowed in ["10.20.0.0/16", "fd00:1::/32"] {
        assert!(blocks.iter().any(|block| block["cidr"] == allowed), "{allowed}");
    }
    let excepted: Vec<(IpAddr, u32)> = blocks
        .iter()
        .flat_map(|block| list(&block["except"]))
        .map(|network| parsed(network.as_str().unwrap()))
        .collect();
    let guarded = guarded();
    assert!(guarded.len() > 40, "{guarded:?}");
    for network in guarded {
        assert!(excepted.iter().any(|outer| covers(*outer, network)), "{network:?}");
    }
}

fn parsed(network: &str) -> (IpAddr, u32) {
    let (address, length) = network.split_once('/').unwrap();
    (address.parse().unwrap(), length.parse().unwrap())
}

fn covers(outer: (IpAddr, u32), inner: (IpAddr, u32)) -> bool {
    let shared = match (outer.0, inner.0) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => return false,
    };
    outer.1 <= inner.1 && shared >= outer.1
}

/// The rows of the guard's tables, as their source has them; one that cannot be read fails the test.
fn guarded() -> Vec<(IpAddr, u32)> {
    let source = workspace::root().join("crates/delivery/src/guard/ranges.rs");
    let source = fs::read_to_string(source).unwrap();
    let tables =
        source.split("Addr>] = &[\n").skip(1).map(|rest| rest.split_once("\n];").unwrap().0);
    let rows: Vec<&str> = tables.flat_map(str::lines).collect();
    rows.into_iter().map(|line| row(line).unwrap_or_else(|| panic!("what is {line}?"))).collect()
}

/// `(v4(10, 0, 0, 0), 8, "…"),` and its like.
fn row(line: &str) -> Option<(IpAddr, u32)> {
    let (network, _) = line.trim().strip_prefix('(')?.split_once(", \"")?;
    let (address, length) = network.rsplit_once(", ")?;
    let address = match address {
        "Ipv6Addr::UNSPECIFIED" => IpAddr::from([0_u16; 8]),
        "Ipv6Addr::LOCALHOST" => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16]),
        call => {
            let (kind, pieces) = call.strip_suffix(')')?.split_once('(')?;
            let pieces = pieces.trim_matches(['[', ']']).split(',').map(number);
            let pieces: Vec<u16> = pieces.collect::<Option<_>>()?;
            match (kind, pieces.as_slice()) {
                ("v4", &[a, b, c, d]) => {
                    let bytes = [a, b, c, d].map(u8::try_from);
                    let [Ok(a), Ok(b), Ok(c), Ok(d)] = bytes else { return None };
                    IpAddr::from([a, b, c, d])
                }
                ("v6", &[a, b, c, d]) => IpAddr::from([a, b, c, d, 0, 0, 0, 0]),
                ("Ipv6Addr::new", pieces) => IpAddr::from(<[u16; 8]>::try_from(pieces).ok()?),
                _ => return None,
            }
        }
    };
    Some((address, length.parse().ok()?))
}

fn number(text: &str) -> Option<u16> {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(hex) => u16::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
