//! `cargo xtask test`: one broker for the whole run, then the test runner, whose own closing lines
//! and exit code are the end.

use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};
use testbed::rabbitmq::{BROKER_VARIABLE, SHARED_VARIABLE, Shared, Wish};
use testbed::workspace;
use tokio::process::Command;

use crate::progress;

/// How nextest runs our tests: limits of time, and how many brokers at once.
const NEXTEST: &str = "tests/nextest.toml";

/// Runs all tests, or those that `rest` selects.
pub(crate) async fn run(broker: Option<&str>, rest: &[String]) -> Result<ExitCode> {
    let program = match selects_packages(rest) {
        true => workspace::build_aloud().await?,
        false => workspace::build_with_tests().await?,
    };
    let wish: Wish = broker.unwrap_or("any").parse()?;
    let shared = Shared::start(&wish, &progress::reporter()).await?;

    let mut runner = runner(rest).await;
    runner.env(SHARED_VARIABLE, shared.address().to_text());
    runner.env(BROKER_VARIABLE, broker.unwrap_or("any"));
    runner.env(workspace::PROGRAM_VARIABLE, program);
    let mut running = runner.spawn().context("failed to start the test runner")?;
    let status = loop {
        tokio::select! {
            status = running.wait() => break status?,
            // The runner got the same Ctrl-C and ends its tests; the broker stays until then.
            pressed = tokio::signal::ctrl_c() => pressed?,
        }
    };
    drop(shared);
    Ok(if status.success() { ExitCode::SUCCESS } else { exit_code(status.code()) })
}

async fn runner(rest: &[String]) -> Command {
    let mut nextest = workspace::cargo();
    nextest.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut command = workspace::cargo();
    if nextest.status().await.is_ok_and(|status| status.success()) {
        command.args(["nextest", "run", "--config-file", NEXTEST]);
    } else {
        println!("cargo-nextest is not installed: cargo test runs the tests");
        command.arg("test");
    }
    if !selects_packages(rest) {
        command.arg("--workspace");
    }
    command.args(rest);
    command
}

fn selects_packages(rest: &[String]) -> bool {
    rest.iter().any(|word| {
        matches!(word.as_str(), "-p" | "--package" | "--workspace")
            || word.starts_with("--package=")
    })
}

/// A runner that a signal ended has no code.
fn exit_code(code: Option<i32>) -> ExitCode {
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
