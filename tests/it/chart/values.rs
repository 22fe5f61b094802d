//! The schema of the values: it knows what the program knows, and refuses the rest with its place.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
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
    let resolved = resolved(schema);
    let (Some(properties), Some(defaults)) =
        (resolved["properties"].as_object(), defaults.as_object())
    else {
        return;
    };
    // The program's own defaults are its own; free objects have none.
    const FREE: [&str; 8] = [
        "/config",
        "/resources",
        "/global",
        "/podSecurityContext",
        "/securityContext",
        "/affinity",
        "/autoscaling/behavior",
        "/probes",
    ];
    let within = |free: &&str| path.strip_prefix(*free).is_some_and(|it| it.starts_with('/'));
    let free = FREE.iter().any(within) || (path != "/probes" && FREE.contains(&path));
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

/// A key that is there without a value takes its default away. Where that means something, the key is
/// named, and no template stumbles; where the default is empty, nothing changes.
#[tokio::test]
async fn a_value_left_empty_is_refused_by_its_name_or_means_nothing() {
    let chart = Chart::open().await;
    let defaults = chart.file("values.yaml").await;
    let (mut needed, mut optional) = (Vec::new(), Vec::new());
    emptied("", &schema(), &defaults, &mut needed, &mut optional);
    assert!(needed.len() > 60 && optional.len() > 40, "{needed:?} {optional:?}");
    for at in needed.iter().map(|(at, _)| at).collect::<BTreeSet<_>>() {
        let here = needed.iter().filter(|(other, _)| other == at).map(|(_, key)| key);
        let here: Vec<&String> = here.collect();
        let path = |key: &str| format!("{at}.{key}=null").trim_start_matches('.').to_owned();
        let all: Vec<String> = here.iter().map(|key| path(key)).collect();
        let refused = chart.helm.template(&set("least"), &["--set", &all.join(",")]).await;
        let said = format!("{:#}", refused.unwrap_err());
        let place = if at.is_empty() {
            "at ''".to_owned()
        } else {
            format!("at '/{}'", at.replace('.', "/"))
        };
        let line = said.lines().find(|line| line.contains(&format!("{place}: missing propert")));
        let line = line.unwrap_or_else(|| panic!("{all:?}: {said}"));
        assert!(here.iter().all(|key| line.contains(&format!("'{key}'"))), "{all:?}: {line}");
    }
    let all: Vec<String> = optional.iter().map(|path| format!("{path}=null")).collect();
    let enabled = "prometheusRule.enabled=true,serviceMonitor.enabled=true";
    let more = ["--set", enabled, "--set", &all.join(",")];
    chart.helm.template(&set("least"), &more).await.unwrap();
}

/// Values by what their default is: the place and the key of those that need one, and the others.
fn emptied(
    at: &str,
    schema: &Value,
    defaults: &Value,
    needed: &mut Vec<(String, String)>,
    optional: &mut Vec<String>,
) {
    // Who takes these away wants them to be Kubernetes' own, or the program's.
    const FREE: [&str; 9] = [
        "config.log",
        "grafanaDashboard.labels",
        "podSecurityContext",
        "probes.liveness.",
        "probes.readiness.",
        "probes.startup.",
        "replicaCount",
        "resources",
        "securityContext",
    ];
    let schema = resolved(schema);
    let (Some(properties), Some(defaults)) =
        (schema["properties"].as_object(), defaults.as_object())
    else {
        return;
    };
    for (key, default) in defaults {
        let path = format!("{at}.{key}").trim_start_matches('.').to_owned();
        let nothing = [json!(""), json!([]), json!({})].contains(default);
        // What `set("least")` gives itself.
        if ["image.repository", "broker.url"].contains(&path.as_str()) {
            continue;
        }
        if nothing || FREE.iter().any(|free| path.starts_with(free)) {
            optional.push(path);
        } else {
            needed.push((at.to_owned(), key.clone()));
            emptied(&path, &properties[key], default, needed, optional);
        }
    }
}

/// What a part of the schema refers to, or itself.
fn resolved(part: &Value) -> Value {
    match part["$ref"].as_str() {
        Some(name) => schema().pointer(name.strip_prefix('#').unwrap()).unwrap().clone(),
        None => part.clone(),
    }
}

/// Each wrong value is refused with its place.
#[tokio::test]
async fn every_wrong_value_is_refused_with_its_place() {
    let chart = Chart::open().await;
    for (name, wrong, place) in WRONG {
        // An emptied list, for `--set` cannot say one.
        let flag = if wrong.ends_with("=null") { "--set-json" } else { "--set" };
        let wrong = wrong.replace("=null", "=[]");
        let refused = chart.helm.template(&set(name), &[flag, &wrong]).await;
        let Err(error) = refused else { panic!("{wrong} was taken") };
        let said = format!("{error:#}");
        let judged = said.contains("schema") || said.contains("values are missing, or");
        assert!(judged && said.contains(place), "{wrong}: {said}");
    }
}

