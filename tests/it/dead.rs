//! Deliveries that were given up are listed, sent again, dropped and kept within bounds, and looking
//! at them changes nothing.

mod stays;

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::net::TcpStream;
use std::process::Output;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;
use testbed::amqp::Client;
use testbed::eventually;
use testbed::loopback;
use testbed::page;
use testbed::program::{self, Program, said};
use testbed::proxy::{Fault, Proxy};
use testbed::receiver::{Answer, Received, Script};
use testbed::setup::{Setup, Webhook};
use testbed::space::Space;

use crate::stage::{SOON, Stage};

/// What a dead letter of a test says.
#[derive(Clone, Copy)]
struct Letter<'a> {
    webhook: &'a str,
    event: &'a str,
    reason: &'a str,
    attempts: i64,
    dead_ms: i64,
}

impl Default for Letter<'_> {
    fn default() -> Self {
        let (webhook, event, reason) = ("whk_1", "evt_1", "gave_up");
        Self { webhook, event, reason, attempts: 7, dead_ms: now_ms() - 1_000 }
    }
}

impl Letter<'_> {
    fn properties(&self) -> BasicProperties {
        let mut headers = FieldTable::default();
        let mut text = |name: &str, value: &str| {
            headers.insert(name.into(), AMQPValue::LongString(value.into()));
        };
        text("x-webhook-id", self.webhook);
        text("x-dead-reason", self.reason);
        text("x-last-failure", "http_503");
        text("x-last-failure-detail", "it is being mended\u{1b}[2J");
        let mut number = |name: &str, value: i64| {
            headers.insert(name.into(), AMQPValue::LongLongInt(value));
        };
        number("x-attempts", self.attempts);
        number("x-dead-at", self.dead_ms);
        for name in ["x-published-at", "x-first-attempt-at", "x-parked-at", "x-due-at"] {
            number(name, self.dead_ms - 60_000);
        }
        BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/json".into())
            .with_message_id(self.event.into())
            .with_type("domain.added".into())
            .with_headers(headers)
    }
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

async fn bury(space: &Space, client: &Client, letter: Letter<'_>) {
    let names = space.names();
    let (exchange, queue) = (&names.dead_letter_exchange, &names.dead_queue);
    client.publish(exchange, queue, letter.properties(), page::PAYLOAD).await.unwrap();
}

/// Many letters, a millisecond apart, with the ids `evt_0`, `evt_1`, …
async fn bury_many(space: &Space, client: &Client, count: usize) {
    let names = space.names();
    let start = now_ms() - 100_000;
    let mut confirms = Vec::new();
    for n in 0..count {
        let event = format!("evt_{n}");
        let letter = Letter { event: &event, dead_ms: start + n as i64, ..Letter::default() };
        let (exchange, queue) = (&names.dead_letter_exchange, &names.dead_queue);
        let sent = client.channel().basic_publish(
            exchange.as_str().into(),
            queue.as_str().into(),
            BasicPublishOptions::default(),
            page::PAYLOAD,
            letter.properties(),
        );
        confirms.push(sent.await.unwrap());
    }
    for confirm in confirms {
        assert!(confirm.await.unwrap().is_ack());
    }
}

/// Runs `dead …` beside a program, with its configuration.
async fn dead(program: &Program, arguments: &[&str]) -> Output {
    dead_with(program, arguments, &[]).await
}

async fn dead_with(program: &Program, arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let config = program.folder().join("config.toml").display().to_string();
    let arguments = [&["dead"], arguments, &["--config", &config]].concat();
    program::run(&arguments, env).await.unwrap()
}

async fn json(program: &Program, arguments: &[&str]) -> Value {
    let output = dead(program, arguments).await;
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The member `key` of each dead letter of a listing.
fn each<'a>(listing: &'a Value, key: &str) -> Vec<&'a str> {
    let letters = listing["deadLetters"].as_array().unwrap();
    letters.iter().map(|letter| letter[key].as_str().unwrap()).collect()
}

/// All that a queue holds, in its order, taken for good.
async fn take_all(client: &Client, queue: &str) -> Vec<testbed::amqp::Message> {
    let mut taken = Vec::new();
    while let Some(message) = client.take(queue).await.unwrap() {
        taken.push(message);
    }
    taken
}

