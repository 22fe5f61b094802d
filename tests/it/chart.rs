//! The chart by real tools: helm renders every value set, Kubernetes' own schemas judge the objects,
//! and the program itself judges the configuration that they give it.

mod agreement;
mod network;
mod objects;
mod program;
mod values;
mod webhooks;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testbed::custom_resources::CustomResources;
use testbed::helm::Helm;
use testbed::kubernetes_validate::KubernetesValidate;
use testbed::markdown::Document;
use testbed::workspace;

/// What renders and reads.
struct Chart {
    helm: Helm,
    kubernetes: KubernetesValidate,
}

impl Chart {
    async fn open() -> Self {
        let helm = Helm::find(&folder()).await.unwrap();
        Self { helm, kubernetes: KubernetesValidate::find().await.unwrap() }
    }

    /// The objects of a release with these values.
    async fn objects(&self, values: &Path) -> Vec<Value> {
        let yaml = self.helm.template(values, &[]).await.unwrap();
        self.kubernetes.documents(&yaml).await.unwrap()
    }

    /// The objects of a release with a set of the chart's own.
    async fn of_set(&self, name: &str) -> Vec<Value> {
        self.objects(&set(name)).await
    }

    /// A YAML file of the chart.
    async fn file(&self, name: &str) -> Value {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        self.kubernetes.documents(&text).await.unwrap().remove(0)
    }
}

fn folder() -> PathBuf {
    workspace::root().join("helm/boottify-webhooks")
}

fn set(name: &str) -> PathBuf {
    folder().join(format!("ci/{name}-values.yaml"))
}

/// Every value set: its name, its path.
fn sets() -> Vec<(String, PathBuf)> {
    let files = fs::read_dir(folder().join("ci")).unwrap().map(|entry| entry.unwrap().path());
    let mut sets: Vec<_> = files
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            (name.strip_suffix("-values.yaml").unwrap().to_owned(), path)
        })
        .collect();
    sets.sort();
    assert!(sets.len() >= 8, "{sets:?}");
    sets
}

/// The object of a kind; `end` is what its name ends with.
fn find<'o>(objects: &'o [Value], kind: &str, end: &str) -> &'o Value {
    let found: Vec<&Value> = of_kind(objects, kind)
        .filter(|object| object["metadata"]["name"].as_str().unwrap().ends_with(end))
        .collect();
    assert_eq!(found.len(), 1, "{kind} …{end}: {found:#?}");
    found[0]
}

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> impl Iterator<Item = &'o Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// The texts of a list, or nothing.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[tokio::test]
async fn every_value_set_gives_what_the_oldest_and_the_newest_kubernetes_take() {
    let (chart, custom) = (Chart::open().await, CustomResources::find().await.unwrap());
    let mut judged = BTreeSet::new();
    let manifest = chart.file("Chart.yaml").await;
    let oldest = manifest["kubeVersion"].as_str().unwrap();
    let oldest = oldest.strip_prefix(">=").unwrap().strip_suffix(".0-0").unwrap();
    for (name, values) in sets() {
        chart.helm.lint(&values).await.unwrap_or_else(|error| panic!("{name}: {error:#}"));
        for version in [oldest, KubernetesValidate::NEWEST] {
            let yaml = chart.helm.template(&values, &["--kube-version", version]).await.unwrap();
            let unknown = chart.kubernetes.validate(&yaml, version).await;
            let unknown = unknown.unwrap_or_else(|error| panic!("{name}: {error:#}"));
            let objects = chart.kubernetes.documents(&yaml).await.unwrap();
            let kinds = custom.validate(&objects).await;
            let kinds = kinds.unwrap_or_else(|error| panic!("{name}: {error:#}"));
            let strange: Vec<_> = unknown.iter().filter(|kind| !kinds.contains(kind)).collect();
            assert!(strange.is_empty(), "{name}: nobody has looked at {strange:?}");
            judged.extend(kinds);
        }
        let older = chart.helm.template(&values, &["--kube-version", "1.29.9"]).await;
        assert!(format!("{:#}", older.unwrap_err()).contains("incompatible"), "{name}");
    }
    let all =
        ["HTTPRoute", "PrometheusRule", "ScaledObject", "ServiceMonitor", "TriggerAuthentication"];
    assert_eq!(judged, all.map(str::to_owned).into());
    let folder = tempfile::tempdir().unwrap();
    let said = chart.helm.package(folder.path()).await.unwrap();
    assert!(said.contains(".tgz"), "{said}");
}

