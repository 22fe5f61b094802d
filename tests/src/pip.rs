//! Programs from PyPI, each set of them in a virtual environment of its own in the cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::cache;
use crate::debian::{self, said};
use crate::report::Reporter;

/// The folder with the programs of these packages, `name==version` each, which pip fetches if they
/// are not there yet. `name` is the folder's in the cache and holds what decides its content. Where
/// Python has no `venv`, Debian's package is installed.
///
/// # Errors
///
/// When there is no way to them.
pub async fn programs(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = cache::folder(name, async |folder| install(folder, packages).await);
    Ok(folder.await?.join("bin"))
}

async fn install(folder: &Path, packages: &[&str]) -> Result<()> {
    let report = Reporter::stderr();
    let has_venv = || {
        let mut ask = Command::new("python3");
        ask.args(["-c", "import ensurepip, venv"]).stdout(Stdio::null()).stderr(Stdio::null());
        ask.status().is_ok_and(|status| status.success()).then_some(())
    };
    debian::find_or_install(&["python3", "python3-venv"], &report, has_venv).await?;
    report.step(format!("running: pip install {}", packages.join(" ")));
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(folder);
    said(make).await?;
    let mut install = Command::new(folder.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    install.args(packages);
    said(install).await.context("they come from PyPI").map(drop)
}
