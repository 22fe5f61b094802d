//! The two that are compared, as processes that start, take work and are ended.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use testbed::ports::Port;
use testbed::program::Metrics;
use testbed::{eventually, loopback, workspace};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::bare::SECRET;
use crate::load::Shape;

/// Unsettled messages that either contender holds at most, by fan-out: about as many requests in
/// flight for any fan-out.
fn prefetch(shape: Shape) -> u32 {
    if shape.fan_out == 1 { 500 } else { 100 }
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    Bare,
    /// Without a delivery log.
    Service,
    /// With the log in an embedded database.
    Sqlite,
    /// With the log in PostgreSQL.
    Postgres,
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bare => "bare loop",
            Self::Service => "service",
            Self::Sqlite => "service with its log in SQLite",
            Self::Postgres => "service with its log in PostgreSQL",
        })
    }
}

/// A contender that is connected and takes work. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    /// The service's operations listener; the bare loop has none.
    operations: Option<Port>,
    logs: bool,
    _folder: TempDir,
}

impl Running {
    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().context("the contender has ended")
    }

    /// Waits until the log, where one is kept, has taken so many attempts; how many it dropped.
    pub(crate) async fn logged(&self, attempts: u64) -> Result<f64> {
        if !self.logs {
            return Ok(0.0);
        }
        eventually("everything is logged", Duration::from_secs(60), || async {
            let metrics = self.metrics().ok()?;
            let of =
                |name| metrics.sum(&format!("boottify_webhooks_delivery_log_{name}_total"), &[]);
            let (written, dropped) = (of("written"), of("dropped"));
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
            let all = attempts as f64;
            (written + dropped >= all).then_some(dropped)
        })
        .await
    }

    /// What the service says of itself.
    pub(crate) fn metrics(&self) -> Result<Metrics> {
        let operations = self.operations.as_ref().context("the bare loop has no metrics")?;
        Metrics::parse(&loopback::get(operations.address(), "/metrics")?.body)
    }
}

/// Where the contenders work.
pub(crate) struct Places {
    pub(crate) amqp_url: String,
    pub(crate) sink: SocketAddr,
    /// An empty database for a log.
    pub(crate) log_url: String,
}

impl Contender {
    /// Starts it and waits until it consumes.
    pub(crate) async fn start(self, places: &Places, shape: Shape) -> Result<Running> {
        let folder = tempfile::tempdir()?;
        match self {
            Self::Bare => bare(folder, places, shape).await,
            Self::Service => Service::of(places, shape).start(folder).await,
            Self::Sqlite => {
                Service { log: Some(String::new()), ..Service::of(places, shape) }
                    .start(folder)
                    .await
            }
            Self::Postgres => {
                let log = format!("store = \"{}\"", places.log_url);
                Service { log: Some(log), ..Service::of(places, shape) }.start(folder).await
            }
        }
    }
}

/// How the service is set up.
pub(crate) struct Service {
    pub(crate) amqp_url: String,
    pub(crate) prefetch: u32,
    /// The webhooks file.
    pub(crate) webhooks: String,
    /// Keys of the delivery log, where there is one.
    pub(crate) log: Option<String>,
}

async fn bare(folder: TempDir, places: &Places, shape: Shape) -> Result<Running> {
    let arguments = [
        "bare".to_owned(),
        places.amqp_url.clone(),
        prefetch(shape).to_string(),
        places.sink.to_string(),
        shape.fan_out.to_string(),
    ];
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().context("no output")?;
    let line = BufReader::new(output).lines().next_line().await?;
    ensure!(line.as_deref() == Some("ready"), "the bare loop did not start");
    Ok(Running { child, operations: None, logs: false, _folder: folder })
}

impl Service {
    fn of(places: &Places, shape: Shape) -> Self {
        Self {
            amqp_url: places.amqp_url.clone(),
            prefetch: prefetch(shape),
            webhooks: webhooks_file(places.sink, shape),
            log: None,
        }
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn start(self, folder: TempDir) -> Result<Running> {
        let operations = Port::take()?;
        let webhooks = folder.path().join("webhooks.toml");
        fs::write(&webhooks, &self.webhooks)?;
        let config = folder.path().join("config.toml");
        let logs = self.log.is_some();
        let text = format!(
            "broker.url = \"{}\"\nbroker.prefetch = {}\n\
             webhooks.store = \"file://{}\"\nwebhooks.state_dir = \"{}\"\nwebhooks.allow_http = true\n\
             delivery.allow_addresses = [\"127.0.0.0/8\"]\noperations.listen = \"{}\"\nadmin.enabled = false\n\
             log.level = \"error\"\n[delivery_log]\nenabled = {logs}\n{}\n",
            self.amqp_url,
            self.prefetch,
            webhooks.display(),
            folder.path().join("state").display(),
            operations.address(),
            self.log.unwrap_or_default(),
        );
        fs::write(&config, text)?;
        let program = workspace::program().await?;
        let child = Command::new(program)
            .args(["serve", "--config"])
            .arg(&config)
            .kill_on_drop(true)
            .spawn()?;
        eventually("the service is ready", Duration::from_secs(60), || async {
            let answer = loopback::get(operations.address(), "/readyz").ok()?;
            (answer.status == 200).then_some(())
        })
        .await?;
        Ok(Running { child, operations: Some(operations), logs, _folder: folder })
    }
}

/// One webhook for the deployment events of one project.
pub(crate) fn entry(id: &str, url: &str, project: &str) -> String {
    format!(
        "[[webhooks]]\nid = \"{id}\"\nurl = \"{url}\"\n\
         events = [\"deployment.*\"]\nprojects = [\"{project}\"]\nsecret = \"{SECRET}\"\n"
    )
}

/// Every project's webhooks, and those of projects that never have an event.
fn webhooks_file(sink: SocketAddr, shape: Shape) -> String {
    let mut text = String::new();
    let mut webhook = |id: String, project: String| {
        text += &entry(&id, &format!("http://{sink}/{id}"), &project);
    };
    for project in 0..shape.projects {
        for n in 0..shape.fan_out {
            webhook(format!("whk_{project}_{n}"), format!("prj_{project}"));
        }
    }
    for n in 0..shape.idle_webhooks {
        webhook(format!("whk_idle_{n}"), format!("prj_idle_{n}"));
    }
    text
}