/// More than one window is looked at, again and again; the queue stays as it was.
#[tokio::test]
async fn looking_changes_neither_order_nor_content() {
    const LETTERS: usize = 1_234;
    let stage = Stage::simple().await;
    bury_many(&stage.space, &stage.client, LETTERS).await;
    let arguments = ["list", "--json", "--limit", "2000"];
    let first = json(&stage.program, &arguments).await;
    let expected: Vec<String> = (0..LETTERS).rev().map(|n| format!("evt_{n}")).collect();
    assert_eq!(each(&first, "event"), expected, "newest first");
    assert_eq!((&first["total"], &first["truncated"]), (&Value::from(LETTERS), &false.into()));
    // A RabbitMQ 4 without a word to the contrary would have deleted them after 20 times.
    for _ in 0..30 {
        assert_eq!(json(&stage.program, &arguments).await, first);
    }
    let filtered = json(&stage.program, &["list", "--json", "--limit", "3", "--type", "x.y"]).await;
    assert_eq!((&filtered["matching"], &filtered["total"]), (&0.into(), &LETTERS.into()));

    let table = said(&dead(&stage.program, &["list", "--limit", "1"]).await);
    assert!(table.contains("http_503 (it is being mended·[2J)"), "{table}");
    assert!(table.contains("1 of 1234 are shown"), "{table}");

    let taken = take_all(&stage.client, &stage.space.names().dead_queue).await;
    let order: Vec<_> = taken.iter().map(|message| message.id().unwrap().to_owned()).collect();
    assert_eq!(order, expected.into_iter().rev().collect::<Vec<_>>());
    let start = &taken[0];
    assert_eq!((&start.body[..], start.header("x-attempts")), (page::PAYLOAD, Some("7".into())));
    stage.close().await;
}

#[tokio::test]
async fn what_is_sent_again_keeps_its_ids_and_counts_on() {
    let stage = Stage::new(|setup, receiver| {
        receiver
            .answer("/hook", Script::sequence(vec![Answer::status(500); 3], Answer::status(200)));
        setup.webhook(
            Webhook::new("whk_1", &receiver.url("/hook"))
                .retry("first_delay", "1s")
                .retry("multiplier", 1.0)
                .retry("jitter", 0.0)
                .retry("give_up_after", "1500ms"),
        )
    })
    .await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.reaches("deliveries_total", &[("outcome", "dead")], 1.0).await;
    let listing = json(&stage.program, &["list", "--json"]).await;
    let id = stage.receiver.requests()[0].delivery().to_owned();
    assert_eq!(each(&listing, "delivery"), [id.as_str()]);
    assert_eq!(listing["deadLetters"][0]["attempts"], 2);
    assert_eq!(each(&listing, "reason"), ["gave_up"]);

    // The schedule begins anew: the third attempt fails, too, and the fourth is made.
    let sent = json(&stage.program, &["replay", &id, "--yes", "--json"]).await;
    assert_eq!(sent["replayed"], Value::from(vec![id.as_str()]));
    let requests = stage.receiver.wait_for(4, SOON).await.unwrap();
    let attempts: Vec<_> = requests.iter().map(Received::attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4]);
    assert!(requests.iter().all(|request| request.delivery() == id));
    assert!(requests.iter().all(|request| request.body == requests[0].body));
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 1.0).await;
    assert_eq!(json(&stage.program, &["list", "--json"]).await["total"], 0);
    let unknown = dead(&stage.program, &["replay", &id, "--yes"]).await;
    assert_eq!(unknown.status.code(), Some(1), "{}", said(&unknown));
    stage.close().await;
}

