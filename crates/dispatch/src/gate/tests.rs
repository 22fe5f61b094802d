//! The gate as a whole, on a clock that the tests move.

use delivery::{Failure, Outcome};
use tokio::time::advance;

use super::*;

const FREE: usize = 1_024;
const OVERLOADED: Sign = Sign::Overloaded(FailureKind::Timeout);
const BOUNDS: Bounds = Bounds {
    max_in_flight: NonZeroU32::new(64).unwrap(),
    max_per_host: NonZeroU32::new(512).unwrap(),
    rate: None,
    breaker: BreakerPolicy {
        failures: NonZeroU32::new(10).unwrap(),
        first_pause: Duration::from_secs(5),
        max_pause: Duration::from_secs(60),
    },
};

fn webhook(name: &str) -> WebhookId {
    WebhookId::try_new(&format!("whk_{name}")).unwrap()
}

fn ask<'a>(gate: &'a Gate, webhook: &'a WebhookId) -> Pass<'a> {
    gate.pass((webhook, webhook.as_str()), BOUNDS, FREE, || Duration::ZERO, false)
}

/// As many places as there are now.
fn fill<'a>(gate: &'a Gate, webhook: &'a WebhookId) -> (Vec<Slot<'a>>, Bound, Duration) {
    let mut slots = Vec::new();
    loop {
        match ask(gate, webhook) {
            Pass::Go(slot) => slots.push(slot),
            Pass::Wait(bound, wait) => return (slots, bound, wait),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_webhook_waits_and_others_go() {
    let gate = Gate::new(FREE);
    let [busy, other] = ["busy", "other"].map(webhook);
    let (slots, bound, wait) = fill(&gate, &busy);
    assert_eq!((slots.len(), bound), (32, Bound::WebhookInFlight));
    assert!(wait >= SHORTEST_DELAY, "nobody knows yet that it is not slow");
    assert!(matches!(ask(&gate, &other), Pass::Go(_)));
    drop(slots);
    assert!(matches!(ask(&gate, &busy), Pass::Go(_)));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_says_nothing_gets_a_place_or_two() {
    let gate = Gate::new(FREE);
    let hanging = webhook("hanging");
    let (mut slots, ..) = fill(&gate, &hanging);
    advance(Duration::from_secs(5)).await;
    // A place that nothing was made of says nothing about it.
    slots.truncate(4);
    assert!(matches!(ask(&gate, &hanging), Pass::Wait(Bound::WebhookInFlight, _)));
    slots.pop().unwrap().ended(Sign::Answered);
    assert!(matches!(ask(&gate, &hanging), Pass::Go(_)), "something came back just now");
    advance(Duration::from_secs(60)).await;
    assert!(matches!(ask(&gate, &hanging), Pass::Wait(Bound::WebhookInFlight, _)));
    // Once their time is over the breaker opens, and then one probe goes at a time.
    drop(slots);
    for _ in 0..10 {
        let Pass::Go(slot) = ask(&gate, &hanging) else { panic!("no place") };
        slot.ended(OVERLOADED);
    }
    let Pass::Wait(Bound::Breaker, wait) = ask(&gate, &hanging) else { panic!("closed") };
    assert!(wait >= BOUNDS.breaker.first_pause);
    advance(BOUNDS.breaker.first_pause).await;
    let (probes, bound, _) = fill(&gate, &hanging);
    assert_eq!((probes.len(), bound), (1, Bound::Breaker));
    assert_eq!(gate.standings().open(), [(hanging.clone(), FailureKind::Timeout)]);
    for probe in probes {
        assert_eq!(probe.ended(Sign::Answered), Turned::Closed);
    }
    assert_eq!(gate.standings().of(&hanging).unwrap().limit, 1);
    assert_eq!(gate.standings().open(), []);
}

#[tokio::test(start_paused = true)]
async fn what_people_try_goes_although_the_breaker_is_open() {
    let gate = Gate::new(FREE);
    let failing = webhook("failing");
    for _ in 0..10 {
        let Pass::Go(slot) = ask(&gate, &failing) else { panic!("no place") };
        slot.ended(OVERLOADED);
    }
    assert!(matches!(ask(&gate, &failing), Pass::Wait(Bound::Breaker, _)));
    let by_hand = gate.pass((&failing, "host"), BOUNDS, FREE, || Duration::ZERO, true);
    let Pass::Go(slot) = by_hand else { panic!("refused") };
    assert_eq!(slot.ended(Sign::Answered), Turned::Closed);
}

/// Those that refuse every event are left alone; those that refuse some for what is in them are not.
#[tokio::test(start_paused = true)]
async fn what_a_refusal_is_about_decides() {
    for (status, is_left_alone) in
        [(302, true), (401, true), (404, true), (400, false), (422, false)]
    {
        let gate = Gate::new(FREE);
        let refusing = webhook("refusing");
        let outcome = Outcome::Failed(Failure {
            kind: FailureKind::Http(status),
            detail: String::new(),
            retry_after: None,
            response: None,
        });
        for _ in 0..10 {
            let Pass::Go(slot) = ask(&gate, &refusing) else { panic!("no place") };
            slot.ended(Sign::of(&outcome).unwrap());
        }
        assert_eq!(gate.standings().open().len(), usize::from(is_left_alone), "{status}");
        let standing = gate.standings().of(&refusing).unwrap();
        assert_eq!(standing.last_failure, is_left_alone.then_some(FailureKind::Http(status)));
        assert!(standing.limit >= 32, "an answer is no sign of overload");
    }
}

#[tokio::test(start_paused = true)]
async fn many_that_say_nothing_leave_places_free() {
    let gate = Gate::new(FREE);
    let webhooks: Vec<_> = (0..200).map(|n| webhook(&n.to_string())).collect();
    let mut slots = Vec::new();
    for _ in 0..32 {
        for webhook in &webhooks {
            let free = FREE - slots.len();
            match gate.pass((webhook, webhook.as_str()), BOUNDS, free, || Duration::ZERO, false) {
                Pass::Go(slot) => slots.push(slot),
                Pass::Wait(..) => {}
            }
        }
    }
    let free = FREE - slots.len();
    assert!((FREE / 2..FREE / 2 + 8).contains(&free), "{free} of {FREE} are free");
    // One that answers gets what it needs of the other half,
    let fast = webhook("fast");
    let Pass::Go(slot) = ask(&gate, &fast) else { panic!("nobody knows yet that it is fast") };
    slot.ended(Sign::Answered);
    let (many, ..) = fill(&gate, &fast);
    assert_eq!(many.len(), 32);
    // until it says nothing any more: then the others get it.
    advance(SILENCE * 2).await;
    assert!(matches!(ask(&gate, &fast), Pass::Wait(Bound::WebhookInFlight, _)));
    let other = webhook("other");
    let Pass::Go(slot) = ask(&gate, &other) else { panic!("a first attempt always goes") };
    assert!(matches!(ask(&gate, &other), Pass::Wait(Bound::Slow, _)));
    slot.ended(Sign::Answered);
    assert_eq!(fill(&gate, &other).0.len(), 32);
}

#[tokio::test(start_paused = true)]
async fn slow_receivers_leave_half_of_the_places() {
    let gate = Gate::new(FREE);
    let slow: Vec<_> = (0..100).map(|n| webhook(&n.to_string())).collect();
    for webhook in &slow {
        let Pass::Go(slot) = ask(&gate, webhook) else { panic!("no place") };
        advance(SLOW * 2).await;
        slot.ended(Sign::Answered);
    }
    let held: Vec<_> = slow.iter().map(|webhook| fill(&gate, webhook).0).collect();
    assert_eq!(held.iter().map(Vec::len).sum::<usize>(), FREE / 2);
    assert!(matches!(ask(&gate, &slow[99]), Pass::Wait(Bound::Slow, _)));
    // Whoever becomes fast is counted no more.
    drop(held);
    for _ in 0..50 {
        let Pass::Go(slot) = ask(&gate, &slow[0]) else { panic!("no place") };
        slot.ended(Sign::Answered);
    }
    assert_eq!(gate.0.lock().bulkhead.held(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_over_the_rate_comes_back_at_the_rate() {
    let gate = Gate::new(FREE);
    let slow = webhook("slow");
    let bounds = Bounds { rate: Some(RateLimit::try_new(2.0, 2).unwrap()), ..BOUNDS };
    let mut waits = Vec::new();
    for _ in 0..6 {
        match gate.pass((&slow, "host"), bounds, FREE, || Duration::ZERO, false) {
            Pass::Go(slot) => drop(slot.ended(Sign::Answered)),
            Pass::Wait(bound, wait) => {
                assert_eq!(bound, Bound::Rate);
                waits.push(wait.as_millis());
            }
        }
    }
    assert_eq!(waits, [500, 1_000, 1_500, 2_000]);
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_any_more_is_forgotten() {
    let gate = Gate::new(FREE);
    let [quiet, other] = ["quiet", "other"].map(webhook);
    drop(ask(&gate, &quiet));
    advance(REMEMBERED + LOOK).await;
    drop(ask(&gate, &other));
    assert!(gate.standings().of(&quiet).is_none());
    assert!(gate.standings().of(&other).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_host_is_full_for_all_its_webhooks_and_for_no_other_host() {
    let gate = Gate::new(FREE);
    let bounds = Bounds { max_per_host: NonZeroU32::new(3).unwrap(), ..BOUNDS };
    let webhooks: Vec<_> = (0..8).map(|n| webhook(&n.to_string())).collect();
    let (mut slots, mut waits) = (Vec::new(), Vec::new());
    for webhook in &webhooks {
        match gate.pass((webhook, "busy.example"), bounds, FREE, || Duration::ZERO, false) {
            Pass::Go(slot) => slots.push(slot),
            Pass::Wait(bound, wait) => {
                assert_eq!(bound, Bound::Host);
                waits.push(wait);
            }
        }
    }
    assert_eq!((slots.len(), waits.len()), (3, 5));
    assert!(waits.is_sorted(), "turns of one host, one behind the other: {waits:?}");
    let other = gate.pass((&webhooks[7], "other.example"), bounds, FREE, || Duration::ZERO, false);
    assert!(matches!(other, Pass::Go(_)));
    drop((slots.pop(), other));
    let again = gate.pass((&webhooks[7], "busy.example"), bounds, FREE, || Duration::ZERO, false);
    assert!(matches!(again, Pass::Go(_)));
}

#[tokio::test(start_paused = true)]
async fn what_a_full_host_puts_off_uses_up_no_rate_and_is_no_probe() {
    let gate = Gate::new(FREE);
    let [one, two] = ["one", "two"].map(webhook);
    let rate = Some(RateLimit::try_new(1.0, 1).unwrap());
    let bounds = Bounds { max_per_host: NonZeroU32::MIN, rate, ..BOUNDS };
    let pass = |webhook| gate.pass((webhook, "host"), bounds, FREE, || Duration::ZERO, false);
    let Pass::Go(slot) = pass(&one) else { panic!("no place") };
    assert!(matches!(pass(&two), Pass::Wait(Bound::Host, _)));
    drop(slot);
    assert!(matches!(pass(&two), Pass::Go(_)), "its rate was used up by waiting");
}
