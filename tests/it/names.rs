//! Names and addresses: how long an answer counts, what a changing one is worth, and hosts of which
//! some addresses are away.

use std::time::Duration;

use testbed::name_server::{NameServer, Says};
use testbed::receiver::{Answer, Received, Script};
use testbed::setup::{Setup, Webhook};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::stage::{SOON, Stage};

/// Every attempt has a connection of its own, and asks for the name.
fn asking(setup: Setup, server: &NameServer) -> Setup {
    setup
        .set("delivery.dns_servers", vec![server.address()])
        .set("delivery.max_idle_per_host", 0)
        .set("retry.first_delay", "1s")
        .set("retry.max_delay", "1s")
}

/// A URL with the receiver's port and another host.
fn at(host: &str, stage_port: u16) -> String {
    format!("http://{host}:{stage_port}/{host}")
}

async fn publish(stage: &Stage, from: usize, to: usize) {
    for n in from..to {
        stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
    }
}

#[tokio::test]
async fn an_answer_counts_as_long_as_it_says_and_not_longer_than_it_may() {
    let server = NameServer::start().await.unwrap();
    server.lead("long.example", 86_400, &["127.0.0.1"]);
    let stage = Stage::new(|setup, receiver| {
        asking(setup, &server)
            .set("delivery.dns_max_ttl", "5s")
            .webhook(Webhook::new("whk_1", &at("long.example", receiver.address().port())))
    })
    .await;
    publish(&stage, 0, 50).await;
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 50.0).await;
    let asked = server.asked("long.example");
    let looked_up = stage.sum("dns_lookups_total", &[("outcome", "answered")]);
    assert!(asked < 10, "asked {asked} times for 50 connections");
    assert!(stage.sum("dns_lookups_total", &[("outcome", "remembered")]) >= 50.0 - looked_up);

    // The name says a day; it is asked for again after the five seconds that it may count.
    server.lead("long.example", 86_400, &["10.1.2.3"]);
    let blocked = [("failure", "blocked_address")];
    let (mut events, began) = (50, Instant::now());
    while stage.sum("deliveries_total", &blocked) < 1.0 {
        assert!(began.elapsed() < SOON, "the old answer counts too long");
        publish(&stage, events, events + 1).await;
        events += 1;
        stage.settled(u32::try_from(events).unwrap()).await;
    }
    end(stage).await;
}

/// As many addresses as a large provider's name has do not fit into a datagram.
#[tokio::test]
async fn an_answer_that_is_too_long_for_a_datagram_is_asked_for_over_tcp() {
    let server = NameServer::start().await.unwrap();
    server.say("long.example", Says::Long(60, vec!["127.0.0.1".parse().unwrap()]));
    let stage = Stage::new(|setup, receiver| {
        asking(setup, &server)
            .webhook(Webhook::new("whk_1", &at("long.example", receiver.address().port())))
    })
    .await;
    publish(&stage, 0, 1).await;
    let received = stage.receiver.wait_for(1, SOON).await.unwrap();
    assert_eq!(received[0].attempt(), 1);
    end(stage).await;
}

/// There are firewalls and servers that drop what asks for IPv6.
#[tokio::test]
async fn a_name_server_that_is_silent_about_ipv6_holds_up_nobody() {
    let server = NameServer::start().await.unwrap();
    server.say("old.example", Says::OnlyIpv4(60, vec!["127.0.0.1".parse().unwrap()]));
    server.say("none.example", Says::OnlyIpv4(60, vec![]));
    let stage = Stage::new(|setup, receiver| {
        let port = receiver.address().port();
        asking(setup, &server)
            .set("operations.webhook_label", true)
            .set("delivery.connect_timeout", "3s")
            .webhook(Webhook::new("whk_old", &at("old.example", port)))
            .webhook(Webhook::new("whk_none", &at("none.example", port)))
    })
    .await;
    publish(&stage, 0, 1).await;
    let received = stage.receiver.wait_for(1, SOON).await.unwrap();
    assert_eq!(received[0].attempt(), 1);
    // What has no other address is still waited for.
    stage.reaches("deliveries_total", &[("failure", "dns")], 1.0).await;
    assert_eq!(stage.receiver.count(), 1);
    end(stage).await;
}

/// A name that led to a public address when it was judged, and leads elsewhere when it counts.
#[tokio::test]
async fn what_is_connected_to_is_what_was_judged() {
    let server = NameServer::start().await.unwrap();
    server.lead("changing.example", 0, &["127.0.0.1"]);
    let private = [
        "10.0.0.1",
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "fe80::1",
        "fd00:ec2::254",
        "::1",
    ];
    for (n, address) in private.into_iter().enumerate() {
        server.lead(&format!("private{n}.example"), 0, &[address]);
    }
    server.lead("both.example", 0, &["10.0.0.1", "::1", "127.0.0.1", "169.254.169.254"]);
    let stage = Stage::new(|setup, receiver| {
        let port = receiver.address().port();
        let setup = asking(setup, &server)
            .set("operations.webhook_label", true)
            .set("webhooks.breaker.failures", 10_000)
            .webhook(Webhook::new("whk_both", &at("both.example", port)))
            .webhook(Webhook::new("whk_changing", &at("changing.example", port)));
        (0..private.len()).fold(setup, |setup, n| {
            let url = at(&format!("private{n}.example"), port);
            setup.webhook(Webhook::new(&format!("whk_private{n}"), &url))
        })
    })
    .await;
    publish(&stage, 0, 1).await;
    let delivered = [("outcome", "delivered")];
    stage.reaches("deliveries_total", &delivered, 2.0).await;
    let blocked = [("failure", "blocked_address")];
    stage.reaches("deliveries_total", &blocked, private.len() as f64).await;

    // It turns between two attempts. Answers count for a second at least, so some may still go.
    server.lead("changing.example", 0, &["169.254.169.254"]);
    let failed = [("webhook", "whk_changing"), ("outcome", "failed")];
    let (mut events, began) = (1, Instant::now());
    while stage.sum("webhook_deliveries_total", &failed) < 1.0 {
        assert!(began.elapsed() < SOON, "it is never blocked");
        publish(&stage, events, events + 1).await;
        events += 1;
        stage.settled(u32::try_from(events).unwrap()).await;
    }
    let seen = stage.receiver.requests_at("/changing.example").len();
    publish(&stage, events, events + 5).await;
    stage.settled(u32::try_from(events + 5).unwrap()).await;
    assert_eq!(stage.receiver.requests_at("/changing.example").len(), seen);
    let only: Vec<Received> = stage.receiver.requests();
    assert!(only.iter().all(|request| !request.path.contains("private")));
    end(stage).await;
}

