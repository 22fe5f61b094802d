//! Requests that are wrong: each a clear problem, and nothing changed.

use serde_json::{Value, json};

use super::{ADMIN, Hand, json_of, problem, stage};

#[tokio::test]
async fn wrong_bodies_change_nothing() {
    let stage = stage().await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    let deep = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200)).into_bytes();
    let large = format!("{{\"description\":\"{}\"}}", "x".repeat(70_000)).into_bytes();
    for (body, status, kind) in [
        (b"{".to_vec(), 400, "invalid-request"),
        (b"[]".to_vec(), 400, "invalid-request"),
        (b"{\"url\":\"a\",\"url\":\"b\"}".to_vec(), 400, "invalid-request"),
        (b"{\"description\":\"\xff\"}".to_vec(), 400, "invalid-request"),
        (deep, 400, "invalid-request"),
        (large, 413, "too-large"),
        (b"{}".to_vec(), 422, "invalid-fields"),
        (b"".to_vec(), 422, "invalid-fields"),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let answer = hand.send("POST", "/webhooks", "", &body);
        assert_eq!(answer.status, status, "{shown}: {}", answer.body);
        problem(&answer, status, kind);
    }
    let text = "content-type: text/plain\r\n";
    let admin = format!("authorization: Bearer {ADMIN}\r\n{text}");
    let form = testbed::loopback::request(
        stage.program.admin(),
        "POST",
        "/api/v1/webhooks",
        &admin,
        "url=https://a.example",
    );
    problem(&form.unwrap(), 415, "unsupported-media-type");
    assert_eq!(json_of(&hand.get("/webhooks"))["items"], json!([]));
    stage.close().await;
}

#[tokio::test]
async fn every_mistake_of_a_webhook_is_told_with_its_place() {
    let stage = stage().await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    let long = format!("https://a.example/{}", "x".repeat(2_100));
    for (url, word) in [
        (long.as_str(), "2048"),
        ("no url", "white space"),
        ("https://user:hunter2@a.example/", "password"),
        ("ftp://a.example/", "https"),
        ("https://10.0.0.1/", "must not reach"),
        ("https://[::1]/", "must not reach"),
        ("https://169.254.169.254/latest", "must not reach"),
    ] {
        let answer = hand.post("/webhooks", &json!({ "url": url, "events": ["*"] }));
        let told = problem(&answer, 422, "invalid-fields");
        assert_eq!(told["errors"][0]["pointer"], "/url", "{told}");
        assert!(told["errors"][0]["detail"].as_str().unwrap().contains(word), "{told}");
        assert!(!answer.body.contains("hunter2"));
    }
    let body = json!({
        "url": 7, "events": ["deployment.creatd"], "projects": "all", "enabld": true,
        "retry": { "firstDelay": "soon" }, "maxInFlight": 0, "headers": { "host": "x" },
        "condition": [{ "pointer": "a" }],
    });
    let twice = json!({ "X-Team": "a", "x-team": "b" });
    let twice = json!({ "url": stage.receiver.url("/"), "events": ["*"], "headers": twice });
    let told_twice = problem(&hand.post("/webhooks", &twice), 422, "invalid-fields");
    assert_eq!(told_twice["errors"][0]["pointer"], "/headers/x-team", "{told_twice}");
    let told = problem(&hand.post("/webhooks", &body), 422, "invalid-fields");
    let errors = told["errors"].as_array().unwrap();
    let mut pointers: Vec<&str> =
        errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    let expected = [
        "/condition/0/in",
        "/enabld",
        "/events/0",
        "/headers/host",
        "/maxInFlight",
        "/projects",
        "/retry/firstDelay",
        "/url",
    ];
    assert_eq!(pointers, expected, "{told}");
    assert!(told.to_string().contains("did you mean \\\"enabled\\\"?"), "{told}");
    assert_eq!(json_of(&hand.get("/webhooks"))["items"], json!([]));
    stage.close().await;
}

