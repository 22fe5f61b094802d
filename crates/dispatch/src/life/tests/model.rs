//! All that can happen in small worlds, and much of what can happen in larger ones.

use std::collections::HashSet;

use proptest::prelude::*;

use super::world::{Budget, Known, Mistake, Size, Step, World};

/// One delivery, two replicas that hold one message each.
const TWO_REPLICAS: Size = Size { events: 1, webhooks: 1, replicas: 2, prefetch: 1, attempts: 2 };

/// One delivery, and a replica that holds two of its messages: its end repeats both.
const TWO_HELD: Size = Size { replicas: 1, prefetch: 2, ..TWO_REPLICAS };

/// An event for two webhooks.
const FAN_OUT: Size = Size { webhooks: 2, replicas: 1, prefetch: 1, ..TWO_REPLICAS };

const CALM: Budget =
    Budget { crashes: 0, doubles: 0, replays: 0, drops: 0, beside: 0, postponed: 0 };

/// What was found in a world.
#[derive(Debug, Default)]
struct Found {
    states: usize,
    /// Worlds in which nothing is left to be done.
    ends: usize,
    most_taken: u32,
    broken: Option<(String, Vec<Step>)>,
}

/// Tries every order of all steps until the first that breaks something.
fn explore(size: Size, budget: Budget, mistake: Mistake) -> Found {
    let mut found = Found::default();
    let mut seen = HashSet::new();
    // Each step with the place of the one before it.
    let mut trail: Vec<(usize, Step)> = Vec::new();
    let mut open = vec![(World::new(size, budget, mistake), usize::MAX)];
    while let Some((world, before)) = open.pop() {
        let taken = world.known().map(|known| known.taken);
        found.most_taken = taken.fold(found.most_taken, u32::max);
        if world.is_at_rest() {
            found.ends += 1;
            if let Err(broken) = world.judge_at_rest() {
                found.broken = Some((broken, way(&trail, before)));
                return found;
            }
        }
        let steps = world.steps();
        assert!(world.is_at_rest() || !steps.is_empty(), "stuck: {:?}", way(&trail, before));
        for step in steps {
            let mut next = world.clone();
            let broken = next.go(step);
            trail.push((before, step));
            if let Err(broken) = broken {
                found.broken = Some((broken, way(&trail, trail.len() - 1)));
                return found;
            }
            if seen.insert(next.fingerprint()) {
                open.push((next, trail.len() - 1));
            } else {
                trail.pop();
            }
        }
    }
    found.states = seen.len();
    found
}

/// The steps up to this one.
fn way(trail: &[(usize, Step)], mut at: usize) -> Vec<Step> {
    let mut way = Vec::new();
    while let Some((before, step)) = trail.get(at) {
        way.push(*step);
        at = *before;
    }
    way.reverse();
    way
}

/// Nothing breaks in this world, which has so many states at least and can come to rest.
fn holds(name: &str, size: Size, budget: Budget, least: usize) -> Found {
    let found = explore(size, budget, Mistake::None);
    println!("{name}: {} states, {} ends", found.states, found.ends);
    assert!(found.broken.is_none(), "{name}: {:?}", found.broken);
    assert!(found.states >= least, "{name}: only {} states", found.states);
    assert!(found.ends > 0, "{name}: no end");
    found
}

#[test]
fn one_delivery_survives_every_order_of_crashes() {
    let found = holds("calm", TWO_REPLICAS, CALM, 50);
    assert_eq!(found.most_taken, 1, "without a crash nothing is repeated");
    let found = holds("three crashes", TWO_REPLICAS, Budget { crashes: 3, ..CALM }, 5_000);
    assert_eq!(found.most_taken, 4, "each repeats what was in flight, once");
    let found = holds("two held", TWO_HELD, Budget { crashes: 2, ..CALM }, 20_000);
    assert_eq!(found.most_taken, 5, "two crashes, two messages in flight at each");
}

