//! The arrows of a life one by one, and all of its interleavings with crashes over a model of the
//! broker.

mod model;
mod world;

use std::time::Duration;

use super::*;

const RETRY: Next = Next::Retry(Duration::from_secs(1));

struct Confirm;
impl Confirmed for Confirm {}

fn life(attempts: u32, earlier_attempts: u32, once: Option<Once>) -> Life {
    Life { attempts, earlier_attempts, once, first_attempt_ms: (attempts > 0).then_some(1) }
}

/// What is owed, in a word.
fn word(owed: &Owed) -> &'static str {
    match owed {
        Owed::Nothing(_) => "nothing",
        Owed::Wait(_) => "wait",
        Owed::Dead(dying) => dying.reason(),
    }
}

#[test]
fn where_in_its_life_a_delivery_is() {
    for (attempts, earlier, once, stage) in [
        (0, 0, None, Stage::New),
        (1, 0, None, Stage::Retried),
        (7, 7, None, Stage::Replayed),
        (8, 7, None, Stage::Retried),
        (7, 7, Some(Once::Beside), Stage::Once(Once::Beside)),
        (0, 0, Some(Once::Test), Stage::Once(Once::Test)),
    ] {
        assert_eq!(life(attempts, earlier, once).stage(), stage, "{attempts} {earlier} {once:?}");
    }
}

#[test]
fn what_is_owed_in_each_stage() {
    let stages =
        [life(0, 0, None), life(2, 0, None), life(2, 2, None), life(0, 0, Some(Once::Test))];
    let check = |what: &str, owed: fn(Life) -> Owed, expected: [&str; 4]| {
        let found = stages.map(|life| word(&owed(life)));
        assert_eq!(found, expected, "{what} of new, retried, replayed, once");
    };
    check("held back", |life| life.held_back(false), ["wait"; 4]);
    check("over", |life| life.held_back(true), ["wait", GAVE_UP, "wait", "wait"]);
    check("disabled, kept", |life| life.disabled(true), [DISABLED; 4]);
    let not_kept = ["nothing", DISABLED, DISABLED, DISABLED];
    check("disabled, not kept", |life| life.disabled(false), not_kept);
    // A life that failed counts an attempt, so it is no new one.
    let failed = |next| move |life: Life| word(&life.tried(1).failed(next));
    assert_eq!(stages.map(failed(RETRY)), ["wait", "wait", "wait", "nothing"]);
    assert_eq!(stages.map(failed(Next::GiveUp)), [GAVE_UP, GAVE_UP, GAVE_UP, "nothing"]);
    assert_eq!(stages.map(failed(Next::Disable)), [GONE, GONE, GONE, "nothing"]);
}

#[test]
fn the_first_attempt_of_a_schedule_is_remembered() {
    let first = Life::NEW.tried(5);
    assert_eq!((first.attempts, first.first_attempt_ms), (1, Some(5)));
    let second = first.tried(9);
    assert_eq!((second.attempts, second.first_attempt_ms), (2, Some(5)));
    assert_eq!((second.next_attempt(), second.attempts_of_schedule()), (3, 2));
    let replayed = Life { earlier_attempts: 2, ..second };
    assert_eq!(replayed.tried(12).attempts_of_schedule(), 1);
}

#[test]
fn proofs_cost_nothing() {
    assert_eq!(size_of::<(Discharged, Waiting, Rejecting)>(), 0);
    let with = size_of::<Result<Discharged, broker::PublishError>>();
    assert_eq!(with, size_of::<Result<(), broker::PublishError>>());
}

#[test]
fn a_message_is_acknowledged_when_nothing_is_owed() {
    let nothing = |life: Life| Ok::<_, ()>(life.delivered());
    assert_eq!(Message::new(7).discharged(), Some(7), "nobody wanted it");
    let mut message = Message::new(7);
    message.owes_one();
    message.owes_one();
    message.ended(nothing(Life::NEW));
    assert_eq!(message.clone().discharged(), None, "one is open");
    assert!(!message.comes_again());
    let mut other = message.clone();
    message.ended::<()>(Ok(Life::NEW.put_off().confirmed(&Confirm)));
    assert_eq!(message.discharged(), Some(7));
    other.ended(Err(()));
    assert!(other.comes_again());
    other.ended(nothing(Life::NEW));
    assert_eq!(other.discharged(), None, "one could not be handed over");
}
