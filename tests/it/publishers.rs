//! Publishers as an enemy: floods of what is no event, one project that sends a hundred times what
//! the others send, the largest events, nesting of any depth. The others notice as little as
//! docs/scale.md promises.

use std::collections::HashSet;
use std::time::Duration;

use testbed::eventually;
use testbed::memory::memory_mb;
use testbed::page;
use testbed::raw::{self, Raw};
use testbed::receiver::{Answer, Script};
use testbed::setup::Webhook;

use crate::stage::{SOON, Stage};

/// Long enough for some thousand messages on a busy machine.
const LATER: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_flood_of_what_is_no_event_delays_events_and_stops_none() {
    const ROUNDS: usize = 5;
    const BAD: usize = 400;
    let mut stage = Stage::simple().await;
    // All of it waits when the program comes.
    stage.program.kill9().unwrap();
    for round in 0..ROUNDS {
        for n in 0..BAD {
            let body = format!("no event {n}");
            stage.publish_body("domain.added", &format!("bad_{round}_{n}"), body.as_bytes()).await;
        }
        stage.publish("domain.added", "prj_1", &format!("evt_{round}")).await;
    }
    stage.program.start_again().await.unwrap();
    let good = stage.receiver.wait_for(ROUNDS, LATER).await.unwrap();
    assert!(good.iter().all(|request| request.attempt() == 1));
    let queue = &stage.space.names().rejected_queue;
    let mut rejected = HashSet::new();
    while rejected.len() < ROUNDS * BAD {
        let message = stage.client.wait_for(queue, LATER).await.unwrap();
        assert_eq!(message.header("x-rejected-reason").as_deref(), Some("not_json"));
        rejected.insert(message.id().unwrap_or_default().to_owned());
    }
    // What a stranger can cause as often as they like is not told as often.
    let told = stage.program.log().iter().filter(|line| line.contains("was rejected")).count();
    assert!((1..BAD).contains(&told), "{told} lines about {} messages", ROUNDS * BAD);
    assert_eq!(stage.sum("broker_session_failures_total", &[]), 0.0);
    stage.close().await;
}

/// What is fair here: an event waits for what was published before it to be taken up, and never for
/// another project's receiver.
#[tokio::test]
async fn a_project_that_sends_a_hundred_times_the_rest_holds_up_its_own_receiver_only() {
    const ROUNDS: usize = 10;
    const MORE: usize = 100;
    let stage = Stage::new(|setup, receiver| {
        let slow = Script::always(Answer::status(200).after(Duration::from_secs(2)));
        receiver.answer("/loud", slow);
        let loud = Webhook::new("whk_loud", &receiver.url("/loud")).projects(&["prj_loud"]);
        let quiet = Webhook::new("whk_quiet", &receiver.url("/quiet")).projects(&["prj_quiet"]);
        setup.set("broker.prefetch", 50).webhook(loud.set("max_in_flight", 4)).webhook(quiet)
    })
    .await;
    for round in 0..ROUNDS {
        for n in 0..MORE {
            stage.publish("domain.added", "prj_loud", &format!("loud_{round}_{n}")).await;
        }
        stage.publish("domain.added", "prj_quiet", &format!("quiet_{round}")).await;
    }
    let quiet = eventually("all of the quiet project arrive", LATER, || async {
        let quiet = stage.receiver.requests_at("/quiet");
        (quiet.len() == ROUNDS).then_some(quiet)
    });
    let quiet = quiet.await.unwrap();
    assert!(quiet.iter().all(|request| request.attempt() == 1));
    // In order of arrival: nearly everything of the loud one still waits for its own receiver.
    let last = quiet[ROUNDS - 1].at;
    let loud = stage.receiver.requests_at("/loud");
    let before = loud.iter().filter(|request| request.at <= last).count();
    assert!(before < ROUNDS * MORE / 2, "{before} of the loud project came before");
    assert_eq!(stage.sum("deliveries_postponed_total", &[("bound", "in_flight")]), 0.0);
    let Stage { mut program, client, space, .. } = stage;
    program.kill9().unwrap();
    drop((program, client));
    space.close().await.unwrap();
}

