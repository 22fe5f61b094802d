//! A broker from a Docker engine: one container, its ports published on loopback alone.
//!
//! The container is kept when its broker stops, so that it can start again with the same data, and
//! removed with its volumes by the guard.

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::debian;
use crate::rabbitmq::Features;
use crate::rabbitmq::packages::{runs, tell};
use crate::report::Reporter;

/// The image, which is fetched when it is not there.
pub(super) const IMAGE: &str = "rabbitmq:4";

/// Writes the configuration where the image reads it and goes on as the image would.
const START: &str = r#"
printf '%s' "$1" > /etc/rabbitmq/conf.d/90-testbed.conf
printf '%s' "$2" > /etc/rabbitmq/enabled_plugins
exec docker-entrypoint.sh rabbitmq-server
"#;

/// A container with a broker in it.
#[derive(Debug)]
pub(super) struct Container {
    name: String,
}

impl Container {
    /// Runs a new container. Inside, the broker has its usual ports.
    pub(super) async fn run(
        name: &str,
        features: Features,
        amqp: u16,
        management: u16,
        report: &Reporter,
    ) -> Result<Self> {
        if !runs("docker", &["image", "inspect", IMAGE]).await {
            report.step(format!("fetching {IMAGE}"));
            let mut pull = Command::new("docker");
            pull.args(["pull", "--quiet", IMAGE]);
            tell(pull, report).await?;
        }
        let mut command = Command::new("docker");
        command.args(["run", "--detach", "--name", name]);
        command.arg("--publish").arg(format!("127.0.0.1:{amqp}:5672"));
        command.arg("--publish").arg(format!("127.0.0.1:{management}:15672"));
        command.args(["--entrypoint", "sh", IMAGE, "-c", START, "start"]);
        command.arg(features.conf()).arg(features.plugins());
        said(command).await?;
        Ok(Self { name: name.to_owned() })
    }

    /// Ends the broker by the signal, or starts it again.
    pub(super) async fn tell(&self, order: &[&str]) -> Result<String> {
        let mut command = Command::new("docker");
        command.args(order).arg(&self.name);
        said(command).await
    }

    /// The broker's process id as the engine's machine counts; not of use on another machine.
    pub(super) async fn pid(&self) -> Result<u32> {
        let text = self.tell(&["inspect", "--format", "{{.State.Pid}}"]).await?;
        text.trim().parse().context("docker gave no process id")
    }

    /// Runs `rabbitmqctl` in the container.
    pub(super) async fn ctl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("docker");
        command.args(["exec", &self.name, "rabbitmqctl"]).args(arguments);
        said(command).await
    }

    /// What runs `rabbitmqctl` in the container, word by word.
    pub(super) fn ctl_words(&self) -> Vec<String> {
        ["docker", "exec", &self.name, "rabbitmqctl"].map(str::to_owned).into()
    }

    /// The last things the broker said.
    pub(super) async fn last_words(&self) -> String {
        self.tell(&["logs", "--tail", "20"]).await.unwrap_or_default()
    }
}

/// What a command says on standard output.
///
/// # Errors
///
/// When it cannot be started or fails; its standard error is part of the error.
pub(super) async fn said(command: Command) -> Result<String> {
    debian::said(command.into_std()).await
}
