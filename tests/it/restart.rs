//! Nothing is lost when the service, the broker or the way between them breaks: every event arrives
//! at least once, ids repeat exactly, and the surplus is bounded by what was in flight.

use std::collections::HashMap;
use std::time::Duration;

use testbed::amqp::Client;
use testbed::eventually;
use testbed::page;
use testbed::program::{self, Program};
use testbed::proxy::{Fault, Proxy};
use testbed::rabbitmq::Broker;
use testbed::receiver::{Answer, Received, Receiver, Script};
use testbed::setup::{Setup, Webhook};
use testbed::space::Space;

use crate::stage::{SOON, Stage};

const PREFETCH: usize = 50;

/// Long enough for a broker to start again on a busy machine.
const LATER: Duration = Duration::from_secs(90);

fn setup(space: &Space, receiver: &Receiver) -> Setup {
    Setup::new(space)
        .set("broker.prefetch", PREFETCH)
        .set("broker.heartbeat", "2s")
        .set("broker.deadline", "5s")
        .webhook(Webhook::new("whk_a", &receiver.url("/a")).set("max_in_flight", 200))
        .webhook(Webhook::new("whk_b", &receiver.url("/b")).set("max_in_flight", 200))
}

async fn publish(client: &Client, space: &Space, ids: std::ops::Range<usize>) {
    for n in ids {
        let body = page::event("domain.added", "prj_1");
        let exchange = &space.names().events_exchange;
        client.publish_event(exchange, "domain.added", &format!("evt_{n}"), &body).await.unwrap();
    }
}

/// Waits until every one of `events` events has reached both webhooks, then judges: each delivery
/// id stands for one body at one webhook, and at most `surplus` requests were repeats.
async fn judge(receiver: &Receiver, events: usize, surplus: usize) {
    let distinct = || {
        let mut ids = HashMap::new();
        for request in receiver.requests() {
            let known = (request.path.clone(), request.body.clone());
            let before = ids.insert(request.delivery().to_owned(), known.clone());
            assert!(before.is_none_or(|before| before == known), "one id, two deliveries");
        }
        ids.len()
    };
    let arrived = eventually("every event has arrived", LATER, || async {
        (distinct() == 2 * events).then_some(())
    });
    if let Err(error) = arrived.await {
        panic!("{error:#}: {} of {}", distinct(), 2 * events);
    }
    let repeats = receiver.count() - 2 * events;
    assert!(repeats <= surplus, "{repeats} repeats, at most {surplus} were in flight");
}

#[tokio::test]
async fn killed_in_mid_load_nothing_is_lost() {
    let slow = Script::always(Answer::status(200).after(Duration::from_millis(20)));
    let space = Space::open().await.unwrap();
    let receiver = Receiver::start(slow).await.unwrap();
    let mut program = Program::start(&setup(&space, &receiver)).await.unwrap();
    let client = space.client().await.unwrap();
    publish(&client, &space, 0..600).await;
    for enough in [100, 500] {
        receiver.wait_for(enough, SOON).await.unwrap();
        program.kill9().unwrap();
        program.start_again().await.unwrap();
    }
    program.ready().await.unwrap();
    judge(&receiver, 600, 2 * 2 * PREFETCH).await;
    drop((program, client));
    space.close().await.unwrap();
}

#[tokio::test]
async fn a_broker_restart_in_mid_load_loses_nothing() {
    let mut broker = Broker::start().await.unwrap();
    let space = Space::alone(&broker);
    let receiver = Receiver::start(Script::fail(10, 500)).await.unwrap();
    let quick = |setup: Setup| setup.set("retry.first_delay", "1s").set("retry.jitter", 0.0);
    let mut program = Program::start(&quick(setup(&space, &receiver))).await.unwrap();
    let mut sent = 0;
    for graceful in [true, false] {
        let client = space.client().await.unwrap();
        publish(&client, &space, sent..sent + 300).await;
        sent += 300;
        if graceful {
            broker.stop().await.unwrap();
        } else {
            broker.kill().await.unwrap();
        }
        drop(client);
        eventually("the program tells the truth", SOON, || async {
            let connected =
                program.metrics().ok()?.value("boottify_webhooks_broker_connected", &[])?;
            (connected == 0.0 && program.get("/readyz").ok()?.status == 503).then_some(())
        })
        .await
        .unwrap();
        broker.start_again().await.unwrap();
        program.ready().await.unwrap();
    }
    judge(&receiver, sent, 2 * 2 * PREFETCH + 10).await;
    program.sigterm();
    assert!(program.wait(SOON).await.unwrap().success());
}

