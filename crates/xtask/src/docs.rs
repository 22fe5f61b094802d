//! `cargo xtask docs`: writes the parts of `docs/` that are made from the code.
//!
//! The test that holds them true also writes them, when it is asked to.

use std::process::ExitCode;

use anyhow::{Context, Result};
use testbed::workspace;

/// The test, and the variable that asks it to write.
const TEST: &str = "the_documentation_lists_every_key_as_it_is";
const WRITE: &str = "WRITE_DOCS";

/// Writes them.
pub(crate) async fn run() -> Result<ExitCode> {
    let mut test = workspace::cargo();
    test.args(["test", "--quiet", "--package", "service", TEST]).env(WRITE, "1");
    let status = test.status().await.context("failed to run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
