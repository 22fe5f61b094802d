//! The API of the Control Center: the life of a webhook through it, who may ask for what, and what
//! becomes of requests that are wrong.

mod access;
mod away;
mod hidden;
mod hostile;
mod lost;
mod sessions;
mod standing;

use serde_json::{Value, json};
use testbed::eventually;
use testbed::loopback::{self, Answer};
use testbed::program::Program;
use testbed::receiver::{self, Script};
use testbed::setup::{Setup, Webhook};
use testbed::space::Space;

use crate::stage::{SOON, Stage};

/// A token of the role `admin`.
const ADMIN: &str = "tok_admin_0123456789abcdef";
/// A token of the role `read`.
const READ: &str = "tok_read_0123456789abcdef";

/// Somebody who asks the API.
struct Hand<'a> {
    program: &'a Program,
    token: &'a str,
}

impl Hand<'_> {
    fn send(&self, method: &str, path: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
        let headers = format!(
            "authorization: Bearer {}\r\ncontent-type: application/json\r\n{headers}",
            self.token
        );
        let path = format!("/api/v1{path}");
        loopback::request(self.program.admin(), method, &path, &headers, body).unwrap()
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "")
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, "", body.to_string())
    }

    /// Makes a webhook; gives its id and its secret.
    fn create(&self, body: &Value) -> [String; 2] {
        let made = self.post("/webhooks", body);
        assert_eq!(made.status, 201, "{}", made.body);
        let made = json_of(&made);
        [&made["webhook"]["id"], &made["secret"]].map(|text| text.as_str().unwrap().to_owned())
    }
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// That this is a problem of this kind.
fn problem(answer: &Answer, status: u16, kind: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
    let problem = json_of(answer);
    assert_eq!(problem["type"], format!("/problems/{kind}"), "{problem}");
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    problem
}

/// The program with an SQLite store and two tokens.
async fn stage() -> Stage {
    let tokens = format!("alice admin {ADMIN}\nbob read {READ}");
    Stage::new(|setup, _| setup.sqlite().set("admin.tokens", tokens)).await
}