#[tokio::test]
async fn an_alarmed_broker_stops_nothing_but_publishes() {
    let broker = Broker::start().await.unwrap();
    let space = Space::alone(&broker);
    let receiver = Receiver::start(Script::ok()).await.unwrap();
    let setup = setup(&space, &receiver)
        // Half of it is more than what a receiver gets that nothing is known of.
        .set("broker.prefetch", 200)
        .set("webhooks.breaker.failures", 10_000)
        .set("retry.first_delay", "1s")
        .set("retry.jitter", 0.0);
    let mut program = Program::start(&setup).await.unwrap();
    let client = space.client().await.unwrap();
    // Failures that have to be parked while the broker takes no publishes.
    let hold = Answer::status(500).after(Duration::from_secs(12));
    receiver.answer("/a", Script::sequence(vec![hold; 20], Answer::status(200)));
    publish(&client, &space, 0..20).await;
    receiver.wait_for(40, SOON).await.unwrap();
    broker.starve().await.unwrap();
    program.logged("blocks publishing", SOON).await.unwrap();
    let metrics = program.metrics().unwrap();
    assert_eq!(metrics.value("boottify_webhooks_broker_blocked", &[]), Some(1.0));
    assert_eq!(receiver.requests_at("/a").len(), 20, "nothing can have come back");
    broker.feed().await.unwrap();
    judge(&receiver, 20, 20).await;
    let retried = eventually("all are tried again", SOON, || async {
        (receiver.requests_at("/a").len() == 40).then_some(())
    });
    retried.await.unwrap();
    let failures =
        program.metrics().unwrap().sum("boottify_webhooks_broker_session_failures_total", &[]);
    assert_eq!(failures, 0.0, "an alarm is no reason to reconnect");

    // Who sends one event by hand is told instead of kept waiting.
    broker.starve().await.unwrap();
    let config = program.folder().join("config.toml").display().to_string();
    let arguments = ["send", "domain.added", "--config", &config];
    let sent = program::run(&arguments, &[("BOOTTIFY_WEBHOOKS__BROKER__DEADLINE", "3s")]);
    let sent = sent.await.unwrap();
    assert_eq!(sent.status.code(), Some(1));
    let said = String::from_utf8(sent.stderr).unwrap();
    assert!(said.contains("took no event within 6s"), "{said}");
    broker.feed().await.unwrap();
    program.sigterm();
    assert!(program.wait(SOON).await.unwrap().success());
}

#[tokio::test]
async fn cut_refused_and_silent_connections_are_replaced() {
    let space = Space::open().await.unwrap();
    let Some(target) = space.address().amqp() else {
        eprintln!("NOTICE: skipped, there is no way to put a proxy before somebody else's broker");
        return;
    };
    let proxy = Proxy::start(target).await.unwrap();
    let receiver = Receiver::start(Script::ok()).await.unwrap();
    let setup = setup(&space, &receiver).set("broker.url", proxy.before(&space.url()));
    let mut program = Program::start(&setup).await.unwrap();
    let client = space.client().await.unwrap();
    // The broker's client runs each connection on a thread of its own.
    let threads = |program: &Program| {
        let tasks = format!("/proc/{}/task", program.pid().unwrap());
        let names = std::fs::read_dir(tasks)
            .unwrap()
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.filter(|name| name.starts_with("lapin")).count()
    };
    let before = threads(&program);
    for (round, fault) in [Fault::Refuse, Fault::Swallow, Fault::Refuse].into_iter().enumerate() {
        publish(&client, &space, round * 20..round * 20 + 20).await;
        proxy.set(fault).await.unwrap();
        eventually("the loss is noticed", LATER, || async {
            let connected =
                program.metrics().ok()?.value("boottify_webhooks_broker_connected", &[])?;
            (connected == 0.0).then_some(())
        })
        .await
        .unwrap();
        proxy.set(Fault::Pass).await.unwrap();
        program.ready().await.unwrap();
    }
    judge(&receiver, 60, 3 * 2 * PREFETCH).await;
    eventually("no connection's thread is left behind", SOON, || async {
        (threads(&program) <= before).then_some(())
    })
    .await
    .unwrap();
    program.sigterm();
    assert!(program.wait(SOON).await.unwrap().success());
    drop((program, client));
    space.close().await.unwrap();
}

#[tokio::test]
async fn a_deleted_queue_is_made_again() {
    let stage = Stage::simple().await;
    let queue = stage.space.names().events_queue.as_str();
    let deleted = stage.client.channel().queue_delete(queue.into(), Default::default());
    deleted.await.unwrap();
    stage.reaches("broker_sessions_total", &[], 2.0).await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.receiver.wait_for(1, SOON).await.unwrap();
    stage.close().await;
}

