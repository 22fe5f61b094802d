//! An API against its own OpenAPI document: schemathesis makes requests from it, good ones and
//! hostile ones, and judges what is answered.
//!
//! The program comes from PyPI into a virtual environment of its own in the cache. A run is bounded
//! by the number of generated requests, and nothing in it is left to chance: it does the same every
//! time. A bound of its own on time would not do: it fills the time with more requests.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::pip;

/// The version, which says what is tried.
const VERSION: &str = "4.32.5";

/// What is held against every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,negative_data_rejection";

/// Which requests are made: the document's examples, every bound of every value, and generated ones.
const PHASES: &str = "examples,coverage,fuzzing";

/// How what is wrong may be refused; the tool itself does not think of bodies that are too large.
const SETTINGS: &str = "[checks]\nnegative_data_rejection.expected-statuses = \
    [\"400\", \"404\", \"405\", \"406\", \"409\", \"412\", \"413\", \"415\", \"422\", \"428\", \"431\"]\n";

/// Most that is told of one line: requests that it generates can fill screens.
const SHOWN: usize = 400;

/// Longest wait for one answer, in seconds.
const REQUEST: &str = "10";

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Generated requests per operation.
    pub examples: u32,
    /// A run that takes longer has failed.
    pub time: Duration,
}

/// The installed program.
#[derive(Debug)]
pub struct Schemathesis {
    python: PathBuf,
}

impl Schemathesis {
    /// The cached program, or the one that pip fetches.
    ///
    /// # Errors
    ///
    /// When there is no way to it.
    pub async fn find() -> Result<Self> {
        let (name, package) =
            (format!("schemathesis-{VERSION}"), format!("schemathesis=={VERSION}"));
        Ok(Self { python: pip::programs(&name, &[&package]).await?.join("python") })
    }

    /// Tries the API whose document is at a URL, with a token.
    ///
    /// # Errors
    ///
    /// When an answer is not what the document says, with the requests that show it; or when there
    /// is no document.
    pub async fn run(&self, document: &str, token: &str, bounds: Bounds) -> Result<String> {
        // What it keeps between runs would make two runs differ.
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("schemathesis.toml"), SETTINGS)?;
        let mut command = tokio::process::Command::new(&self.python);
        command.args(["-m", "schemathesis.cli", "run", document, "--no-color"]);
        command.arg("--header").arg(format!("Authorization: Bearer {token}"));
        command.args(["--checks", CHECKS, "--phases", PHASES, "--warnings", "off"]);
        command.arg("--generation-deterministic");
        command.args(["--max-examples", &bounds.examples.to_string()]);
        command.args(["--request-timeout", REQUEST, "--continue-on-failure"]);
        command.current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(bounds.time, command.output());
        let output =
            output.await.with_context(|| format!("not at its end after {:?}", bounds.time))??;
        let (said, complained) = (shortened(&output.stdout), shortened(&output.stderr));
        ensure!(output.status.success(), "{said}\n{complained}");
        Ok(said)
    }
}

/// What a program said, with long lines cut.
fn shortened(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines = text.lines().map(|line| line.chars().take(SHOWN).chain(['\n']).collect::<String>());
    lines.collect()
}