/// A value set, what is wrong in addition, and the place that is named.
const WRONG: [(&str, &str, &str); 134] = [
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
    ("least", "nameOverride=Hooks", "'/nameOverride'"),
    ("least", "fullnameOverride=1st", "'/fullnameOverride'"),
    ("least", "fullnameOverride=web_hooks", "'/fullnameOverride'"),
    (
        "least",
        "commonLabels.app\\.kubernetes\\.io/name=x",
        "'/commonLabels/app.kubernetes.io~1name'",
    ),
    ("least", "podLabels.app\\.kubernetes\\.io/instance=x", "'/podLabels/"),
    ("least", "commonLabels.team=our team", "'/commonLabels/team'"),
    ("least", "commonLabels.-team=x", "'/commonLabels'"),
    ("least", "podAnnotations.a b=c", "'/podAnnotations'"),
    ("least", "nodeSelector.disk=a b", "'/nodeSelector/disk'"),
    ("least", "serviceAccount.name=Hooks", "'/serviceAccount/name'"),
    ("least", "imagePullSecrets[0].name=no_name", "'/imagePullSecrets/0/name'"),
    ("least", "image.tag=a tag", "'/image/tag'"),
    ("least", "broker.existingSecret.name=AMQP", "'/broker/existingSecret/name'"),
    ("least", "broker.existingSecret.key=a/b", "'/broker/existingSecret/key'"),
    ("least", "persistence.existingClaim=a/b", "'/persistence/existingClaim'"),
    ("least", "persistence.size=5GB", "'/persistence/size'"),
    ("least", "persistence.size=5K", "'/persistence/size'"),
    ("least", "persistence.size=1.2.3Gi", "'/persistence/size'"),
    ("least", "persistence.size=0Gi", "'/persistence/size'"),
    ("least", "resources.limits.memory=512MB", "'/resources/limits/memory'"),
    ("least", "resources.limits.memory=-1", "'/resources/limits/memory'"),
    ("least", "resources.requests.cpu=1 core", "'/resources/requests/cpu'"),
    ("least", "resources.requests.memroy=1Gi", "'/resources/requests'"),
    ("least", "probes.liveness.successThreshold=2", "'/probes/liveness/successThreshold'"),
    ("least", "podSecurityContext.runAsUser=root", "'/podSecurityContext/runAsUser'"),
    ("least", "podSecurityContext.runAsRoot=true", "'/podSecurityContext'"),
    ("least", "securityContext.readOnlyRootFilesytem=true", "'/securityContext'"),
    ("least", "topologySpread.topologyKeys[0]=a b", "'/topologySpread/topologyKeys/0'"),
    (
        "least",
        "extraVolumes[0].name=tmp,extraVolumes[0].emptyDir.medium=Memory",
        "'/extraVolumes/0/name'",
    ),
    ("least", "extraVolumes[0].name=more", "'/extraVolumes/0'"),
    ("least", "extraVolumes[0].name=more,extraVolumes[0].emtyDir.medium=x", "'/extraVolumes/0'"),
    ("least", "tolerations[0].operator=Is", "'/tolerations/0/operator'"),
    ("least", "tolerations[0].kye=x", "'/tolerations/0'"),
    ("least", "affinity.podAntiAfinity.x=1", "'/affinity'"),
    ("least", "affinity.podAffinity.required=1", "'/affinity/podAffinity'"),
    ("least", "autoscaling.behavior.scaleDwon.selectPolicy=Max", "'/autoscaling/behavior'"),
    (
        "least",
        "autoscaling.behavior.scaleUp.policies[0].type=Some",
        "'/autoscaling/behavior/scaleUp/policies/0",
    ),
    (
        "monitoring",
        "serviceMonitor.relabelings[0].sourceLables[0]=x",
        "'/serviceMonitor/relabelings/0'",
    ),
    (
        "monitoring",
        "serviceMonitor.metricRelabelings[0].action=dorp",
        "'/serviceMonitor/metricRelabelings/0/action'",
    ),
    ("least", "extraEnv[0].name=A,extraEnv[0].valueFrom.secretRef.name=x", "'/extraEnv/0/"),
    ("least", "extraEnvFrom[0].secretRef.key=x", "'/extraEnvFrom/0/secretRef'"),
    (
        "least",
        "networkPolicy.adminFrom[0].podSelector.app=x",
        "'/networkPolicy/adminFrom/0/podSelector'",
    ),
    (
        "least",
        "networkPolicy.extraEgress[0].ports[0].prot=1",
        "'/networkPolicy/extraEgress/0/ports/0'",
    ),
    ("least", "securityContext.appArmorProfile.typ=x", "'/securityContext/appArmorProfile'"),
    ("configured", "extraVolumeMounts[0].mountPath=/tmp", "'/extraVolumeMounts/0/mountPath'"),
    ("least", "autoscaling.minReplicas=20", "'/autoscaling/minReplicas'"),
    ("keda", "keda.minReplicas=13", "'/keda/minReplicas'"),
    ("monitoring", "serviceMonitor.scrapeTimeout=1m", "'/serviceMonitor/scrapeTimeout'"),
    ("monitoring", "serviceMonitor.interval=1 min", "'/serviceMonitor/interval'"),
    ("postgres-autoscaling", "store.encryptionKey.value=hunter2", "'/store/encryptionKey/value'"),
    (
        "postgres-autoscaling",
        "store.earlierEncryptionKey.value=MDEyMzQ1Njc4OWFiY2RlZg==",
        "'/store/earlierEncryptionKey/value'",
    ),
    ("gitops", "webhooks[1].id=whk_deploys", "'/webhooks/1/id'"),
    ("gitops", "webhooks[0].events[0]=deployment", "'/webhooks/0/events/0'"),
    ("gitops", "webhooks[0].retry.first_delay=10", "'/webhooks/0/retry/first_delay'"),
    ("gitops", "webhooks[0].retry.first_delay=10 ticks", "'/webhooks/0/retry/first_delay'"),
    ("gitops", "webhooks[0].existingSecret.name=", "'/webhooks/0/existingSecret/name'"),
    ("gitops", "webhooks[0].headers.a b=c", "'/webhooks/0/headers'"),
    ("least", "config.delivery.timeout=5 parsecs", "'/config/delivery/timeout'"),
    ("least", "config.delivery.max_response_bytes=64TB", "'/config/delivery/max_response_bytes'"),
    ("least", "config.events.max_bytes=1Mb/s", "'/config/events/max_bytes'"),
    ("least", "config.events.extra_types[0]=Invited", "'/config/events/extra_types/0'"),
    (
        "least",
        "config.delivery.allow_addresses[0]=10.0.0.0/33",
        "'/config/delivery/allow_addresses/0'",
    ),
    (
        "least",
        "networkPolicy.broker.to[0].ipBlock.cidr=10.0.0.1",
        "'/networkPolicy/broker/to/0/ipBlock/cidr'",
    ),
    ("sqlite-tokens", "admin.tokens[1].name=alice", "'/admin/tokens/1/name'"),
    ("sqlite-tokens", "admin.tokens[1].token=hunter2-hunter2-hunter2", "'/admin/tokens/1/token'"),
    ("sqlite-tokens", "admin.tokens[0].name=a/b", "'/admin/tokens/0/name'"),
    ("sqlite-tokens", "ingress.tls[0].secretName=TLS", "'/ingress/tls/0/secretName'"),
    ("monitoring", "httpRoute.parentRefs[0].namespace=a.b", "'/httpRoute/parentRefs/0/namespace'"),
    ("least", "image.repository=", "'/image/repository'"),
    ("least", "image.repository=Registry", "'/image/repository'"),
    ("least", "broker.existingSecret.name=amqp", "'/broker/url'"),
    ("postgres-autoscaling", "store.postgres.existingSecret.name=db", "'/store/postgres/url'"),
    (
        "postgres-autoscaling",
        "store.encryptionKey.existingSecret.name=key",
        "'/store/encryptionKey/value'",
    ),
    (
        "least",
        "deliveryLog.postgres.url=postgres://a,deliveryLog.postgres.existingSecret.name=db",
        "'/deliveryLog/postgres/url'",
    ),
    ("sqlite-tokens", "admin.existingSecret.name=tokens", "'/admin/tokens'"),
    ("gitops", "webhooks[0].previous_secret=x", "'/webhooks/0/previous_secret'"),
    ("gitops", "webhooks[0].retry.first_delay=7h", "'/webhooks/0/retry/first_delay'"),
    ("gitops", "webhooks[1].retry.max_delay=4s", "'/webhooks/1/retry/first_delay'"),
    ("gitops", "webhooks[1].retry.give_up_after=31days", "'/webhooks/1/retry/give_up_after'"),
    ("least", "config.delivery.timeout=5m 1ms", "'/config/delivery/timeout'"),
    ("least", "config.delivery.timeout=999.9ms", "'/config/delivery/timeout'"),
    ("least", "config.delivery.timeout=4s", "'/config/delivery/connect_timeout'"),
    ("least", "config.events.max_bytes=17 MB", "'/config/events/max_bytes'"),
    ("least", "config.dead.max_bytes=1025GiB", "'/config/dead/max_bytes'"),
    ("least", "config.dead.max_age=3651days", "'/config/dead/max_age'"),
    ("least", "config.webhooks.disable_after=500ms", "'/config/webhooks/disable_after'"),
    ("least", "config.webhooks.breaker.max_pause=0.5s", "'/config/webhooks/breaker/max_pause'"),
    ("least", "config.traces.timeout=2 minutes", "'/config/traces/timeout'"),
    ("least", "image.repository=registry.example.com/y:1.0", "'/image/repository'"),
    ("least", "image.repository=x//y", "'/image/repository'"),
    ("least", "image.repository=docker.io/", "'/image/repository'"),
    ("least", "podDisruptionBudget.maxUnavailable=150%", "'/podDisruptionBudget/maxUnavailable'"),
    (
        "postgres-autoscaling",
        "resources.requests.cpu=null,replicaCount=1",
        "'/resources/requests/cpu'",
    ),
    ("keda", "keda.minReplicas=0,prometheusRule.enabled=true", "'/keda/minReplicas'"),
];
