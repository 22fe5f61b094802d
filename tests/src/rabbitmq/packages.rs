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

/// The package managers known here: the program, how it installs, and whether it wants root.
const MANAGERS: [(&str, &[&str], bool); 6] = [
    (
        "apt-get",
        &[
            "install",
            "-y",
            "--no-install-recommends",
            "rabbitmq-server",
        ],
        true,
    ),
    ("dnf", &["install", "-y", "rabbitmq-server"], true),
    (
        "zypper",
        &["--non-interactive", "install", "rabbitmq-server"],
        true,
    ),
    (
        "pacman",
        &["-S", "--noconfirm", "--needed", "rabbitmq"],
        true,
    ),
    ("apk", &["add", "rabbitmq-server"], true),
    ("brew", &["install", "rabbitmq"], false),
];

/// Installs `rabbitmq-server`, without starting the system's service.
///
/// # Errors
///
/// When there is no package manager known here, no right to use it, or when it fails.
pub(super) async fn install(report: &Reporter) -> Result<()> {
    for (program, arguments, wants_root) in MANAGERS {
        if !runs(program, &["--version"]).await {
            continue;
        }
        let mut command = Command::new("sh");
        if wants_root && !rustix::process::geteuid().is_root() {
            ensure!(
                runs("sudo", &["--non-interactive", "true"]).await,
                "{program} can install it, but only as root: run `sudo {program} {}`",
                arguments.join(" ")
            );
            command = Command::new("sudo");
            command.args(["--non-interactive", "sh"]);
        }
        command
            .args(["-c", WITHOUT_SERVICE, "install", program])
            .args(arguments);
        report.say(format!(
            "installing with: {program} {}",
            arguments.join(" ")
        ));
        return tell(command, report)
            .await
            .with_context(|| format!("{program} failed"));
    }
    bail!("no package manager that is known here")
}

/// Whether a program is there and content.
pub(super) async fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().await.is_ok_and(|status| status.success())
}

/// Runs a command and passes every line it says on.
///
/// # Errors
///
/// When it cannot be started or fails; its last line is part of the error.
pub(super) async fn tell(mut command: Command, report: &Reporter) -> Result<()> {
    let name = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("failed to start {name}"))?;
    let (said, complained) = tokio::join!(
        pass_on(child.stdout.take(), report),
        pass_on(child.stderr.take(), report)
    );
    let status = child.wait().await?;
    ensure!(
        status.success(),
        "{name} failed ({status}): {}",
        complained.or(said).unwrap_or_default()
    );
    Ok(())
}

async fn pass_on(pipe: Option<impl AsyncRead + Unpin>, report: &Reporter) -> Option<String> {
    let mut lines = BufReader::new(pipe?).lines();
    let mut last = None;
    while let Ok(Some(line)) = lines.next_line().await {
        if !line.trim().is_empty() {
            report.say(format!("  {line}"));
            last = Some(line);
        }
    }
    last
}
