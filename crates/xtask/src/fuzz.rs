//! `cargo xtask fuzz`: runs the fuzz targets of `tests/fuzz`, one after the other, each from its
//! seeds, from what earlier runs found on this machine, and from what was kept of other runs: one
//! file for each target with an input a line, in hexadecimal.
//!
//! They need cargo-fuzz and no nightly compiler: the switches that it uses are allowed to the stable
//! one by `RUSTC_BOOTSTRAP`. Without a sanitizer: nothing here is `unsafe`, and each execution is
//! several times as fast.

use std::fs;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use testbed::workspace;
use tokio::process::Command;

/// Where the targets are, from the root.
const FOLDER: &str = "tests/fuzz";

/// The most inputs of a target that are kept: what its ordinary test is fed each time.
const KEPT: usize = 200;

/// The longest input that is kept, in bytes.
const LONGEST: usize = 512;

/// What is run, and for how long each.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Wanted {
    /// For so many seconds each.
    pub(crate) seconds: u64,
    /// One target; all of them if none is named.
    pub(crate) target: Option<String>,
    /// Whether to keep what was found telling.
    pub(crate) keep: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { seconds: 60, target: None, keep: false }
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
        // So that a target that does not build is not taken for one that found something.
        let built = fuzzer("build", target).status().await?;
        ensure!(built.success(), "{target} does not build");
        if !fuzz(target, wanted.seconds).await? {
            found.push(target.as_str());
        }
        if wanted.keep {
            keep(target).await?;
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
    let corpus = folder("corpus", target);
    fs::create_dir_all(&corpus)?;
    for (number, input) in (0..).zip(kept(target)?) {
        fs::write(corpus.join(format!("kept-{number:03}")), input)?;
    }
    let mut fuzzer = fuzzer("run", target);
    // New inputs go to the first of both.
    fuzzer.args([corpus, folder("seeds", target)]);
    fuzzer.args(["--", "-print_final_stats=1"]).arg(format!("-max_total_time={seconds}"));
    let status = fuzzer.status().await.context("failed to run cargo fuzz")?;
    Ok(status.success())
}

/// Keeps some of the inputs without which something would not be reached, from the shortest to the
/// longest.
async fn keep(target: &str) -> Result<()> {
    let corpus = folder("corpus", target);
    let status = fuzzer("cmin", target).arg(&corpus).status().await?;
    ensure!(status.success(), "the corpus of {target} cannot be made smaller");
    let mut inputs = Vec::new();
    for file in fs::read_dir(corpus)? {
        inputs.push(fs::read(file?.path())?);
    }
    inputs.retain(|input| input.len() <= LONGEST);
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let apart = inputs.len().div_ceil(KEPT).max(1);
    let mut text = String::new();
    for input in inputs.iter().step_by(apart) {
        text.extend(input.iter().map(|byte| format!("{byte:02x}")));
        text.push('\n');
    }
    fs::write(pack(target), text)?;
    Ok(())
}

/// What was kept of a target.
fn kept(target: &str) -> Result<Vec<Vec<u8>>> {
    let text = fs::read_to_string(pack(target)).unwrap_or_default();
    let bytes = |line: &str| {
        let digits = |at: usize| line.get(at..at + 2).context("half a byte");
        let byte = |at: usize| Ok(u8::from_str_radix(digits(at)?, 16)?);
        (0..line.len()).step_by(2).map(byte).collect()
    };
    text.lines().map(bytes).collect()
}

fn pack(target: &str) -> PathBuf {
    workspace::root().join(FOLDER).join("kept").join(format!("{target}.hex"))
}

fn folder(kind: &str, target: &str) -> PathBuf {
    workspace::root().join(FOLDER).join(kind).join(target)
}

fn fuzzer(command: &str, target: &str) -> Command {
    let mut fuzzer = workspace::cargo();
    fuzzer.env("RUSTC_BOOTSTRAP", "1");
    fuzzer.args(["fuzz", command, "--fuzz-dir", FOLDER, "--sanitizer", "none", target]);
    fuzzer
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
            let mut seeds = fs::read_dir(folder("seeds", &target)).unwrap();
            assert!(seeds.next().is_some(), "{target} has no seeds");
            let kept = kept(&target).unwrap();
            assert!((1..=KEPT).contains(&kept.len()), "{target}: {} are kept", kept.len());
        }
    }
}