#[tokio::test]
async fn a_full_queue_stops_consumption_and_loses_nothing() {
    let broker = Broker::start().await.unwrap();
    let space = Space::alone(&broker);
    let receiver = Receiver::start(Script::fail(30, 500)).await.unwrap();
    let setup = Setup::new(&space)
        .set("broker.prefetch", 5)
        .set("webhooks.breaker.failures", 10_000)
        .set("retry.first_delay", "1s")
        .set("retry.max_delay", "1s")
        .webhook(Webhook::new("whk_1", &receiver.url("/hook")));
    let mut program = Program::start(&setup).await.unwrap();
    let full = r#"{"max-length":0,"overflow":"reject-publish"}"#;
    let policy = ["set_policy", "full", "^webhooks.delay", full, "--apply-to", "queues"];
    broker.ctl(&policy).await.unwrap();
    let client = space.client().await.unwrap();
    publish(&client, &space, 0..30).await;
    eventually("publishes are refused", SOON, || async {
        let refused = "boottify_webhooks_broker_publishes_refused_total";
        (program.metrics().ok()?.sum(refused, &[]) >= 5.0).then_some(())
    })
    .await
    .unwrap();
    let waiting = client.depth(&space.names().events_queue).await.unwrap();
    assert!(waiting > 0, "consumption went on");
    assert_eq!(program.get("/readyz").unwrap().status, 200);

    broker.ctl(&["clear_policy", "full"]).await.unwrap();
    let delivered = eventually("all are delivered", LATER, || async {
        let delivered = [("outcome", "delivered")];
        let sum = program.metrics().ok()?.sum("boottify_webhooks_deliveries_total", &delivered);
        (sum >= 30.0).then_some(())
    });
    if let Err(error) = delivered.await {
        panic!("{error:#}\n{}", program.log().join("\n"));
    }
    for queue in [&space.names().rejected_queue, &space.names().dead_queue] {
        assert_eq!(client.depth(queue).await.unwrap(), 0, "{queue}");
    }
    program.sigterm();
    assert!(program.wait(SOON).await.unwrap().success());
}

/// More failures wait to be parked than there are publishes at a time, and the session ends: none of
/// them is held on to, for the broker gives all of them again.
#[tokio::test]
async fn what_waits_for_its_publish_when_the_session_ends_is_given_back() {
    const EVENTS: usize = 30;
    const WEBHOOKS: usize = 5;
    let space = Space::open().await.unwrap();
    let Some(target) = space.address().amqp() else {
        eprintln!("NOTICE: skipped, there is no way to put a proxy before somebody else's broker");
        return;
    };
    let proxy = Proxy::start(target).await.unwrap();
    let hold = Answer::status(500).after(Duration::from_secs(5));
    let held = std::iter::repeat_n(hold, EVENTS);
    let receiver = Receiver::start(Script::ok()).await.unwrap();
    let mut setup = Setup::new(&space)
        .set("broker.url", proxy.before(&space.url()))
        .set("broker.deadline", "2s")
        .set("webhooks.breaker.failures", 10_000)
        .set("retry.first_delay", "1s");
    for n in 0..WEBHOOKS {
        let path = format!("/{n}");
        receiver.answer(&path, Script::sequence(held.clone(), Answer::status(200)));
        setup = setup.webhook(Webhook::new(&format!("whk_{n}"), &receiver.url(&path)));
    }
    let mut program = Program::start(&setup).await.unwrap();
    let client = space.client().await.unwrap();
    publish(&client, &space, 0..EVENTS).await;
    receiver.wait_for(EVENTS * WEBHOOKS, SOON).await.unwrap();
    proxy.set(Fault::Swallow).await.unwrap();
    program.logged("no session with the broker", LATER).await.unwrap();
    proxy.set(Fault::Pass).await.unwrap();

    program.ready().await.unwrap();
    eventually("every delivery has succeeded", LATER, || async {
        let seen = receiver.requests();
        let fine = seen.iter().filter(|request| request.answered == 200);
        let ids: std::collections::HashSet<&str> = fine.map(Received::delivery).collect();
        (ids.len() == EVENTS * WEBHOOKS).then_some(())
    })
    .await
    .unwrap();
    eventually("nothing is held any more", SOON, || async {
        let metrics = program.metrics().ok()?;
        let unsettled = metrics.value("boottify_webhooks_messages_unsettled", &[])?;
        (unsettled == 0.0).then_some(())
    })
    .await
    .unwrap();
    program.sigterm();
    assert!(program.wait(SOON).await.unwrap().success());
    drop((program, client));
    space.close().await.unwrap();
}
