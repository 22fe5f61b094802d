//! A host has a bound over all its webhooks, and one that accepts and says nothing costs places
//! only: no thread, and little memory.

use std::time::Duration;

use hyper::Version;
use testbed::eventually;
use testbed::hostile::{Behaviour, Hostile};
use testbed::memory::memory_mb;
use testbed::proxy::{Fault, Proxy};
use testbed::receiver::{Answer, Authority, Receiver, Script};
use testbed::setup::Webhook;

use crate::stage::{SOON, Stage};

#[tokio::test]
async fn no_more_attempts_go_on_to_a_host_than_may_be_and_the_rest_waits_in_the_broker() {
    const WEBHOOKS: usize = 12;
    const PER_HOST: usize = 3;
    const EVENTS: usize = 4;
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/slow", Script::always(Answer::status(200).after(Duration::from_secs(1))));
        let setup = setup.set("delivery.max_in_flight_per_host", PER_HOST);
        (0..WEBHOOKS).fold(setup, |setup, n| {
            setup.webhook(Webhook::new(&format!("whk_{n}"), &receiver.url("/slow")))
        })
    })
    .await;
    for n in 0..EVENTS {
        stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
    }
    let all = WEBHOOKS * EVENTS;
    stage.reaches("deliveries_total", &[("outcome", "delivered")], all as f64).await;
    let requests = stage.receiver.requests_at("/slow");
    assert_eq!(requests.len(), all);
    assert!(requests.iter().all(|request| request.attempt() == 1), "waiting is no attempt");
    // A place is free when its answer is there: of any four in a row, the last came after one of
    // the others had ended.
    for four in requests.windows(PER_HOST + 1) {
        let apart = four[PER_HOST].at - four[0].at;
        assert!(apart >= Duration::from_millis(950), "four attempts began within {apart:?}");
    }
    assert!(stage.sum("deliveries_postponed_total", &[("bound", "host")]) >= 1.0);
    assert_eq!(stage.sum("deliveries_postponed_total", &[("bound", "in_flight")]), 0.0);
    stage.close().await;
}

#[tokio::test]
async fn a_thousand_connections_that_say_nothing_cost_no_thread_and_little_memory() {
    const CONNECTIONS: usize = 1_000;
    /// Per connection with its attempt and its event, in MB: a debug build takes about 40 KB.
    const EACH_MB: f64 = 0.1;
    let silent = Hostile::start(Behaviour::Silent, &Authority::new().unwrap()).await.unwrap();
    let stage = Stage::new(|setup, receiver| {
        let setup = setup
            .set("delivery.timeout", "2m")
            .set("broker.prefetch", CONNECTIONS + 100)
            .set("delivery.max_in_flight", 2 * CONNECTIONS)
            .set("delivery.max_in_flight_per_host", CONNECTIONS)
            .webhook(Webhook::new("whk_healthy", &receiver.url("/")).events(&["deployment.*"]));
        (0..CONNECTIONS).fold(setup, |setup, n| {
            let webhook = Webhook::new(&format!("whk_{n}"), &silent.url());
            setup.webhook(webhook.events(&["domain.added"]).projects(&[&format!("prj_{n}")]))
        })
    })
    .await;
    stage.publish("deployment.created", "prj_1", "evt_healthy").await;
    stage.receiver.wait_for(1, SOON).await.unwrap();
    let pid = stage.program.pid().unwrap();
    let (before, threads_before) = (memory_mb(pid, "VmRSS").unwrap(), threads(pid));

    for n in 0..CONNECTIONS {
        stage.publish("domain.added", &format!("prj_{n}"), &format!("evt_{n}")).await;
    }
    eventually("all of them wait for an answer", SOON, || async {
        (stage.sum("attempts_in_flight", &[]) >= CONNECTIONS as f64).then_some(())
    })
    .await
    .unwrap();
    let (during, threads_during) = (memory_mb(pid, "VmRSS").unwrap(), threads(pid));
    println!(
        "memory {before} MB, then {during} MB; threads {threads_before}, then {threads_during}"
    );
    assert!(threads_during <= threads_before + 2, "{threads_before}, then {threads_during}");
    assert!(during - before < EACH_MB * CONNECTIONS as f64, "{before} MB, then {during} MB");
    // Its bound is reached, and others get theirs.
    stage.publish("deployment.created", "prj_1", "evt_later").await;
    stage.receiver.wait_for(2, SOON).await.unwrap();
    let Stage { mut program, client, space, .. } = stage;
    program.kill9().unwrap();
    drop((program, client));
    space.close().await.unwrap();
}

/// Over HTTP/2 all requests to a host go over one connection, and nothing tells of its death.
#[tokio::test]
async fn a_connection_that_dies_silently_is_found_and_replaced() {
    let authority = Authority::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = authority.write_pem(folder.path()).unwrap();
    let identity = authority.identity("127.0.0.1").unwrap();
    let receiver = Receiver::start_tls(Script::ok(), &identity).await.unwrap();
    let proxy = Proxy::start(receiver.address()).await.unwrap();
    let stage = Stage::new(|setup, _| {
        let webhook = Webhook::new("whk_1", &proxy.before(&receiver.url("/")));
        setup
            // Longer than anything is waited for here.
            .set("delivery.timeout", "5m")
            .set("delivery.idle_timeout", "5m")
            .set("delivery.ca_file", ca_file.display().to_string())
            .webhook(webhook.retry("first_delay", "1s").retry("max_delay", "1s"))
    })
    .await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 1.0).await;
    assert_eq!(receiver.requests()[0].version, Version::HTTP_2);

    proxy.set(Fault::Swallow).await.unwrap();
    stage.publish("domain.added", "prj_1", "evt_2").await;
    let failed = [("outcome", "failed"), ("failure", "timeout")];
    stage.reaches("deliveries_total", &failed, 1.0).await;
    proxy.set(Fault::Pass).await.unwrap();
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 2.0).await;
    stage.close().await;
}

fn threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count()
}