#[tokio::test]
async fn filters_say_which_are_sent_and_which_dropped() {
    let stage = Stage::simple().await;
    let (space, client) = (&stage.space, &stage.client);
    let old = now_ms() - 3_600_000;
    for (event, webhook, reason, dead_ms) in [
        ("evt_a", "whk_1", "gave_up", old),
        ("evt_b", "whk_2", "gave_up", now_ms() - 1_000),
        ("evt_c", "whk_1", "disabled", now_ms() - 1_000),
        ("evt_d", "whk_1", "gave_up", now_ms() - 1_000),
    ] {
        bury(space, client, Letter { event, webhook, reason, dead_ms, ..Letter::default() }).await;
    }
    let events = async |arguments: &[&str]| {
        let arguments = [&["list", "--json"], arguments].concat();
        let listing = json(&stage.program, &arguments).await;
        each(&listing, "event").iter().map(ToString::to_string).collect::<BTreeSet<_>>()
    };
    let set = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(events(&["--webhook", "whk_2"]).await, set(&["evt_b"]));
    assert_eq!(events(&["--reason", "disabled"]).await, set(&["evt_c"]));
    assert_eq!(events(&["--since", "10m"]).await, set(&["evt_b", "evt_c", "evt_d"]));
    assert_eq!(events(&["--webhook", "whk_2", "--reason", "disabled"]).await, set(&[]));
    let future = dead(&stage.program, &["list", "--since", "2100-01-01T00:00:00Z"]).await;
    assert!(!future.status.success() && said(&future).contains("in the future"));

    for nothing_said in [&["drop", "--yes"][..], &["replay"]] {
        assert_eq!(dead(&stage.program, nothing_said).await.status.code(), Some(2));
    }
    let unasked = dead(&stage.program, &["drop", "--all"]).await;
    assert_eq!(unasked.status.code(), Some(2));
    assert!(said(&unasked).contains("4 dead letters"), "{}", said(&unasked));
    let dropped = dead(&stage.program, &["drop", "--webhook", "whk_2", "--yes"]).await;
    assert_eq!(said(&dropped), "dropped 1 dead letter\n");
    assert_eq!(events(&[]).await, set(&["evt_a", "evt_c", "evt_d"]));
    let sent = ["replay", "--webhook", "whk_1", "--reason", "gave_up", "--since", "10m", "-y"];
    assert_eq!(said(&dead(&stage.program, &sent).await), "sent 1 dead letter again\n");
    let requests = stage.receiver.wait_for(1, SOON).await.unwrap();
    assert_eq!(requests[0].attempt(), 8);
    let sent = said(&dead(&stage.program, &["replay", "--all", "-y"]).await);
    assert_eq!(sent, "sent 2 dead letters again\n");
    stage.receiver.wait_for(3, SOON).await.unwrap();
    assert_eq!(events(&[]).await, set(&[]));
    stage.close().await;
}

/// What can be listed has a bound, and what can be sent again or dropped lies beyond it, too.
#[tokio::test]
async fn what_stands_behind_those_that_can_be_listed_is_reached() {
    const LETTERS: usize = 1_300;
    let stage = Stage::new(|setup, receiver| {
        setup
            .webhook(Webhook::new("whk_1", &receiver.url("/hook")))
            .set("dead.max_walk", 100)
            // Its survey is no business of this test.
            .set("dead.check_every", "1day")
    })
    .await;
    bury_many(&stage.space, &stage.client, LETTERS).await;
    for (event, reason) in [("evt_x", "gone"), ("evt_y", "disabled")] {
        let letter = Letter { event, reason, dead_ms: now_ms() - 1, ..Letter::default() };
        bury(&stage.space, &stage.client, letter).await;
    }
    let listing = json(&stage.program, &["list", "--json", "--reason", "gone"]).await;
    let total = LETTERS + 2;
    assert_eq!((&listing["matching"], &listing["total"]), (&0.into(), &total.into()));
    assert_eq!(listing["truncated"], true);
    let everything = [("BOOTTIFY_WEBHOOKS__DEAD__MAX_WALK", "5000")];
    let whole = dead_with(&stage.program, &["list", "--json", "--reason", "gone"], &everything);
    let whole: Value = serde_json::from_slice(&whole.await.stdout).unwrap();
    let id = each(&whole, "delivery")[0];

    // Who is not sure how many are meant has not agreed.
    let unasked = dead(&stage.program, &["drop", "--reason", "gone"]).await;
    assert_eq!(unasked.status.code(), Some(2));
    assert!(said(&unasked).contains("at least 0 dead letters"), "{}", said(&unasked));
    let path = format!("/api/v1/dead/{id}");
    let one = || loopback::request(stage.program.admin(), "DELETE", &path, "", "").unwrap();
    assert_eq!(one().status, 204);
    assert_eq!(one().status, 404);
    let sent = dead(&stage.program, &["replay", "--reason", "disabled", "--yes"]).await;
    assert_eq!(said(&sent), "sent 1 dead letter again\n");
    assert_eq!(stage.receiver.wait_for(1, SOON).await.unwrap()[0].attempt(), 8);

    let taken = take_all(&stage.client, &stage.space.names().dead_queue).await;
    let ids: Vec<_> = taken.iter().map(|message| message.id().unwrap().to_owned()).collect();
    let moved = (0..LETTERS).find(|n| ids.get(*n) != Some(&format!("evt_{n}")));
    assert_eq!((ids.len(), moved), (LETTERS, None), "{:?}", moved.map(|n| ids.get(n)));
    stage.close().await;
}

