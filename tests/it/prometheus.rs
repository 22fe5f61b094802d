//! Rules and dashboard against a real Prometheus that scrapes a real run: what they name is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use testbed::eventually;
use testbed::loopback;
use testbed::prometheus::{Prometheus, promtool};
use testbed::promql::{self, Named};
use testbed::receiver::{Answer, Script};
use testbed::setup::Webhook;
use testbed::workspace;

use crate::stage::{SOON, Stage};

const JOB: &str = "boottify-webhooks";

/// Labels that whoever scrapes gives to every series.
const OF_TARGETS: [&str; 3] = ["job", "instance", "namespace"];

/// Messages of the test's run that are no events, so that this alert fires rightly.
const EXPECTED: &str = "BoottifyWebhooksEventsRejected";

fn rules_file() -> PathBuf {
    workspace::root().join("deploy/prometheus/rules.yml")
}

#[tokio::test]
async fn promtool_finds_nothing_wrong() {
    promtool(&["check", "rules"], &rules_file()).await.unwrap();
    let tests = workspace::root().join("deploy/prometheus/rules_test.yml");
    promtool(&["test", "rules"], &tests).await.unwrap();
}

/// The command of the guide, for a Prometheus that no chart installs.
#[tokio::test]
async fn links_to_the_runbook_are_made_whole_by_one_command() {
    let guide = fs::read_to_string(workspace::root().join("docs/install.md")).unwrap();
    let command = guide.lines().find(|line| line.starts_with("sed ")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yml");
    let command = command.replace("/etc/prometheus/boottify-webhooks.yml", rules.to_str().unwrap());
    let made = Command::new("sh").args(["-ec", &command]).current_dir(workspace::root()).status();
    assert!(made.unwrap().success(), "{command}");
    promtool(&["check", "rules"], &rules).await.unwrap();
    let text = fs::read_to_string(&rules).unwrap();
    let links: Vec<&str> =
        text.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: ")).collect();
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        assert!(link.starts_with("https://") && link.contains("/docs/operate.md#"), "{link}");
    }
}

#[test]
fn every_alert_is_tested_to_fire_and_not_to_fire() {
    let rules = fs::read_to_string(rules_file()).unwrap();
    let tests = workspace::root().join("deploy/prometheus/rules_test.yml");
    let tests = fs::read_to_string(tests).unwrap();
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut lines = tests.lines().map(str::trim);
    let mut expected: BTreeSet<(&str, bool)> = BTreeSet::new();
    while let Some(line) = lines.next() {
        if let Some(alert) = line.strip_prefix("alertname: ") {
            let fires = lines.next().and_then(|line| line.strip_prefix("exp_alerts:")).unwrap();
            expected.insert((alert, fires.is_empty()));
        }
    }
    let mut count = 0;
    for alert in alerts {
        count += 1;
        for fires in [true, false] {
            assert!(expected.contains(&(alert, fires)), "{alert}: no test where fires is {fires}");
        }
    }
    assert_eq!(expected.len(), 2 * count, "a test of an alert that is not there");
}

#[tokio::test]
async fn what_rules_and_dashboard_name_is_exposed_by_a_real_run() {
    let stage = run().await;
    let targets = [stage.program.operations()];
    let prometheus = Prometheus::start(JOB, &targets, &rules_file()).await.unwrap();
    eventually("the run is scraped and every rule evaluated", SOON, || async {
        let up = prometheus.targets().ok()? == ["up"];
        let seen = !prometheus.query("up == 1").ok()?.is_empty();
        let all = prometheus.rules().ok()?.iter().all(|rule| rule["health"] != "unknown");
        (up && seen && all).then_some(())
    })
    .await
    .unwrap();
    // What is recorded has to be there for the rules that go by it.
    eventually("what is recorded is there", SOON, || async {
        let recorded = prometheus.query("job:boottify_webhooks_attempts:rate5m").ok()?;
        (!recorded.is_empty()).then_some(())
    })
    .await
    .unwrap();

    let rules = prometheus.rules().unwrap();
    let mut wrong = Vec::new();
    let recorded: BTreeSet<&str> = rules
        .iter()
        .filter(|rule| rule["type"] == "recording")
        .filter_map(|rule| rule["name"].as_str())
        .collect();
    for rule in &rules {
        let name = rule["name"].as_str().unwrap();
        if rule["health"] != "ok" {
            wrong.push(format!("{name}: {}", rule["lastError"]));
        }
        if rule["state"].as_str().is_some_and(|state| state != "inactive") && name != EXPECTED {
            wrong.push(format!("{name}: {} on a healthy run", rule["state"]));
        }
        let expression = rule["query"].as_str().unwrap();
        let texts = ["summary", "description"].map(|text| rule["annotations"][text].as_str());
        let labels = texts.into_iter().flatten().flat_map(labels_of_template).collect();
        let used = Used { place: name.to_owned(), expression: expression.to_owned(), labels };
        used.check(&prometheus, &recorded, &mut wrong);
    }
    for used in dashboard() {
        used.check(&prometheus, &recorded, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let sure = promql::read("boottify_webhooks_no_such_total{x=\"y\"}").unwrap();
    assert!(!missing(&sure, &prometheus, &recorded).is_empty(), "nothing would be found");
    drop(prometheus);
    stage.close().await;
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    let dashboard = dashboard_json();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: an id that is taken");
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|text| text.len() > 20), "{title}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}: no unit");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["datasource", "namespace", "job", "instance"]);
}

