//! Webhooks from values: what the program refuses of them, the chart refuses too, with the path. A
//! release that brought one would leave its new pods unready.

use std::fs;

use serde_json::{Value, json};
use testbed::{program, workspace};

use super::{Chart, folder, set};

const HTTP: (&str, &str) = ("webhooks.allow_http", "true");
const INVITED: (&str, &str) = ("events.extra_types[0]", "team.invited");
const NOTHING: (&str, &str) = ("log.level", "info");

/// The key of a webhook, its value, what is configured besides, and where it is refused if at all.
type Row = (&'static str, Value, (&'static str, &'static str), Option<&'static str>);

fn rows() -> Vec<Row> {
    vec![
        ("url", json!("https://a.example:8443/x?y=%20"), NOTHING, None),
        ("url", json!("https://[2001:db8::1]:0443"), NOTHING, None),
        ("url", json!("https://user:hunter2@a.example/"), NOTHING, Some("url")),
        ("url", json!("https://a.example/#top"), NOTHING, Some("url")),
        ("url", json!("https:///path"), NOTHING, Some("url")),
        ("url", json!("https://a.example:99999/"), NOTHING, Some("url")),
        ("url", json!("https://a.example:0/"), NOTHING, Some("url")),
        ("url", json!("http://a.example/"), NOTHING, Some("url")),
        ("url", json!("http://a.example/"), HTTP, None),
        ("headers", json!({ "x-team": "a", "X-Other": "b" }), NOTHING, None),
        ("headers", json!({ "Host": "a" }), NOTHING, Some("headers/Host")),
        ("headers", json!({ "content-type": "a" }), NOTHING, Some("headers/content-type")),
        ("headers", json!({ "X-Boottify-Signature": "a" }), NOTHING, Some("headers/X-Boottify-")),
        ("headers", json!({ "webhook-id": "a" }), NOTHING, Some("headers/webhook-id")),
        ("headers", json!({ "x-team": "a", "X-Team": "b" }), NOTHING, Some("headers/x-team")),
        ("headers", json!({ "x-a": "a".repeat(4_093) }), NOTHING, None),
        ("headers", json!({ "x-a": "a".repeat(4_094) }), NOTHING, Some("headers")),
        ("events", json!(["*", "deployment.*", "domain.added"]), NOTHING, None),
        ("events", json!(["foo.bar"]), NOTHING, Some("events/0")),
        ("events", json!(["*", "team.*"]), NOTHING, Some("events/1")),
        ("events", json!(["team.*", "team.invited"]), INVITED, None),
        ("events", json!(["team.left"]), INVITED, Some("events/0")),
        ("events", json!(vec!["*"; 101]), NOTHING, Some("events")),
        ("secret", json!("s".repeat(1_024)), NOTHING, None),
        ("secret", json!("sixteen letters!\n"), NOTHING, None),
        ("secret", json!("hunter2-hunter2\nhunter2-hunter2"), NOTHING, Some("secret")),
        ("secret", json!("s".repeat(1_025)), NOTHING, Some("secret")),
        ("secret", json!(" "), NOTHING, Some("secret")),
    ]
}

#[tokio::test]
async fn what_the_program_refuses_of_a_webhook_the_chart_refuses() {
    let chart = Chart::open().await;
    for (key, value, setting, refused) in rows() {
        let mut webhook = json!({
            "id": "whk_a", "url": "https://a.example/", "events": ["*"], "secret": "sixteen letters!",
        });
        webhook[key] = value;
        let given = format!("webhooks={}", json!([webhook]));
        let config = format!("store.type=file,config.{}={}", setting.0, setting.1);
        let more = ["--set", &config, "--set-json", &given];
        match (chart.helm.template(&set("least"), &more).await, refused) {
            (Ok(_), None) => {}
            (Err(error), Some(place)) => {
                let said = format!("{error:#}");
                assert!(said.contains(&format!("'/webhooks/0/{place}")), "{webhook}: {said}");
                assert!(!said.contains("hunter2"), "{webhook}: {said}");
            }
            (rendered, _) => panic!("{webhook}: {rendered:?}"),
        }
        let (taken, said) = checked(&webhook, setting).await;
        assert_eq!(taken, refused.is_none(), "{webhook}: {said}");
    }
}

