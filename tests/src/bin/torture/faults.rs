//! Carries out one fault: it begins, lasts, and is over when everything that it took is back.
//!
//! Nothing here waits until replicas have recovered: the next fault may come before. Broker nodes are
//! waited for, because with two of three away there is nothing to be promised.

use std::time::Duration;

use anyhow::{Context, Result};
use testbed::proxy::Fault;
use tokio::time::{Instant, sleep, timeout};

use crate::plan::{Kind, Planned};
use crate::stage::{EVENTS, Stage};

/// Longest fault, with all that is needed to end it.
const LONGEST: Duration = Duration::from_secs(240);

/// What every piece of the traffic waits on a slow way.
const SLOW: Duration = Duration::from_millis(150);

/// What every piece of the traffic waits to and from a slow database.
const SLOW_STORE: Duration = Duration::from_millis(400);

/// A fault that was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) kind: Kind,
    /// When it began and when all was mended, in ms since the beginning.
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// The replica or the node that it met.
    pub(crate) met: usize,
}

/// Carries it out, within [`LONGEST`].
pub(crate) async fn inject(stage: &mut Stage, fault: &Planned, began: Instant) -> Result<Done> {
    let from = crate::ms(began.elapsed());
    let met = timeout(LONGEST, carry_out(stage, fault)).await;
    let met = met.with_context(|| format!("{} was not over after {LONGEST:?}", fault.kind))?;
    let met = met.with_context(|| fault.kind.to_string())?;
    Ok(Done { kind: fault.kind, from, to: crate::ms(began.elapsed()), met })
}

async fn carry_out(stage: &mut Stage, fault: &Planned) -> Result<usize> {
    let Planned { kind, hold, pick, .. } = *fault;
    let one_of = |count: usize| usize::try_from(pick % count.max(1) as u64).unwrap_or_default();
    let replica = one_of(stage.replicas.len());
    match kind {
        Kind::KillReplica => stage.replicas[replica].kill_for(hold).await?,
        Kind::StopReplica => stage.replicas[replica].stop_for(hold).await,
        Kind::RollReplicas => {
            for replica in &mut stage.replicas {
                replica.replace().await?;
                sleep(hold).await;
            }
        }
        Kind::CutNetwork => stage.replicas[replica].wire.cut(),
        Kind::RefuseNetwork => network(stage, replica, Fault::Refuse, hold).await?,
        Kind::SilenceNetwork => network(stage, replica, Fault::Swallow, hold).await?,
        Kind::SlowNetwork => network(stage, replica, Fault::Delay(SLOW), hold).await?,
        Kind::StoreAway | Kind::StoreSilent | Kind::StoreSlow | Kind::StoreReadOnly => {
            store(stage, kind, hold).await?;
        }
        _ => return broker(stage, kind, one_of(stage.cluster.len()), hold).await,
    }
    Ok(replica)
}

async fn network(stage: &Stage, replica: usize, fault: Fault, hold: Duration) -> Result<()> {
    let wire = &stage.replicas[replica].wire;
    wire.set(fault).await?;
    sleep(hold).await;
    // What stood while nothing came through goes on as it is: half-open, until somebody notices.
    wire.set(Fault::Pass).await
}

async fn store(stage: &mut Stage, kind: Kind, hold: Duration) -> Result<()> {
    let fault = match kind {
        Kind::StoreAway => {
            stage.store.stop().await?;
            sleep(hold).await;
            return stage.store.start_again().await;
        }
        Kind::StoreReadOnly => {
            read_only(stage, true).await?;
            sleep(hold).await;
            return read_only(stage, false).await;
        }
        Kind::StoreSilent => Fault::Swallow,
        _ => Fault::Delay(SLOW_STORE),
    };
    stage.store_wire.set(fault).await?;
    sleep(hold).await;
    stage.store_wire.set(Fault::Pass).await
}

async fn read_only(stage: &Stage, on: bool) -> Result<()> {
    let word = if on { "on" } else { "off" };
    let set = format!("ALTER SYSTEM SET default_transaction_read_only = {word}");
    stage.store.execute("postgres", &set).await?;
    stage.store.execute("postgres", "SELECT pg_reload_conf()").await.map(drop)
}

/// Gives the node that it met.
async fn broker(stage: &mut Stage, kind: Kind, some: usize, hold: Duration) -> Result<usize> {
    let cluster = &mut stage.cluster;
    let node = match kind {
        Kind::KillLeader | Kind::StopLeader => cluster.leader(EVENTS).await?,
        _ => some,
    };
    match kind {
        Kind::MemoryAlarm => {
            cluster.node(node).starve().await?;
            sleep(hold).await;
            cluster.node(node).feed().await?;
            return Ok(node);
        }
        Kind::DiskAlarm => {
            cluster.node(node).fill_disk().await?;
            sleep(hold).await;
            cluster.node(node).free_disk().await?;
            return Ok(node);
        }
        Kind::RestartBroker => {
            cluster.node(node).stop().await?;
            sleep(hold).await;
            cluster.node(node).start_again().await?;
        }
        Kind::StopLeader => {
            cluster.node(node).halt(true).await?;
            sleep(hold).await;
            cluster.node(node).halt(false).await?;
        }
        Kind::CutNode | Kind::SilenceNode => {
            let fault = if kind == Kind::CutNode { Fault::Refuse } else { Fault::Swallow };
            cluster.isolate(node, fault).await?;
            sleep(hold).await;
            cluster.rejoin(node).await?;
        }
        _ => {
            cluster.node(node).kill().await?;
            sleep(hold).await;
            cluster.node(node).start_again().await?;
        }
    }
    cluster.mended(node).await?;
    Ok(node)
}
