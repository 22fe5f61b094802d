//! What was seen is compared with what was promised: pure, so that tests can show it each violation.
//!
//! A message that is handed out and not settled when its session ends comes again, with all
//! deliveries that it stands for. So what comes twice is bounded:
//!
//! ```text
//! repeats ≤ sessions × (prefetch × (fan-out + 1) + publishes under way)
//!         + events published again × fan-out
//!         + broker faults × delay queues × what each hands over at a time
//! ```
//!
//! `sessions` are those that replicas had with the broker, one for each time it was lost;
//! `fan-out + 1`, because a replica holds that many events and as many parked deliveries.

use std::collections::{BTreeSet, HashMap};

use crate::changes::Life;
use crate::faults::Done;
use crate::inbox::{Flaw, Record};
use crate::plan::Kind;
use crate::publisher::Sent;
use crate::replica::Counted;
use crate::traffic::{self, CHANGING_PROJECTS, Role};

/// Publishes that a replica has under way at most, each of which may be held although its message
/// comes again.
const PUBLISHES: u64 = 1_024;

/// Delay queues, and the messages that each hands over before the target has confirmed them.
const RUNGS: u64 = 11;
const HANDED_OVER: u64 = 32;

/// A change is live within a second; what was under way then may take its 15 s, and so may what the
/// machine makes of it.
const GRACE_MS: u32 = 20_000;

/// Examples that a violation names.
const EXAMPLES: usize = 3;

/// A message of `webhooks.dead` that names its event and its webhook.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Letter {
    pub(crate) event: u32,
    pub(crate) hook: u16,
}

/// A phase without faults, in which everything is known exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Calm {
    /// What was published and confirmed.
    pub(crate) events: f64,
    pub(crate) invalid: f64,
    /// What receivers saw and took, and what they refused.
    pub(crate) taken: f64,
    pub(crate) refused: f64,
    /// By how much the counters of all replicas grew.
    pub(crate) counted: Counted,
}

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) prefetch: u64,
    pub(crate) sent: Vec<Sent>,
    pub(crate) repeated: u64,
    pub(crate) records: Vec<Record>,
    pub(crate) lives: Vec<Life>,
    pub(crate) letters: Vec<Letter>,
    pub(crate) rejected: Vec<u32>,
    /// Messages in either queue that nobody published here.
    pub(crate) strange: Vec<String>,
    pub(crate) faults: Vec<Done>,
    /// What replicas are known to have counted in all their lives, and how many those were.
    pub(crate) counted: Counted,
    pub(crate) processes: u64,
    pub(crate) calm: Calm,
    /// What was under way although nothing should be.
    pub(crate) left: Vec<String>,
}

/// One promise that was broken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Violation {
    pub(crate) what: &'static str,
    pub(crate) count: usize,
    pub(crate) examples: Vec<String>,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    pub(crate) events: usize,
    pub(crate) invalid: usize,
    pub(crate) requests: usize,
    /// Deliveries that were due: an event and a webhook that has to get it, dead letters included.
    pub(crate) due: usize,
    pub(crate) lost: usize,
    pub(crate) deliveries: usize,
    pub(crate) repeats: u64,
    pub(crate) allowed: u64,
    pub(crate) letters: usize,
    pub(crate) rejected: usize,
    pub(crate) kinds: Vec<OfKind>,
    /// Requests that nobody needed, each with when the delivery came first.
    pub(crate) repeated: Vec<(u32, Record)>,
}

/// The faults of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfKind {
    pub(crate) kind: Kind,
    pub(crate) times: usize,
    pub(crate) longest_ms: u32,
    /// What came again between such a fault and the next one.
    pub(crate) repeats: u64,
    /// The longest that an event took to reach all that take everything, from its confirm or from
    /// the fault's end, whichever was later. An event counts for the last fault before its arrival.
    pub(crate) recovery_ms: u32,
}

/// Something to be complained of, collected.
#[derive(Default)]
struct Complaints(Vec<Violation>);

impl Complaints {
    fn add(&mut self, what: &'static str, example: impl FnOnce() -> String) {
        let at = self.0.iter().position(|violation| violation.what == what);
        let at = at.unwrap_or_else(|| {
            self.0.push(Violation { what, count: 0, examples: Vec::new() });
            self.0.len() - 1
        });
        let violation = &mut self.0[at];
        violation.count += 1;
        if violation.examples.len() < EXAMPLES {
            violation.examples.push(example());
        }
    }
}