/// Whether the program takes the webhook, its secret in a file of its own as in a pod.
async fn checked(webhook: &Value, (key, value): (&str, &str)) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("secret"), webhook["secret"].as_str().unwrap()).unwrap();
    let mut table = format!("[[webhooks]]\nsecret_file = {:?}\n", path("secret"));
    for (key, value) in webhook.as_object().unwrap().iter().filter(|(key, _)| *key != "secret") {
        table = format!("{table}{key} = {}\n", toml(value));
    }
    fs::write(path("webhooks.toml"), table).unwrap();
    let store = format!("file://{}", path("webhooks.toml"));
    let key = key.trim_end_matches("[0]").replace('.', "__").to_uppercase();
    let environment = [
        ("BOOTTIFY_WEBHOOKS__BROKER__URL", "amqp://a/"),
        ("BOOTTIFY_WEBHOOKS__WEBHOOKS__STORE", &store),
        ("BOOTTIFY_WEBHOOKS__WEBHOOKS__STATE_DIR", &path("state")),
        (&format!("BOOTTIFY_WEBHOOKS__{key}"), value),
    ];
    let checked = program::run(&["check"], &environment).await.unwrap();
    (checked.status.success(), String::from_utf8_lossy(&checked.stderr).into_owned())
}

/// Texts and lists are written as in JSON, tables are not.
fn toml(value: &Value) -> String {
    let Some(table) = value.as_object() else { return value.to_string() };
    let pairs = table.iter().map(|(key, value)| format!("{} = {value}", json!(key)));
    format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
}

/// Whoever reserves a header or adds an event type does so in the chart, too.
#[test]
fn headers_and_event_types_are_those_of_the_program() {
    let chart = fs::read_to_string(folder().join("templates/_webhooks.tpl")).unwrap();
    let source = |path: &str| fs::read_to_string(workspace::root().join(path)).unwrap();
    let headers = source("crates/subscriptions/src/headers.rs");
    let mut reserved = texts(&headers, "const RESERVED:");
    reserved.extend(texts(&headers, "const RESERVED_PREFIXES:"));
    assert_eq!(texts(&chart, "\"webhooks.reservedHeaders\" -}}"), reserved);
    let types = texts(&source("crates/event/src/kind.rs"), "const BUILT_IN:");
    assert_eq!(texts(&chart, "\"webhooks.eventTypes\" -}}"), types);
    assert!(reserved.len() > 20 && types.len() >= 5, "{reserved:?} {types:?}");
}

/// The texts of the list that is next after `mark`.
fn texts(source: &str, mark: &str) -> Vec<String> {
    let rest = source.split_once(mark).unwrap().1;
    let rest =
        rest.split_once(" = ").filter(|_| mark.starts_with("const")).map_or(rest, |pair| pair.1);
    let list = rest.split_once('[').unwrap().1.split_once(']').unwrap().0;
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What the environment says is not in the values: there the chart leaves it to the program.
#[tokio::test]
async fn what_the_environment_may_allow_is_left_to_the_program() {
    let chart = Chart::open().await;
    let refused = "webhooks[0].url=http://a.example/,webhooks[1].events[0]=team.left,config.webhooks.allow_http=false";
    let http = "extraEnv[0].name=BOOTTIFY_WEBHOOKS__WEBHOOKS__ALLOW_HTTP";
    let types = "extraEnv[1].name=BOOTTIFY_WEBHOOKS__EVENTS__EXTRA_TYPES";
    let map = "extraEnvFrom[0].configMapRef.name=more";
    for (allowed, taken) in [
        (http.to_owned(), false),
        (format!("{http},{types}"), true),
        (map.to_owned(), true),
        ("replicaCount=1".to_owned(), false),
    ] {
        let more = ["--set", refused, "--set", &allowed];
        let rendered = chart.helm.template(&set("gitops"), &more).await;
        assert_eq!(rendered.is_ok(), taken, "{allowed}: {rendered:?}");
    }
}