#[tokio::test]
async fn addresses_and_queries_are_read_strictly() {
    let stage = stage().await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    for (path, status, kind) in [
        ("/webhooks?limit=0", 400, "invalid-request"),
        ("/webhooks?limit=many", 400, "invalid-request"),
        ("/webhooks?lmit=1", 400, "invalid-request"),
        ("/webhooks?search=%ff", 400, "invalid-request"),
        ("/webhooks?cursor=nonsense", 400, "invalid-cursor"),
        ("/audit?cursor=dzU6eA", 400, "invalid-cursor"),
        ("/deliveries?cursor=%00", 400, "invalid-request"),
        ("/dead?cursor=AAAA", 400, "invalid-cursor"),
        ("/deliveries?since=yesterday", 400, "invalid-request"),
        ("/deliveries?type=Nonsense", 400, "invalid-request"),
        ("/deliveries?webhook=Nonsense", 400, "invalid-request"),
        ("/dead?type=Nonsense", 400, "invalid-request"),
        ("/dead?webhook=Nonsense", 400, "invalid-request"),
        ("/dead?reason=nonsense", 400, "invalid-request"),
        ("/webhooks/nonsense", 404, "unknown-webhook"),
        ("/webhooks/whk_%ff", 400, "invalid-request"),
        ("/webhooks/whk_none", 404, "unknown-webhook"),
        ("/webhooks/whk_none/deliveries", 404, "unknown-webhook"),
        ("/webhooks/whk_none/stats", 404, "unknown-webhook"),
        ("/deliveries/dlv_none", 404, "unknown-delivery"),
        ("/deliveries/dlv_00000000000000000000000000000000", 404, "unknown-delivery"),
        ("/deliveries/%00", 404, "unknown-delivery"),
    ] {
        problem(&hand.get(path), status, kind);
    }
    for (path, body, status, kind) in [
        ("/webhooks/whk_none/recover", json!({}), 422, "invalid-fields"),
        ("/webhooks/whk_none/recover", json!({"since": "x"}), 422, "invalid-fields"),
        (
            "/webhooks/whk_none/recover",
            json!({"since": "2999-01-01T00:00:00Z"}),
            422,
            "invalid-fields",
        ),
        ("/dead/replay", json!({"since": "2999-01-01T00:00:00Z"}), 422, "invalid-fields"),
        ("/webhooks/whk_none/test", json!({}), 404, "unknown-webhook"),
        ("/webhooks/whk_none/rotate-secret", json!({"overlap": "1y"}), 422, "invalid-fields"),
        ("/dead/replay", json!({}), 422, "invalid-fields"),
        ("/dead/replay", json!({"since": "x"}), 422, "invalid-fields"),
        ("/dead/replay", json!({"webhook": "x"}), 422, "invalid-fields"),
        ("/dead/replay", json!({"reason": "x"}), 422, "invalid-fields"),
        ("/dead/replay", json!({"type": "X"}), 422, "invalid-fields"),
        ("/dead/replay", json!({"deliveries": ["dlv_none"]}), 404, "unknown-dead-letter"),
        ("/conditions/try", json!({"condition": [{}]}), 422, "invalid-fields"),
    ] {
        problem(&hand.post(path, &body), status, kind);
    }
    let nowhere = problem(&hand.get("/nothing/here"), 404, "not-found");
    assert!(nowhere["detail"].as_str().unwrap().contains("\"/api/v1/nothing/here\""), "{nowhere}");
    for since in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"] {
        for path in ["/deliveries?", "/dead?until=9999-12-31T23:59:59Z&"] {
            let found = hand.get(&format!("{path}since={since}"));
            assert_eq!(found.status, 200, "{path} {since}: {}", found.body);
        }
    }
    let event_types = json_of(&hand.get("/event-types"));
    let types: Vec<&Value> =
        event_types["items"].as_array().unwrap().iter().map(|item| &item["type"]).collect();
    assert_eq!((types.len(), types[0]), (5, &json!("deployment.created")));
    stage.close().await;
}
