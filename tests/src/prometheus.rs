//! A real Prometheus with its `promtool`: rules are checked by it, and the program is scraped by it.
//!
//! Not here: what the rules and the dashboard should say (`tests/it/prometheus.rs`).

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::debian::{self, said};
use crate::eventually::eventually;
use crate::guard::{Group, Guard};
use crate::loopback;
use crate::ports::Port;
use crate::report::Reporter;

/// Longest start of a server with an empty database.
const START: Duration = Duration::from_secs(60);

/// Installs Prometheus where it is missing.
async fn install() -> Result<()> {
    let both = || ["prometheus", "promtool"].into_iter().all(debian::is_there).then_some(());
    debian::find_or_install(&["prometheus"], &Reporter::stderr(), both).await
}

/// Runs `promtool` and gives what it says.
///
/// # Errors
///
/// When it cannot be had, or finds something wrong, which is part of the error.
pub async fn promtool(arguments: &[&str], file: &Path) -> Result<String> {
    install().await?;
    let mut command = Command::new("promtool");
    command.args(arguments).arg(file);
    said(command).await
}

/// A server of our own on loopback. Dropped, it is gone with its data.
#[derive(Debug)]
pub struct Prometheus {
    _guard: Guard,
    _group: Group,
    port: Port,
}

impl Prometheus {
    /// Starts one that scrapes these targets as one job every second, evaluates these rules as
    /// often, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it cannot be had or does not start.
    pub async fn start(job: &str, targets: &[SocketAddr], rules: &Path) -> Result<Self> {
        install().await?;
        let mut guard = Guard::new("prometheus")?;
        let port = Port::take()?;
        let config = guard.folder().join("prometheus.yml");
        let targets: Vec<String> = targets.iter().map(|target| format!("\"{target}\"")).collect();
        let targets = targets.join(", ");
        let rules = rules.display();
        let text = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files:\n  - {rules}\n\
             scrape_configs:\n  - job_name: {job}\n    static_configs:\n      - targets: [{targets}]\n"
        );
        fs::write(&config, text)?;
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", guard.folder().join("data").display()));
        command.arg(format!("--web.listen-address={}", port.address()));
        command.arg("--log.level=error");
        command.stdin(Stdio::null()).stdout(Stdio::null()).current_dir(guard.folder());
        let group = guard.spawn(&mut command)?;
        let address = port.address();
        eventually("Prometheus is ready", START, || async move {
            loopback::get(address, "/-/ready").ok().filter(|answer| answer.status == 200)
        })
        .await?;
        Ok(Self { _guard: guard, _group: group, port })
    }

    /// The answer to an instant query: the list of samples.
    ///
    /// # Errors
    ///
    /// When the expression is none.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let data = self.ask("query", &[("query", expression)])?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    /// The labels of every series that a selector selects.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn series(&self, selector: &str) -> Result<Vec<Value>> {
        let data = self.ask("series", &[("match[]", selector)])?;
        Ok(data.as_array().cloned().unwrap_or_default())
    }

    /// All rules with their state.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub fn rules(&self) -> Result<Vec<Value>> {
        let data = self.ask("rules", &[])?;
        let groups = data["groups"].as_array().cloned().unwrap_or_default();
        let rules = groups.iter().filter_map(|group| group["rules"].as_array());
        Ok(rules.flatten().cloned().collect())
    }

    /// The health of every target: `up`, `down` or `unknown`.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub fn targets(&self) -> Result<Vec<String>> {
        let data = self.ask("targets", &[])?;
        let targets = data["activeTargets"].as_array().context("no targets")?;
        Ok(targets.iter().map(|one| one["health"].as_str().unwrap_or("").to_owned()).collect())
    }

    fn ask(&self, what: &str, pairs: &[(&str, &str)]) -> Result<Value> {
        let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
        let answer = loopback::get(self.port.address(), &format!("/api/v1/{what}?{query}"))?;
        let value: Value = serde_json::from_str(&answer.body).context("no JSON")?;
        ensure!(value["status"] == "success", "{what} {pairs:?}: {}", value["error"]);
        Ok(value["data"].clone())
    }
}
