//! A broker as a process of ours, with an environment that shares nothing with another broker:
//! node name, ports, cookie, data, logs, plugins, and the `epmd` that Erlang nodes meet at, which
//! would otherwise stay behind as a daemon of the whole machine.

use std::fs;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use tokio::process::Command;

use crate::eventually::eventually;
use crate::guard::{Group, Guard};
use crate::ports::Port;
use crate::rabbitmq::docker::said;
use crate::rabbitmq::{Features, Installation};

/// Longest orderly stop; a broker with a full disk queue takes seconds.
const STOP: Duration = Duration::from_secs(60);

/// Longest start of `epmd`, which is a matter of milliseconds.
const EPMD: Duration = Duration::from_secs(10);

/// What the broker said, in its data folder.
const CONSOLE: &str = "console.log";

/// What makes a broker a member of a cluster: Erlang nodes that share a secret and meet where the
/// cluster says.
#[derive(Debug)]
pub(super) struct Member {
    /// The secret of all members.
    pub(super) cookie: String,
    /// Where it is told where the others listen.
    pub(super) meeting: u16,
    /// Where it listens for the others.
    pub(super) distribution: Port,
    /// Nodes that it joins at its first start, if they run; it is one of them itself.
    pub(super) nodes: Vec<String>,
    /// After so many seconds of silence a member counts as away.
    pub(super) tick_time: u32,
}

/// One broker's processes and how to start them again.
#[derive(Debug)]
pub(super) struct Process {
    installation: Installation,
    environment: Vec<(String, String)>,
    node: String,
    _distribution: Port,
    /// Where an `epmd` of its own is to listen; a member of a cluster meets the others elsewhere.
    meeting: Option<Port>,
    epmd: Option<Group>,
    server: Option<Group>,
}

impl Process {
    /// Writes the configuration of a broker that listens on these ports. Nothing runs yet.
    pub(super) fn prepare(
        installation: &Installation,
        features: Features,
        guard: &Guard,
        (amqp, management): (u16, u16),
        member: Option<Member>,
    ) -> Result<Self> {
        let folder = guard.folder();
        let mut conf = format!("listeners.tcp.1 = 127.0.0.1:{amqp}\n{}", features.conf());
        if features.management {
            conf += &format!("management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n");
        }
        if let Some(member) = &member {
            conf += &member.conf();
            let cookie = folder.join(".erlang.cookie");
            fs::write(&cookie, &member.cookie)?;
            fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400))?;
        }
        fs::write(folder.join("rabbitmq.conf"), conf)?;
        fs::write(folder.join("advanced.config"), "[].\n")?;
        fs::write(folder.join("rabbitmq-env.conf"), "")?;
        fs::write(folder.join("plugins"), features.plugins())?;

        let node = node_name(amqp);
        let inside = installation.inside(folder);
        let (distribution, meeting, at, tick_time) = match member {
            Some(member) => (member.distribution, None, member.meeting, Some(member.tick_time)),
            None => {
                let meeting = Port::take()?;
                let at = meeting.number();
                (Port::take()?, Some(meeting), at, None)
            }
        };
        let environment = environment(&inside, &node, amqp, (&distribution, at), tick_time);
        Ok(Self {
            installation: installation.clone(),
            environment,
            node,
            _distribution: distribution,
            meeting,
            epmd: None,
            server: None,
        })
    }

    /// Starts the broker; whether it is ready is to be seen from outside.
    pub(super) async fn start(&mut self, guard: &mut Guard) -> Result<()> {
        if let Some(meeting) = self.meeting.as_ref().filter(|_| self.epmd.is_none()) {
            let folder = guard.folder().to_owned();
            let port = meeting.number().to_string();
            let mut command = self.installation.command("epmd", &folder, &self.environment);
            command.args(["-address", "127.0.0.1", "-port", &port]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            self.epmd = Some(guard.spawn(&mut command)?);
            let address = meeting.address();
            eventually("epmd listens", EPMD, || async move {
                tokio::net::TcpStream::connect(address).await.ok()
            })
            .await?;
        }
        let folder = guard.folder().to_owned();
        let console = File::options().append(true).create(true).open(folder.join(CONSOLE))?;
        let mut command = self.installation.command("rabbitmq-server", &folder, &self.environment);
        command.stdin(Stdio::null()).stdout(console.try_clone()?).stderr(console);
        self.server = Some(guard.spawn(&mut command)?);
        Ok(())
    }

    /// Stops the broker as an operator would, by SIGTERM, and waits for its end.
    pub(super) async fn stop(&mut self, guard: &mut Guard) -> Result<()> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        server.signal(Signal::TERM);
        let ended = server.wait(STOP).await?;
        guard.end(server)?;
        if ended.is_none() {
            bail!("the broker did not stop within {STOP:?} of SIGTERM");
        }
        Ok(())
    }

    /// Kills the broker in mid-work.
    pub(super) fn kill(&mut self, guard: &mut Guard) -> Result<()> {
        match self.server.take() {
            Some(server) => guard.end(server),
            None => Ok(()),
        }
    }

    /// Stops it where it stands, or lets it go on.
    pub(super) fn halt(&self, halted: bool) -> Result<()> {
        let server = self.server.as_ref().context("the broker is not running")?;
        server.signal_all(if halted { Signal::STOP } else { Signal::CONT });
        Ok(())
    }

    /// Fails when the broker has ended by itself.
    pub(super) fn alive(&mut self, folder: &Path) -> Result<()> {
        let server = self.server.as_mut().context("the broker is not running")?;
        match server.ended()? {
            None => Ok(()),
            Some(status) => bail!("the broker ended ({status}): {}", last_words(folder)),
        }
    }

    /// The process id of the Erlang machine; what was started is the script around it.
    pub(super) fn pid(&self, folder: &Path) -> Result<u32> {
        ensure!(self.server.is_some(), "the broker is not running");
        let text =
            fs::read_to_string(folder.join("pid")).context("the broker wrote no pid file")?;
        text.trim().parse().context("the broker's pid file holds no process id")
    }

    /// Runs `rabbitmqctl` against this broker.
    pub(super) async fn ctl(&self, folder: &Path, arguments: &[&str]) -> Result<String> {
        let mut command = self.installation.command("rabbitmqctl", folder, &self.environment);
        command.args(["--node", &self.node]).args(arguments);
        said(Command::from(command)).await
    }

    /// What runs `rabbitmqctl` against this broker, word by word.
    pub(super) fn ctl_words(&self, folder: &Path) -> Vec<String> {
        let mut command = self.installation.command("rabbitmqctl", folder, &self.environment);
        command.args(["--node", &self.node]);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect()
    }
}

