//! `cargo xtask fuzz`: runs the fuzz targets of `tests/fuzz`, one after the other, each from its
//! corpus and its seeds.
//!
//! They need cargo-fuzz and no nightly compiler: the switches that it uses are allowed to the stable
//! one by `RUSTC_BOOTSTRAP`. Without a sanitizer: nothing here is `unsafe`, and each execution is
//! several times as fast.

use std::fs;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use testbed::workspace;

/// Where the targets are, from the root.
const FOLDER: &str = "tests/fuzz";

/// What is run, and for how long each.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Wanted {
    /// For so many seconds each.
    pub(crate) seconds: u64,
    /// One target; all of them if none is named.
    pub(crate) target: Option<String>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { seconds: 60, target: None }
    }
}

/// Runs what is wanted; fails with the first target that finds something, when all have run.
pub(crate) async fn run(wanted: Wanted) -> Result<ExitCode> {
    let targets = targets()?;
    let chosen: Vec<&String> = match &wanted.target {
        None => targets.iter().collect(),
        Some(name) => targets.iter().filter(|target| *target == name).collect(),
    };
    if chosen.is_empty() {
        bail!("there is no such target; there are {}", targets.join(", "));
    }
    let mut version = workspace::cargo();
    version.args(["fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if !version.status().await.is_ok_and(|status| status.success()) {
        bail!("cargo-fuzz is missing: cargo install --locked cargo-fuzz");
    }
    let mut found = Vec::new();
    for target in chosen {
        println!("==> {target}, {} s", wanted.seconds);
        if !fuzz(target, wanted.seconds).await? {
            found.push(target.as_str());
        }
    }
    if found.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("found something: {} (inputs are below {FOLDER}/artifacts)", found.join(", "));
    println!("what it is about becomes a seed below {FOLDER}/seeds once it is mended");
    Ok(ExitCode::FAILURE)
}

/// Whether a target found nothing.
async fn fuzz(target: &str, seconds: u64) -> Result<bool> {
    let folder = |kind: &str| workspace::root().join(FOLDER).join(kind).join(target);
    // New inputs go to the first of both.
    let (corpus, seeds): (PathBuf, PathBuf) = (folder("corpus"), folder("seeds"));
    fs::create_dir_all(&corpus)?;
    let mut fuzzer = workspace::cargo();
    fuzzer.env("RUSTC_BOOTSTRAP", "1");
    fuzzer.args(["fuzz", "run", "--fuzz-dir", FOLDER, "--sanitizer", "none", target]);
    fuzzer.args([corpus, seeds]);
    fuzzer.args(["--", "-print_final_stats=1"]).arg(format!("-max_total_time={seconds}"));
    let status = fuzzer.status().await.context("failed to run cargo fuzz")?;
    Ok(status.success())
}

/// The names of all targets.
fn targets() -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for file in fs::read_dir(workspace::root().join(FOLDER).join("fuzz_targets"))? {
        let path = file?.path();
        targets.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    targets.sort();
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_built_and_has_seeds() {
        let manifest = workspace::root().join(FOLDER).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).unwrap();
        let targets = targets().unwrap();
        assert_eq!(manifest.matches("[[bin]]").count(), targets.len());
        for target in targets {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
            let seeds = workspace::root().join(FOLDER).join("seeds").join(&target);
            assert!(fs::read_dir(seeds).unwrap().next().is_some(), "{target} has no seeds");
        }
    }
}
