//! `cargo xtask bench`: builds the service and the bench with all optimisations and runs the bench,
//! which is a program of the testbed: it measures processes and links to none of them.

use std::process::ExitCode;

use anyhow::{Context, Result};
use testbed::workspace;

/// Runs the whole bench, or a short one that only shows that it works.
pub(crate) async fn run(quick: bool) -> Result<ExitCode> {
    let mut bench = workspace::cargo();
    bench.args(["run", "--release", "--package", "testbed", "--bin", "bench", "--"]);
    if quick {
        bench.arg("--quick");
    }
    let status = bench.status().await.context("failed to run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