/// The last lines that the broker said before it failed.
pub(super) fn last_words(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join(CONSOLE)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// The Erlang node of the broker with this AMQP port.
pub(super) fn node_name(amqp: u16) -> String {
    format!("testbed{amqp}@localhost")
}

impl Member {
    fn conf(&self) -> String {
        // What is cut off from most of the others pauses, or both sides would take orders.
        let mut conf = String::from(
            "cluster_partition_handling = pause_minority\n\
             cluster_formation.peer_discovery_backend = classic_config\n",
        );
        for (n, node) in (1..).zip(&self.nodes) {
            conf += &format!("cluster_formation.classic_config.nodes.{n} = {node}\n");
        }
        conf
    }
}

fn environment(
    inside: &Path,
    node: &str,
    amqp: u16,
    (distribution, meeting): (&Port, u16),
    tick_time: Option<u32>,
) -> Vec<(String, String)> {
    let within = |name: &str| inside.join(name).display().to_string();
    let mut kernel = "-kernel inet_dist_use_interface {127,0,0,1}".to_owned();
    if let Some(seconds) = tick_time {
        kernel += &format!(" -kernel net_ticktime {seconds}");
    }
    [
        ("HOME", inside.display().to_string()),
        ("LANG", "C.UTF-8".to_owned()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("ERL_EPMD_PORT", meeting.to_string()),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", within("advanced.config")),
        ("RABBITMQ_CONFIG_FILE", within("rabbitmq.conf")),
        ("RABBITMQ_CONF_ENV_FILE", within("rabbitmq-env.conf")),
        ("RABBITMQ_DIST_PORT", distribution.number().to_string()),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", within("plugins")),
        ("RABBITMQ_LOG_BASE", within("log")),
        ("RABBITMQ_MNESIA_BASE", within("data")),
        ("RABBITMQ_NODENAME", node.to_owned()),
        ("RABBITMQ_NODE_PORT", amqp.to_string()),
        ("RABBITMQ_PID_FILE", within("pid")),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", kernel),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
