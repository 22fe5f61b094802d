//! The last way to a broker: the system's package manager.
//!
//! Only the package is wanted, not the service that some packages start when they are installed.
//! Debian asks `policy-rc.d` before it starts one, so that says no for as long as it takes, and what
//! is installed stays stopped.

use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;

use crate::report::Reporter;

/// Debian's question to the administrator whether a service may be started is answered with no,
/// unless the administrator has an answer already.
const WITHOUT_SERVICE: &str = r#"
policy=/usr/sbin/policy-rc.d
if [ -x /usr/sbin/invoke-rc.d ] && [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
DEBIAN_FRONTEND=noninteractive "$@"
"#;

/// One package manager; its commands are words separated by spaces.
struct Manager {
    install: &'static str,
    /// What to do when a fresh machine has no lists of packages yet.
    refresh: Option<&'static str>,
    wants_root: bool,
}

/// The package managers known here.
const MANAGERS: [Manager; 6] = [
    Manager {
        install: "apt-get install -y --no-install-recommends rabbitmq-server",
        refresh: Some("apt-get update"),
        wants_root: true,
    },
    Manager { install: "dnf install -y rabbitmq-server", refresh: None, wants_root: true },
    Manager {
        install: "zypper --non-interactive install rabbitmq-server",
        refresh: None,
        wants_root: true,
    },
    Manager {
        install: "pacman -S --noconfirm --needed rabbitmq",
        refresh: Some("pacman -Sy"),
        wants_root: true,
    },
    Manager { install: "apk add rabbitmq-server", refresh: Some("apk update"), wants_root: true },
    Manager { install: "brew install rabbitmq", refresh: None, wants_root: false },
];

/// Installs `rabbitmq-server`, without starting the system's service.
///
/// # Errors
///
/// When there is no package manager known here, no right to use it, or when it fails.
pub(super) async fn install(report: &Reporter) -> Result<()> {
    for manager in MANAGERS {
        let Some(program) = manager.install.split(' ').next() else {
            continue;
        };
        if !runs(program, &["--version"]).await {
            continue;
        }
        let sudo = manager.wants_root && !rustix::process::geteuid().is_root();
        ensure!(
            !sudo || runs("sudo", &["--non-interactive", "true"]).await,
            "{program} can install it, but only as root: run `sudo {}`",
            manager.install
        );
        let Err(error) = carry_out(manager.install, sudo, report).await else {
            return Ok(());
        };
        let Some(refresh) = manager.refresh else {
            return Err(error);
        };
        carry_out(refresh, sudo, report).await?;
        return carry_out(manager.install, sudo, report).await;
    }
    bail!("no package manager that is known here")
}

async fn carry_out(line: &str, sudo: bool, report: &Reporter) -> Result<()> {
    let mut command = Command::new(if sudo { "sudo" } else { "sh" });
    if sudo {
        command.args(["--non-interactive", "sh"]);
    }
    command.args(["-c", WITHOUT_SERVICE, "install"]).args(line.split(' '));
    report.step(format!("running: {line}"));
    tell(command, report).await.with_context(|| format!("{line} failed"))
}

/// Whether a program is there and content.
pub(super) async fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().await.is_ok_and(|status| status.success())
}

/// Runs a command and passes every line it says on.
///
/// # Errors
///
/// When it cannot be started or fails; its last line is part of the error.
pub(super) async fn tell(mut command: Command, report: &Reporter) -> Result<()> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("failed to start {name}"))?;
    let (said, complained) =
        tokio::join!(pass_on(child.stdout.take(), report), pass_on(child.stderr.take(), report));
    let status = child.wait().await?;
    ensure!(status.success(), "{status}: {}", complained.or(said).unwrap_or_default());
    Ok(())
}

async fn pass_on(pipe: Option<impl AsyncRead + Unpin>, report: &Reporter) -> Option<String> {
    let mut lines = BufReader::new(pipe?).lines();
    let mut last = None;
    while let Ok(Some(line)) = lines.next_line().await {
        if !line.trim().is_empty() {
            // A progress bar overwrites its line; the last state is what counts.
            let shown = line.rsplit('\r').next().unwrap_or(&line);
            report.detail(shown.trim());
            last = Some(line);
        }
    }
    last
}