/// Who asks and goes away breaks off no walk: what was asked is done, and the order stays.
#[tokio::test]
async fn a_walk_that_nobody_waits_for_goes_on() {
    const LETTERS: usize = 3_000;
    let stage = Stage::simple().await;
    bury_many(&stage.space, &stage.client, LETTERS).await;
    let listing = json(&stage.program, &["list", "--json", "--limit", "1"]).await;
    let path = format!("/api/v1/dead/{}", each(&listing, "delivery")[0]);
    let mut stream = TcpStream::connect(stage.program.admin()).unwrap();
    let head = format!("DELETE {path} HTTP/1.1\r\nhost: {}\r\n\r\n", stage.program.admin());
    stream.write_all(head.as_bytes()).unwrap();
    let dead_queue = &stage.space.names().dead_queue;
    // The walk has begun, for it holds some.
    let held = eventually("it walks", SOON, || async {
        (stage.client.depth(dead_queue).await.unwrap() < LETTERS as u32).then_some(())
    });
    held.await.unwrap();
    drop(stream);
    eventually("all but one are given back", SOON, || async {
        (stage.client.depth(dead_queue).await.unwrap() == LETTERS as u32 - 1).then_some(())
    })
    .await
    .unwrap();
    let taken = take_all(&stage.client, dead_queue).await;
    let moved = (0..LETTERS - 1).find(|n| taken[*n].id() != Some(&format!("evt_{n}")));
    assert_eq!((taken.len(), moved), (LETTERS - 1, None));
    stage.close().await;
}

