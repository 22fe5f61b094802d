//! The tables on the terminal, and `table.md`, `torture.json` and `repeats.csv` below `target/torture/`.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::workspace;

use crate::inbox::Record;
use crate::judge::{OfKind, Verdict};
use crate::options::Options;

/// What is told beside the verdict.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) minutes: f64,
    pub(crate) faults: usize,
    pub(crate) changes: u64,
    /// Events that the publisher published again, for it had no confirm.
    pub(crate) repeated: u64,
}

/// Where everything is written.
pub(crate) fn folder() -> Result<PathBuf> {
    let folder = workspace::target().join("torture");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Takes away what an earlier run wrote.
pub(crate) fn clear() -> Result<()> {
    fs::remove_dir_all(folder()?).context("failed to remove what an earlier run wrote")
}

/// Keeps the replicas' logs, for whoever looks for a cause.
pub(crate) fn keep_logs(logs: &[String]) -> Result<()> {
    for (n, log) in logs.iter().enumerate() {
        fs::write(folder()?.join(format!("replica-{n}.log")), log)?;
    }
    Ok(())
}

/// Prints and writes what became of it.
pub(crate) fn write(options: &Options, told: Told, verdict: &Verdict) -> Result<()> {
    let (table, folder) = (table(options, told, verdict)?, folder()?);
    fs::write(folder.join("table.md"), &table)?;
    let json = json(options, told, verdict);
    fs::write(folder.join("torture.json"), serde_json::to_string_pretty(&json)?)?;
    let mut repeats = String::from("webhook,event,attempt,status,first_ms,again_ms\n");
    for (first, record) in &verdict.repeated {
        let Record { at, event, hook, attempt, status, .. } = *record;
        writeln!(repeats, "{hook},{event},{attempt},{status},{first},{at}")?;
    }
    fs::write(folder.join("repeats.csv"), repeats)?;
    println!("\n{table}");
    for violation in &verdict.violations {
        println!("WRONG: {}, {} times", violation.what, violation.count);
        for example in &violation.examples {
            println!("       {example}");
        }
    }
    if verdict.violations.is_empty() {
        println!("all as promised");
    }
    println!("again: {}\nwritten to {}", options.command, folder.display());
    Ok(())
}

fn table(options: &Options, told: Told, verdict: &Verdict) -> Result<String> {
    let Verdict { events, invalid, requests, due, lost, deliveries, repeats, allowed, .. } =
        verdict;
    let longest = verdict.kinds.iter().map(|of| of.recovery_ms).max().unwrap_or_default();
    let mut text = String::from("| | |\n| --- | --- |\n");
    for (name, value) in [
        ("faults", told.faults.to_string()),
        ("minutes", format!("{:.1}", told.minutes)),
        ("broker nodes, replicas", format!("{}, {}", options.nodes, options.replicas)),
        ("events confirmed", events.to_string()),
        ("messages that are none", invalid.to_string()),
        ("changes of webhooks", told.changes.to_string()),
        ("deliveries that arrived", deliveries.to_string()),
        ("requests", requests.to_string()),
        ("dead letters, rejected messages", format!("{}, {}", verdict.letters, verdict.rejected)),
        ("due in all", due.to_string()),
        ("**lost**", format!("**{lost}**")),
        ("repeats", format!("{repeats} (at most {allowed} were in flight)")),
        ("events that the publisher repeated", told.repeated.to_string()),
        ("longest recovery", seconds(longest)),
    ] {
        writeln!(text, "| {name} | {value} |")?;
    }
    text += "\n| fault | times | longest | repeats after it | longest recovery |\n\
             | --- | --- | --- | --- | --- |\n";
    for of in &verdict.kinds {
        let OfKind { kind, times, longest_ms, repeats, recovery_ms } = *of;
        let (longest, recovery) = (seconds(longest_ms), seconds(recovery_ms));
        writeln!(
            text,
            "| `{kind}`: {} | {times} | {longest} | {repeats} | {recovery} |",
            kind.what()
        )?;
    }
    Ok(text)
}

fn seconds(ms: u32) -> String {
    format!("{:.1} s", f64::from(ms) / 1e3)
}

fn json(options: &Options, told: Told, verdict: &Verdict) -> Value {
    let kinds: Vec<Value> = verdict
        .kinds
        .iter()
        .map(|of| {
            json!({ "kind": of.kind.word(), "times": of.times, "longestMs": of.longest_ms,
                    "repeats": of.repeats, "recoveryMs": of.recovery_ms })
        })
        .collect();
    let violations: Vec<Value> = verdict
        .violations
        .iter()
        .map(|of| json!({ "what": of.what, "count": of.count, "examples": of.examples }))
        .collect();
    json!({
        "command": options.command, "seed": options.seed, "nodes": options.nodes,
        "replicas": options.replicas, "minutes": told.minutes, "faults": told.faults,
        "changes": told.changes, "publishedAgain": told.repeated,
        "events": verdict.events, "invalid": verdict.invalid, "requests": verdict.requests,
        "deliveries": verdict.deliveries, "due": verdict.due, "lost": verdict.lost,
        "repeats": verdict.repeats, "repeatsAllowed": verdict.allowed,
        "deadLetters": verdict.letters, "rejected": verdict.rejected,
        "kinds": kinds, "violations": violations,
    })
}
