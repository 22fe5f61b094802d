//! Which crate may depend on which: the table in ARCHITECTURE.md against what cargo says.
//!
//! The table stands between two `<!-- arrows -->` lines. It names every package of the workspace
//! and exactly those of our own that it depends on, so that a new arrow is a decision somebody
//! wrote down. Dependencies of tests alone are no arrows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::workspace;

const PAGE: &str = "ARCHITECTURE.md";

const MARKER: &str = "<!-- arrows -->";

type Arrows = BTreeMap<String, BTreeSet<String>>;

pub(super) fn complaints() -> Result<Vec<String>> {
    let page = fs::read_to_string(workspace::root().join(PAGE))
        .with_context(|| format!("failed to read {PAGE}"))?;
    let Some(written) = written(&page) else {
        return Ok(vec![format!("{PAGE}: no table between two lines {MARKER}")]);
    };
    Ok(differences(&written, &built()?))
}

/// The table's rows: a crate, and what it may depend on, separated by commas.
fn written(page: &str) -> Option<Arrows> {
    let mut parts = page.split(MARKER);
    let (_, table, _) = (parts.next()?, parts.next()?, parts.next()?);
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    Some(
        rows.filter_map(|row| {
            let mut cells = row.trim_matches('|').split('|').map(|cell| cell.replace('`', ""));
            let name = cells.next()?.trim().to_owned();
            let targets = cells.next().unwrap_or_default();
            let targets = targets.split(',').map(str::trim);
            let named = targets.filter(|name| !name.is_empty() && *name != "–");
            Some((name, named.map(str::to_owned).collect()))
        })
        .collect(),
    )
}

/// What cargo says of the packages of the workspace.
pub(super) fn metadata() -> Result<Value> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(workspace::root())
        .output()
        .context("failed to run cargo metadata")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What the manifests say.
fn built() -> Result<Arrows> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().context("cargo names no packages")?;
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let own: BTreeSet<String> = packages.iter().map(name).collect();
    Ok(packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().into_iter().flatten();
            let arrows = dependencies.filter(|dependency| dependency["kind"] != "dev").map(name);
            (name(package), arrows.filter(|target| own.contains(target)).collect())
        })
        .collect())
}

fn differences(written: &Arrows, built: &Arrows) -> Vec<String> {
    let crates: BTreeSet<&String> = written.keys().chain(built.keys()).collect();
    let mut complaints = Vec::new();
    for name in crates {
        let (Some(may), Some(does)) = (written.get(name), built.get(name)) else {
            let place =
                if written.contains_key(name) { "only in the table" } else { "not in the table" };
            complaints.push(format!("{PAGE}: crate {name} is {place}"));
            continue;
        };
        let arrow = |target: &String, what: &str| format!("{PAGE}: {name} -> {target} {what}");
        complaints.extend(does.difference(may).map(|target| arrow(target, "is not in the table")));
        complaints.extend(may.difference(does).map(|target| arrow(target, "is not used")));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::{differences, written};

    const PAGE: &str = "x\n<!-- arrows -->\n| crate | may depend on |\n| --- | --- |\n\
                        | `event` | |\n| broker | event |\n| service | broker, `event` |\n\
                        <!-- arrows -->\ny\n";

    #[test]
    fn a_table_is_read() {
        let arrows = written(PAGE).unwrap();
        let service: Vec<&str> = arrows["service"].iter().map(String::as_str).collect();
        assert_eq!((arrows.len(), arrows["event"].len(), service), (3, 0, vec!["broker", "event"]));
        assert!(written("no table").is_none());
    }

    #[test]
    fn every_difference_is_a_complaint() {
        let table = written(PAGE).unwrap();
        let mut built = table.clone();
        assert_eq!(differences(&table, &built), Vec::<String>::new());
        built.get_mut("event").unwrap().insert("broker".to_owned());
        built.get_mut("service").unwrap().remove("event");
        built.insert("store".to_owned(), built["event"].clone());
        assert_eq!(differences(&table, &built).len(), 3);
    }
}