/// A run that met all that a run meets: a delivery at once, one that was tried again, one that was
/// given up, a message that is no event, and a visitor of the Control Center.
async fn run() -> Stage {
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/flaky", Script::fail(1, 503));
        receiver.answer("/never", Script::always(Answer::status(500)));
        let never = Webhook::new("whk_never", &receiver.url("/never"));
        setup
            .set("retry.first_delay", "1s")
            .set("dead.check_every", "1s")
            .webhook(Webhook::new("whk_good", &receiver.url("/good")))
            .webhook(Webhook::new("whk_flaky", &receiver.url("/flaky")))
            .webhook(never.retry("give_up_after", "1s").retry("jitter", 0.0))
    })
    .await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.publish_body("x", "evt_2", b"no event").await;
    loopback::get(stage.program.admin(), "/api/v1/event-types").unwrap();
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 2.0).await;
    stage.reaches("deliveries_total", &[("outcome", "dead")], 1.0).await;
    stage.reaches("events_rejected_total", &[], 1.0).await;
    stage.reaches("dead_letters", &[], 1.0).await;
    stage.reaches("queue_messages", &[("queue", "rejected")], 1.0).await;
    stage
}

/// An expression, where it stands, and the labels that texts beside it speak of.
struct Used {
    place: String,
    expression: String,
    labels: Vec<String>,
}

impl Used {
    fn check(&self, prometheus: &Prometheus, recorded: &BTreeSet<&str>, wrong: &mut Vec<String>) {
        let place = &self.place;
        if let Err(error) = prometheus.query(&self.expression) {
            return wrong.push(format!("{place}: {error:#}"));
        }
        let mut named = match promql::read(&self.expression) {
            Ok(named) => named,
            Err(error) => return wrong.push(format!("{place}: {error:#}")),
        };
        if named.selectors.is_empty() {
            wrong.push(format!("{place}: names no metric: {}", self.expression));
        }
        named.grouping.extend(self.labels.iter().cloned());
        let missing = missing(&named, prometheus, recorded);
        wrong.extend(missing.into_iter().map(|what| format!("{place}: there is no {what}")));
    }
}

/// Metrics, labels and values of labels that are named and not there.
fn missing(named: &Named, prometheus: &Prometheus, recorded: &BTreeSet<&str>) -> Vec<String> {
    let mut missing = Vec::new();
    let mut labels: BTreeSet<String> = OF_TARGETS.map(str::to_owned).into();
    for selector in &named.selectors {
        if selector.name.contains(':') {
            if !recorded.contains(selector.name.as_str()) {
                missing.push(selector.name.clone());
            }
            continue;
        }
        let series = prometheus.series(&selector.name).unwrap();
        let known = series.iter().filter_map(Value::as_object).flat_map(|one| one.keys().cloned());
        let known: BTreeSet<String> = known.collect();
        let is_known = |label: &str| known.contains(label) || OF_TARGETS.contains(&label);
        let unknown = selector.labels.iter().filter(|label| !is_known(label));
        missing.extend(unknown.map(|label| format!("label {label} of {}", selector.name)));
        if prometheus.series(&selector.text).unwrap().is_empty() {
            missing.push(selector.text.clone());
        }
        labels.extend(known);
    }
    let unknown = named.grouping.iter().filter(|label| !labels.contains(*label));
    missing.extend(unknown.map(|label| format!("label {label} of any of its metrics")));
    missing
}

fn dashboard_json() -> Value {
    let path = workspace::root().join("deploy/grafana/dashboard.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Every expression of the dashboard, with its variables filled in as Grafana does.
fn dashboard() -> Vec<Used> {
    let dashboard = dashboard_json();
    let fill = |text: &str| {
        let text = text.replace("$namespace", ".*").replace("$instance", ".*");
        text.replace("$job", JOB).replace("$__rate_interval", "1m")
    };
    let mut all = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            apart(expression);
            let expression = fill(expression);
            assert!(!expression.contains('$'), "{title}: an unknown variable in {expression}");
            let labels = labels_of_legend(target["legendFormat"].as_str().unwrap());
            all.push(Used { place: format!("panel {title}"), expression, labels });
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            let query = fill(variable["query"]["query"].as_str().unwrap());
            let inner = query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
            let (selector, label) = inner.rsplit_once(", ").unwrap();
            let (expression, labels) = (selector.to_owned(), vec![label.to_owned()]);
            all.push(Used { place: format!("variable {}", variable["name"]), expression, labels });
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        let expression = annotation["expr"].as_str().unwrap();
        apart(expression);
        let expression = fill(expression);
        let labels = labels_of_legend(annotation["textFormat"].as_str().unwrap());
        all.push(Used { place: format!("annotation {}", annotation["name"]), expression, labels });
    }
    assert!(all.len() > 50, "only {} expressions were found", all.len());
    all
}

/// One Grafana shows several releases: every metric is taken of one, by its labels.
fn apart(expression: &str) {
    const RELEASE: &str = r#"{namespace=~"$namespace", job="$job", instance=~"$instance""#;
    let metrics = ["boottify_webhooks_", "process_"].map(|name| expression.matches(name).count());
    let of_release = expression.matches(RELEASE).count();
    assert_eq!(metrics.iter().sum::<usize>(), of_release, "{expression}");
}

/// `{{name}}`.
fn labels_of_legend(legend: &str) -> Vec<String> {
    let parts = legend.split("{{").skip(1).filter_map(|part| part.split_once("}}"));
    parts.map(|(label, _)| label.trim().to_owned()).collect()
}

/// `$labels.name`.
fn labels_of_template(text: &str) -> Vec<String> {
    let parts = text.split("$labels.").skip(1);
    let word = |part: &str| part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    parts.map(word).collect()
}
