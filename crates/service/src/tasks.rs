//! The long-lived tasks: the only place that spawns, names and awaits them.

use std::future::Future;

use tokio::task::JoinSet;

/// The tasks of the program, by what they are for. Dropping it ends them.
#[derive(Default)]
pub(crate) struct Tasks {
    first: JoinSet<&'static str>,
    others: JoinSet<&'static str>,
    last: JoinSet<&'static str>,
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
        self.last.spawn(named(name, task));
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

    /// Waits until the last tasks have ended.
    pub(crate) async fn last_ended(&mut self) {
        while self.last.join_next().await.is_some() {}
    }
}

async fn named(name: &'static str, task: impl Future<Output = ()>) -> &'static str {
    task.await;
    name
}
