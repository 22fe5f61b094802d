//! When what cannot go now comes back: each at its own turn, and not all together every second.
//!
//! Turns are given out like numbers at a counter, one behind the other at the pace at which the
//! receiver takes deliveries (virtual scheduling, as in ITU-T I.371's generic cell rate algorithm).
//! So a delivery that waits circles through the broker about once.
//!
//! What is in the broker cannot be called back when the receiver takes deliveries again, so a turn is
//! no farther away than a horizon. What finds no turn within it comes back at a time that costs the
//! broker one hop, and asks again. The horizon is a balance of two costs: all that waits comes back
//! about [`PER_SECOND`] times a second, shared evenly by the webhooks for which something waits. So a
//! thousand deliveries are soon there when their receiver is, and a million do not keep the broker
//! busy. After the first [`AT_FIRST`] it is hardly longer than deliveries have been waiting: what
//! comes back in a second is then no more than about twice what comes anew, and a receiver is caught
//! up with within the time for which it was away.

use std::time::Duration;

use broker::SHORTEST_DELAY;
use tokio::time::Instant;

/// How far away turns may be, however few deliveries wait,
const SOON: Duration = Duration::from_secs(10);
/// however short they have waited,
const AT_FIRST: Duration = Duration::from_secs(100);
/// and at all.
const FARTHEST: Duration = Duration::from_secs(3 * 60 * 60);
/// About how many deliveries may come back in a second, of all that wait, where the time for which
/// they have been waiting allows it: a twentieth of what a broker does with a core.
const PER_SECOND: f64 = 100.0;
/// What part of the time that it has waited something may have to wait once more.
const PART: u32 = 4;
/// The pace where nothing is known of the receiver.
const UNKNOWN: Duration = Duration::from_millis(50);

/// The turns of one webhook.
#[derive(Debug, Default)]
pub(super) struct Turns {
    next: Option<Instant>,
    /// The last one that is still to come,
    last: Option<Instant>,
    /// and about how many are.
    coming: Coming,
    /// Since when there was always one to come.
    since: Option<Instant>,
    /// Whether it counts in [`Circling`].
    counted: bool,
}

/// For how many webhooks (or hosts) something waits: so many share what may circle.
#[derive(Debug, Default)]
pub(super) struct Circling(usize);

/// About how many turns are still to come: they fade out over their average wait.
#[derive(Debug, Default)]
struct Coming {
    count: f64,
    /// How long they wait, on average, in seconds.
    wait: f64,
    noted: Option<Instant>,
}

impl Turns {
    /// The wait until a turn of its own, for something that has waited for `age` already, where
    /// turns begin at `from` at the earliest and the receiver takes one every `pace`.
    pub(super) fn take(
        &mut self,
        now: Instant,
        from: Instant,
        pace: Option<Duration>,
        age: Duration,
        circling: &mut Circling,
    ) -> Duration {
        if self.is_empty(now) {
            self.since = None;
        }
        let waiting = now.duration_since(*self.since.get_or_insert(now));
        let horizon = self.coming.at(now) / circling.each();
        let horizon = Duration::try_from_secs_f64(horizon).unwrap_or(FARTHEST);
        let longest = waiting.max(age / PART).clamp(AT_FIRST, FARTHEST);
        // Of the delays of one hop the one that is about as long: they are three times apart.
        let horizon = broker::one_hop(horizon.clamp(SOON, longest) * 3 / 2);

        let earliest = from.max(now);
        let turn = self.next.map_or(earliest, |next| next.max(earliest));
        let wait = if turn <= earliest + horizon {
            self.next = Some(turn + pace.unwrap_or(UNKNOWN));
            turn.duration_since(now)
        } else {
            broker::one_hop(earliest.duration_since(now) + horizon)
        };
        // What comes sooner does not go through the broker.
        if wait >= SHORTEST_DELAY {
            if !std::mem::replace(&mut self.counted, true) {
                circling.0 += 1;
            }
            self.coming.one_more(now, wait);
        }
        self.last = self.last.max(Some(now + wait));
        wait
    }

    /// The receiver takes deliveries again: turns begin now.
    pub(super) fn restart(&mut self) {
        let Self { coming, counted, .. } = std::mem::take(self);
        (self.coming, self.counted) = (coming, counted);
    }

    /// Whether no turn is given out that is still to come.
    pub(super) fn is_empty(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| last <= now)
    }
}

impl Circling {
    /// Counts anew for whom something waits.
    pub(super) fn count<'a>(&mut self, all: impl Iterator<Item = &'a mut Turns>, now: Instant) {
        let waits = |turns: &mut Turns| {
            turns.counted = !turns.is_empty(now);
            turns.counted
        };
        self.0 = all.map(waits).filter(|waits| *waits).count();
    }

    /// About how many of each may come back in a second.
    #[expect(clippy::cast_precision_loss, reason = "webhooks are far fewer than 2^52")]
    fn each(&self) -> f64 {
        PER_SECOND / self.0.max(1) as f64
    }
}

impl Coming {
    fn at(&self, now: Instant) -> f64 {
        let Some(noted) = self.noted else { return 0.0 };
        self.count * (-now.duration_since(noted).as_secs_f64() / self.wait).exp()
    }

