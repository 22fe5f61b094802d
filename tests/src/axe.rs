//! axe-core: the rules by which a screen is judged for people who do not see it or use no mouse.
//!
//! The script comes from npm and is cached. It is put into the open page from outside, so that the
//! page's own policy stays as strict as it is.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::browser::Browser;
use crate::cache;
use crate::debian::{is_there, said};
use crate::report::Reporter;

/// The version, which says what counts as a violation.
const VERSION: &str = "4.14.1";

/// Runs the rules and gives the violations alone. What is hidden from everybody is not looked at.
const RUN: &str = "
    const done = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ['violations'] }).then(
        (found) => done({ violations: found.violations }),
        (error) => done({ error: String(error) }),
    );
";

/// The rules, ready to be put into pages.
#[derive(Debug)]
pub struct Axe {
    script: String,
}

impl Axe {
    /// The cached script, or the one that npm fetches. `None` where there is no npm: tests that need
    /// it say so and pass.
    ///
    /// # Errors
    ///
    /// When npm is there and fails.
    pub async fn find() -> Result<Option<Self>> {
        if !is_there("npm") {
            return Ok(None);
        }
        let folder = cache::folder(&format!("axe-core-{VERSION}"), async |folder| {
            let package = format!("axe-core@{VERSION}");
            Reporter::stderr().step(format!("running: npm pack {package}"));
            let mut pack = Command::new("npm");
            pack.args(["pack", "--silent", &package]).current_dir(folder);
            let archive = said(pack).await.context("axe-core comes from npm")?;
            let mut unpack = Command::new("tar");
            unpack.args(["-xzf", archive.trim()]).current_dir(folder);
            said(unpack).await.map(drop)
        })
        .await?;
        let script = fs::read_to_string(folder.join("package").join("axe.min.js"))?;
        Ok(Some(Self { script }))
    }

    /// What of the open page is seriously or critically wrong, one line per element and rule.
    ///
    /// # Errors
    ///
    /// When the rules cannot be run.
    pub async fn violations(&self, browser: &Browser) -> Result<Vec<String>> {
        browser.run(&self.script, Vec::new()).await.context("axe-core does not load")?;
        let found = browser.run_async(RUN).await.context("axe-core does not run")?;
        let rules = found["violations"].as_array().with_context(|| format!("axe-core: {found}"))?;
        let grave = |rule: &&Value| matches!(rule["impact"].as_str(), Some("serious" | "critical"));
        Ok(rules.iter().filter(grave).flat_map(lines).collect())
    }
}

/// One line per element that breaks a rule.
fn lines(rule: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().trim().replace('\n', " ");
    let nodes = rule["nodes"].as_array().into_iter().flatten();
    nodes
        .map(|node| {
            format!(
                "{} ({}): {}: {}",
                text(&rule["id"]),
                text(&rule["impact"]),
                text(&node["html"]),
                text(&node["failureSummary"])
            )
        })
        .collect()
}
