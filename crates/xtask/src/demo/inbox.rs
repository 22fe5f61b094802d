//! The customer's side: the page's own recipe run by Node.js, or, where that is missing, a receiver
//! in Rust that verifies the same.

use std::time::Duration;

use anyhow::Result;
use testbed::node::{self, Checked, PageReceiver};
use testbed::page;
use testbed::receiver::{Received, Receiver, Script};

use crate::demo::stage::FLAKY;

/// A request, and how long after its event's publication it was seen, where that is known.
pub(super) struct Arrival {
    pub(super) request: Checked,
    pub(super) after: Option<Duration>,
}

impl Arrival {
    /// The webhook that it came for: the first piece of its path.
    pub(super) fn webhook(&self) -> &str {
        self.request.path.trim_start_matches('/').split('/').next().unwrap_or_default()
    }
}

/// A receiver that verifies.
pub(super) enum Inbox {
    Node { receiver: PageReceiver, failures: usize },
    Rust { receiver: Receiver, secret: String, failures: usize },
}

impl Inbox {
    /// Starts one; the flaky webhook's path fails so often.
    pub(super) async fn start(secret: &str, failures: usize) -> Result<Self> {
        if node::is_there() {
            return Ok(Self::Node { receiver: PageReceiver::start(secret).await?, failures });
        }
        let receiver = Receiver::start(Script::ok()).await?;
        let inbox = Self::Rust { receiver, secret: secret.to_owned(), failures };
        if let Self::Rust { receiver, .. } = &inbox {
            receiver.answer(&inbox.path(FLAKY), Script::fail(failures, 503));
        }
        Ok(inbox)
    }

    /// What it is, for people.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Node { .. } => "the customer page's own recipe in Node.js",
            Self::Rust { .. } => "in Rust (there is no Node.js to run the customer page's recipe)",
        }
    }

    /// The URL for a webhook.
    pub(super) fn url(&self, webhook: &str) -> String {
        let path = self.path(webhook);
        match self {
            Self::Node { receiver, .. } => receiver.url(&path),
            Self::Rust { receiver, .. } => receiver.url(&path),
        }
    }

    /// All requests after the first `known`.
    pub(super) fn since(&self, known: usize) -> Vec<Checked> {
        match self {
            Self::Node { receiver, .. } => receiver.requests().split_off(known),
            Self::Rust { receiver, secret, .. } => {
                let requests = receiver.requests().split_off(known);
                requests.iter().map(|request| check(request, secret)).collect()
            }
        }
    }

    fn path(&self, webhook: &str) -> String {
        let (Self::Node { failures, .. } | Self::Rust { failures, .. }) = self;
        if webhook == FLAKY { format!("/{webhook}/fail/{failures}") } else { format!("/{webhook}") }
    }
}

fn check(request: &Received, secret: &str) -> Checked {
    let signature = request.header("x-boottify-signature");
    Checked {
        path: request.path.clone(),
        kind: request.header("x-boottify-event").to_owned(),
        delivery: request.delivery().to_owned(),
        attempt: request.attempt().into(),
        verified: page::is_signed(&request.body, signature, secret),
        status: request.answered.as_u16().into(),
        body: request.body.to_vec(),
    }
}
