//! Who wants what: a webhook, its parts, and the immutable snapshot that finds the webhooks of an
//! event.
//!
//! Every part is checked where it is made (`try_new`), so that whoever holds a [`Webhook`] may send
//! to it without asking again. The [`Snapshot`] is built once per change and then only read: a
//! lookup takes no lock and allocates nothing.
//!
//! Not here: where webhooks are kept (`store`), whether an address may be reached and how a request
//! is sent (`delivery`), when to try again (`dispatch`). No clock, no I/O.

mod condition;
mod filter;
mod headers;
mod id;
mod rate_limit;
mod retry;
mod snapshot;
mod url;
mod webhook;

pub use condition::{
    Clause, Condition, InvalidCondition, Literal, MAX_CLAUSES, MAX_POINTER_BYTES, MAX_VALUE_BYTES,
    MAX_VALUES,
};
pub use filter::{EventFilter, InvalidFilter, MAX_PATTERNS, Pattern};
pub use headers::{Headers, InvalidHeaders, MAX_HEADERS, MAX_HEADERS_BYTES};
pub use id::{InvalidWebhookId, WebhookId};
pub use rate_limit::{RateLimit, RateLimitError};
pub use retry::{
    InvalidRetry, LONGEST_DELAY, LONGEST_LIFE, RetryPolicy, RetryValues, SHORTEST_DELAY,
};
pub use snapshot::{DuplicateId, Matching, Snapshot};
pub use url::{Host, InvalidUrl, MAX_URL_BYTES, UrlRules, WebhookUrl};
pub use webhook::{MAX_DESCRIPTION, MAX_IN_FLIGHT, MAX_PROJECTS, Secrets, Unopened, Webhook};