#[tokio::test]
async fn what_is_no_custom_resource_is_found() {
    let (chart, custom) = (Chart::open().await, CustomResources::find().await.unwrap());
    let mut objects = Vec::new();
    for (_, values) in sets() {
        objects.extend(chart.objects(&values).await);
    }
    for (kind, place, wrong) in [
        ("ServiceMonitor", "/spec/endpoints/0/port", json!(8080)),
        ("PrometheusRule", "/spec/groups/0/rules/0/expr", json!({})),
        ("HTTPRoute", "/spec/rules/0/matches/0/path/type", json!("Begins")),
    ] {
        let mut object = of_kind(&objects, kind).next().unwrap().clone();
        custom.validate(std::slice::from_ref(&object)).await.unwrap();
        *object.pointer_mut(place).unwrap() = wrong;
        let error = custom.validate(&[object]).await.unwrap_err().to_string();
        assert!(error.contains(kind) && error.contains(place), "{error}");
    }
}

/// Every block of values in the guide is complete and taken.
#[tokio::test]
async fn the_values_of_the_guide_are_taken() {
    let chart = Chart::open().await;
    let guide = fs::read_to_string(workspace::root().join("docs/install.md")).unwrap();
    let blocks: Vec<&str> = guide
        .split("\n```yaml\n")
        .skip(1)
        .map(|rest| rest.split_once("\n```").unwrap().0)
        .collect();
    assert!(blocks.len() >= 3, "{blocks:?}");
    let folder = tempfile::tempdir().unwrap();
    for block in blocks {
        let values = folder.path().join("values.yaml");
        fs::write(&values, block).unwrap();
        let objects = chart.objects(&values).await;
        assert_eq!(of_kind(&objects, "Deployment").count(), 1, "{block}");
    }
}

/// So is what its commands say.
#[tokio::test]
async fn the_commands_of_the_guide_set_values_that_are_taken() {
    let chart = Chart::open().await;
    let nothing = tempfile::NamedTempFile::new().unwrap();
    let mut seen = 0;
    for name in ["docs/install.md", "helm/boottify-webhooks/README.md"] {
        for block in Document::read(Path::new(name)).unwrap().blocks() {
            let script = block.script().unwrap_or_default().replace("\\\n", " ");
            for command in script.lines().filter(|line| line.contains(" --set ")) {
                let words: Vec<&str> = command.split_whitespace().collect();
                let set = words.windows(2).filter(|pair| pair[0] == "--set");
                let set: Vec<&str> = set.flatten().copied().collect();
                let rendered = chart.helm.template(nothing.path(), &set).await;
                rendered.unwrap_or_else(|error| panic!("{name}: {command}: {error:#}"));
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 2);
}

/// Chart, program and image have one version.
#[tokio::test]
async fn the_version_is_that_of_the_program() {
    let manifest = fs::read_to_string(workspace::root().join("Cargo.toml")).unwrap();
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap();
    let chart = Chart::open().await.file("Chart.yaml").await;
    assert_eq!(format!("{:?}", chart["version"].as_str().unwrap()), version);
    assert_eq!(chart["version"], chart["appVersion"]);
}

/// One text in two places: whoever changes rules or dashboard copies them (`cp` with these paths).
#[test]
fn the_chart_has_the_same_rules_and_dashboard_as_deploy() {
    for (name, origin) in [
        ("files/rules.yml", "deploy/prometheus/rules.yml"),
        ("files/dashboard.json", "deploy/grafana/dashboard.json"),
    ] {
        let read = |path: &Path| {
            fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let same = read(&folder().join(name)) == read(&workspace::root().join(origin));
        assert!(same, "cp {origin} helm/boottify-webhooks/{name}");
    }
}
