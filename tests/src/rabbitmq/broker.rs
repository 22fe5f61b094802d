//! One running broker that is ours alone: stop it, start it again, kill it, starve it.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::amqp;
use crate::eventually::eventually;
use crate::guard::Guard;
use crate::ports::Port;
use crate::rabbitmq::docker::Container;
use crate::rabbitmq::process::{self, Member, Process};
use crate::rabbitmq::{Address, Installation, Source, Wish, find};
use crate::report::Reporter;

pub use crate::rabbitmq::conf::Features;

/// Longest start: a busy machine with one core, an empty page cache.
const START: Duration = Duration::from_secs(120);

/// Longest time until a killed process is gone.
const GONE: Duration = Duration::from_secs(10);

/// How often a starting broker is asked.
const ASK: Duration = Duration::from_millis(100);

/// A share of memory that is always exceeded, so that the memory alarm stands.
const STARVED: &str = "0.000001";

/// RabbitMQ's usual share of memory is 0.4; half as much again leaves room on small machines.
const FED: &str = "0.6";

/// More bytes than any disk has, so that the disk alarm stands.
const FULL: &str = "9000000000000000";

/// As in `rabbitmq.conf`.
const ROOM: &str = "10MB";

/// A broker of our own. Dropped, it is gone without a trace.
#[derive(Debug)]
pub struct Broker {
    // First, so that its processes are dead before anything else is dropped.
    guard: Guard,
    node: Node,
    address: Address,
    _ports: [Port; 2],
}

#[derive(Debug)]
enum Node {
    Process(Process),
    Container(Container),
}

impl Broker {
    /// Finds a source by the environment's wish and starts a broker of it, telling standard error
    /// what takes time. Where the environment only names somebody else's broker, one of our own is
    /// found all the same.
    ///
    /// # Errors
    ///
    /// When there is no way to a broker, or it does not start.
    pub async fn start() -> Result<Self> {
        let report = Reporter::stderr();
        let wish = match Wish::from_environment() {
            Wish::Url(_) => Wish::System,
            wish => wish,
        };
        let source = match find(&wish, &Reporter::quiet()).await? {
            Source::Given(_) => find(&Wish::System, &report).await?,
            source => source,
        };
        Self::start_from(&source, Features::default(), &report).await
    }

    /// Starts a broker and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// When it does not start, with its last words.
    pub async fn start_from(
        source: &Source,
        features: Features,
        report: &Reporter,
    ) -> Result<Self> {
        let amqp = Port::take()?;
        Self::start_as(source, features, (amqp, None), report).await
    }

    /// Starts one on this port, alone or as a member of a cluster.
    pub(super) async fn start_as(
        source: &Source,
        features: Features,
        (amqp, member): (Port, Option<Member>),
        report: &Reporter,
    ) -> Result<Self> {
        let mut guard = Guard::new("broker")?;
        let management = Port::take()?;
        let address =
            Address::local(amqp.address(), features.management.then(|| management.address()));
        let began = Instant::now();
        let node = match source {
            Source::Given(url) => bail!("{url} is somebody else's broker: it is not started here"),
            Source::Installed(installation) => {
                let ports = (amqp.number(), management.number());
                let parts = (ports, member);
                Node::Process(run(installation, features, &mut guard, parts).await?)
            }
            Source::Docker => {
                let name = format!("boottify-webhooks-{}-{}", std::process::id(), amqp.number());
                guard.remember_container(&name)?;
                let ports = (amqp.number(), management.number());
                Node::Container(Container::run(&name, features, ports.0, ports.1, report).await?)
            }
        };
        let mut broker = Self { guard, node, address, _ports: [amqp, management] };
        broker.ready().await?;
        report.step(format!("broker ready after {:.1} s", began.elapsed().as_secs_f64()));
        Ok(broker)
    }

    /// How clients reach it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The URL of a vhost.
    pub fn url(&self, vhost: &str) -> String {
        self.address.url(vhost)
    }