/// What takes long is not waited for: the answer says so, the rest follows, and meanwhile nobody is left
/// to guess why there is no list.
#[tokio::test]
async fn what_takes_long_follows_by_itself() {
    const LETTERS: usize = 8_000;
    let stage = Stage::new(|setup, receiver| {
        let hook = Webhook::new("whk_1", &receiver.url("/hook"));
        setup.webhook(hook).set("admin.answer_after", "1ms")
    })
    .await;
    // What is asked for stands behind all that stays.
    bury_many(&stage.space, &stage.client, LETTERS).await;
    let last = Letter { event: "evt_last", reason: "gone", ..Letter::default() };
    bury(&stage.space, &stage.client, last).await;
    let ask = |method: &str, path: &str, body: &str| {
        let headers = "content-type: application/json\r\n";
        loopback::request(stage.program.admin(), method, path, headers, body).unwrap()
    };
    let begun = ask("POST", "/api/v1/dead/replay", r#"{"reason":"gone"}"#);
    let told: Value = serde_json::from_str(&begun.body).unwrap();
    assert_eq!((begun.status, &told["goesOn"], &told["more"]), (202, &true.into(), &false.into()));

    let page = ask("GET", "/admin/dead", "");
    assert!(page.body.contains("Dead letters are being sent again, "), "{page:?}");
    let busy = ask("GET", "/api/v1/dead", "");
    assert_eq!(busy.status, 503, "{busy:?}");
    assert!(busy.body.contains("/problems/busy"), "{busy:?}");
    let busy = ask("POST", "/api/v1/dead/replay", r#"{"all":true}"#);
    assert_eq!(busy.status, 503, "{busy:?}");

    let sent = stage.receiver.wait_for(1, SOON).await.unwrap();
    assert_eq!(sent[0].attempt(), 8);
    let left = eventually("there is a list again", SOON, || async {
        let answer = ask("GET", "/api/v1/dead?limit=1", "");
        (answer.status == 200).then_some(answer)
    });
    let left: Value = serde_json::from_str(&left.await.unwrap().body).unwrap();
    assert_eq!(left["total"], LETTERS);
    let page = ask("GET", "/admin/dead", "");
    assert!(page.body.contains("1 dead letter was sent again, which was all"), "{page:?}");
    let id = left["items"][0]["delivery"].as_str().unwrap();
    assert_eq!(ask("DELETE", &format!("/api/v1/dead/{id}"), "").status, 202);
    let dead_queue = &stage.space.names().dead_queue;
    eventually("it is dropped", SOON, || async {
        (stage.client.depth(dead_queue).await.unwrap() == LETTERS as u32 - 1).then_some(())
    })
    .await
    .unwrap();
    stage.close().await;
}

/// What the command line drops is known to the log, so that nobody has it sent again, and to the
/// audit.
#[tokio::test]
async fn log_and_audit_know_what_the_command_line_does() {
    let stage = Stage::new(|setup, _| {
        setup.sqlite().set("retry.first_delay", "1s").set("retry.give_up_after", "1s")
    })
    .await;
    stage.receiver.answer("/hook", Script::always(Answer::status(500)));
    let ask = |method: &str, path: &str, body: &str| {
        let headers = "content-type: application/json\r\n";
        let path = format!("/api/v1{path}");
        let answer = loopback::request(stage.program.admin(), method, &path, headers, body);
        let answer = answer.unwrap();
        serde_json::from_str::<Value>(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"))
    };
    let made = format!(r#"{{"url":"{}","events":["*"]}}"#, stage.receiver.url("/hook"));
    let made = ask("POST", "/webhooks", &made);
    let id = made["webhook"]["id"].as_str().unwrap();
    for event in ["evt_dropped", "evt_left"] {
        stage.publish("domain.added", "prj_1", event).await;
    }
    let in_state = |state: &str, count: usize| {
        let path = format!("/deliveries?state={state}");
        eventually("the log knows", SOON, move || {
            let found = ask("GET", &path, "")["items"].as_array().unwrap().clone();
            async move { (found.len() == count).then_some(found) }
        })
    };
    let of = |rows: &[Value], event: &str| {
        let row = rows.iter().find(|row| row["event"] == event).unwrap();
        row["id"].as_str().unwrap().to_owned()
    };
    let died = in_state("dead", 2).await.unwrap();
    stage.reaches("deliveries_total", &[("outcome", "dead")], 2.0).await;
    let dropped = of(&died, "evt_dropped");
    json(&stage.program, &["drop", &dropped, "--yes", "--json"]).await;
    assert_eq!(in_state("dropped", 1).await.unwrap()[0]["id"], dropped);
    let audit = ask("GET", "/audit", "");
    let entry = &audit["items"][0];
    assert_eq!(
        (&entry["action"], &entry["actor"]),
        (&"dead letters dropped".into(), &"command line".into())
    );
    assert_eq!(entry["detail"]["deliveries"], Value::from(vec![dropped]));

    stage.receiver.answer("/hook", Script::ok());
    let recovered =
        ask("POST", &format!("/webhooks/{id}/recover"), r#"{"since":"2020-01-01T00:00:00Z"}"#);
    assert_eq!(recovered["deliveries"], Value::from(vec![of(&died, "evt_left")]));
    in_state("delivered", 1).await.unwrap();
    stage.close().await;
}

/// Killed at any moment a letter is dead, on its way, or delivered.
#[tokio::test]
async fn killed_in_mid_replay_nothing_is_lost() {
    const LETTERS: usize = 2_000;
    let stage = Stage::simple().await;
    let proxy = Proxy::start(stage.space.address().amqp().unwrap()).await.unwrap();
    bury_many(&stage.space, &stage.client, LETTERS).await;
    let url = proxy.before(&stage.space.url());
    let config = stage.program.folder().join("config.toml").display().to_string();
    for cut_by_network in [false, true] {
        let before = stage.receiver.count();
        let mut command = tokio::process::Command::new(program::binary().await.unwrap());
        command.args(["dead", "replay", "--all", "--yes", "--config", &config]);
        command.env("BOOTTIFY_WEBHOOKS__BROKER__URL", &url).kill_on_drop(true);
        command.env("BOOTTIFY_WEBHOOKS__BROKER__DEADLINE", "5s");
        proxy.set(Fault::Delay(Duration::from_millis(5))).await.unwrap();
        let mut child = command.spawn().unwrap();
        stage.receiver.wait_for(before + 300, SOON).await.unwrap();
        if cut_by_network {
            proxy.cut();
            assert_eq!(child.wait().await.unwrap().code(), Some(1));
        } else {
            child.kill().await.unwrap();
        }
        proxy.set(Fault::Pass).await.unwrap();
    }
    let left = eventually("the lock is free again", SOON, || async {
        let output = dead(&stage.program, &["list", "--json", "--limit", "2000"]).await;
        output.status.success().then(|| serde_json::from_slice::<Value>(&output.stdout).unwrap())
    });
    let left = left.await.unwrap();
    let left: HashSet<&str> = each(&left, "delivery").into_iter().collect();
    assert!(!left.is_empty() && left.len() < LETTERS, "{} are left", left.len());
    let all = eventually("each is dead or delivered", SOON, || async {
        let mut all: HashSet<String> = left.iter().map(ToString::to_string).collect();
        all.extend(stage.receiver.requests().iter().map(|request| request.delivery().to_owned()));
        (all.len() == LETTERS).then_some(())
    });
    all.await.unwrap();
    let sent = dead(&stage.program, &["replay", "--all", "--yes"]).await;
    assert!(sent.status.success(), "{}", said(&sent));
    eventually("all are delivered", SOON, || async {
        let requests = stage.receiver.requests();
        let ids: HashSet<&str> = requests.iter().map(Received::delivery).collect();
        (ids.len() == LETTERS).then_some(())
    })
    .await
    .unwrap();
    // What was sent and not yet taken away came twice: publishes under way, and a transaction.
    let most = LETTERS + 2 * (32 + 50);
    assert!(stage.receiver.count() <= most, "{}", stage.receiver.count());
    stage.close().await;
}

#[tokio::test]
async fn one_walks_at_a_time() {
    let stage = Stage::simple().await;
    bury(&stage.space, &stage.client, Letter::default()).await;
    let lock = format!("{}.walk", stage.space.names().dead_queue);
    let channel = stage.client.channel();
    let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
    channel.queue_declare(lock.as_str().into(), exclusive, FieldTable::default()).await.unwrap();
    let busy = dead(&stage.program, &["drop", "--all", "--yes"]).await;
    assert_eq!(busy.status.code(), Some(1));
    assert!(said(&busy).contains("somebody else works on the dead letters"), "{}", said(&busy));
    assert_eq!(stage.client.depth(&stage.space.names().dead_queue).await.unwrap(), 1);
    channel.queue_delete(lock.as_str().into(), Default::default()).await.unwrap();

    let lists = (0..4).map(|_| dead(&stage.program, &["list", "--json"]));
    for output in futures_util::future::join_all(lists).await {
        assert!(output.status.success(), "{}", said(&output));
        let listing: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(listing["total"], 1, "nobody sees what another holds as gone");
    }
    stage.close().await;
}

/// The broker forgets acknowledgements that it has not passed on when their channel is closed.
#[tokio::test]
async fn what_is_dropped_does_not_come_back() {
    const LETTERS: usize = 6_000;
    let stage = Stage::simple().await;
    bury_many(&stage.space, &stage.client, LETTERS).await;
    let dropped = dead(&stage.program, &["drop", "--all", "--yes"]).await;
    assert_eq!(said(&dropped), format!("dropped {LETTERS} dead letters\n"));
    assert_eq!(stage.client.depth(&stage.space.names().dead_queue).await.unwrap(), 0);
    stage.close().await;
}

/// Who may publish to the dead queue can put anything there.
#[tokio::test]
async fn what_is_no_delivery_is_shown_and_can_be_dropped() {
    let stage = Stage::simple().await;
    let names = stage.space.names();
    let mut wrong = FieldTable::default();
    wrong.insert("x-webhook-id".into(), AMQPValue::Boolean(true));
    let plain = BasicProperties::default();
    let strange = plain.clone().with_message_id("evt_x\n".into()).with_headers(wrong);
    let letter = Letter::default().properties();
    for (properties, body) in [(plain, &b"\0"[..]), (strange, b""), (letter, page::PAYLOAD)] {
        let (exchange, queue) = (&names.dead_letter_exchange, &names.dead_queue);
        stage.client.publish(exchange, queue, properties, body).await.unwrap();
    }
    let listing = json(&stage.program, &["list", "--json"]).await;
    let mut reasons = each(&listing, "reason");
    reasons.sort_unstable();
    assert_eq!(reasons, ["gave_up", "malformed", "malformed"]);
    let malformed = json(&stage.program, &["list", "--json", "--reason", "malformed"]).await;
    let ids = each(&malformed, "delivery");
    assert!(ids[0] != ids[1] && ids[0].starts_with("dlv_"), "{ids:?}");

    let sent = json(&stage.program, &["replay", "--all", "--yes", "--json"]).await;
    assert_eq!(sent["replayed"].as_array().unwrap().len(), 1);
    let refused = dead(&stage.program, &["replay", ids[0], "--yes"]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let dropped = json(&stage.program, &["drop", ids[0], "--yes", "--json"]).await;
    assert_eq!(dropped["dropped"], Value::from(vec![ids[0]]));
    assert_eq!(json(&stage.program, &["list", "--json"]).await["total"], 1);
    stage.close().await;
}

#[tokio::test]
async fn what_is_beyond_the_retention_is_dropped_and_counted() {
    let bounded = |setup: Setup| {
        setup.set("dead.check_every", "1s").set("dead.max_age", "1h").set("dead.max_count", 5)
    };
    let stage = Stage::new(|setup, receiver| {
        bounded(setup).webhook(Webhook::new("whk_1", &receiver.url("/hook")))
    })
    .await;
    let hour = 3_600_000;
    // The second is near its end, for which a warning is due; the first is beyond it.
    for (n, age_ms) in [hour + 60_000, hour - 300_000, 1_000].into_iter().enumerate() {
        let event = format!("evt_{n}");
        let letter = Letter { event: &event, dead_ms: now_ms() - age_ms, ..Letter::default() };
        bury(&stage.space, &stage.client, letter).await;
    }
    stage.reaches("dead_letters_pruned_total", &[("reason", "age")], 1.0).await;
    stage.program.logged("dropped 1 dead letters for good", SOON).await.unwrap();
    stage.program.logged("near dead.max_age", SOON).await.unwrap();
    stage.reaches("dead_letters", &[], 2.0).await;
    let age = stage.sum("dead_letters_oldest_age_seconds", &[]);
    assert!((3_290.0..3_590.0).contains(&age), "{age}");
    let used = |bound| stage.sum("dead_letters_bound_ratio", &[("bound", bound)]);
    assert!((0.9..1.0).contains(&used("age")), "{}", used("age"));
    assert!((used("count") - 0.4).abs() < 1e-9, "{}", used("count"));
    assert!(stage.sum("dead_letters_bytes", &[]) > 0.0);

    for n in 3..8 {
        let event = format!("evt_{n}");
        bury(&stage.space, &stage.client, Letter { event: &event, ..Letter::default() }).await;
    }
    stage.reaches("dead_letters_pruned_total", &[("reason", "count")], 2.0).await;
    let listing = json(&stage.program, &["list", "--json"]).await;
    let left: BTreeSet<&str> = each(&listing, "event").into_iter().collect();
    assert_eq!(left, BTreeSet::from(["evt_3", "evt_4", "evt_5", "evt_6", "evt_7"]));
    assert_eq!(stage.sum("dead_letters_pruned_total", &[]), 3.0);
    assert_eq!(stage.sum("dead_letters_check_failures_total", &[]), 0.0);
    stage.close().await;
}
