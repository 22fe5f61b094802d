//! Notices when messages that are larger than any event come in numbers.
//!
//! The prefetch counts messages, not bytes, and a broker takes messages of 16 MiB and more. What it
//! has begun to send cannot be refused but by ending the connection.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Config;
use crate::session::SessionError;

/// The time over which large messages are added up.
const WINDOW: Duration = Duration::from_secs(1);

/// Large messages of the present second.
#[derive(Debug)]
pub(crate) struct Flood {
    larger_than: usize,
    most: usize,
    since: Instant,
    bytes: usize,
}

impl Flood {
    pub(crate) fn new(config: &Config) -> Self {
        let Config { max_event_bytes, max_large_bytes, .. } = *config;
        Self {
            larger_than: max_event_bytes,
            most: max_large_bytes,
            since: Instant::now(),
            bytes: 0,
        }
    }

    /// Whether a message of so many bytes is larger than any event.
    pub(crate) fn is_large(&self, bytes: usize) -> bool {
        bytes > self.larger_than
    }

    /// Counts a message.
    ///
    /// # Errors
    ///
    /// [`SessionError::Flood`] where too many large ones came within a second.
    pub(crate) fn take(&mut self, bytes: usize, now: Instant) -> Result<(), SessionError> {
        if !self.is_large(bytes) {
            return Ok(());
        }
        if now.duration_since(self.since) > WINDOW {
            (self.since, self.bytes) = (now, 0);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.most {
            return Err(SessionError::Flood { most: self.most });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_messages_add_up_within_a_second() {
        let mut flood = Flood { larger_than: 10, most: 100, since: Instant::now(), bytes: 0 };
        let start = flood.since;
        let at = |millis| start + Duration::from_millis(millis);
        assert!((0..1_000).all(|n| flood.take(10, at(n)).is_ok()), "events are no flood");
        assert!(flood.take(60, at(0)).is_ok());
        assert!(flood.take(60, at(1_001)).is_ok(), "another second");
        assert!(flood.take(60, at(1_500)).is_err());
    }
}
