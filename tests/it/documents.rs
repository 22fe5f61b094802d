//! What the documents say is so: commands run, links lead somewhere, alerts have their section.

mod stand;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use testbed::markdown::Document;
use testbed::{program, workspace};

use self::stand::Stand;

/// The document that the others build on: it makes the configuration and starts the program.
const FIRST: &str = "README.md";

#[tokio::test]
async fn commands_are_run_or_say_why_not_on_a_private_broker() {
    let mut stand = Stand::new(&Document::read(Path::new(FIRST)).unwrap()).await.unwrap();
    let (mut run, mut wrong) = (0, Vec::new());
    for document in documents_with_commands() {
        for block in document.blocks() {
            let place = format!("{}:{}", document.path.display(), block.line);
            let Some(script) = block.script() else {
                // Commands could stand there that nobody runs.
                if block.language.is_empty() {
                    wrong.push(format!("{place}: no language: `sh`, or `text` if it is none"));
                }
                if block.not_run.is_some() {
                    wrong.push(format!("{place}: there is nothing to run in it"));
                }
                continue;
            };
            match &block.not_run {
                Some(reason) if reason.len() < 10 => wrong.push(format!("{place}: no reason")),
                Some(_) => {}
                None => {
                    run += 1;
                    if let Err(error) = stand.run(&script).await {
                        wrong.push(format!("{place}: {error:#}\n{script}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(run > 20, "only {run} blocks were run");
}

/// What stands in a sentence is not run. The program at least knows its subcommands and flags: it reads
/// them before it gets to `--help`.
#[tokio::test]
async fn commands_in_sentences_are_known_to_the_program() {
    let (mut known, mut wrong) = (0, Vec::new());
    for document in Document::all().unwrap() {
        for (line, command) in document.inline_commands("boottify-webhooks") {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let output = program::run(&[&words[..], &["--help"]].concat(), &[]).await.unwrap();
            if output.status.success() {
                known += 1;
            } else {
                let place = format!("{}:{line}", document.path.display());
                wrong.push(format!("{place}: {}: {}", words.join(" "), program::said(&output)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(known > 10, "only {known} commands were found");
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for document in Document::all().unwrap() {
        for link in document.links() {
            if link.target.contains("://") || link.target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
            let folder = document.path.parent().unwrap();
            let path = if path.is_empty() { document.path.clone() } else { folder.join(path) };
            let there = workspace::root().join(&path);
            let place = format!("{}:{}", document.path.display(), link.line);
            if !there.exists() {
                wrong.push(format!("{place}: there is no {}", path.display()));
            } else if !anchor.is_empty() {
                let anchors = Document::read(&path).unwrap().anchors();
                if !anchors.iter().any(|known| known == anchor) {
                    wrong.push(format!("{place}: {} has no #{anchor}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_alert_has_its_section_and_every_section_its_alert() {
    let rules = workspace::root().join("deploy/prometheus/rules.yml");
    let rules = fs::read_to_string(rules).unwrap();
    let runbook = Document::read(Path::new("docs/operate.md")).unwrap();
    let sections = runbook.headings().into_iter().filter(|(depth, _)| *depth == 3);
    let sections: BTreeSet<String> = sections.map(|(_, title)| title).collect();
    let mut alerts = BTreeSet::new();
    let mut alert = "";
    for line in rules.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            alert = name;
            alerts.insert(name.to_owned());
        } else if let Some(url) = line.strip_prefix("runbook_url: ") {
            assert_eq!(url, format!("docs/operate.md#{}", alert.to_lowercase()), "{alert}");
        }
    }
    assert_eq!(alerts, sections);
    let urls = rules.matches("runbook_url: ").count();
    assert_eq!(urls, alerts.len(), "an alert without its link");
}

#[test]
fn what_the_runbook_writes_in_italics_is_a_panel_of_the_dashboard() {
    let dashboard = workspace::root().join("deploy/grafana/dashboard.json");
    let dashboard: Value = serde_json::from_slice(&fs::read(dashboard).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let titles: BTreeSet<&str> =
        panels.iter().filter_map(|panel| panel["title"].as_str()).collect();
    let runbook = Document::read(Path::new("docs/operate.md")).unwrap();
    let mut named = 0;
    for (line, text) in runbook.prose() {
        let text: String = text.replace("**", "").split('`').step_by(2).collect();
        for title in text.split('*').skip(1).step_by(2) {
            named += 1;
            assert!(titles.contains(title), "line {line}: there is no panel {title}");
        }
    }
    assert!(named > 10, "only {named} panels are named");
}

/// The first document, then those in `docs/`, `deploy/` and `helm/`.
fn documents_with_commands() -> Vec<Document> {
    let folders = ["docs", "deploy", "helm"].map(Path::new);
    let others = Document::all().unwrap().into_iter();
    let others =
        others.filter(|document| folders.iter().any(|folder| document.path.starts_with(folder)));
    std::iter::once(Document::read(Path::new(FIRST)).unwrap()).chain(others).collect()
}
