//! What the demo stands on: the broker, the service and the receiver, set up and taken down.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use testbed::amqp::Client;
use testbed::program::Program;
use testbed::rabbitmq::{Address, Shared, Wish};
use testbed::setup::{SECRET, Setup, Webhook};
use testbed::space::Space;
use testbed::workspace;
use tokio::time::Instant;

use crate::demo::inbox::{Arrival, Inbox};
use crate::paint::good;
use crate::progress;

/// The webhook whose endpoint fails at first.
pub(super) const FLAKY: &str = "whk_flaky";

/// What it is subscribed to.
pub(super) const FLAKY_KIND: &str = "deployment.failed";

/// How often it fails.
pub(super) const FAILURES: usize = 2;

/// Longest orderly end; the service's own grace period is 25 s.
const DRAIN: Duration = Duration::from_secs(40);

/// Everything that runs. Fields are dropped in order: the service before its broker.
pub(super) struct Stage {
    pub(super) program: Program,
    binary: PathBuf,
    client: Client,
    inbox: Inbox,
    space: Space,
    shared: Shared,
    /// By type: a request does not name its event, and the demo publishes one of each.
    published: HashMap<String, Instant>,
    shown: usize,
}

impl Stage {
    /// Builds, finds and starts everything, telling what takes time.
    pub(super) async fn set() -> Result<Self> {
        step("building the service");
        let binary = workspace::build_aloud().await?;
        step("looking for a broker");
        let shared = Shared::start(&Wish::Any, &progress::reporter()).await?;
        let space = Space::within(shared.address())?;

        let inbox = Inbox::start(SECRET, FAILURES).await?;
        step(&format!("starting the receiver: {}", inbox.describe()));
        step("starting the service");
        let flaky = Webhook::new(FLAKY, &inbox.url(FLAKY)).events(&[FLAKY_KIND]);
        let setup = Setup::new(&space)
            .set("retry.first_delay", "1s")
            .set("retry.multiplier", 3.0)
            .set("retry.jitter", 0.0)
            .webhook(Webhook::new("whk_everything", &inbox.url("whk_everything")))
            .webhook(flaky);
        let program = Program::start(&setup).await?;
        let client = space.client().await?;
        println!("  {}", good("ready"));
        let published = HashMap::new();
        Ok(Self { program, binary, client, inbox, space, shared, published, shown: 0 })
    }

    /// Publishes as an orchestrator does.
    pub(super) async fn publish(&mut self, kind: &str, id: &str, body: &[u8]) -> Result<()> {
        self.published.insert(kind.to_owned(), Instant::now());
        self.client.publish_event(&self.space.names().events_exchange, kind, id, body).await
    }

    /// What arrived since the last call.
    pub(super) fn news(&mut self) -> Vec<Arrival> {
        let now = Instant::now();
        let requests = self.inbox.since(self.shown);
        self.shown += requests.len();
        let arrival = |request: testbed::node::Checked| {
            let published = self.published.get(&request.kind).copied();
            Arrival { after: published.map(|at| now - at), request }
        };
        requests.into_iter().map(arrival).collect()
    }

    /// Waits for a message that was put aside: its queue, the reason and the detail.
    pub(super) async fn rejected(&self, deadline: Duration) -> Result<(String, String, String)> {
        let queue = self.space.names().rejected_queue.clone();
        let message = self.client.wait_for(&queue, deadline).await?;
        let header = |name: &str| {
            message.header(name).with_context(|| format!("a rejected message has no header {name}"))
        };
        Ok((queue, header("x-rejected-reason")?, header("x-rejected-detail")?))
    }

    /// Fails when the service has ended by itself.
    pub(super) fn still_runs(&mut self) -> Result<()> {
        match self.program.ended()? {
            None => Ok(()),
            Some(status) => bail!("the service ended ({status})"),
        }
    }

    /// Says how to go on by hand; from now on nobody knows when an event was published.
    pub(super) fn invite(&mut self) {
        self.published.clear();
        let folder = self.program.folder();
        let (binary, config) = (self.binary.display(), folder.join("config.toml"));
        println!("  publish   {binary} send --config {} deployment.failed", config.display());
        println!("  webhooks  {}", folder.join("webhooks.toml").display());
        println!("  page      http://{}/admin/webhooks", self.program.admin());
        println!("  metrics   http://{}/metrics", self.program.operations());
        if let Address::Local { .. } = self.space.address() {
            println!("  broker    {}", self.space.url());
        }
    }

    /// Drains the service and removes everything.
    pub(super) async fn strike(mut self) -> Result<()> {
        step("stopping: SIGTERM to the service, then the broker");
        self.program.sigterm();
        let status = self.program.wait(DRAIN).await?;
        drop((self.program, self.client));
        self.space.close().await?;
        drop(self.shared);
        ensure!(status.success(), "the service ended with {status} after SIGTERM");
        Ok(())
    }
}

fn step(what: &str) {
    println!("{} {what}", good("•"));
}