    /// The broker's process id while it runs.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn pid(&self) -> Result<u32> {
        match &self.node {
            Node::Process(process) => process.pid(self.guard.folder()),
            Node::Container(container) => container.pid().await,
        }
    }

    /// Stops it in an orderly way (SIGTERM) and waits for its end.
    ///
    /// # Errors
    ///
    /// When it does not end.
    pub async fn stop(&mut self) -> Result<()> {
        match &mut self.node {
            Node::Process(process) => process.stop(&mut self.guard).await,
            Node::Container(container) => container.tell(&["stop"]).await.map(drop),
        }
    }

    /// Kills it in mid-work (SIGKILL).
    ///
    /// # Errors
    ///
    /// When it was not running.
    pub async fn kill(&mut self) -> Result<()> {
        match &mut self.node {
            Node::Process(process) => process.kill(&mut self.guard)?,
            Node::Container(container) => container.tell(&["kill"]).await.map(drop)?,
        }
        // The kernel takes a killed process apart in its own time; its port is free at the end.
        let Some(amqp) = self.address.amqp() else {
            return Ok(());
        };
        eventually("the killed broker is gone", GONE, || async move {
            TcpStream::connect(amqp).await.is_err().then_some(())
        })
        .await
    }

    /// Starts it again after [`Broker::stop`] or [`Broker::kill`]: same ports, same data.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn start_again(&mut self) -> Result<()> {
        match &mut self.node {
            Node::Process(process) => process.start(&mut self.guard).await?,
            Node::Container(container) => container.tell(&["start"]).await.map(drop)?,
        }
        self.ready().await
    }

    /// Raises the memory alarm: the broker stops reading from connections that publish.
    ///
    /// # Errors
    ///
    /// When the broker does not obey.
    pub async fn starve(&self) -> Result<()> {
        self.ctl(&["set_vm_memory_high_watermark", STARVED]).await.map(drop)
    }

    /// Ends the memory alarm.
    ///
    /// # Errors
    ///
    /// When the broker does not obey.
    pub async fn feed(&self) -> Result<()> {
        self.ctl(&["set_vm_memory_high_watermark", FED]).await.map(drop)
    }

    /// Raises the disk alarm, which blocks publishers as the memory alarm does.
    ///
    /// # Errors
    ///
    /// When the broker does not obey.
    pub async fn fill_disk(&self) -> Result<()> {
        self.ctl(&["set_disk_free_limit", FULL]).await.map(drop)
    }

    /// Ends the disk alarm.
    ///
    /// # Errors
    ///
    /// When the broker does not obey.
    pub async fn free_disk(&self) -> Result<()> {
        self.ctl(&["set_disk_free_limit", ROOM]).await.map(drop)
    }

    /// Stops all its processes where they stand (SIGSTOP), or lets them go on (SIGCONT).
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn halt(&self, halted: bool) -> Result<()> {
        match &self.node {
            Node::Process(process) => process.halt(halted),
            Node::Container(container) => {
                container.tell(&[if halted { "pause" } else { "unpause" }]).await.map(drop)
            }
        }
    }

    /// Makes a vhost.
    ///
    /// # Errors
    ///
    /// When there is one of that name.
    pub async fn add_vhost(&self, name: &str) -> Result<()> {
        self.ctl(&["add_vhost", name]).await?;
        self.ctl(&["set_permissions", "--vhost", name, "guest", ".*", ".*", ".*"]).await.map(drop)
    }

    /// Removes a vhost with everything in it.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub async fn delete_vhost(&self, name: &str) -> Result<()> {
        self.ctl(&["delete_vhost", name]).await.map(drop)
    }

    /// Runs `rabbitmqctl` and gives its output. Each run is an Erlang machine of its own: a second
    /// or two of CPU time.
    ///
    /// # Errors
    ///
    /// When it fails; what it complained of is in the error.
    pub async fn ctl(&self, arguments: &[&str]) -> Result<String> {
        match &self.node {
            Node::Process(process) => process.ctl(self.guard.folder(), arguments).await,
            Node::Container(container) => container.ctl(arguments).await,
        }
    }

    /// A shell script that is `rabbitmqctl` of this broker.
    pub fn ctl_script(&self) -> String {
        let words = match &self.node {
            Node::Process(process) => process.ctl_words(self.guard.folder()),
            Node::Container(container) => container.ctl_words(),
        };
        let quoted = words.iter().map(|word| format!("'{}' ", word.replace('\'', r"'\''")));
        format!("#!/bin/sh\nexec {}\"$@\"\n", quoted.collect::<String>())
    }

    /// Waits until it takes connections and its management answers, if it has that.
    async fn ready(&mut self) -> Result<()> {
        let end = Instant::now() + START;
        loop {
            let answered = match self.address.alive() {
                Ok(()) => amqp::connect(&self.url("/")).await.map(drop),
                Err(error) => Err(error),
            };
            let Err(error) = answered else { return Ok(()) };
            if let Node::Process(process) = &mut self.node {
                process.alive(self.guard.folder())?;
            }
            if Instant::now() >= end {
                let words = match &self.node {
                    Node::Process(_) => process::last_words(self.guard.folder()),
                    Node::Container(container) => container.last_words().await,
                };
                return Err(
                    error.context(format!("the broker is not ready after {START:?}: {words}"))
                );
            }
            tokio::time::sleep(ASK).await;
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let Node::Process(process) = &mut self.node else {
            return;
        };
        if let Err(error) = process.kill(&mut self.guard) {
            eprintln!("testbed: failed to kill the broker: {error:#}");
        }
        // Gone means gone: whoever dropped it may look whether its port is free.
        let began = Instant::now();
        while let Some(amqp) = self.address.amqp()
            && began.elapsed() < GONE
            && std::net::TcpStream::connect(amqp).is_ok()
        {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

async fn run(
    installation: &Installation,
    features: Features,
    guard: &mut Guard,
    (ports, member): ((u16, u16), Option<Member>),
) -> Result<Process> {
    let mut process = Process::prepare(installation, features, guard, ports, member)?;
    process.start(guard).await?;
    Ok(process)
}
