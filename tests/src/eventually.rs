//! Waiting for a condition instead of for time.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// The first pause between two looks; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(5);

/// The longest pause between two looks.
const LONGEST: Duration = Duration::from_millis(200);

/// Looks until there is something, and gives it. `what` completes the sentence "waiting until …".
///
/// # Errors
///
/// When there is nothing at the deadline.
pub async fn eventually<T, F>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Option<T>>,
{
    let began = Instant::now();
    let mut pause = FIRST;
    let mut looks = 0_u32;
    loop {
        looks += 1;
        // A look that hangs must not outlast the deadline by much.
        if let Ok(Some(found)) = tokio::time::timeout(deadline, look()).await {
            return Ok(found);
        }
        if began.elapsed() >= deadline {
            bail!("gave up waiting until {what}, after {deadline:?} and {looks} looks");
        }
        sleep(pause.min(deadline.saturating_sub(began.elapsed()))).await;
        pause = (pause * 2).min(LONGEST);
    }
}