/// A host of which one address never answers and another refuses: the one that is there is found
/// long before the time of an attempt is over.
#[tokio::test]
async fn addresses_that_are_away_cost_moments() {
    let server = NameServer::start().await.unwrap();
    let mut held = Vec::new();
    let stage = Stage::new(|setup, receiver| {
        let port = receiver.address().port();
        held.push(port);
        server.lead("some.example", 60, &["::1", "127.0.0.2", "127.0.0.3", "127.0.0.1"]);
        asking(setup, &server)
            .set("delivery.allow_addresses", vec!["127.0.0.0/8", "::1/128"])
            .webhook(Webhook::new("whk_1", &at("some.example", port)))
    })
    .await;
    let full = Full::at(held[0]).await;
    publish(&stage, 0, 1).await;
    let requests = stage.receiver.wait_for(1, SOON).await.unwrap();
    assert_eq!(requests[0].attempt(), 1, "its first attempt did not get through");
    println!("an address of loopback that does not answer could be made: {}", full.is_some());
    end(stage).await;
}

/// A listener whose queue is full: who connects waits without an answer.
struct Full {
    _listener: tokio::net::TcpListener,
    _queued: Vec<TcpStream>,
}

impl Full {
    async fn at(port: u16) -> Option<Self> {
        let socket = TcpSocket::new_v6().ok()?;
        let address = format!("[::1]:{port}").parse().ok()?;
        socket.bind(address).ok()?;
        let listener = socket.listen(1).ok()?;
        let mut queued = Vec::new();
        for _ in 0..64 {
            let next =
                tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(address));
            match next.await {
                Ok(stream) => queued.push(stream.ok()?),
                Err(_) => return Some(Self { _listener: listener, _queued: queued }),
            }
        }
        None
    }
}

#[tokio::test]
async fn name_servers_that_say_nothing_hold_up_nobody_else() {
    const SILENT: usize = 100;
    let server = NameServer::start().await.unwrap();
    server.lead("healthy.example", 60, &["127.0.0.1"]);
    for n in 0..SILENT {
        server.say(&format!("silent{n}.example"), Says::Nothing);
    }
    let stage = Stage::new(|setup, receiver| {
        let port = receiver.address().port();
        receiver.answer("/healthy.example", Script::always(Answer::status(200)));
        let setup = asking(setup, &server)
            .set("delivery.connect_timeout", "3s")
            .set("retry.first_delay", "1h")
            .set("retry.max_delay", "1h")
            .webhook(Webhook::new("whk_healthy", &at("healthy.example", port)));
        (0..SILENT).fold(setup, |setup, n| {
            let url = at(&format!("silent{n}.example"), port);
            setup.webhook(Webhook::new(&format!("whk_silent{n}"), &url))
        })
    })
    .await;
    let pid = stage.program.pid().unwrap();
    let before = threads(pid);
    publish(&stage, 0, 1).await;
    stage.receiver.wait_for(1, SOON).await.unwrap();
    stage.reaches("attempts_in_flight", &[], 1.0).await;
    let during = threads(pid);
    assert!(during <= before + 2, "{before} threads before and {during} with silent name servers");
    stage.reaches("deliveries_total", &[("failure", "dns")], SILENT as f64).await;
    assert_eq!(stage.sum("deliveries_total", &[("failure", "timeout")]), 0.0);
    end(stage).await;
}

#[tokio::test]
async fn no_more_names_are_remembered_than_may_be() {
    const NAMES: usize = 8;
    let server = NameServer::start().await.unwrap();
    for n in 0..NAMES {
        server.lead(&format!("name{n}.example"), 600, &["127.0.0.1"]);
    }
    let stage = Stage::new(|setup, receiver| {
        let port = receiver.address().port();
        let setup = asking(setup, &server).set("delivery.dns_max_names", 3);
        (0..NAMES).fold(setup, |setup, n| {
            setup.webhook(Webhook::new(&format!("whk_{n}"), &at(&format!("name{n}.example"), port)))
        })
    })
    .await;
    publish(&stage, 0, 1).await;
    stage.reaches("deliveries_total", &[("outcome", "delivered")], NAMES as f64).await;
    assert!(stage.sum("dns_names_forgotten_total", &[]) >= (NAMES - 3) as f64);
    end(stage).await;
}

fn threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count()
}

async fn end(stage: Stage) {
    let Stage { mut program, client, space, .. } = stage;
    program.kill9().unwrap();
    drop((program, client));
    space.close().await.unwrap();
}
