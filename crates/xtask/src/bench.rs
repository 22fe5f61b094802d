//! `cargo xtask bench`: builds the service and the bench with all optimisations and runs the bench,
//! which is a program of the testbed: it measures processes and links to none of them.

use std::process::ExitCode;

use anyhow::{Context, Result};
use testbed::workspace;

/// Runs the bench with these arguments of its own: nothing for all of it, `--quick` for a short one
/// that only shows that it works, names of parts for those.
pub(crate) async fn run(arguments: &[String]) -> Result<ExitCode> {
    let mut bench = workspace::cargo();
    bench.args(["run", "--release", "--package", "testbed", "--bin", "bench", "--"]);
    bench.args(arguments);
    let status = bench.status().await.context("failed to run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
