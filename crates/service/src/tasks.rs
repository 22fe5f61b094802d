//! The long-lived tasks: the only place that spawns, names and awaits them.

use std::future::Future;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

/// The tasks of the program, by what they are for. Dropping it ends them.
#[derive(Default)]
pub(crate) struct Tasks {
    first: JoinSet<&'static str>,
    others: JoinSet<&'static str>,
    last: JoinSet<&'static str>,
    last_names: Vec<(&'static str, AbortHandle)>,
}

impl Tasks {
    /// A task that goes on for as long as the program does.
    pub(crate) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.others.spawn(named(name, task));
    }

    /// A task whose end the drain waits for first.
    pub(crate) fn spawn_first(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.first.spawn(named(name, task));
    }

    /// A task whose end the drain waits for last.
    pub(crate) fn spawn_last(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let handle = self.last.spawn(named(name, task));
        self.last_names.push((name, handle));
    }

    /// Waits for any task to end, which none should before the drain, and says which. Cancel-safe.
    pub(crate) async fn ended(&mut self) -> &'static str {
        let ended = tokio::select! {
            Some(ended) = self.first.join_next() => ended,
            Some(ended) = self.others.join_next() => ended,
            Some(ended) = self.last.join_next() => ended,
        };
        ended.unwrap_or("a task that panicked")
    }

    /// Waits until the first tasks have ended.
    pub(crate) async fn first_ended(&mut self) {
        while self.first.join_next().await.is_some() {}
    }

    /// Waits until the last tasks have ended, or it is `late`; gives those that have not.
    pub(crate) async fn last_ended(&mut self, late: Instant) -> Vec<&'static str> {
        let all = async { while self.last.join_next().await.is_some() {} };
        timeout_at(late, all).await.ok();
        let left = self.last_names.iter().filter(|(_, task)| !task.is_finished());
        left.map(|(name, _)| *name).collect()
    }
}

async fn named(name: &'static str, task: impl Future<Output = ()>) -> &'static str {
    task.await;
    name
}
