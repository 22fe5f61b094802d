//! Secrets are nowhere but where they belong: not in the log of a full run at its most talkative, not
//! in metrics, not in a file, not in a database.

use std::fs;

use serde_json::json;
use testbed::postgres::Server;
use testbed::receiver::{Answer, Script};

use super::{ADMIN, Hand, READ, json_of};
use crate::stage::{SOON, Stage};

/// The base64 of 32 bytes.
const KEY: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU=";
const HEADER: &str = "hidden-header-value";
const QUERY: &str = "hidden-in-the-query";

#[tokio::test]
async fn a_full_run_tells_no_secret() {
    let server = Server::start().await.unwrap();
    let url = server.database("hidden").await.unwrap();
    let stage = Stage::new(|setup, receiver| {
        receiver.answer(&format!("/bad?token={QUERY}"), Script::always(Answer::status(500)));
        setup
            .set("webhooks.store", url.as_str())
            .set("webhooks.encryption_key", KEY)
            .set("admin.tokens", format!("alice admin {ADMIN}\nbob read {READ}"))
            .set("log.level", "trace")
            .set("retry.first_delay", "1s")
            .set("retry.give_up_after", "3s")
    })
    .await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    let webhook = |path: &str| {
        let url = stage.receiver.url(&format!("{path}?token={QUERY}"));
        json!({ "url": url, "events": ["*"], "headers": { "x-team": HEADER } })
    };
    let mut secrets: Vec<String> = [ADMIN, READ, KEY, HEADER, QUERY].map(str::to_owned).into();
    let [good, secret] = hand.create(&webhook("/good"));
    secrets.push(secret);
    let [bad, secret] = hand.create(&webhook("/bad"));
    secrets.push(secret);
    let rotated = hand.post(&format!("/webhooks/{good}/rotate-secret"), &json!({}));
    secrets.push(json_of(&rotated)["secret"].as_str().unwrap().to_owned());
    hand.post(&format!("/webhooks/{good}/reveal-secret"), &json!({}));
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 1.0).await;
    stage.reaches("deliveries_total", &[("outcome", "dead")], 1.0).await;
    hand.send("POST", &format!("/webhooks/{bad}/test"), "", "{}");
    hand.get("/dead");
    hand.send("DELETE", &format!("/webhooks/{bad}"), "", "");
    // Wrong ones are no less secret: somebody may have mistyped a right one.
    let wrong = Hand { program: &stage.program, token: "tok_mistyped_0123456789abcdef" };
    assert_eq!(wrong.get("/webhooks").status, 401);
    secrets.push(wrong.token.to_owned());

    let metrics = stage.program.get("/metrics").unwrap().body;
    let deliveries = hand.get("/deliveries").body;
    let details = details(&hand, &deliveries);
    let folder = stage.program.folder().join("state");
    let rows = server.execute("hidden", "SELECT * FROM webhooks, audit").await.unwrap();
    let Stage { mut program, client, space, receiver: _receiver } = stage;
    program.sigterm();
    assert!(program.wait(SOON).await.unwrap().success());
    let log = program.log();
    assert!(log.len() < 5_000, "the beginning of the log is forgotten");
    assert!(log.iter().any(|line| line.contains("DEBUG") || line.contains("TRACE")));
    let mut places = vec![
        ("the log".to_owned(), log.join("\n").into_bytes()),
        ("the metrics".to_owned(), metrics.into_bytes()),
        ("the list of deliveries".to_owned(), deliveries.into_bytes()),
        ("the deliveries".to_owned(), details.into_bytes()),
        ("the database".to_owned(), rows.into_bytes()),
    ];
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        places.push((file.display().to_string(), fs::read(&file).unwrap()));
    }
    for (place, bytes) in &places {
        for secret in &secrets {
            // A URL with its query is what a database of webhooks is for; the saved list is sealed.
            if place == "the database" && secret == QUERY {
                continue;
            }
            let held = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!held, "{secret} is readable in {place}");
        }
    }
    drop((program, client));
    space.close().await.unwrap();
}

/// Events and answers are packed where they are kept: what can be seen of them is looked at.
fn details(hand: &Hand<'_>, listed: &str) -> String {
    let listed: serde_json::Value = serde_json::from_str(listed).unwrap();
    let listed = listed["items"].as_array().unwrap();
    assert!(!listed.is_empty());
    let each = |one: &serde_json::Value| {
        let seen = hand.get(&format!("/deliveries/{}", one["id"].as_str().unwrap()));
        assert_eq!(seen.status, 200, "{}", seen.body);
        seen.body
    };
    listed.iter().map(each).collect()
}
