//! `cargo xtask torture`: builds service and torture and runs the torture, which is a program of the
//! testbed: it meets the service from outside, as tests do.

use std::process::ExitCode;

use anyhow::{Context, Result};
use testbed::workspace;

/// The form that is to be over soon, also where nothing is built with optimisations yet.
const SHORT: &str = "--short";

/// Runs it with these options, which it reads itself.
pub(crate) async fn run(rest: &[String]) -> Result<ExitCode> {
    let mut torture = workspace::cargo();
    torture.args(["run", "--package", "testbed", "--bin", "torture"]);
    if !rest.iter().any(|word| word == SHORT) {
        torture.arg("--release");
    }
    let status = torture.arg("--").args(rest).status().await.context("failed to run cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
