//! All that is tortured: broker nodes, PostgreSQL, replicas of the service, and the webhooks that are
//! there throughout. Everything is ours, on loopback, and gone at the end.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::eventually;
use testbed::postgres::Server;
use testbed::proxy::Proxy;
use testbed::rabbitmq::{Cluster, Wish, find};
use testbed::report::Reporter;
use testbed::setup::Setup;
use testbed::space::Space;

use crate::changes;
use crate::inbox::Inbox;
use crate::options::Options;
use crate::replica::{Counted, Replica};
use crate::traffic::{self, Role};

/// Messages that each replica takes from each of the two queues at most.
pub(crate) const PREFETCH: u32 = 100;

/// Attempts and publishes that fail and are made good take seconds here, and not hours.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A change is live everywhere.
const LIVE: Duration = Duration::from_secs(30);

/// Nothing comes any more: no request for so long, while nothing waits anywhere.
const QUIET: Duration = Duration::from_secs(3);

/// The queue whose leader is looked for.
pub(crate) const EVENTS: &str = "webhooks.events";

/// Queues that hold something at the end.
const KEPT: [&str; 2] = ["webhooks.dead", "webhooks.rejected"];

/// See the module.
pub(crate) struct Stage {
    // First, so that nobody works when the rest goes.
    pub(crate) replicas: Vec<Replica>,
    pub(crate) cluster: Cluster,
    pub(crate) store: Server,
    pub(crate) store_wire: Proxy,
    /// The publisher's way to the broker; nothing happens to it.
    pub(crate) publishing: Proxy,
    pub(crate) inbox: Arc<Inbox>,
    /// The numbers of the webhooks that are there throughout, by their ids.
    pub(crate) ids: HashMap<String, u16>,
}

impl Stage {
    /// Starts everything and makes the webhooks.
    pub(crate) async fn start(options: &Options, inbox: Arc<Inbox>) -> Result<Self> {
        let report = Reporter::stderr();
        let wish: Wish = options.broker.parse().unwrap_or_else(|never| match never {});
        let source = find(&wish, &report).await?;
        let mut cluster = Cluster::start(&source, options.nodes, &report).await?;
        let store = Server::start().await.context("failed to start PostgreSQL")?;
        let url = store.database("webhooks").await?;
        let store_wire = Proxy::start(place(&url)?).await?;
        let publishing = Proxy::balance(cluster.addresses()).await?;
        let setup = setup(&Space::alone(cluster.node(0)), &store_wire.before(&url));
        let mut replicas = Vec::new();
        for number in 0..options.replicas {
            let mut nodes = cluster.addresses();
            let turn = number % nodes.len().max(1);
            nodes.rotate_left(turn);
            let wire = Proxy::balance(nodes).await?;
            let setup = setup.clone().set("broker.url", wire.before(&amqp_url(wire.address())));
            let previous = options.previous.clone();
            replicas.push(Replica::start(number, &setup, wire, previous).await?);
        }
        let ids = HashMap::new();
        let mut stage = Self { replicas, cluster, store, store_wire, publishing, inbox, ids };
        stage.make_webhooks().await?;
        Ok(stage)
    }

    /// Where the publisher and who looks at queues connect to.
    pub(crate) fn url(&self) -> String {
        amqp_url(self.publishing.address())
    }

    pub(crate) fn admins(&self) -> Vec<SocketAddr> {
        self.replicas.iter().map(|replica| replica.program.admin()).collect()
    }