#[test]
fn one_delivery_survives_being_sent_again_and_dropped() {
    let found = holds("replay", TWO_REPLICAS, Budget { replays: 1, ..CALM }, 100);
    assert_eq!(found.most_taken, 1, "what is sent again was never taken");
    let budget = Budget { crashes: 1, replays: 1, ..CALM };
    holds("crash", TWO_REPLICAS, budget, 4_000);
    holds("two held", Size { attempts: 1, ..TWO_HELD }, budget, 2_000);
    let budget = Budget { crashes: 2, replays: 1, drops: 1, ..CALM };
    holds("crashes", Size { attempts: 1, ..TWO_REPLICAS }, budget, 5_000);
}

#[test]
fn one_delivery_survives_what_puts_it_off_or_doubles_it() {
    holds("put off", TWO_REPLICAS, Budget { crashes: 1, postponed: 2, ..CALM }, 5_000);
    holds("doubled", TWO_REPLICAS, Budget { crashes: 1, doubles: 2, ..CALM }, 2_000);
    holds("by hand", TWO_REPLICAS, Budget { crashes: 1, beside: 1, ..CALM }, 2_000);
}

#[test]
fn an_event_for_two_webhooks_survives_every_order_of_crashes() {
    holds("once", FAN_OUT, Budget { crashes: 1, ..CALM }, 5_000);
    let one_attempt = Size { attempts: 1, prefetch: 2, ..FAN_OUT };
    holds("twice", one_attempt, Budget { crashes: 2, ..CALM }, 4_000);
}

/// That the model can fail: each of these orders is found to break something, and shown how.
#[test]
fn wrong_orders_are_found() {
    let budget = Budget { crashes: 1, replays: 1, ..CALM };
    for (mistake, size, expected) in [
        (Mistake::AcknowledgesBeforeConfirm, TWO_REPLICAS, "is lost"),
        (Mistake::AcknowledgesBeforePublish, TWO_REPLICAS, "is lost"),
        (Mistake::AcknowledgesWithTheFirst, FAN_OUT, "is lost"),
        (Mistake::TakesAwayBeforeConfirm, TWO_REPLICAS, "is lost"),
        (Mistake::ForgetsAttempts, TWO_REPLICAS, "too often"),
        (Mistake::BuriesWhatIsRetried, TWO_REPLICAS, "nobody gave it up"),
    ] {
        let (broken, way) = explore(size, budget, mistake).broken.unwrap_or_default();
        assert!(broken.contains(expected), "{mistake:?}: {broken:?}");
        let crashed = way.iter().any(|step| matches!(step, Step::Crash(_) | Step::CrashWalk));
        assert!(crashed || expected != "is lost", "{mistake:?}: {way:?}");
    }
}

/// Without a crash these orders lose nothing: it is the crashes between the steps that find them.
#[test]
fn wrong_orders_show_only_where_something_ends() {
    let calm = Budget { replays: 1, ..CALM };
    for mistake in [Mistake::AcknowledgesBeforeConfirm, Mistake::TakesAwayBeforeConfirm] {
        let found = explore(TWO_REPLICAS, calm, mistake);
        assert!(found.broken.is_none(), "{mistake:?}: {:?}", found.broken);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Larger worlds: any steps in any order, then what happens by itself until all is at rest.
    #[test]
    fn nothing_is_lost_in_larger_worlds(
        events in 1_u8..4,
        webhooks in 1_u8..4,
        replicas in 1_u8..4,
        prefetch in 1_usize..5,
        choices in prop::collection::vec(any::<prop::sample::Index>(), 0..300),
    ) {
        let size = Size { events, webhooks, replicas, prefetch, attempts: 4 };
        let budget =
            Budget { crashes: 12, doubles: 2, replays: 5, drops: 2, beside: 2, postponed: 10 };
        let mut world = World::new(size, budget, Mistake::None);
        for choice in choices {
            let steps = world.steps();
            if steps.is_empty() {
                break;
            }
            let step = *choice.get(&steps);
            prop_assert_eq!(world.go(step), Ok(()), "{:?}", step);
        }
        while let Some(step) = world.steps().into_iter().find(|step| step.is_usual()) {
            prop_assert_eq!(world.go(step), Ok(()), "{:?}", step);
        }
        prop_assert!(world.is_at_rest(), "{:?}", world.state());
        prop_assert_eq!(world.judge_at_rest(), Ok(()));
        let taken: Vec<&Known> = world.known().collect();
        prop_assert_eq!(taken.len(), usize::from(events) * usize::from(webhooks));
    }
}
