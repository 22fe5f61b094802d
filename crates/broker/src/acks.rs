//! Turns verdicts on single messages into as few acknowledgements as the order allows.
//!
//! One `basic.ack` with `multiple` settles every message up to its tag, so the window acknowledges
//! whole prefixes. A message that takes long would hold back all behind it: once it has stood in
//! the way for [`PATIENCE`], those behind it are acknowledged one by one.
//!
//! [`Window`] is pure; [`run`] carries out what it says on a channel.

use std::collections::VecDeque;
use std::time::Duration;

use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::metrics::Metrics;
use crate::settlement::Verdict;

/// How long verdicts are gathered before they are carried out: long enough that a loaded consumer
/// acknowledges dozens at once, short against any prefetch window.
const GATHER: Duration = Duration::from_millis(2);

/// How long one unsettled message may hold back the acknowledgement of those behind it.
const PATIENCE: Duration = Duration::from_millis(20);

/// The most verdicts taken up in one round: more than a gathering usually finds, so that a round is
/// cut only when the machine cannot keep up anyway.
const ROUND: usize = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Outstanding,
    Done,
    Settled,
}

/// What is to be said to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Say {
    AckUpTo(u64),
    Ack(u64),
    GiveBack(u64),
}

/// The messages of one channel from the oldest unsettled one on.
#[derive(Debug)]
struct Window {
    first: u64,
    tags: VecDeque<Tag>,
    /// Tags that are done and not acknowledged yet.
    done: Vec<u64>,
    waiting_since: Option<Instant>,
}

impl Default for Window {
    fn default() -> Self {
        // Delivery tags count from 1 on every channel (AMQP 0-9-1, section 1.1).
        Self { first: 1, tags: VecDeque::new(), done: Vec::new(), waiting_since: None }
    }
}

impl Window {
    fn take(&mut self, verdict: Verdict, say: &mut Vec<Say>) {
        let (tag, state) = match verdict {
            Verdict::Done(tag) => (tag, Tag::Done),
            Verdict::GiveBack(tag) => (tag, Tag::Settled),
        };
        let Some(index) = tag.checked_sub(self.first).and_then(|n| usize::try_from(n).ok()) else {
            return;
        };
        if index >= self.tags.len() {
            self.tags.resize(index + 1, Tag::Outstanding);
        }
        if self.tags[index] == Tag::Outstanding {
            self.tags[index] = state;
            match verdict {
                Verdict::Done(tag) => self.done.push(tag),
                Verdict::GiveBack(tag) => say.push(Say::GiveBack(tag)),
            }
        }
    }

    /// Acknowledges the prefix that is done; then, if what is left has waited long enough behind
    /// an outstanding message, each message of it.
    fn acknowledge(&mut self, now: Instant, say: &mut Vec<Say>) {
        let mut up_to = None;
        while let Some(state) = self.tags.front().filter(|state| **state != Tag::Outstanding) {
            if *state == Tag::Done {
                up_to = Some(self.first);
            }
            self.tags.pop_front();
            self.first += 1;
        }
        say.extend(up_to.map(Say::AckUpTo));
        self.done.retain(|tag| *tag >= self.first);
        if self.done.is_empty() {
            self.waiting_since = None;
        } else if now >= *self.waiting_since.get_or_insert(now) + PATIENCE {
            self.waiting_since = None;
            for tag in self.done.drain(..) {
                let index = usize::try_from(tag - self.first).unwrap_or(usize::MAX);
                if let Some(state) = self.tags.get_mut(index) {
                    *state = Tag::Settled;
                }
                say.push(Say::Ack(tag));
            }
        }
    }

    /// When the messages that wait behind an outstanding one must be acknowledged at the latest.
    fn deadline(&self) -> Option<Instant> {
        self.waiting_since.map(|since| since + PATIENCE)
    }
}

/// Carries out verdicts on `channel` until every settlement is gone, then the last of them.
///
/// # Errors
///
/// The error of the channel, or `None` where the broker did not take an acknowledgement within
/// `limit`. Either ends the session: its unsettled messages come again.
pub(crate) async fn run(
    channel: Channel,
    mut verdicts: mpsc::Receiver<Verdict>,
    limit: Duration,
    metrics: Metrics,
) -> Result<(), Option<lapin::Error>> {
    let mut window = Window::default();
    let (mut round, mut say) = (Vec::with_capacity(ROUND), Vec::new());
    loop {
        let open = gather(&mut verdicts, &mut round, window.deadline()).await;
        for verdict in round.drain(..) {
            window.take(verdict, &mut say);
        }
        let now = if open { Instant::now() } else { Instant::now() + PATIENCE };
        window.acknowledge(now, &mut say);
        for words in say.drain(..) {
            timeout(limit, tell(&channel, words, &metrics)).await.map_err(|_| None)??;
        }
        if !open {
            return Ok(());
        }
    }
}

