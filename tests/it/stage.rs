//! What most tests begin with: a space in the broker, a receiver, the program, a publisher.

use std::time::Duration;

use testbed::amqp::Client;
use testbed::eventually;
use testbed::page;
use testbed::program::Program;
use testbed::receiver::{Receiver, Script};
use testbed::setup::{Setup, Webhook};
use testbed::space::Space;

/// Long enough for anything that has no delay of its own, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Prefix of all metrics.
pub(crate) const PREFIX: &str = "boottify_webhooks";

/// See the module. Fields are dropped in order: the program goes before its broker.
pub(crate) struct Stage {
    pub(crate) program: Program,
    pub(crate) client: Client,
    pub(crate) receiver: Receiver,
    pub(crate) space: Space,
}

impl Stage {
    /// The program with the webhooks and the settings that `setup` adds, and a receiver that says
    /// 200 unless the test tells it otherwise.
    pub(crate) async fn new(setup: impl FnOnce(Setup, &Receiver) -> Setup) -> Self {
        let space = Space::open().await.unwrap();
        Self::within(space, setup).await
    }

    pub(crate) async fn within(
        space: Space,
        setup: impl FnOnce(Setup, &Receiver) -> Setup,
    ) -> Self {
        let receiver = Receiver::start(Script::ok()).await.unwrap();
        let setup = setup(Setup::new(&space), &receiver);
        let program = Program::start(&setup).await.unwrap();
        let client = space.client().await.unwrap();
        Self { program, client, receiver, space }
    }

    /// One webhook for everything at `/hook`.
    pub(crate) async fn simple() -> Self {
        Self::new(|setup, receiver| setup.webhook(Webhook::new("whk_1", &receiver.url("/hook"))))
            .await
    }

    /// Publishes an event of the page's form.
    pub(crate) async fn publish(&self, kind: &str, project: &str, id: &str) {
        self.publish_body(kind, id, &page::event(kind, project)).await;
    }

    pub(crate) async fn publish_body(&self, kind: &str, id: &str, body: &[u8]) {
        let exchange = &self.space.names().events_exchange;
        self.client.publish_event(exchange, kind, id, body).await.unwrap();
    }

    /// Sum of a metric's samples with these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.program.metrics().unwrap().sum(&format!("{PREFIX}_{name}"), labels)
    }

    /// Waits until a metric has reached a value.
    pub(crate) async fn reaches(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let what = format!("{name} {labels:?} is {value}");
        let found =
            eventually(&what, SOON, || async { (self.sum(name, labels) >= value).then_some(()) });
        if let Err(error) = found.await {
            panic!("{error:#}\n{}", self.program.log().join("\n"));
        }
    }

    /// Waits until so many messages of the events queue have been taken, and all are settled.
    pub(crate) async fn settled(&self, messages: u32) {
        let what = format!("{messages} messages are settled");
        eventually(&what, SOON, || async {
            let taken =
                self.sum("events_consumed_total", &[]) + self.sum("events_rejected_total", &[]);
            let open = self.sum("messages_unsettled", &[]);
            (taken >= f64::from(messages) && open == 0.0).then_some(())
        })
        .await
        .unwrap();
    }

    /// Drains the program and removes the space, failing the test if either does not work.
    pub(crate) async fn close(mut self) {
        self.program.sigterm();
        let status = self.program.wait(SOON).await.unwrap();
        assert!(status.success(), "{status}\n{}", self.program.log().join("\n"));
        drop((self.program, self.client));
        self.space.close().await.unwrap();
    }
}
