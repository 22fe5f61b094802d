//! A list of steps that all run, each with its time, and the verdict over them.

use std::process::{ExitCode, Stdio};

use anyhow::Result;
use tokio::process::Command;
use tokio::time::Instant;

use crate::paint::{bad, good, odd, strong};

/// What became of the steps so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    failed: Vec<String>,
    skipped: Vec<String>,
}

impl Steps {
    /// Runs a command that says itself what is wrong. Its standard output is shown when it fails.
    pub(crate) async fn command(&mut self, name: &str, mut command: Command) {
        let began = Instant::now();
        println!("{} {name}", strong("==>"));
        match command.stderr(Stdio::inherit()).output().await {
            Ok(output) if output.status.success() => {
                println!("    {} {:.1} s", good("ok"), began.elapsed().as_secs_f64());
            }
            Ok(output) => {
                print!("{}", String::from_utf8_lossy(&output.stdout));
                self.fail(name, &output.status.to_string());
            }
            Err(error) => self.fail(name, &error.to_string()),
        }
    }

    /// Runs a check that gives its complaints.
    pub(crate) fn complaints(&mut self, name: &str, found: Result<Vec<String>>) {
        println!("{} {name}", strong("==>"));
        match found {
            Ok(complaints) if complaints.is_empty() => println!("    {}", good("ok")),
            Ok(complaints) => {
                for complaint in &complaints {
                    println!("    {complaint}");
                }
                self.fail(name, &format!("{} complaints", complaints.len()));
            }
            Err(error) => self.fail(name, &format!("{error:#}")),
        }
    }

    /// Says that a step is left out, and why.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        println!("{} {name}\n    {}: {why}", strong("==>"), odd("skipped"));
        self.skipped.push(name.to_owned());
    }

    /// Says how it went.
    pub(crate) fn verdict(self) -> ExitCode {
        if !self.skipped.is_empty() {
            println!("{}: {}", odd("skipped"), self.skipped.join(", "));
        }
        if self.failed.is_empty() {
            println!("{}", good("all checks passed"));
            return ExitCode::SUCCESS;
        }
        println!("{}: {}", bad("failed"), self.failed.join(", "));
        ExitCode::FAILURE
    }

    fn fail(&mut self, name: &str, why: &str) {
        println!("    {}: {why}", bad("failed"));
        self.failed.push(name.to_owned());
    }
}
