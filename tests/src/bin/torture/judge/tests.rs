//! The judge finds nothing where nothing is wrong, and each violation where there is one.

use super::{Calm, Evidence, Letter, judge, known_everywhere};
use crate::changes::Life;
use crate::faults::Done;
use crate::inbox::{Flaw, Record};
use crate::plan::Kind;
use crate::publisher::Sent;
use crate::replica::Counted;
use crate::sabotage::Sabotage;
use crate::traffic::{self, CHANGING, Role};

/// A run of 600 events in which all went well, with a fault between them.
fn fine() -> Evidence {
    let mut evidence = Evidence {
        prefetch: 10,
        faults: vec![Done { kind: Kind::KillReplica, from: 1_000, to: 1_100, met: 0 }],
        lives: vec![Life { hook: CHANGING, asked: 50, deleted: Some(400) }],
        processes: 2,
        ..Evidence::default()
    };
    let record = |event, hook, at, status, attempt| Record {
        at,
        event,
        delivery: u64::from(event) << 16 | u64::from(hook),
        hook,
        attempt,
        status,
        flaw: Flaw::None,
    };
    for n in 0..600 {
        let at = 10 * n;
        evidence.sent.push(Sent { confirmed: Some(at + 1) });
        if !traffic::is_event(n) {
            evidence.rejected.push(n);
        }
        for hook in traffic::hooks().iter().filter(|hook| hook.wants(n)) {
            match hook.role {
                Role::Refusing => {
                    evidence.records.push(record(n, hook.number, at + 2, 404, 1));
                    evidence.letters.push(Letter { event: n, hook: hook.number });
                }
                Role::Flaky => {
                    evidence.records.push(record(n, hook.number, at + 2, 503, 1));
                    evidence.records.push(record(n, hook.number, at + 900, 200, 2));
                }
                _ => evidence.records.push(record(n, hook.number, at + 2, 200, 1)),
            }
        }
    }
    evidence.records.push(record(30, CHANGING, 300, 200, 1));
    // What was in flight at the fault came again.
    evidence.records.push(record(99, 0, 1_050, 200, 1));
    evidence
}

fn complaints(evidence: &Evidence) -> Vec<&'static str> {
    judge(evidence).violations.iter().map(|violation| violation.what).collect()
}

#[test]
fn where_nothing_is_wrong_nothing_is_found() {
    let verdict = judge(&fine());
    assert_eq!(verdict.violations, []);
    assert_eq!((verdict.lost, verdict.repeats, verdict.rejected), (0, 1, 2));
    let of = verdict.kinds[0];
    assert_eq!((of.times, of.longest_ms, of.repeats), (1, 100, 1));
    assert_eq!(of.recovery_ms, 1, "the mean time of an event here");
}

#[test]
fn each_sabotage_is_found_and_named() {
    for (word, sabotage) in Sabotage::ALL {
        let mut evidence = fine();
        sabotage.spoil(&mut evidence);
        let expected = match sabotage {
            Sabotage::Lose => "a confirmed event is lost",
            Sabotage::Double => "more came twice than was in flight",
            Sabotage::Misroute => "an event reached a webhook that never matched",
            Sabotage::Rename => "one delivery under two ids",
            Sabotage::Confuse => "two deliveries under one id",
            Sabotage::Forge => "a wrong signature",
            Sabotage::Deliver => "what is no event was delivered",
            Sabotage::Revive => "a request after its webhook was deleted",
            Sabotage::LoseLetter => "a dead letter is lost",
            Sabotage::InventLetter => "a dead letter that should not be",
            Sabotage::LoseRejected => "what is no event is lost",
            Sabotage::Reject => "an event was rejected",
            Sabotage::Doubt => "an event was never confirmed",
            Sabotage::Leave => "something is left",
            Sabotage::Miscount => "counters differ from what was seen in calm",
            Sabotage::Boast => "counters tell of more than was seen",
        };
        assert!(complaints(&evidence).contains(&expected), "{word}: {:?}", complaints(&evidence));
    }
}

#[test]
fn what_is_said_of_a_request_by_itself_is_judged() {
    for (spoil, expected) in [
        (
            (|record: &mut Record| record.flaw = Flaw::Body) as fn(&mut Record),
            "a body that nobody published",
        ),
        (|record| record.flaw = Flaw::Headers, "a request without its headers"),
        (|record| record.event = 1_000_000, "what is no event was delivered"),
        (|record| record.hook = 99, "a request to nobody"),
        (|record| record.hook = CHANGING + 1, "a request to nobody"),
    ] {
        let mut evidence = fine();
        // The one to the webhook that comes and goes: nothing else misses it.
        let at = evidence.records.iter().position(|record| record.hook == CHANGING).unwrap();
        spoil(&mut evidence.records[at]);
        assert_eq!(complaints(&evidence), [expected]);
    }
}

#[test]
fn nothing_reaches_a_webhook_before_it_is_made() {
    let mut evidence = fine();
    evidence.lives[0].asked = 301;
    assert_eq!(complaints(&evidence), ["a request before its webhook was made"]);
}

#[test]
fn faults_that_keep_news_away_prolong_the_grace() {
    let fault = |kind, from, to| Done { kind, from, to, met: 0 };
    assert_eq!(known_everywhere(&[], 5_000), 25_000);
    let faults = [
        fault(Kind::StoreAway, 1_000, 4_999),
        fault(Kind::StopReplica, 20_000, 30_000),
        fault(Kind::CutNetwork, 40_000, 60_000),
        fault(Kind::StoreSlow, 49_000, 55_000),
        fault(Kind::StoreAway, 90_000, 95_000),
    ];
    assert_eq!(known_everywhere(&faults, 5_000), 75_000);
}

#[test]
fn what_comes_after_the_next_fault_counts_for_that_one() {
    let mut evidence = fine();
    evidence.faults.push(Done { kind: Kind::CutNetwork, from: 1_500, to: 1_500, met: 0 });
    for record in &mut evidence.records {
        // Confirmed before both, arrived long after.
        if record.event == 50 {
            record.at = 2_000;
        }
    }
    let kinds = judge(&evidence).kinds;
    let recovery: Vec<_> = kinds.iter().map(|of| (of.kind, of.recovery_ms)).collect();
    assert_eq!(recovery, [(Kind::KillReplica, 1), (Kind::CutNetwork, 500)]);
}

#[test]
fn counters_are_compared_exactly_in_calm() {
    let counted = Counted { consumed: 10.0, delivered: 70.0, ..Counted::default() };
    let calm = Calm { events: 10.0, taken: 70.0, counted, ..Calm::default() };
    assert_eq!(complaints(&Evidence { calm, ..fine() }), [""; 0]);
    let calm = Calm { refused: 1.0, ..calm };
    let found = complaints(&Evidence { calm, ..fine() });
    assert_eq!(found, ["counters differ from what was seen in calm"]);
}
