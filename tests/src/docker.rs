//! Whether there is a Docker engine, and what brings a compose file up with it.

use std::process::{Command as Plain, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::workspace;

/// An engine that is there answers at once; one behind a dead socket or a sleeping machine does not.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether an engine answers.
pub async fn answers() -> bool {
    says_yes(&["info"]).await
}

/// Whether it has the plugin that reads compose files.
pub async fn composes() -> bool {
    says_yes(&["compose", "version"]).await
}

/// `docker compose` for docker-compose.yml, as a project of this name.
pub fn compose(project: &str) -> Plain {
    let mut command = Plain::new("docker");
    command.current_dir(workspace::root()).args(["compose", "--project-name", project]);
    command
}

async fn says_yes(arguments: &[&str]) -> bool {
    let mut command = Command::new("docker");
    command.args(arguments).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = timeout(PATIENCE, command.status()).await;
    status.is_ok_and(|status| status.is_ok_and(|status| status.success()))
}
