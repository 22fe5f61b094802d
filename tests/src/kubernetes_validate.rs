//! Kubernetes' own schemas, of every version that the package from PyPI has, against objects.
//!
//! It knows no objects of custom resources: `custom_resources` does.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::debian::said;
use crate::pip;

/// The version, which is the newest Kubernetes that it knows.
const VERSION: &str = "1.37.0";

/// Says all documents of a YAML file as one JSON list.
const TO_JSON: &str = "\
import json, sys, yaml
print(json.dumps([d for d in yaml.safe_load_all(open(sys.argv[1])) if d], default=str))
";

/// The installed program, and the YAML reader that came with it.
#[derive(Debug)]
pub struct KubernetesValidate {
    programs: PathBuf,
}

impl KubernetesValidate {
    /// The newest version of Kubernetes that can be asked for.
    pub const NEWEST: &str = "1.37";

    /// The cached program, or the one that pip fetches.
    ///
    /// # Errors
    ///
    /// When there is no way to it.
    pub async fn find() -> Result<Self> {
        let package = format!("kubernetes-validate=={VERSION}");
        let name = format!("kubernetes-validate-{VERSION}");
        Ok(Self { programs: pip::programs(&name, &[&package]).await? })
    }

    /// Holds every object against the strict schemas of a version, which know every key. Gives the
    /// kinds that have none.
    ///
    /// # Errors
    ///
    /// When an object is none.
    pub async fn validate(&self, yaml: &str, version: &str) -> Result<Vec<String>> {
        let file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
        fs::write(file.path(), yaml)?;
        let mut command = Command::new(self.programs.join("kubernetes-validate"));
        command.args(["--strict", "--kubernetes-version", version]).arg(file.path());
        let output = tokio::process::Command::from(command).output().await?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        ensure!(output.status.success(), "Kubernetes {version}: {said}");
        let unknown = said.lines().filter_map(|line| {
            let rest = line.split_once("find schema for kind ")?.1;
            rest.split(' ').next().map(str::to_owned)
        });
        Ok(unknown.collect())
    }

    /// The documents of a YAML text as JSON.
    ///
    /// # Errors
    ///
    /// When it is no YAML.
    pub async fn documents(&self, yaml: &str) -> Result<Vec<Value>> {
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), yaml)?;
        let mut command = Command::new(self.programs.join("python"));
        command.args(["-c", TO_JSON]).arg(file.path());
        serde_json::from_str(&said(command).await?).context("no list of documents")
    }
}