    fn one_more(&mut self, now: Instant, wait: Duration) {
        let others = self.at(now);
        self.count = others + 1.0;
        self.wait += (wait.as_secs_f64() - self.wait) / self.count;
        self.noted = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn take(turns: &mut Turns, now: Instant, from: Instant, pace: Duration) -> Duration {
        turns.take(now, from, Some(pace), Duration::ZERO, &mut Circling(1))
    }

    #[test]
    fn turns_come_at_the_pace_of_the_receiver() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        let pace = Duration::from_secs(2);
        let waits: Vec<u64> = (0..5).map(|_| take(&mut turns, now, now, pace).as_secs()).collect();
        assert_eq!(waits, [0, 2, 4, 6, 8]);
        assert!(!turns.is_empty(now));
        assert!(turns.is_empty(now + Duration::from_secs(10)));
        turns.restart();
        assert_eq!(take(&mut turns, now, now, pace), Duration::ZERO);
    }

    #[test]
    fn turns_begin_when_a_probe_may_go() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        let (from, pace) = (now + Duration::from_secs(30), Duration::from_secs(1));
        assert_eq!(take(&mut turns, now, from, pace).as_secs(), 30);
        assert_eq!(take(&mut turns, now, from, pace).as_secs(), 31);
    }

    /// As in a broker: what waits asks again at its turn. New ones come at this rate for so many
    /// seconds to a receiver whose breaker is open, one of so many for which something waits. How
    /// many came back in each of the last 600 seconds, and when the last of all does, in seconds
    /// after the end.
    fn outage(per_second: f64, seconds: u64, waiting: usize) -> (f64, u64) {
        let (mut turns, mut circling) = (Turns::default(), Circling(waiting));
        turns.counted = true;
        let (start, pause) = (Instant::now(), Duration::from_secs(60));
        let mut due = BTreeMap::<u64, Vec<u64>>::new();
        let (mut asked, mut owed) = (0, 0.0);
        for second in 0..seconds {
            let now = start + Duration::from_secs(second);
            let probe = start + pause * u32::try_from(second / 60 + 1).unwrap();
            let back = due.remove(&second).unwrap_or_default();
            asked += if second + 600 >= seconds { back.len() } else { 0 };
            owed += per_second;
            let new = std::iter::from_fn(|| (owed >= 1.0).then(|| owed -= 1.0).map(|()| second));
            for born in back.into_iter().chain(new.collect::<Vec<_>>()) {
                let age = Duration::from_secs(second - born);
                let wait = turns.take(now, probe, Some(pause), age, &mut circling);
                due.entry(second + wait.as_secs().max(1)).or_default().push(born);
            }
        }
        let last = due.last_key_value().map_or(0, |(last, _)| last - seconds);
        (asked as f64 / 600.0, last)
    }

    #[test]
    fn what_waits_for_hours_circles_no_faster_than_it_may() {
        let hours = 3 * 3_600;
        // By itself it has all that may circle; beside a thousand others what comes anew decides.
        let (asked, _) = outage(20.0, hours, 1);
        assert!(asked < 2.2 * PER_SECOND, "{asked} a second");
        let (asked, _) = outage(20.0, hours, 1_000);
        assert!(asked < 2.2 * 20.0, "{asked} a second");
    }

    #[test]
    fn what_waits_is_soon_there_when_its_receiver_is() {
        // A thousand after an hour, ten thousand, and a hundred thousand after nearly three.
        for (per_second, seconds, within) in
            [(0.28, 3_600, 60), (2.8, 3_600, 160), (10.0, 10_000, 1_060)]
        {
            let (_, last) = outage(per_second, seconds, 1);
            assert!(last <= within, "{per_second} a second: the last after {last} s");
        }
    }

    /// Turns that come at once are waited for in place: several of them within one tick of the clock.
    #[test]
    fn what_is_waited_for_here_does_not_circle() {
        let (mut turns, mut circling, now) = (Turns::default(), Circling(0), Instant::now());
        let pace = Some(SHORTEST_DELAY / 2);
        for before in [0, 1] {
            let wait = turns.take(now, now, pace, Duration::ZERO, &mut circling);
            assert_eq!(wait, SHORTEST_DELAY / 2 * before);
        }
        assert_eq!((circling.0, turns.coming.at(now)), (0, 0.0));
        for _ in 0..2 {
            turns.take(now, now, pace, Duration::ZERO, &mut circling);
        }
        assert_eq!((circling.0, turns.coming.at(now)), (1, 2.0));
    }

    #[test]
    fn those_for_whom_nothing_waits_any_more_do_not_count() {
        let (now, mut circling) = (Instant::now(), Circling::default());
        let mut all = [Turns::default(), Turns::default()];
        for turns in &mut all {
            let later = now + SHORTEST_DELAY;
            turns.take(now, later, None, Duration::ZERO, &mut circling);
            turns.take(now, later, None, Duration::ZERO, &mut circling);
        }
        assert_eq!(circling.0, 2);
        circling.count(all.iter_mut(), now);
        assert_eq!(circling.0, 2);
        circling.count(all.iter_mut(), now + SOON);
        assert_eq!(circling.0, 0);
    }

    proptest! {
        #[test]
        fn waits_are_bounded(
            pace_ms in 1_u64..20_000,
            before in 0_usize..5_000,
            age in 0_u64..86_400,
            waiting in 1_usize..10_000,
        ) {
            let (mut turns, now) = (Turns::default(), Instant::now());
            let mut circling = Circling(waiting);
            let (pace, age) = (Some(Duration::from_millis(pace_ms)), Duration::from_secs(age));
            for _ in 0..before {
                turns.take(now, now, pace, Duration::ZERO, &mut circling);
            }
            let wait = turns.take(now, now, pace, age, &mut circling);
            let longest = (age / PART).clamp(AT_FIRST, FARTHEST);
            prop_assert!(wait <= longest * 3 / 2, "{wait:?} of {longest:?}");
        }
    }
}