/// One event at one webhook: what came of it.
struct Pair<'a> {
    event: u32,
    hook: u16,
    records: &'a [Record],
}

impl Pair<'_> {
    fn taken(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| is_success(record.status))
    }

    /// Requests that nobody needed: after the first success, and failed attempts made again.
    fn repeats(&self) -> impl Iterator<Item = &Record> {
        let (mut attempts, mut taken) = (BTreeSet::new(), false);
        self.records.iter().filter(move |record| {
            let new = attempts.insert(record.attempt);
            let again = taken || !new;
            taken |= is_success(record.status);
            again
        })
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Judges.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let mut complaints = Complaints::default();
    let mut records = evidence.records.clone();
    records.sort_unstable_by_key(|record| (record.event, record.hook, record.at));
    let same = |one: &Record, other: &Record| (one.event, one.hook) == (other.event, other.hook);
    let pairs = || {
        records.chunk_by(same).map(|records| Pair {
            event: records[0].event,
            hook: records[0].hook,
            records,
        })
    };
    for record in &records {
        judge_record(evidence, record, &mut complaints);
    }
    judge_ids(pairs(), &mut complaints);

    let mut verdict = Verdict {
        events: (0..).zip(&evidence.sent).filter(|(n, _)| traffic::is_event(*n)).count(),
        invalid: (0..).zip(&evidence.sent).filter(|(n, _)| !traffic::is_event(*n)).count(),
        requests: records.len(),
        deliveries: pairs().filter(|pair| pair.taken().next().is_some()).count(),
        letters: evidence.letters.len(),
        rejected: evidence.rejected.len(),
        ..Verdict::default()
    };
    let complete = judge_arrivals(evidence, pairs(), &mut verdict, &mut complaints);
    judge_queues(evidence, &mut verdict, &mut complaints);
    let first = |pair: &Pair<'_>| pair.records[0].at;
    verdict.repeated = pairs()
        .flat_map(|pair| pair.repeats().map(|one| (first(&pair), *one)).collect::<Vec<_>>())
        .collect();
    let repeats: Vec<u32> = verdict.repeated.iter().map(|(_, record)| record.at).collect();
    verdict.repeats += repeats.len() as u64;
    verdict.allowed = allowed(evidence);
    if verdict.repeats > verdict.allowed {
        complaints.add("more came twice than was in flight", || {
            format!("{} repeats, {} allowed", verdict.repeats, verdict.allowed)
        });
    }
    judge_counters(evidence, &mut complaints);
    for left in &evidence.left {
        complaints.add("something is left", || left.clone());
    }
    verdict.kinds = by_kind(&evidence.faults, &repeats, &complete);
    verdict.violations = complaints.0;
    verdict
}

/// What one request shows by itself.
fn judge_record(evidence: &Evidence, record: &Record, complaints: &mut Complaints) {
    let Record { event, hook, at, .. } = *record;
    let told = || format!("event {event} at webhook {hook} after {at} ms");
    match record.flaw {
        Flaw::None => {}
        Flaw::Body => return complaints.add("a body that nobody published", told),
        Flaw::Signature => complaints.add("a wrong signature", told),
        Flaw::Headers => complaints.add("a request without its headers", told),
    }
    let known = usize::try_from(event).is_ok_and(|event| event < evidence.sent.len());
    if !known || !traffic::is_event(event) {
        return complaints.add("what is no event was delivered", told);
    }
    match traffic::role(hook) {
        None => complaints.add("a request to nobody", told),
        Some(Role::Changing) => judge_life(evidence, record, complaints),
        Some(_) => {
            let hooks = traffic::hooks();
            if !hooks.iter().any(|known| known.number == hook && known.wants(event)) {
                complaints.add("an event reached a webhook that never matched", told);
            }
        }
    }
}