/// Waits for verdicts or the deadline; false when no more will come.
async fn gather(
    verdicts: &mut mpsc::Receiver<Verdict>,
    round: &mut Vec<Verdict>,
    deadline: Option<Instant>,
) -> bool {
    let overdue = async {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        taken = verdicts.recv_many(round, ROUND) => {
            if taken == 0 {
                return false;
            }
            sleep(GATHER).await;
            while round.len() < ROUND && let Ok(verdict) = verdicts.try_recv() {
                round.push(verdict);
            }
        }
        () = overdue => {}
    }
    true
}

async fn tell(channel: &Channel, words: Say, metrics: &Metrics) -> Result<(), lapin::Error> {
    match words {
        Say::AckUpTo(tag) => {
            metrics.acks_multiple.inc();
            channel.basic_ack(tag, BasicAckOptions { multiple: true }).await
        }
        Say::Ack(tag) => {
            metrics.acks_single.inc();
            channel.basic_ack(tag, BasicAckOptions { multiple: false }).await
        }
        Say::GiveBack(tag) => {
            metrics.given_back.inc();
            channel.basic_nack(tag, BasicNackOptions { multiple: false, requeue: true }).await
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(verdicts: &[Verdict], patient: bool, expected: &[Say]) {
        let (mut window, mut say) = (Window::default(), Vec::new());
        for verdict in verdicts {
            window.take(*verdict, &mut say);
        }
        let now = Instant::now();
        window.acknowledge(now, &mut say);
        if !patient {
            window.acknowledge(now + PATIENCE, &mut say);
        }
        assert_eq!(say, expected, "{verdicts:?}");
    }

    #[test]
    fn what_is_said_to_the_broker() {
        use Verdict::{Done, GiveBack};
        check(&[Done(1), Done(2), Done(3)], true, &[Say::AckUpTo(3)]);
        check(&[Done(3), Done(1)], true, &[Say::AckUpTo(1)]);
        check(&[Done(3), Done(1)], false, &[Say::AckUpTo(1), Say::Ack(3)]);
        check(&[GiveBack(1), Done(2)], true, &[Say::GiveBack(1), Say::AckUpTo(2)]);
        check(&[Done(1), GiveBack(2)], true, &[Say::GiveBack(2), Say::AckUpTo(1)]);
        check(&[GiveBack(1)], false, &[Say::GiveBack(1)]);
    }

    proptest! {
        /// Against the broker's rule: a tag that is acknowledged must be outstanding, and at the
        /// end every message has been settled exactly as its verdict says.
        #[test]
        fn every_verdict_is_carried_out_once(
            order in Just((1_u64..=40).collect::<Vec<_>>()).prop_shuffle(),
            back in prop::collection::hash_set(1_u64..=40, 0..6),
            rounds in prop::collection::vec((1_usize..8, any::<bool>()), 60),
        ) {
            let mut outstanding: std::collections::BTreeSet<u64> = order.iter().copied().collect();
            let (mut window, mut now) = (Window::default(), Instant::now());
            let mut rest = order.as_slice();
            let mut given_back = std::collections::HashSet::new();
            for (count, late) in rounds {
                let (some, others) = rest.split_at(count.min(rest.len()));
                rest = others;
                let mut say = Vec::new();
                for tag in some {
                    let verdict =
                        if back.contains(tag) { Verdict::GiveBack(*tag) } else { Verdict::Done(*tag) };
                    window.take(verdict, &mut say);
                }
                now += if late { PATIENCE } else { Duration::from_millis(1) };
                window.acknowledge(now, &mut say);
                for words in say {
                    match words {
                        Say::AckUpTo(tag) => {
                            prop_assert!(outstanding.contains(&tag), "unknown tag {}", tag);
                            outstanding.retain(|other| *other > tag);
                        }
                        Say::Ack(tag) => prop_assert!(outstanding.remove(&tag)),
                        Say::GiveBack(tag) => {
                            prop_assert!(outstanding.remove(&tag));
                            given_back.insert(tag);
                        }
                    }
                }
            }
            window.acknowledge(now + PATIENCE, &mut Vec::new());
            prop_assert_eq!(given_back, back);
            prop_assert!(outstanding.is_empty());
        }
    }
}
