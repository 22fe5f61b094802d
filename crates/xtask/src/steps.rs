//! A list of steps that all run, each with its time, and the verdict over them.

use std::process::ExitCode;

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
    /// Runs a command that says itself what is wrong: all that it says is shown when it fails.
    pub(crate) async fn command(&mut self, name: &str, command: Command) {
        let began = Instant::now();
        println!("{} {name}", strong("==>"));
        match run(command).await {
            Ok(()) => println!("    {} {:.1} s", good("ok"), began.elapsed().as_secs_f64()),
            Err(Complaint { said, why }) => {
                print!("{said}");
                self.fail(name, &why);
            }
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

/// What a command that failed said, and how it ended.
#[derive(Debug)]
struct Complaint {
    said: String,
    why: String,
}

async fn run(mut command: Command) -> Result<(), Complaint> {
    // `output` takes both streams, whatever they were set to before.
    let output = command.output().await;
    let output =
        output.map_err(|error| Complaint { said: String::new(), why: error.to_string() })?;
    if output.status.success() {
        return Ok(());
    }
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    Err(Complaint { said: said.concat(), why: output.status.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_failing_tool_says_is_shown() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        let complaint = run(shell("echo found; echo wrong >&2; exit 3")).await.unwrap_err();
        assert_eq!(complaint.said, "found\nwrong\n");
        assert!(complaint.why.contains('3'), "{complaint:?}");
        assert!(run(shell("echo fine")).await.is_ok());
        assert!(run(Command::new("/no/such/tool")).await.is_err());
    }
}
