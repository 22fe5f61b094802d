//! What becomes of the flow's reports: each goes to the delivery log, to who listens for operational
//! events, and to who disables webhooks.
//!
//! This runs on the delivery path: every hand-over here takes what there is room for, counts what
//! there is not, and never waits.

use std::sync::Arc;

use delivery::Signatures;
use dispatch::{AttemptReport, Following, Report, Tell};
use http::HeaderValue;
use metering::IntCounter;
use store::{LoggedAttempt, LoggedNext, Recorder};
use subscriptions::{WebhookId, WebhookUrl};
use tokio::sync::mpsc;

use crate::announcer::{Announcer, Happening};

/// What stands for a signature where nothing was sent.
const NONE: HeaderValue = HeaderValue::from_static("");

/// Receivers that said 410 and wait to be disabled; what finds the channel full is said again by the
/// next delivery.
const GONE: usize = 256;

/// A receiver that said that nobody is there any more.
pub(crate) struct Gone {
    pub(crate) webhook: WebhookId,
    pub(crate) url: WebhookUrl,
}

/// What the flow tells its reports to, and where 410s come out.
pub(crate) fn journal(
    recorder: Option<Recorder>,
    announcer: Announcer,
    dropped: IntCounter,
) -> (Tell, mpsc::Receiver<Gone>) {
    let (gone, reported) = mpsc::channel(GONE);
    let tell = move |report| match report {
        Report::Gone { webhook, url } => {
            if gone.try_send(Gone { webhook, url }).is_err() {
                dropped.inc();
            }
        }
        Report::Attempt(report) => {
            if let Following::Dead(reason) = report.next {
                announcer.tell(Happening::dead(&report, reason));
            }
            if let Some(recorder) = &recorder {
                recorder.offer(logged(report));
            }
        }
    };
    (Arc::new(tell), reported)
}

fn logged(report: AttemptReport) -> LoggedAttempt {
    let (signature, standard_signature) = match report.signatures {
        Some(Signatures { boottify, standard }) => (boottify, standard),
        None => (NONE, NONE),
    };
    LoggedAttempt {
        delivery: report.delivery,
        webhook: report.webhook,
        event: report.event,
        published_ms: report.published_ms,
        attempt: report.attempt,
        at_ms: report.at_ms,
        duration: report.duration,
        status: report.status,
        failure: report.failure.map(|kind| kind.to_string()),
        detail: report.detail,
        response: report.response,
        signature,
        standard_signature,
        next: match report.next {
            Following::Delivered => LoggedNext::Delivered,
            Following::Retry(at) => LoggedNext::Retry(at),
            Following::Dead(reason) => LoggedNext::Dead(reason.to_owned()),
            Following::Dropped => LoggedNext::Dropped,
        },
    }
}
