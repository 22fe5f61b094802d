//! The samples that the product shows its users, run as they are written: the right signature is
//! taken, and any other refused.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::debian::{find_or_install, said};
use crate::eventually::eventually;
use crate::guard::{Group, Guard};
use crate::ports::Port;
use crate::report::Reporter;
use crate::{cache, loopback, workspace};

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
        Self::start(text, async |work, text| {
            symlink(folder.join("node_modules"), work.join("node_modules"))?;
            fs::write(work.join("server.mjs"), text)?;
            let mut command = Command::new("node");
            command.arg("server.mjs");
            Ok(command)
        })
        .await
    }

    /// The Python sample.
    ///
    /// # Errors
    ///
    /// When there is no Python, or it does not start.
    pub async fn python(text: &str) -> Result<Self> {
        needs("python3", "python3").await?;
        Self::start(text, async |work, text| {
            fs::write(work.join("server.py"), text)?;
            let mut command = Command::new("python3");
            command.arg("server.py");
            Ok(command)
        })
        .await
    }

    /// The Go sample, compiled by Debian's Go.
    ///
    /// # Errors
    ///
    /// When there is no Go, it does not compile, or it does not start.
    pub async fn go(text: &str) -> Result<Self> {
        needs("golang-go", "go").await?;
        let home = folder("go")?;
        Self::start(text, async |work, text| {
            fs::write(work.join("main.go"), text)?;
            let mut build = Command::new("go");
            build.args(["build", "-o", "server", "main.go"]).current_dir(work);
            build.env("GOCACHE", home.join("cache")).env("GOPATH", home.join("path"));
            // No compiler of C is needed, and nothing is looked for elsewhere.
            build.envs([("CGO_ENABLED", "0"), ("GO111MODULE", "off"), ("GOTOOLCHAIN", "local")]);
            said(build).await?;
            Ok(Command::new(work.join("server")))
        })
        .await
    }

    /// The Rust sample, compiled with what its first lines say that it needs, in the versions of our
    /// own lock file where those fit. Cargo fetches what it has not yet.
    ///
    /// # Errors
    ///
    /// When it does not compile or start.
    pub async fn rust(text: &str) -> Result<Self> {
        let home = folder("rust")?;
        let needed = text.lines().filter_map(|line| line.strip_prefix("//! "));
        let needed: Vec<&str> = needed.filter(|line| line.contains(" = ")).collect();
        let package = "[package]\nname = \"server\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
        let manifest = format!("{package}\n[dependencies]\n{}\n\n[workspace]\n", needed.join("\n"));
        Self::start(text, async |work, text| {
            let lock = File::create(home.join("lock"))?;
            lock.lock().context("failed to wait for another process that compiles the sample")?;
            fs::create_dir_all(home.join("src"))?;
            fs::write(home.join("Cargo.toml"), manifest)?;
            fs::write(home.join("src/main.rs"), text)?;
            if !home.join("Cargo.lock").exists() {
                fs::copy(workspace::root().join("Cargo.lock"), home.join("Cargo.lock"))?;
            }
            let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            build.args(["build", "--quiet"]).current_dir(&home);
            build.env("CARGO_TARGET_DIR", home.join("target"));
            said(build).await?;
            fs::copy(home.join("target/debug/server"), work.join("server"))?;
            Ok(Command::new(work.join("server")))
        })
        .await
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

    /// Starts what `prepare` makes of the sample in a folder of its own, with a port of its own.
    async fn start(
        text: &str,
        prepare: impl AsyncFnOnce(&Path, String) -> Result<Command>,
    ) -> Result<Self> {
        let mut guard = Guard::new("sample")?;
        let port = Port::take()?;
        let here = text.replace(SHOWN_PORT, &port.number().to_string());
        let mut command = prepare(guard.folder(), here).await?;
        command.current_dir(guard.folder()).env("WEBHOOK_SECRET", secret(text)?);
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
    needs("openssl", "openssl").await?;
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

/// Where the compiler of a language keeps what it can use again.
fn folder(language: &str) -> Result<PathBuf> {
    let folder = workspace::target().join("samples").join(language);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A program of a package.
async fn needs(package: &str, program: &str) -> Result<()> {
    // Not asked for its version: openssl has its own way to say that.
    let path = env::var_os("PATH").unwrap_or_default();
    let find = || env::split_paths(&path).find(|folder| folder.join(program).is_file()).map(drop);
    find_or_install(&[package], &Reporter::stderr(), find).await
}

/// The secret in the line by which a sample says how it is run.
fn secret(text: &str) -> Result<&str> {
    let (_, rest) = text.split_once("WEBHOOK_SECRET='").context("the sample names no secret")?;
    rest.split('\'').next().context("the sample names no secret")
}
