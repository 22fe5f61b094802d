//! Whether a delivery is attempted, when, and what comes next.
//!
//! [`Flow`] holds the whole way of an event in one file; everything else here is a leaf that it
//! asks: the gate (may this webhook have one more attempt now?), the retry policy (what follows
//! from a failure?), the backlog (how old is what waits?).
//!
//! **Invariant:** nothing waits in memory. A delivery that cannot go now goes to the broker with a
//! due time. Nothing here knows a store, a configuration file or an HTTP header.

mod backlog;
mod clock;
mod delay;
mod flow;
mod gate;
mod health;
mod life;
mod metrics;
mod report;
mod retry;
mod spans;
mod task;
mod throttle;

pub use flow::{Feed, Flow, Places, Rules};
pub use gate::{Bound, BreakerPolicy, Standing, Standings};
pub use health::{Change, Health};
pub use metrics::Metrics;
pub use report::{AttemptReport, Following, Report, Tell};
pub use spans::{Queues, Spans};
