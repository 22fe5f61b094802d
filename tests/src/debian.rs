//! Debian's packages: what a test needs and this machine lacks is installed, where that is allowed.
//!
//! Only programs are wanted, never the services that some packages start when they are installed.
//! Not here: RabbitMQ, which other systems' package managers are asked for too.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::report::Reporter;
use crate::workspace;

/// Debian's question to the administrator whether a service may be started is answered with no,
/// unless the administrator has an answer.
const INSTALL: &str = r#"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y --no-install-recommends "$@"; }
install "$@" || { apt-get update && install "$@"; }
"#;

/// What `find` finds, after these packages were installed if it found nothing at first. Only one
/// process of a checkout installs at a time; the others wait and look again.
///
/// # Errors
///
/// When there is no `apt-get`, no right to use it, when it fails, or when `find` still finds
/// nothing.
pub async fn find_or_install<T>(
    packages: &[&str],
    report: &Reporter,
    find: impl Fn() -> Option<T>,
) -> Result<T> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let names = packages.join(" ");
    fs::create_dir_all(workspace::target())?;
    let lock = File::create(workspace::target().join("debian.lock"))?;
    lock.lock().context("failed to wait for another process that installs packages")?;
    // While we waited for the lock, somebody may have done it.
    if let Some(found) = find() {
        return Ok(found);
    }
    install(packages, report).await.with_context(|| format!("install {names}"))?;
    find().with_context(|| format!("{names} was installed, but it is nowhere to be found"))
}

async fn install(packages: &[&str], report: &Reporter) -> Result<()> {
    let mut command = Command::new("sh");
    if !rustix::process::geteuid().is_root() {
        command = Command::new("sudo");
        command.args(["--non-interactive", "sh"]);
    }
    ensure!(
        is_there("apt-get"),
        "only Debian's packages are installed from here, and there is no apt-get"
    );
    report.step(format!("running: apt-get install {}", packages.join(" ")));
    command.args(["-ec", INSTALL, "install"]).args(packages);
    said(command).await.map(drop)
}

/// Whether a program can be started and says its version.
pub fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What a command says on standard output.
///
/// # Errors
///
/// When it cannot be started or fails; its standard error is part of the error.
pub async fn said(command: Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = tokio::process::Command::from(command)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("failed to start {name}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed ({}): {}", output.status, complaint.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
