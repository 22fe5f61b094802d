//! Brokers that are one cluster on loopback: every node with ports, data and a meeting point of its
//! own, and a proxy for each way from one node to another.
//!
//! Nodes are members from their first start by RabbitMQ's own `classic_config`; a node that is cut
//! off from most of the others pauses (`pause_minority`).

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::eventually::eventually;
use crate::ports::Port;
use crate::proxy::{Fault, Proxy};
use crate::rabbitmq::meeting::{Meeting, Registered};
use crate::rabbitmq::process::{Member, node_name};
use crate::rabbitmq::{Broker, Features, Source};
use crate::report::Reporter;

/// A node that says nothing for so many seconds is away; RabbitMQ's own default of 60 would make
/// every silence of a test a minute long. It is found between three quarters and five of them.
const TICK_TIME: u32 = 8;

/// Longest time until all nodes are one cluster again.
const TOGETHER: Duration = Duration::from_secs(120);

/// How long nodes are given to become one cluster again without help.
const BY_THEMSELVES: Duration = Duration::from_secs(30);

/// A running cluster. Dropped, it is gone without a trace.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Broker>,
    names: Vec<String>,
    /// The way from the first of the key to the second.
    ways: HashMap<(usize, usize), Proxy>,
    _meetings: Vec<Meeting>,
}

impl Cluster {
    /// Starts so many nodes and waits until they are one cluster.
    ///
    /// # Errors
    ///
    /// When one does not start, or `source` is somebody else's broker.
    pub async fn start(source: &Source, count: usize, report: &Reporter) -> Result<Self> {
        ensure!(matches!(source, Source::Installed(_)), "only an installed broker makes a cluster");
        let amqp: Vec<Port> = (0..count).map(|_| Port::take()).collect::<Result<_>>()?;
        let distribution: Vec<Port> = (0..count).map(|_| Port::take()).collect::<Result<_>>()?;
        let names: Vec<String> = amqp.iter().map(|port| node_name(port.number())).collect();
        let short = |n: usize| names[n].split('@').next().unwrap_or_default().to_owned();
        let (mut ways, mut meetings) = (HashMap::new(), Vec::new());
        let registered = Registered::default();
        for from in 0..count {
            let mut others = HashMap::new();
            for to in (0..count).filter(|to| *to != from) {
                let way = Proxy::start(distribution[to].address()).await?;
                others.insert(short(to), way.address().port());
                ways.insert((from, to), way);
            }
            meetings.push(Meeting::start(others, Registered::clone(&registered)).await?);
        }
        let cookie = cookie()?;
        let mut brokers = Vec::new();
        for (n, (amqp, distribution)) in amqp.into_iter().zip(distribution).enumerate() {
            // The first forms the cluster by itself; told of the others, RabbitMQ 4 would wait for them.
            let mut nodes = vec![names[0].clone(), names[n].clone()];
            nodes.dedup();
            let member = Member {
                cookie: cookie.clone(),
                meeting: meetings[n].port(),
                distribution,
                nodes,
                tick_time: TICK_TIME,
            };
            let parts = (amqp, Some(member));
            brokers.push(Broker::start_as(source, Features::default(), parts, report).await?);
        }
        let cluster = Self { nodes: brokers, names, ways, _meetings: meetings };
        cluster.together().await?;
        Ok(cluster)
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// One node, to stop, kill or starve it.
    pub fn node(&mut self, n: usize) -> &mut Broker {
        &mut self.nodes[n]
    }

    /// Where the nodes take AMQP.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().filter_map(|node| node.address().amqp()).collect()
    }

    /// Runs `rabbitmqctl` at the first node and gives its output.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub async fn ctl(&self, arguments: &[&str]) -> Result<String> {
        self.nodes[0].ctl(arguments).await
    }

    /// Which node leads a quorum queue of the default vhost.
    ///
    /// # Errors
    ///
    /// When there is no such queue, or none leads it.
    pub async fn leader(&self, queue: &str) -> Result<usize> {
        if self.nodes.len() == 1 {
            return Ok(0);
        }
        let listed = ["list_queues", "--quiet", "--no-table-headers", "name", "leader"];
        let said = self.ctl(&listed).await?;
        let leader = said.lines().find_map(|line| {
            let (name, leader) = line.split_once('\t')?;
            let leader = leader.trim().trim_matches('\'');
            (name == queue).then(|| self.names.iter().position(|node| node == leader))?
        });
        leader.with_context(|| format!("nobody leads {queue}: {said}"))
    }

    /// Sets what happens on all ways between one node and the others, in both directions.
    ///
    /// # Errors
    ///
    /// When a proxy's listener cannot be closed or opened again.
    pub async fn isolate(&self, node: usize, fault: Fault) -> Result<()> {
        for way in self.ways_of(node) {
            way.set(fault).await?;
        }
        Ok(())
    }

    /// Ends an isolation: what was half-open is closed, and the nodes may meet again.
    ///
    /// # Errors
    ///
    /// When a proxy's listener cannot be opened again.
    pub async fn rejoin(&self, node: usize) -> Result<()> {
        self.isolate(node, Fault::Pass).await?;
        self.ways_of(node).for_each(Proxy::cut);
        Ok(())
    }

    /// Waits until every node sees all others run, after something was done to one of them. Where they
    /// do not come together by themselves, that one is started anew, as an operator does: a node of
    /// RabbitMQ 3 that stood still for too long has another opinion of who is there, and keeps it.
    ///
    /// # Errors
    ///
    /// When they do not within two minutes of that.
    pub async fn mended(&mut self, met: usize) -> Result<()> {
        if self.together_within(BY_THEMSELVES).await.is_ok() {
            return Ok(());
        }
        self.nodes[met].stop().await?;
        self.nodes[met].start_again().await?;
        self.together().await
    }

    /// Waits until every node sees all others run.
    ///
    /// # Errors
    ///
    /// When they do not within two minutes.
    pub async fn together(&self) -> Result<()> {
        self.together_within(TOGETHER).await
    }

    async fn together_within(&self, deadline: Duration) -> Result<()> {
        // Of each node, for a node may be seen that does not see.
        let all = format!(
            "length(rabbit_nodes:all_running()) =:= {} andalso rabbit:is_running().",
            self.nodes.len()
        );
        for (n, node) in self.nodes.iter().enumerate() {
            let what = format!("node {n} is in the cluster with all others");
            eventually(&what, deadline, || async {
                let said = node.ctl(&["eval", &all]).await.ok()?;
                (said.trim() == "true").then_some(())
            })
            .await?;
        }
        Ok(())
    }

    fn ways_of(&self, node: usize) -> impl Iterator<Item = &Proxy> {
        let of_node = move |(from, to): &(usize, usize)| *from == node || *to == node;
        self.ways.iter().filter(move |(ends, _)| of_node(ends)).map(|(_, way)| way)
    }
}

/// A secret that nobody can guess: who knows it may run anything as the brokers' account.
fn cookie() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("failed to read /dev/urandom")?;
    Ok(hex::encode(bytes))
}
