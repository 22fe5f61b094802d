//! A PostgreSQL that is away: what is live can still be looked at, page and API say what they cannot
//! do now, and go on by themselves.

use serde_json::{Value, json};
use testbed::eventually;
use testbed::loopback;
use testbed::postgres::Server;
use testbed::program::Program;
use testbed::space::Space;

use super::sessions::sign_in;
use super::{ADMIN, Hand, json_of, on_postgres, problem};
use crate::stage::SOON;

/// A path of the page, as whoever signed in sees it.
fn page(program: &Program, cookie: &str, path: &str) -> (u16, String) {
    let headers = format!("cookie: {cookie}\r\n");
    let answer =
        loopback::request(program.admin(), "GET", &format!("/admin{path}"), &headers, "").unwrap();
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_lost_postgres_is_told_and_waited_for() {
    let mut server = Server::start().await.unwrap();
    let url = server.database("webhooks").await.unwrap();
    let space = Space::open().await.unwrap();
    let setup = on_postgres(&space, &url);
    let program = Program::start(&setup).await.unwrap();
    let hand = Hand { program: &program, token: ADMIN };
    let cookie = sign_in(&program);
    let webhook = |n: u8| json!({ "url": format!("https://{n}.example/"), "events": ["*"] });
    let [id, _] = hand.create(&webhook(1));
    let (listed, place) = ("/webhooks", format!("/webhooks/{id}"));

    server.stop().await.unwrap();
    eventually("the page tells it", SOON, || async {
        let (status, page) = page(&program, &cookie, listed);
        (status == 200 && page.contains("store-trouble")).then_some(())
    })
    .await
    .unwrap();
    let (_, list) = page(&program, &cookie, listed);
    assert!(list.contains("https://1.example/"), "what is live is shown: {list}");
    let (status, one) = page(&program, &cookie, &place);
    assert!(status == 200 && one.contains("https://1.example/"), "{status} {one}");
    assert_eq!(json_of(&hand.get(listed))["items"][0]["id"], id.as_str());
    assert_eq!(json_of(&hand.get(&place))["id"], id.as_str());
    problem(&hand.get("/deliveries"), 503, "store-away");
    problem(&hand.get("/audit"), 503, "store-away");
    for changed in [
        hand.post(listed, &webhook(2)),
        hand.post(&format!("{place}/rotate-secret"), &json!({})),
        hand.send("DELETE", &place, "", ""),
    ] {
        let told = problem(&changed, 503, "store-away");
        let (detail, hidden) = (told["detail"].as_str().unwrap(), url.split('@').next().unwrap());
        assert!(detail.contains("127.0.0.1") && !detail.contains(hidden), "{detail}");
    }

    server.start_again().await.unwrap();
    let made = eventually("changes are taken again", SOON, || async {
        let made = hand.post(listed, &webhook(3));
        (made.status == 201).then(|| json_of(&made))
    });
    let made: Value = made.await.unwrap();
    let items = json_of(&hand.get(listed));
    let ids: Vec<_> = items["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
    assert!(ids.len() == 2 && ids.contains(&&made["webhook"]["id"]), "{items}");
    eventually("the page is well again", SOON, || async {
        (!page(&program, &cookie, listed).1.contains("store-trouble")).then_some(())
    })
    .await
    .unwrap();
    drop(program);
    space.close().await.unwrap();
}