/// A program on this PostgreSQL, with a token of the role `admin`.
fn on_postgres(space: &Space, url: &str) -> Setup {
    Setup::new(space)
        .set("webhooks.store", url)
        .set("webhooks.encryption_key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
        .set("admin.tokens", format!("alice admin {ADMIN}"))
}

/// The answer to the second of two rotations, which is told of the first.
fn rotated_again(hand: &Hand<'_>, place: &str) -> Value {
    let rotate =
        || json_of(&hand.post(&format!("{place}/rotate-secret"), &json!({"overlap": "1h"})));
    assert_eq!(rotate()["warnings"], json!([]));
    let rotated = rotate();
    let warning = rotated["warnings"][0].as_str().unwrap();
    assert!(warning.contains("a rotation was under way") && warning.contains("sign until 2"));
    rotated
}

/// Who did what to it, all of it and what is asked for.
fn what_the_audit_says(hand: &Hand<'_>, id: &str) {
    let audit = json_of(&hand.get(&format!("/audit?webhook={id}")));
    let actions: Vec<_> = audit["items"].as_array().unwrap().iter().map(|e| &e["action"]).collect();
    let expected = [
        "deleted",
        "secret promoted",
        "secret revealed",
        "secret rotated",
        "secret rotated",
        "updated",
        "created",
    ];
    assert_eq!(actions, expected);
    assert!(audit["items"].as_array().unwrap().iter().all(|entry| entry["actor"] == "alice"));
    let some = |filter: &str| {
        let listed = json_of(&hand.get(&format!("/audit?webhook={id}&{filter}")));
        listed["items"].as_array().unwrap().len()
    };
    assert_eq!((some("actor=alice"), some("actor=bob")), (7, 0));
    assert_eq!((some("action=secret+rotated"), some("action=deleted&actor=alice")), (2, 1));
    problem(&hand.get("/audit?action=rotated"), 400, "invalid-request");
}

#[tokio::test]
async fn the_life_of_a_webhook() {
    let stage = stage().await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    let url = stage.receiver.url("/hook?token=in-the-query");
    let body = json!({
        "url": url, "events": ["domain.*"], "description": "<b>mine</b>",
        "headers": { "x-team": "hidden-header-value" },
    });
    let made = hand.post("/webhooks", &body);
    assert_eq!((made.status, made.header("cache-control")), (201, "no-store"), "{}", made.body);
    let (etag, answer) = (made.header("etag").to_owned(), json_of(&made));
    let (id, secret) =
        (answer["webhook"]["id"].as_str().unwrap(), answer["secret"].as_str().unwrap());
    let place = format!("/webhooks/{id}");
    assert_eq!(made.header("location"), format!("/api/v1{place}"));

    // It is live when the answer comes, and neither list nor detail show the secret.
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.receiver.wait_for(1, SOON).await.unwrap();
    for path in ["/webhooks", &place, "/audit", "/deliveries"] {
        let shown = hand.get(path);
        assert_eq!(shown.status, 200, "{}", shown.body);
        for hidden in [secret, "hidden-header-value"] {
            assert!(!shown.body.contains(hidden), "{path}: {}", shown.body);
        }
    }
    let shown = hand.get(&place);
    assert_eq!(shown.header("etag"), etag);
    let shown = json_of(&shown);
    assert_eq!((&shown["url"], &shown["headerNames"]), (&json!(url), &json!(["x-team"])));
    let reader = Hand { program: &stage.program, token: READ };
    assert!(!reader.get(&place).body.contains("in-the-query"));

    // A change of what was seen; a stale one changes nothing.
    let change = r#"{"description":null,"retry":{"firstDelay":"9s"},"enabled":false}"#;
    let changed = hand.send("PATCH", &place, &format!("if-match: {etag}\r\n"), change);
    assert_eq!(changed.status, 200, "{}", changed.body);
    let now = &json_of(&changed)["webhook"];
    assert_eq!((&now["description"], &now["enabled"]), (&Value::Null, &json!(false)));
    assert_eq!((&now["retry"]["firstDelay"], &now["events"]), (&json!("9s"), &json!(["domain.*"])));
    let stale = hand.send("PATCH", &place, &format!("if-match: {etag}\r\n"), r#"{"enabled":true}"#);
    problem(&stale, 412, "stale");
    let stale = hand.send("DELETE", &place, &format!("if-match: {etag}\r\n"), "");
    problem(&stale, 412, "stale");
    assert_eq!(json_of(&hand.get(&place))["enabled"], false);

    // Secrets: rotate, reveal, promote. Nothing becomes of a state that was seen before.
    for act in ["rotate-secret", "promote-secret"] {
        let stale =
            hand.send("POST", &format!("{place}/{act}"), &format!("if-match: {etag}\r\n"), "");
        problem(&stale, 412, "stale");
    }
    let rotated = rotated_again(&hand, &place);
    let next = rotated["secret"].as_str().unwrap();
    assert!(next != secret && rotated["webhook"]["secretSwitchesAt"].is_string(), "{rotated}");
    let revealed = json_of(&hand.send("POST", &format!("{place}/reveal-secret"), "", ""));
    assert_eq!(revealed, json!({ "secrets": [secret, next] }));
    let seen = hand.get(&place).header("etag").to_owned();
    let fresh = format!("if-match: {seen}\r\n");
    assert_eq!(hand.send("POST", &format!("{place}/promote-secret"), &fresh, "").status, 200);
    let again = hand.send("POST", &format!("{place}/promote-secret"), "", "");
    problem(&again, 409, "no-rotation");

    assert_eq!(hand.send("DELETE", &place, "", "").status, 204);
    problem(&hand.get(&place), 404, "unknown-webhook");
    what_the_audit_says(&hand, id);

    let log = stage.program.log().join("\n");
    for hidden in [secret, next, ADMIN, READ, "hidden-header-value", "in-the-query"] {
        assert!(!log.contains(hidden), "{log}");
    }
    stage.close().await;
}

#[tokio::test]
async fn a_repeated_create_makes_one_webhook() {
    let stage = stage().await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    let body = json!({ "url": stage.receiver.url("/a"), "events": ["*"] }).to_string();
    let create = |key: &str, body: &str| {
        hand.send("POST", "/webhooks", &format!("idempotency-key: {key}\r\n"), body)
    };
    let (first, second) = (create("k1", &body), create("k1", &body));
    assert_eq!((first.status, second.status), (201, 201), "{}", second.body);
    assert_eq!(json_of(&first), json_of(&second));
    assert_ne!(json_of(&create("k2", &body))["secret"], json_of(&first)["secret"]);
    // The same in other words is the same.
    let url = stage.receiver.url("/a");
    let other_words =
        format!("{{ \"events\": [ \"*\" ],\n\"enabled\": true, \"url\": \"{url}\" }}");
    let third = create("k1", &other_words);
    assert_eq!((third.status, json_of(&third)), (201, json_of(&first)));
    problem(&create("k1", &body.replace("/a", "/b")), 422, "idempotency-key-reused");
    let listed = json_of(&hand.get("/webhooks"));
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let gone = hand.send("DELETE", first.header("location").trim_start_matches("/api/v1"), "", "");
    assert_eq!(gone.status, 204);
    let told = problem(&create("k1", &body), 409, "webhook-deleted");
    assert!(told["detail"].as_str().unwrap().contains("was deleted"), "{told}");
    stage.close().await;
}

#[tokio::test]
async fn lists_come_in_parts() {
    let stage = stage().await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    let mut made: Vec<String> = (0..5)
        .map(|n| {
            let url = stage.receiver.url(&format!("/part/{n}"));
            let [id, _] = hand.create(&json!({ "url": url, "events": ["*"] }));
            id
        })
        .collect();
    let first = json_of(&hand.get("/webhooks?limit=2"));
    let next = first["next"].as_str().unwrap();
    for other in ["/audit?", "/deliveries?", "/dead?", "/webhooks?state=enabled&"] {
        let refused = hand.get(&format!("{other}cursor={next}"));
        assert_eq!(problem(&refused, 400, "invalid-cursor")["status"], 400, "{other}");
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let part = json_of(&hand.get(&format!("/webhooks?limit=2{cursor}")));
        let ids = part["items"].as_array().unwrap().iter();
        seen.extend(ids.map(|item| item["id"].as_str().unwrap().to_owned()));
        match part["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.sort();
    made.sort();
    assert_eq!(seen, made);
    let found = json_of(&hand.get("/webhooks?search=PART/3&state=enabled"));
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    stage.close().await;
}

/// The delivery of `evt_dead` is found by its event, and no other is.
fn of_one_event(hand: &Hand<'_>, webhook: &str, delivery: &str) {
    for (query, found) in [
        ("/deliveries?event=evt_dead".to_owned(), true),
        (format!("/deliveries?event=evt_dead&webhook={webhook}&state=dead&limit=1"), true),
        (format!("/webhooks/{webhook}/deliveries?event=evt_dead&type=deployment.failed"), true),
        ("/deliveries?event=evt_dead&state=delivered".to_owned(), false),
        ("/deliveries?event=evt_dead&type=domain.added".to_owned(), false),
        ("/deliveries?event=evt_dead&until=2020-01-01T00:00:00Z".to_owned(), false),
        ("/deliveries?event=evt_never".to_owned(), false),
    ] {
        let listed = json_of(&hand.get(&query));
        let ids: Vec<_> =
            listed["items"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
        assert_eq!(ids, if found { vec![delivery] } else { vec![] }, "{query}: {listed}");
        assert_eq!(listed["next"], Value::Null, "{listed}");
    }
    problem(&hand.get("/deliveries?event="), 400, "invalid-request");

    let headers = format!("cookie: {}\r\n", sessions::sign_in(hand.program));
    let search = |text: &str| {
        let path = format!("/admin/webhooks?q={text}");
        loopback::request(hand.program.admin(), "GET", &path, &headers, "").unwrap()
    };
    let found = search("evt_dead");
    assert!(found.body.contains("Deliveries of the event"), "{found:?}");
    assert!(found.body.contains(&format!("/admin/deliveries/{delivery}")), "{found:?}");
    assert!(found.body.contains(&format!("to <code>{webhook}</code>")), "{found:?}");
    let none = search("evt_never").body;
    assert!(none.contains("No webhook fits") && !none.contains("Deliveries of"), "{none}");
    let gone = search(delivery);
    let there = format!("/admin/deliveries/{delivery}");
    assert_eq!((gone.status, gone.header("location")), (303, &*there));
}

/// A stage with so many webhooks that take every event.
async fn stage_of(webhooks: usize) -> Stage {
    let tokens = format!("alice admin {ADMIN}");
    Stage::new(|setup, receiver| {
        let all = |n| Webhook::new(&format!("whk_{n}"), &receiver.url("/hook"));
        (0..webhooks).fold(setup.set("admin.tokens", tokens), |setup, n| setup.webhook(all(n)))
    })
    .await
}

/// The deliveries of one event come in parts, and are not looked for among too many webhooks.
#[tokio::test]
async fn deliveries_of_one_event_come_in_parts() {
    let stage = stage_of(3).await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    for event in ["evt_1", "evt_2"] {
        stage.publish("domain.added", "prj_1", event).await;
    }
    let part =
        |cursor: &str| json_of(&hand.get(&format!("/deliveries?event=evt_1&limit=2{cursor}")));
    let first = eventually("the log knows all three", SOON, || async {
        let all = json_of(&hand.get("/deliveries?event=evt_1"));
        (all["items"].as_array()?.len() == 3).then(|| part(""))
    });
    let first = first.await.unwrap();
    let next = first["next"].as_str().unwrap();
    let second = part(&format!("&cursor={next}"));
    assert_eq!(second["next"], Value::Null, "{second}");
    let of = |part: &Value| {
        let items = part["items"].as_array().unwrap();
        assert!(items.iter().all(|row| row["event"] == "evt_1"), "{part}");
        items.iter().map(|row| row["webhook"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut webhooks = [of(&first), of(&second)].concat();
    webhooks.sort_unstable();
    assert_eq!(webhooks, ["whk_0", "whk_1", "whk_2"]);
    let elsewhere = format!("/deliveries?event=evt_2&limit=2&cursor={next}");
    problem(&hand.get(&elsewhere), 400, "invalid-cursor");
    stage.close().await;

    let stage = stage_of(1_001).await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    let told = problem(&hand.get("/deliveries?event=evt_1"), 400, "invalid-request");
    assert!(told["detail"].as_str().unwrap().contains("say of which webhook"), "{told}");
    assert_eq!(hand.get("/deliveries?event=evt_1&webhook=whk_7").status, 200);
    let headers = format!("cookie: {}\r\n", sessions::sign_in(&stage.program));
    let search = |text: &str| {
        let path = format!("/admin/webhooks?q={text}");
        loopback::request(stage.program.admin(), "GET", &path, &headers, "").unwrap().body
    };
    let unknown = search("evt_1");
    assert!(unknown.contains("could not be found out: among more than 1000 webhooks"), "{unknown}");
    assert!(search("whk_77").contains("/admin/webhooks/whk_77"));
    stage.close().await;
}

/// A test event, a delivery that fails and is sent again, dead letters, recovery.
#[tokio::test]
async fn deliveries_are_seen_and_sent_again() {
    let stage = stage().await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    let body = json!({
        "url": stage.receiver.url("/hook"), "events": ["deployment.*"],
        "retry": { "firstDelay": "1s", "giveUpAfter": "1s", "jitter": 0 },
    });
    let [id, _] = hand.create(&body);
    let place = format!("/webhooks/{id}");

    let sent = hand.send("POST", &format!("{place}/test"), "", "");
    assert_eq!(sent.status, 202, "{}", sent.body);
    let sent = json_of(&sent);
    let request = stage.receiver.wait_for(1, SOON).await.unwrap().remove(0);
    assert_eq!(request.header("x-boottify-delivery"), sent["delivery"].as_str().unwrap());
    assert_eq!(request.header("x-boottify-event"), "deployment.created");

    stage.receiver.answer("/hook", Script::always(receiver::Answer::status(500)));
    stage.publish("deployment.failed", "prj_1", "evt_dead").await;
    let dead = eventually("it is a dead letter", SOON, || async {
        json_of(&hand.get("/dead")).get("items")?.get(0).cloned()
    })
    .await
    .unwrap();
    assert_eq!((&dead["webhook"], &dead["reason"]), (&json!(id), &json!("gave_up")), "{dead}");
    let delivery = dead["delivery"].as_str().unwrap().to_owned();
    let shown = eventually("the log says so", SOON, || async {
        let shown = json_of(&hand.get(&format!("/deliveries/{delivery}")));
        (shown["delivery"]["state"] == "dead").then_some(shown)
    })
    .await
    .unwrap();
    assert!(shown["attempts"][0]["requestHeaders"]["x-boottify-signature"].is_string(), "{shown}");
    let listed = json_of(&hand.get(&format!("{place}/deliveries?state=dead")));
    assert_eq!(listed["items"][0]["id"], delivery);
    of_one_event(&hand, &id, &delivery);

    stage.receiver.answer("/hook", Script::ok());
    let again = hand.send("POST", &format!("/deliveries/{delivery}/redeliver"), "", "");
    assert_eq!(again.status, 202, "{}", again.body);
    let state = |wanted: &'static str| {
        let (hand, delivery) = (&hand, &delivery);
        eventually("the delivery has the state", SOON, move || async move {
            let shown = json_of(&hand.get(&format!("/deliveries/{delivery}")));
            (shown["delivery"]["state"] == wanted).then_some(())
        })
    };
    if let Err(error) = state("delivered").await {
        let shown = hand.get(&format!("/deliveries/{delivery}")).body;
        panic!("{error}: {shown}\n{}", stage.program.log().join("\n"));
    }
    assert_eq!(json_of(&hand.get("/dead"))["total"], 0);
    problem(&hand.send("DELETE", &format!("/dead/{delivery}"), "", ""), 404, "unknown-dead-letter");

    // What failed since then is sent again, once.
    stage.receiver.answer("/hook", Script::always(receiver::Answer::status(500)));
    stage.publish("deployment.failed", "prj_1", "evt_lost").await;
    eventually("it is a dead letter", SOON, || async {
        (json_of(&hand.get("/dead"))["total"] == 1).then_some(())
    })
    .await
    .unwrap();
    stage.receiver.answer("/hook", Script::ok());
    let since = json!({ "since": "2020-01-01T00:00:00Z" });
    let recovered = json_of(&hand.post(&format!("{place}/recover"), &since));
    assert_eq!(recovered["deliveries"].as_array().unwrap().len(), 1, "{recovered}");
    let again = json_of(&hand.post(&format!("{place}/recover"), &since));
    assert_eq!(again["deliveries"], json!([]), "{again}");
    let tried = json!({ "condition": [{ "pointer": "/type", "in": ["deployment.failed"] }] });
    let tried = json_of(&hand.post("/conditions/try", &tried));
    assert!(tried["wanted"].as_u64().unwrap() >= 2, "{tried}");
    stage.close().await;
}

/// A publisher may name its events as tests are named; what it sends is retried all the same.
#[tokio::test]
async fn a_test_is_known_by_more_than_its_id() {
    let stage = stage().await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    let body = json!({
        "url": stage.receiver.url("/hook"), "events": ["deployment.*"],
        "retry": { "firstDelay": "1s", "jitter": 0 },
    });
    let [id, _] = hand.create(&body);
    let stands = |delivery: String, state: &'static str, attempts: u64| {
        let hand = &hand;
        eventually("the delivery stands so", SOON, move || {
            let shown = json_of(&hand.get(&format!("/deliveries/{delivery}")));
            let (shown, wanted) = (&shown["delivery"], (json!(state), json!(attempts)));
            let found = (shown["state"] == wanted.0 && shown["attempts"] == wanted.1).then_some(());
            async move { found }
        })
    };
    let redeliver = |delivery: &str| {
        let again = hand.send("POST", &format!("/deliveries/{delivery}/redeliver"), "", "");
        assert_eq!(again.status, 202, "{}", again.body);
    };

    stage.receiver.answer("/hook", Script::always(receiver::Answer::status(500)));
    let sent = json_of(&hand.send("POST", &format!("/webhooks/{id}/test"), "", ""));
    let test = sent["delivery"].as_str().unwrap().to_owned();
    stands(test.clone(), "dropped", 1).await.unwrap();
    redeliver(&test);
    stands(test, "dropped", 2).await.unwrap();

    stage.receiver.answer("/hook", Script::ok());
    stage.publish("deployment.failed", "prj_1", "evt_test_mine").await;
    let delivery = stage.receiver.wait_for(3, SOON).await.unwrap().remove(2);
    let delivery = delivery.header("x-boottify-delivery").to_owned();
    stands(delivery.clone(), "delivered", 1).await.unwrap();
    stage.receiver.answer("/hook", Script::fail(1, 500));
    redeliver(&delivery);
    stands(delivery, "delivered", 3).await.unwrap();
    stage.close().await;
}

#[tokio::test]
async fn a_file_is_shown_and_not_changed() {
    let stage = Stage::new(|setup, receiver| {
        setup.webhook(Webhook::new("whk_file", &receiver.url("/hook")))
    })
    .await;
    // No token: on loopback, everybody is admin.
    let send = |method: &str, path: &str, body: &str| {
        let headers = "content-type: application/json\r\n";
        let path = format!("/api/v1{path}");
        loopback::request(stage.program.admin(), method, &path, headers, body).unwrap()
    };
    let shown = send("GET", "/webhooks/whk_file", "");
    assert_eq!((shown.status, &json_of(&shown)["id"]), (200, &json!("whk_file")));
    assert!(!shown.body.contains(testbed::setup::SECRET));
    for (method, path, body) in [
        ("POST", "/webhooks", r#"{"url":"https://a.example/","events":["*"]}"#),
        ("PATCH", "/webhooks/whk_file", r#"{"enabled":false}"#),
        ("DELETE", "/webhooks/whk_file", ""),
        ("POST", "/webhooks/whk_file/rotate-secret", ""),
        ("POST", "/webhooks/whk_file/promote-secret", ""),
        ("POST", "/webhooks/whk_file/reveal-secret", ""),
    ] {
        problem(&send(method, path, body), 409, "read-only-store");
    }
    assert_eq!(send("POST", "/webhooks/whk_file/test", "").status, 202);
    stage.receiver.wait_for(1, SOON).await.unwrap();
    stage.close().await;
}
