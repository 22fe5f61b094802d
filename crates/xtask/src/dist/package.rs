//! The Debian package, made by cargo-deb after `[package.metadata.deb]` of the service.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use testbed::debian::said;
use testbed::workspace;

use super::EPOCH;

/// Names cargo-deb's binary, where it is not on the path.
const PROGRAM_VARIABLE: &str = "CARGO_DEB";

/// How much time a package is worth.
#[derive(Clone, Copy, Debug)]
pub(super) enum Effort {
    /// It is shipped: as small as can be, which takes half a minute of CPU.
    Release,
    /// It is looked at, and made of a program that somebody built.
    Trial,
}

/// Makes the package of what lies in `work/release`, into a folder. `None` where there is no
/// cargo-deb.
///
/// # Errors
///
/// What cargo-deb says.
pub(super) async fn make(
    work: &Path,
    out: &Path,
    epoch: i64,
    effort: Effort,
) -> Result<Option<PathBuf>> {
    let program = std::env::var_os(PROGRAM_VARIABLE).unwrap_or_else(|| "cargo-deb".into());
    let mut version = Command::new(&program);
    version.arg("--version");
    if said(version).await.is_err() {
        return Ok(None);
    }
    compress_pages(&work.join("release/man")).await?;
    let mut make = Command::new(program);
    make.current_dir(workspace::root());
    // Built and stripped already; another compression is not worth the minutes.
    make.args(["--package", "service", "--no-build", "--no-strip", "--locked", "--quiet"]);
    if matches!(effort, Effort::Trial) {
        make.arg("--fast");
    }
    make.arg("--output").arg(out);
    make.env("CARGO_TARGET_DIR", work).env(EPOCH, epoch.to_string());
    let path = said(make).await?;
    let path = path.lines().last().context("cargo-deb does not say what it made")?;
    Ok(Some(PathBuf::from(path.trim())))
}

/// Debian wants its pages compressed, and cargo-deb leaves those alone that were built. Without name and
/// time the same page gives the same bytes.
async fn compress_pages(folder: &Path) -> Result<()> {
    let mut gzip = Command::new("gzip");
    gzip.args(["--best", "--no-name"]);
    for page in fs::read_dir(folder)? {
        gzip.arg(page?.path());
    }
    said(gzip).await.map(drop)
}
