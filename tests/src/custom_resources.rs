//! The schemas of custom resources that the chart makes objects of: those of the Prometheus operator,
//! of KEDA and of the Gateway API, against objects.
//!
//! They come from npm and are cached. A key that a schema does not know is no mistake there, as it is
//! none to Kubernetes.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::cache;
use crate::debian::said;
use crate::report::Reporter;

/// Where the schemas are, with their versions.
const PACKAGES: [&str; 3] = [
    "@kubernetes-models/prometheus-operator@6.0.0",
    "@kubernetes-models/keda@2.0.0",
    "@kubernetes-models/gateway-api@2.0.0",
];

const SCRIPT: &str = include_str!("custom_resources.mjs");

/// The installed schemas.
#[derive(Debug)]
pub struct CustomResources {
    script: PathBuf,
}

impl CustomResources {
    /// The cached schemas, or those that npm fetches.
    ///
    /// # Errors
    ///
    /// When there is no way to them.
    pub async fn find() -> Result<Self> {
        let versions = PACKAGES.map(|package| package.rsplit('@').next().unwrap_or_default());
        let name = format!("custom-resources-{}", versions.join("-"));
        let folder = cache::folder(&name, async |folder| {
            Reporter::stderr().step(format!("running: npm install {}", PACKAGES.join(" ")));
            let mut install = Command::new("npm");
            install.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix", "."]);
            install.args(PACKAGES).current_dir(folder);
            said(install).await.context("schemas of custom resources come from npm").map(drop)
        })
        .await?;
        // As it is now, whenever the schemas were fetched.
        let script = folder.join("judge.mjs");
        if fs::read_to_string(&script).ok().as_deref() != Some(SCRIPT) {
            let new = tempfile::NamedTempFile::new_in(&folder)?;
            fs::write(new.path(), SCRIPT)?;
            new.persist(&script)?;
        }
        Ok(Self { script })
    }

    /// Holds every object of a custom resource against its schema. Gives the kinds of those.
    ///
    /// # Errors
    ///
    /// When an object is none.
    pub async fn validate(&self, objects: &[Value]) -> Result<Vec<String>> {
        let mut node = tokio::process::Command::new("node");
        node.arg(&self.script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut node = node.kill_on_drop(true).spawn().context("failed to start node")?;
        let mut input = node.stdin.take().context("node has no standard input")?;
        input.write_all(&serde_json::to_vec(objects)?).await?;
        drop(input);
        let output = node.wait_with_output().await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
    }
}