    /// Makes those that are there throughout, and waits until every replica knows them.
    async fn make_webhooks(&mut self) -> Result<()> {
        let hooks = traffic::hooks();
        let first = self.replicas.first().context("there is no replica")?.program.admin();
        for hook in &hooks {
            let (from, to) = hook.projects;
            let projects: Vec<String> = if to - from >= traffic::PROJECTS {
                Vec::new()
            } else {
                (from..=to).map(|project| format!("prj_{project}")).collect()
            };
            let mut body = json!({
                "url": self.inbox.url(hook.number), "events": [hook.events], "projects": projects,
            });
            if hook.role == Role::Refusing {
                body["retry"] = json!({
                    "firstDelay": "1s", "multiplier": 1.0, "maxDelay": "1s", "jitter": 0.0,
                    "giveUpAfter": "3s",
                });
            }
            let answer = changes::ask(first, "POST", "", &body).await?;
            ensure!(answer.status == 201, "no webhook is made: {}", answer.body);
            let (id, secret) = changes::made(&answer)?;
            self.ids.insert(id, hook.number);
            self.inbox.knows_secret(hook.number, &secret);
        }
        for (n, replica) in self.replicas.iter().enumerate() {
            eventually(&format!("replica {n} knows all webhooks"), LIVE, || async {
                let answer = replica.program.metrics().ok()?;
                let known = answer.sum("boottify_webhooks_webhooks", &[]);
                #[expect(clippy::cast_precision_loss, reason = "a handful")]
                let wanted = hooks.len() as f64;
                (known >= wanted).then_some(())
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until nothing is under way anywhere, and says what it waited for where that lasts.
    pub(crate) async fn settle(&mut self, deadline: Duration) -> Result<()> {
        for (n, replica) in self.replicas.iter_mut().enumerate() {
            replica.program.ready().await.with_context(|| format!("replica {n} is not ready"))?;
        }
        let why = std::sync::Mutex::new(String::new());
        let say = |text: String| {
            *why.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = text;
        };
        let settled = eventually("nothing is under way any more", deadline, || async {
            let before = self.inbox.count();
            if let Some(busy) = self.busy().await.unwrap_or_else(|error| Some(error.to_string())) {
                say(busy);
                return None;
            }
            tokio::time::sleep(QUIET).await;
            let came = self.inbox.count() - before;
            if came > 0 {
                say(format!("{came} requests came within {QUIET:?}"));
            }
            (came == 0).then_some(())
        });
        settled
            .await
            .with_context(|| why.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone())
    }

    /// What is under way, if anything.
    async fn busy(&self) -> Result<Option<String>> {
        for (n, replica) in self.replicas.iter().enumerate() {
            let metrics = replica.program.metrics()?;
            for gauge in ["messages_unsettled", "attempts_in_flight"] {
                let value = metrics.sum(&format!("boottify_webhooks_{gauge}"), &[]);
                if value != 0.0 {
                    return Ok(Some(format!("replica {n} has {gauge} {value}")));
                }
            }
        }
        let waiting = self.waiting().await?;
        Ok(waiting.first().map(|(queue, count)| format!("{queue} holds {count} messages")))
    }

    /// Queues that hold something, taken by somebody or not, but those where it is kept.
    pub(crate) async fn waiting(&self) -> Result<Vec<(String, u64)>> {
        let listed = ["list_queues", "--quiet", "--no-table-headers", "name", "messages"];
        let said = self.cluster.ctl(&listed).await?;
        let mut waiting = Vec::new();
        for line in said.lines() {
            let (name, count) = line.split_once('\t').context("a line without a count")?;
            let count = count.trim().parse().with_context(|| format!("no count: {line}"))?;
            if count > 0 && !KEPT.contains(&name) {
                waiting.push((name.to_owned(), count));
            }
        }
        Ok(waiting)
    }

    /// What all replicas have counted in their present lives.
    pub(crate) fn counted(&self) -> Result<Counted> {
        let of = |sum: Counted, replica: &Replica| Ok(sum.plus(replica.counted()?));
        self.replicas.iter().try_fold(Counted::default(), of)
    }

    /// The last lines of every replica's log.
    pub(crate) fn logs(&self) -> Vec<String> {
        self.replicas.iter().map(|replica| replica.program.log().join("\n")).collect()
    }
}

fn amqp_url(address: SocketAddr) -> String {
    format!("amqp://guest:guest@{address}/%2f")
}

fn place(url: &str) -> Result<SocketAddr> {
    let (_, place) = url.split_once('@').context("a URL without a host")?;
    let (place, _) = place.split_once('/').context("a URL without a path")?;
    place.parse().context("a host that is no address")
}

fn setup(space: &Space, store: &str) -> Setup {
    Setup::new(space)
        .set("broker.prefetch", PREFETCH)
        .set("broker.heartbeat", "3s")
        .set("broker.deadline", "5s")
        .set("webhooks.store", store)
        .set("webhooks.encryption_key", KEY)
        .set("webhooks.breaker.first_pause", "1s")
        .set("webhooks.breaker.max_pause", "3s")
        .set("retry.first_delay", "1s")
        .set("retry.multiplier", 1.5)
        .set("retry.max_delay", "5s")
}
