//! Room for as many open files as connections are allowed.
//!
//! Most systems start a process with a soft limit of 1,024 for old programs' sake (`select(2)`),
//! and leave it to the process to raise it to the hard one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open besides connections to receivers: the broker, listeners, the log, epoll.
const OTHERS: u64 = 64;

/// Raises the soft limit to the hard one, and says so where even that is too low.
pub(crate) fn make_room(max_connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let needed = u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_add(OTHERS);
    // No limit at all is told as none.
    if let Some(current) = current.filter(|current| *current < needed) {
        tracing::warn!(
            "at most {current} files can be open, delivery.max_connections needs {needed}: \
             raise the limit (ulimit -n) or lower the key"
        );
    }
}