/// A webhook that came and went: nothing before it was made, after it was deleted, or of projects
/// that it never had.
fn judge_life(evidence: &Evidence, record: &Record, complaints: &mut Complaints) {
    let Record { event, hook, at, .. } = *record;
    let told = || format!("event {event} at webhook {hook} after {at} ms");
    let traffic::Kind::Event { project, .. } = traffic::kind(event) else { return };
    if !CHANGING_PROJECTS.contains(&project) {
        complaints.add("an event reached a webhook that never matched", told);
    }
    let Some(life) = evidence.lives.iter().find(|life| life.hook == hook) else {
        return complaints.add("a request to nobody", told);
    };
    if at < life.asked {
        complaints.add("a request before its webhook was made", told);
    }
    let end = life.deleted.map(|deleted| known_everywhere(&evidence.faults, deleted));
    if end.is_some_and(|end| at > end) {
        complaints.add("a request after its webhook was deleted", told);
    }
}

/// Until when a change may have been unknown to somebody, or attempts of before been under way.
fn known_everywhere(faults: &[Done], changed: u32) -> u32 {
    let mut end = changed.saturating_add(GRACE_MS);
    // In order of time, so that one that begins in the grace of another prolongs it.
    for fault in faults.iter().filter(|fault| fault.kind.keeps_news_away()) {
        if fault.from <= end && fault.to >= changed {
            end = end.max(fault.to.saturating_add(GRACE_MS));
        }
    }
    end
}

/// One delivery, one id; one id, one delivery.
fn judge_ids<'a>(pairs: impl Iterator<Item = Pair<'a>>, complaints: &mut Complaints) {
    let mut owners: HashMap<u64, (u32, u16)> = HashMap::new();
    for pair in pairs {
        let told = || format!("event {} at webhook {}", pair.event, pair.hook);
        let first = pair.records[0].delivery;
        if pair.records.iter().any(|record| record.delivery != first) {
            complaints.add("one delivery under two ids", told);
        }
        let owner = *owners.entry(first).or_insert((pair.event, pair.hook));
        if owner != (pair.event, pair.hook) {
            complaints.add("two deliveries under one id", told);
        }
    }
}

/// Every confirmed event has to have reached every webhook that matches it. Gives, of each event
/// with its confirm, when it had reached all that take everything.
fn judge_arrivals<'a>(
    evidence: &Evidence,
    pairs: impl Iterator<Item = Pair<'a>>,
    verdict: &mut Verdict,
    complaints: &mut Complaints,
) -> Vec<(u32, u32)> {
    let first: HashMap<(u32, u16), u32> = pairs
        .filter_map(|pair| {
            let at = pair.taken().next()?.at;
            Some(((pair.event, pair.hook), at))
        })
        .collect();
    let hooks = traffic::hooks();
    let mut complete = Vec::new();
    for (n, sent) in (0..).zip(&evidence.sent) {
        let Some(confirmed) = sent.confirmed else {
            complaints.add("an event was never confirmed", || format!("event {n}"));
            continue;
        };
        let mut last = Some(confirmed);
        for hook in hooks.iter().filter(|hook| hook.wants(n) && hook.role != Role::Refusing) {
            verdict.due += 1;
            let arrived = first.get(&(n, hook.number));
            if arrived.is_none() {
                verdict.lost += 1;
                complaints.add("a confirmed event is lost", || {
                    format!(
                        "event {n}, confirmed after {confirmed} ms, at webhook {} ({:?})",
                        hook.number, hook.role
                    )
                });
            }
            if hook.role == Role::Steady {
                last = last.and_then(|last| arrived.map(|arrived| last.max(*arrived)));
            }
        }
        complete.extend(last.map(|last| (confirmed, last)));
    }
    complete
}

/// The queues of dead letters and of what is no event hold exactly what they should.
fn judge_queues(evidence: &Evidence, verdict: &mut Verdict, complaints: &mut Complaints) {
    let hooks = traffic::hooks();
    let mut letters: HashMap<(u32, u16), u64> = HashMap::new();
    for letter in &evidence.letters {
        *letters.entry((letter.event, letter.hook)).or_default() += 1;
        let hook = hooks.iter().find(|hook| hook.number == letter.hook);
        let known = usize::try_from(letter.event).is_ok_and(|event| event < evidence.sent.len());
        let dies = known
            && hook.is_some_and(|hook| hook.role == Role::Refusing && hook.wants(letter.event));
        if !dies {
            complaints.add("a dead letter that should not be", || format!("{letter:?}"));
        }
    }
    let mut rejected: HashMap<u32, u64> = HashMap::new();
    for event in &evidence.rejected {
        *rejected.entry(*event).or_default() += 1;
        if traffic::is_event(*event) {
            complaints.add("an event was rejected", || format!("event {event}"));
        }
    }
    for (n, _) in (0..).zip(&evidence.sent).filter(|(_, sent)| sent.confirmed.is_some()) {
        if !traffic::is_event(n) {
            verdict.due += 1;
            if !rejected.contains_key(&n) {
                verdict.lost += 1;
                complaints.add("what is no event is lost", || format!("message {n}"));
            }
        }
        for hook in hooks.iter().filter(|hook| hook.role == Role::Refusing && hook.wants(n)) {
            verdict.due += 1;
            if !letters.contains_key(&(n, hook.number)) {
                verdict.lost += 1;
                complaints.add("a dead letter is lost", || {
                    format!("event {n} at webhook {}", hook.number)
                });
            }
        }
    }
    for strange in &evidence.strange {
        complaints.add("a message that nobody published", || strange.clone());
    }
    verdict.repeats +=
        letters.values().chain(rejected.values()).map(|count| count - 1).sum::<u64>();
}

