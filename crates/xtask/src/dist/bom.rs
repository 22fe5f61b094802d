//! The software bill of materials: CycloneDX 1.6, of the crates that are linked into the program.
//!
//! Which ones those are, `cargo tree` says for this one package and target; what is known of them,
//! `cargo metadata` and the lock file. Compiler plugins, build scripts and what tests need are not
//! in the program and not in the list. C sources (SQLite, AWS-LC) come within their `-sys` crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Value, json};
use testbed::debian::said;
use testbed::workspace;

use super::{NAME, VERSION};

/// Name and version: within one lock file they name a crate.
type Id = (String, String);

/// The document, ending with a line break. The same sources and times give the same text.
///
/// # Errors
///
/// When cargo fails, or does not know a crate that it linked.
pub(super) async fn make(target: &str, epoch: i64, digest: &str) -> Result<String> {
    let linked = linked(target).await?;
    let known = metadata(target).await?;
    let sums = checksums()?;
    let packages = known["packages"].as_array().context("cargo names no packages")?;
    let by_id: BTreeMap<&str, &Value> =
        packages.iter().filter_map(|package| Some((package["id"].as_str()?, package))).collect();

    let mut components = BTreeMap::new();
    for package in packages {
        let id = id(package);
        if linked.contains(&id) && id.0 != "service" {
            let component = component(package, sums.get(&id));
            components.insert(reference(package), component);
        }
    }
    let mut dependencies = BTreeMap::new();
    for node in known["resolve"]["nodes"].as_array().into_iter().flatten() {
        let Some(package) = node["id"].as_str().and_then(|id| by_id.get(id)) else { continue };
        if linked.contains(&id(package)) {
            let on: BTreeSet<String> = normal(node)
                .filter_map(|id| by_id.get(id))
                .filter(|package| linked.contains(&id(package)))
                .map(|package| reference(package))
                .collect();
            dependencies.insert(reference(package), on);
        }
    }
    let dependencies: Vec<Value> = dependencies
        .into_iter()
        .map(|(reference, on)| json!({"ref": reference, "dependsOn": on}))
        .collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": Timestamp::from_second(epoch)?.to_string(),
            "tools": {"components": [
                {"type": "application", "name": "cargo xtask dist", "version": VERSION}
            ]},
            "component": {
                "type": "application",
                "bom-ref": NAME,
                "name": NAME,
                "version": VERSION,
                "licenses": [{"expression": "Apache-2.0"}],
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "properties": [{"name": "cargo:target", "value": target}],
            },
        },
        "components": components.into_values().collect::<Vec<_>>(),
        "dependencies": dependencies,
    });
    Ok(format!("{document:#}\n"))
}

/// The crates in the program.
async fn linked(target: &str) -> Result<BTreeSet<Id>> {
    let mut tree = workspace::cargo();
    tree.args(["tree", "--locked", "--package", "service", "--target", target]);
    tree.args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]);
    let text = said(tree.into_std()).await?;
    // "name v1.2.3", and more words where it is no crate of others.
    let id = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        Some((name.to_owned(), version.to_owned()))
    };
    Ok(text.lines().filter_map(id).collect())
}

async fn metadata(target: &str) -> Result<Value> {
    let mut metadata = workspace::cargo();
    metadata.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", target]);
    Ok(serde_json::from_str(&said(metadata.into_std()).await?)?)
}

/// What the lock file says of the crates of others.
fn checksums() -> Result<BTreeMap<Id, String>> {
    let lock: toml::Table =
        fs::read_to_string(workspace::root().join("Cargo.lock"))?.parse().context("Cargo.lock")?;
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let text = |package: &toml::Value, key| Some(package.get(key)?.as_str()?.to_owned());
    let sum = |package: &toml::Value| {
        let id = (text(package, "name")?, text(package, "version")?);
        Some((id, text(package, "checksum")?))
    };
    Ok(packages.filter_map(sum).collect())
}

/// Dependencies that are neither for tests nor for build scripts.
fn normal(node: &Value) -> impl Iterator<Item = &str> {
    let is_normal = |dependency: &&Value| {
        let kinds = dependency["dep_kinds"].as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
    };
    let all = node["deps"].as_array().into_iter().flatten();
    all.filter(is_normal).filter_map(|dependency| dependency["pkg"].as_str())
}

fn component(package: &Value, checksum: Option<&String>) -> Value {
    let (name, version) = id(package);
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(package),
        "name": name,
        "version": version,
    });
    if let Some(license) = package["license"].as_str() {
        // Cargo once allowed a stroke for "or".
        let license = license.replace(" / ", " OR ").replace('/', " OR ");
        component["licenses"] = json!([{"expression": license}]);
    }
    if let Some(checksum) = checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    if !is_ours(package) {
        component["purl"] = reference(package).into();
    }
    component
}

/// What names a component within the document. Our crates are in no registry, where others have
/// their names.
fn reference(package: &Value) -> String {
    let (name, version) = id(package);
    match (is_ours(package), name.as_str()) {
        (true, "service") => NAME.to_owned(),
        (true, _) => format!("{NAME}/{name}"),
        (false, _) => format!("pkg:cargo/{name}@{version}"),
    }
}

fn is_ours(package: &Value) -> bool {
    package["source"].is_null()
}

fn id(package: &Value) -> Id {
    let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    (text("name"), text("version"))
}