/// As large as an event may be, and more of them than the memory has room for.
#[tokio::test]
async fn the_largest_events_stay_within_the_bound_of_memory() {
    const EVENTS: usize = 400;
    const BYTES: usize = 256 * 1_024;
    let mut stage = Stage::new(|setup, receiver| {
        setup
            .set("broker.prefetch", 20)
            // It has a bound of its own, of 32 MiB, and would fill it.
            .set("delivery_log.enabled", false)
            .set("retry.first_delay", "1h")
            .set("retry.max_delay", "1h")
            .webhook(Webhook::new("whk_up", &receiver.url("/up")))
            // Nobody listens there: each event is parked, too.
            .webhook(Webhook::new("whk_down", "http://127.0.0.1:1/"))
    })
    .await;
    stage.program.kill9().unwrap();
    let body = large(BYTES);
    for n in 0..EVENTS {
        stage.publish_body("domain.added", &format!("evt_{n}"), &body).await;
    }
    stage.program.start_again().await.unwrap();
    let pid = stage.program.pid().unwrap();
    let requests = stage.receiver.wait_for(EVENTS, LATER).await.unwrap();
    assert!(requests.iter().all(|request| request.body.len() == BYTES));
    let different: HashSet<&str> =
        requests.iter().map(testbed::receiver::Received::delivery).collect();
    assert_eq!(different.len(), EVENTS);
    let peak = memory_mb(pid, "VmHWM").unwrap();
    // Two queues times the prefetch times the size of an event are 10 MB; all of them are 105 MB.
    assert!(peak < 90.0, "{peak} MB");
    stage.close().await;
}

#[tokio::test]
async fn nesting_of_any_depth_is_delivered_or_rejected() {
    let stage = Stage::simple().await;
    let nested = |depth: usize| {
        let value = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let text = String::from_utf8(page::PAYLOAD.to_vec()).unwrap();
        text.replacen(r#""type""#, &format!(r#""x":{value},"type""#), 1).into_bytes()
    };
    // The object around it is one level, too.
    let deepest = nested(99);
    let bad = [nested(100), nested(100_000), vec![b'['; 250_000], b"{\"a\":".repeat(50_000)];
    for (n, body) in bad.iter().enumerate() {
        stage.publish_body("deployment.succeeded", &format!("bad_{n}"), body).await;
    }
    stage.publish_body("deployment.succeeded", "evt_1", &deepest).await;
    let good = stage.receiver.wait_for(1, SOON).await.unwrap();
    assert_eq!(good[0].body, deepest);
    stage.reaches("events_rejected_total", &[], 4.0).await;
    let queue = &stage.space.names().rejected_queue;
    for _ in bad {
        let rejected = stage.client.wait_for(queue, SOON).await.unwrap();
        let reason = rejected.header("x-rejected-reason").unwrap();
        assert!(["too_deep", "not_json"].contains(&reason.as_str()), "{reason}");
    }
    assert_eq!(stage.receiver.count(), 1);
    stage.close().await;
}

/// Headers are tables within tables as deep as a frame has room, and whoever reads them one call
/// within another needs a stack for it.
#[tokio::test]
async fn headers_nested_as_deep_as_a_frame_allows_end_nothing() {
    let stage = Stage::simple().await;
    let Some(broker) = stage.space.address().amqp() else {
        eprintln!("NOTICE: skipped, somebody else's broker is not given such headers");
        return;
    };
    let pid = stage.program.pid();
    let names = stage.space.names().clone();
    let vhost = stage.space.vhost().to_owned();
    let published = tokio::task::spawn_blocking(move || {
        for id in ["evt_deep", "evt_after"] {
            let headers = if id == "evt_deep" { nested_arrays(24_000) } else { Vec::new() };
            let (exchange, key) = (names.events_exchange.as_str(), "domain.added");
            let (id, body) = (id.as_bytes(), page::PAYLOAD);
            raw::publish(
                broker,
                Raw { vhost: &vhost, exchange, key, id, headers: &headers, body },
            )?;
        }
        anyhow::Ok(())
    });
    published.await.unwrap().unwrap();
    stage.receiver.wait_for(2, SOON).await.unwrap();
    assert_eq!(stage.program.pid(), pid);
    stage.close().await;
}

/// An event of exactly so many bytes.
fn large(bytes: usize) -> Vec<u8> {
    let mut event = page::event("domain.added", "prj_1");
    event.pop();
    let (before, after) = (&br#","x":""#[..], &br#""}"#[..]);
    event.extend_from_slice(before);
    event.resize(bytes - after.len(), b'x');
    event.extend_from_slice(after);
    event
}

/// The entries of a header table: one list within another.
fn nested_arrays(depth: usize) -> Vec<u8> {
    let mut value = Vec::new();
    for _ in 0..depth {
        // Built from the inside, backwards.
        let length = u32::try_from(value.len()).unwrap().to_be_bytes();
        value.extend(length.iter().rev());
        value.push(b'A');
    }
    value.reverse();
    [&[4][..], b"deep", &value].concat()
}
