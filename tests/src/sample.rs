//! The samples that the product shows its users, run as they are written: the right signature is
//! taken, and any other refused.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::debian::{find_or_install, said};
use crate::eventually::eventually;
use crate::guard::{Group, Guard};
use crate::ports::Port;
use crate::report::Reporter;
use crate::{cache, loopback};

/// The version of the server that the Node sample stands on.
const EXPRESS: &str = "express@5.3.0";

/// Longest start of a sample.
const START: Duration = Duration::from_secs(20);

/// The port that samples listen on, where nothing else is said.
const SHOWN_PORT: &str = "3000";

/// A running server. Dropped, it ends.
#[derive(Debug)]
pub struct Sample {
    _guard: Guard,
    _group: Group,
    port: Port,
}

impl Sample {
    /// The Node sample, with the real express beside it, which npm fetches once.
    ///
    /// # Errors
    ///
    /// When there is no npm, or it does not start.
    pub async fn node(text: &str) -> Result<Self> {
        let folder = cache::folder(&EXPRESS.replace('@', "-"), async |folder| {
            Reporter::stderr().step(format!("running: npm install {EXPRESS}"));
            let mut install = Command::new("npm");
            install.args(["install", "--silent", "--no-save", "--ignore-scripts", EXPRESS]);
            install.arg("--prefix").arg(folder);
            said(install).await.context("express comes from npm").map(drop)
        })
        .await?;
        Self::start("node", "server.mjs", text, |work| {
            symlink(folder.join("node_modules"), work.join("node_modules"))
        })
        .await
    }

    /// The Python sample.
    ///
    /// # Errors
    ///
    /// When there is no Python, or it does not start.
    pub async fn python(text: &str) -> Result<Self> {
        needs("python3").await?;
        Self::start("python3", "server.py", text, |_| Ok(())).await
    }

    /// Whether it takes a body with a signature.
    ///
    /// # Errors
    ///
    /// When it answers neither 2xx nor 401.
    pub fn takes(&self, body: &[u8], signature: &str) -> Result<bool> {
        let headers =
            format!("content-type: application/json\r\nx-boottify-signature: {signature}\r\n");
        let body = std::str::from_utf8(body)?;
        let answer = loopback::request(self.port.address(), "POST", "/webhook", &headers, body)?;
        match answer.status {
            200..=299 => Ok(true),
            401 => Ok(false),
            other => bail!("the sample answers {other}: {}", answer.body),
        }
    }

    async fn start(
        program: &str,
        name: &str,
        text: &str,
        prepare: impl FnOnce(&Path) -> std::io::Result<()>,
    ) -> Result<Self> {
        let mut guard = Guard::new("sample")?;
        let port = Port::take()?;
        let number = port.number().to_string();
        fs::write(guard.folder().join(name), text.replace(SHOWN_PORT, &number))?;
        prepare(guard.folder())?;
        let mut command = Command::new(program);
        command.arg(name).current_dir(guard.folder()).env("WEBHOOK_SECRET", secret(text)?);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let group = guard.spawn(&mut command)?;
        let sample = Self { _guard: guard, _group: group, port };
        eventually("the sample listens", START, || async {
            std::net::TcpStream::connect(sample.port.address()).ok()
        })
        .await?;
        Ok(sample)
    }
}

/// Whether the shell sample takes a body with a signature.
///
/// # Errors
///
/// When it cannot be run, or ends with something else than yes or no.
pub async fn shell_takes(text: &str, body: &[u8], signature: &str) -> Result<bool> {
    needs("openssl").await?;
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("verify.sh"), text)?;
    fs::write(folder.path().join("body.json"), body)?;
    let mut command = Command::new("sh");
    command.args(["verify.sh", "body.json", signature]).current_dir(folder.path());
    command.env("WEBHOOK_SECRET", secret(text)?).stdin(Stdio::null());
    let output = command.output()?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(1) if String::from_utf8_lossy(&output.stderr).contains("Invalid signature") => {
            Ok(false)
        }
        _ => bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}

/// A program that has the name of its package.
async fn needs(program: &str) -> Result<()> {
    // Not asked for its version: openssl has its own way to say that.
    let path = env::var_os("PATH").unwrap_or_default();
    let find = || env::split_paths(&path).find(|folder| folder.join(program).is_file()).map(drop);
    find_or_install(&[program], &Reporter::stderr(), find).await
}

/// The secret in the line by which a sample says how it is run.
fn secret(text: &str) -> Result<&str> {
    let (_, rest) = text.split_once("WEBHOOK_SECRET='").context("the sample names no secret")?;
    rest.split('\'').next().context("the sample names no secret")
}
