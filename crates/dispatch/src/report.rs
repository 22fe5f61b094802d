//! What happened, told sideways: values on one bounded channel that the service connects.
//!
//! `dispatch` never calls a store. A report that finds the channel full is dropped and counted;
//! whatever it asked for is asked for again by the next delivery that meets the same end.

use subscriptions::{WebhookId, WebhookUrl};

/// Something that the rest of the service may want to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A receiver answered 410: the webhook is to be disabled, if it still leads there.
    Gone {
        /// Which webhook.
        webhook: WebhookId,
        /// Where the receiver was.
        url: WebhookUrl,
    },
}