/// See the module.
pub(crate) fn allowed(evidence: &Evidence) -> u64 {
    let fan_out = (0..traffic::PROJECTS * 5)
        .map(|n| traffic::hooks().iter().filter(|hook| hook.wants(n)).count())
        .max()
        .unwrap_or_default() as u64
        + crate::changes::MOST as u64;
    // Counters are never more than what happened: a life's last moments are not known.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let sessions = evidence.counted.sessions.max(0.0) as u64 + evidence.processes;
    let broker =
        evidence.faults.iter().filter(|fault| fault.kind.is_of_the_broker()).count() as u64;
    sessions * (evidence.prefetch * (fan_out + 1) + PUBLISHES)
        + evidence.repeated * fan_out
        + broker * RUNGS * HANDED_OVER
}

/// Counters tell what receivers saw: exactly where nobody was killed, and never more over all.
fn judge_counters(evidence: &Evidence, complaints: &mut Complaints) {
    let Calm { events, invalid, taken, refused, counted } = evidence.calm;
    for (name, told, seen) in [
        ("events_consumed_total", counted.consumed, events),
        ("events_rejected_total", counted.rejected, invalid),
        ("deliveries_total{outcome=\"delivered\"}", counted.delivered, taken),
        ("deliveries_total of failures", counted.failed + counted.dead, refused),
    ] {
        #[expect(clippy::float_cmp, reason = "counts")]
        if told != seen {
            complaints.add("counters differ from what was seen in calm", || {
                format!("{name} grew by {told}, seen were {seen}")
            });
        }
    }
    let count = || {
        let taken = evidence.records.iter().filter(|record| is_success(record.status));
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = taken.count() as f64;
        count
    };
    // What failed is not compared: an attempt may end here that never began there.
    let (told, seen) = (evidence.counted.delivered, count());
    if told > seen {
        complaints.add("counters tell of more than was seen", || {
            format!("{told} delivered, {seen} seen")
        });
    }
}

/// The faults by kind, in the order of the kinds. `complete` has, of each event, its confirm and
/// when it had arrived.
fn by_kind(faults: &[Done], repeats: &[u32], complete: &[(u32, u32)]) -> Vec<OfKind> {
    let mut kinds: Vec<OfKind> = Vec::new();
    for (n, fault) in faults.iter().enumerate() {
        let next = faults.get(n + 1).map_or(u32::MAX, |next| next.from);
        let again = repeats.iter().filter(|at| (fault.from..next).contains(*at)).count() as u64;
        let took = |(confirmed, arrived): &(u32, u32)| {
            (fault.from..next)
                .contains(arrived)
                .then(|| arrived.saturating_sub(fault.to.max(*confirmed)))
        };
        let recovery = complete.iter().filter_map(took).max().unwrap_or_default();
        let lasted = fault.to.saturating_sub(fault.from);
        let at = kinds.iter().position(|of| of.kind == fault.kind).unwrap_or_else(|| {
            let kind = fault.kind;
            kinds.push(OfKind { kind, times: 0, longest_ms: 0, repeats: 0, recovery_ms: 0 });
            kinds.len() - 1
        });
        let of = &mut kinds[at];
        of.times += 1;
        of.longest_ms = of.longest_ms.max(lasted);
        of.repeats += again;
        of.recovery_ms = of.recovery_ms.max(recovery);
    }
    kinds.sort_by_key(|of| of.kind);
    kinds
}

#[cfg(test)]
mod tests;
