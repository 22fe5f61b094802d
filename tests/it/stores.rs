//! Webhooks in a database: what is changed there is live within a second in every replica, secrets
//! are readable nowhere, and a database that is away stops nothing.

use std::fs;

use serde_json::Value;
use testbed::eventually;
use testbed::page;
use testbed::postgres::Server;
use testbed::program::{self, Program};
use testbed::receiver::{Answer, Receiver, Script};
use testbed::setup::Setup;
use testbed::space::Space;

use crate::stage::{PREFIX, SOON};

/// The base64 of 32 bytes.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// The command line of the program, on the configuration of one that serves.
struct Hand {
    config: String,
}

impl Hand {
    fn of(program: &Program) -> Self {
        Self { config: program.folder().join("config.toml").display().to_string() }
    }

    async fn try_webhooks(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let arguments = [&["webhooks"], arguments, &["--config", &self.config]].concat();
        let output = program::run(&arguments, &[]).await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap().trim().to_owned())
    }

    async fn webhooks(&self, arguments: &[&str]) -> String {
        let (code, said) = self.try_webhooks(arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        said
    }

    /// Makes a webhook; gives its id and its secret.
    async fn create(&self, url: &str) -> [String; 2] {
        let made = self.webhooks(&["create", url, "--json"]).await;
        let made: Value = serde_json::from_str(&made).unwrap();
        ["id", "secret"].map(|key| made[key].as_str().unwrap().to_owned())
    }

    /// Whether the receiver's recipe accepts a signature.
    async fn verifies(&self, body: &[u8], secret: &str, signature: &str) -> bool {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), body).unwrap();
        let path = file.path().display().to_string();
        let arguments = ["verify", "--signature", signature, &path];
        let output = program::run(&arguments, &[("WEBHOOK_SECRET", secret)]).await.unwrap();
        output.status.success()
    }
}

/// Waits until a program has so many webhooks live.
async fn live(program: &Program, webhooks: f64) {
    eventually("the change is live", SOON, || async {
        let metrics = program.metrics().ok()?;
        (metrics.sum(&format!("{PREFIX}_webhooks"), &[]) == webhooks).then_some(())
    })
    .await
    .unwrap();
}

/// The secret of the second of two rotations.
async fn rotated_again(hand: &Hand, id: &str) -> String {
    // One that is rotated again at once never comes to sign alone, and who has it is told.
    let first = hand.webhooks(&["rotate", id]).await;
    assert!(first.contains(&format!("the old secret of {id} signs, too, until 2")), "{first}");
    assert!(!first.contains("a rotation was under way"), "{first}");
    let again = hand.webhooks(&["rotate", id]).await;
    assert!(again.contains("a rotation was under way"), "{again}");
    assert!(again.contains("the old secret and the one made now sign until 2"), "{again}");
    let next = again.lines().next().unwrap().to_owned();
    assert_ne!(Some(next.as_str()), first.lines().next());
    next
}

async fn the_life_of_a_webhook(store: &str, key: Option<&str>) -> [String; 2] {
    let space = Space::open().await.unwrap();
    let receiver = Receiver::start(Script::ok()).await.unwrap();
    let setup = Setup::new(&space).set("webhooks.store", store);
    let setup = match key {
        Some(key) => setup.set("webhooks.encryption_key", key),
        None => setup,
    };
    let mut program = Program::start(&setup).await.unwrap();
    let client = space.client().await.unwrap();
    let publish = async |id: &str| {
        let exchange = &space.names().events_exchange;
        client.publish_event(exchange, "domain.added", id, page::PAYLOAD).await.unwrap();
    };
    let hand = Hand::of(&program);

    // What is sent as soon as it is made meets it.
    let [id, secret] = hand.create(&receiver.url("/hook")).await;
    publish("evt_1").await;
    let first = receiver.wait_for(1, SOON).await.unwrap();
    assert!(hand.verifies(&first[0].body, &secret, first[0].header("x-boottify-signature")).await);

    // A rotation: the page's receivers compare one value, Standard Webhooks knows several.
    let next = rotated_again(&hand, &id).await;
    assert_ne!(next, secret);
    let rotated = eventually("both secrets sign", SOON, || async {
        publish(&format!("evt_{}", receiver.count() + 1)).await;
        let last = receiver.requests().pop()?;
        (last.header("webhook-signature").split(' ').count() == 2).then_some(last)
    });
    let rotated = rotated.await.unwrap();
    let signature = rotated.header("x-boottify-signature");
    assert!(hand.verifies(&rotated.body, &secret, signature).await);
    assert!(!hand.verifies(&rotated.body, &next, signature).await);
    hand.webhooks(&["promote", &id]).await;
    eventually("the new secret signs alone", SOON, || async {
        publish(&format!("evt_{}", receiver.count() + 1)).await;
        let last = receiver.requests().pop()?;
        let alone = last.header("webhook-signature").split(' ').count() == 1;
        let signature = last.header("x-boottify-signature").to_owned();
        (alone && hand.verifies(&last.body, &next, &signature).await).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(hand.try_webhooks(&["promote", &id]).await.0, Some(1), "there is nothing left");

    // 410 is written into the database, so that every replica knows it.
    receiver.answer("/hook", Script::always(Answer::status(410)));
    publish("evt_gone").await;
    eventually("it is disabled", SOON, || async {
        let list: Value = serde_json::from_str(&hand.webhooks(&["list", "--json"]).await).ok()?;
        (list[0]["enabled"] == false && list[0]["disabledReason"].is_string()).then_some(())
    })
    .await
    .unwrap();
    let enabled = hand.webhooks(&["enable", &id]).await;
    let elsewhere = if key.is_some() { "; in other replicas within a second" } else { "" };
    assert_eq!(enabled, format!("enabled {id} (live{elsewhere})"));
    hand.webhooks(&["delete", &id]).await;
    live(&program, 0.0).await;
    assert_eq!(hand.try_webhooks(&["enable", &id]).await.0, Some(1));

    program.sigterm();
    assert!(program.wait(SOON).await.unwrap().success());
    let alone = hand.webhooks(&["create", &receiver.url("/hook")]).await;
    assert!(alone.contains("no service with this store answers at"), "{alone}");
    assert!(alone.contains("(live within a second where a service reads this store)"), "{alone}");
    let log = program.log().join("\n");
    for secret in [&secret, &next] {
        assert!(!log.contains(secret.as_str()), "{log}");
    }
    drop((program, client));
    space.close().await.unwrap();
    [secret, next]
}

#[tokio::test]
async fn a_webhook_lives_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made").join("webhooks.db");
    let store = format!("sqlite://{}", path.display());
    let secrets = the_life_of_a_webhook(&store, None).await;
    for file in fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap().path();
        let bytes = fs::read(&file).unwrap();
        for secret in &secrets {
            let held = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!held, "a secret is readable in {}", file.display());
        }
    }
}

/// What the command line says of a webhook is what it is, and what is not said stays.
#[tokio::test]
async fn the_command_line_changes_what_it_names() {
    let space = Space::open().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}", folder.path().join("webhooks.db").display());
    let program = Program::start(&Setup::new(&space).set("webhooks.store", store)).await.unwrap();
    let hand = Hand::of(&program);
    let where_main = ["--where", "/deployment/meta/gitBranch=main", "--where", "/project/n=7"];
    let made =
        [&["create", "https://a.example/x", "--json", "--event", "deployment.*"], &where_main[..]];
    let made: Value = serde_json::from_str(&hand.webhooks(&made.concat()).await).unwrap();
    let id = made["id"].as_str().unwrap();
    let shown = async || -> Value {
        serde_json::from_str(&hand.webhooks(&["show", id, "--json"]).await).unwrap()
    };
    let first = shown().await;
    let condition = serde_json::json!([
        { "pointer": "/deployment/meta/gitBranch", "in": ["main"] },
        { "pointer": "/project/n", "in": [7] },
    ]);
    assert_eq!(first["condition"], condition);
    assert_eq!(first["keepWhileDisabled"], true);
    let change = ["update", id, "--url", "https://b.example/y", "--max-in-flight", "3"];
    hand.webhooks(
        &[&change[..], &["--keep-while-disabled", "false", "--project", "prj_1"]].concat(),
    )
    .await;
    let second = shown().await;
    assert_eq!(second["url"], "https://b.example/y");
    assert_eq!((&second["maxInFlight"], &second["keepWhileDisabled"]), (&3.into(), &false.into()));
    assert_eq!((&second["condition"], &second["events"]), (&first["condition"], &first["events"]));
    hand.webhooks(&["update", id, "--unconditional", "--all-projects"]).await;
    let third = shown().await;
    assert_eq!(
        (&third["condition"], third["projects"].as_array().unwrap().len()),
        (&Value::Null, 0)
    );
    for (wrong, why) in [
        (&["update", id, "--where", "branch=main"][..], "is no JSON pointer"),
        (&["update", id, "--where", "/branch"], "is no POINTER=VALUE"),
        (&["update", id, "--event", "deploy.*"], "matches no known event type"),
        (&["update", id, "--url", "ftp://a.example/"], "http"),
        (&["update", id, "--url", "https://10.0.0.1/"], "which webhooks must not reach"),
        (&["create", "https://[::ffff:10.0.0.1]/"], "which webhooks must not reach"),
        (&["update", id, "--max-in-flight", "0"], "from 1 to 10000"),
        (&["rotate", id, "--overlap", "31days"], "at most 30days"),
    ] {
        let (code, said) = hand.try_webhooks(wrong).await;
        assert_eq!(code, Some(2), "{wrong:?}: {said}");
        assert!(said.contains(why), "{wrong:?}: {said}");
    }
    assert_eq!(shown().await, third, "a mistake changes nothing");
    drop(program);
    space.close().await.unwrap();
}

#[tokio::test]
async fn a_webhook_lives_in_postgres() {
    let server = Server::start().await.unwrap();
    let url = server.database("webhooks").await.unwrap();
    the_life_of_a_webhook(&url, Some(KEY)).await;
    let audit = "SELECT action FROM audit ORDER BY id";
    let audit = server.execute("webhooks", audit).await.unwrap();
    let expected = "created\nsecret rotated\nsecret rotated\nsecret promoted\ndisabled\nupdated\ndeleted\ncreated";
    assert_eq!(audit, expected);
}

#[tokio::test]
async fn postgres_without_a_shared_key_is_refused() {
    let space = Space::open().await.unwrap();
    let setup = Setup::new(&space).set("webhooks.store", "postgres://u:hunter2@127.0.0.1:1/x");
    let mut program = Program::launch(&setup, &[]).await.unwrap();
    assert_eq!(program.wait(SOON).await.unwrap().code(), Some(2));
    program.logged("encryption_key_file", SOON).await.unwrap();
    let log = program.log().join("\n");
    assert!(!log.contains("hunter2"), "{log}");
    space.close().await.unwrap();
}

/// Two replicas share the webhooks. While their database is away, both go on with what they know,
/// also over a restart, and changes resume by themselves.
#[tokio::test]
async fn replicas_outlive_their_database() {
    let mut server = Server::start().await.unwrap();
    let url = server.database("webhooks").await.unwrap();
    let space = Space::open().await.unwrap();
    let receiver = Receiver::start(Script::ok()).await.unwrap();
    let setup =
        Setup::new(&space).set("webhooks.store", url.as_str()).set("webhooks.encryption_key", KEY);
    let mut one = Program::start(&setup).await.unwrap();
    let mut other = Program::start(&setup).await.unwrap();
    let hand = Hand::of(&one);
    let [_, secret] = hand.create(&receiver.url("/a")).await;
    live(&one, 1.0).await;
    live(&other, 1.0).await;

    server.stop().await.unwrap();
    eventually("it is told that the store is away", SOON, || async {
        let failing = one.metrics().ok()?.value(&format!("{PREFIX}_store_failing"), &[])?;
        (failing == 1.0).then_some(())
    })
    .await
    .unwrap();
    other.kill9().unwrap();
    other.start_again().await.unwrap();
    live(&other, 1.0).await;
    let client = space.client().await.unwrap();
    let exchange = &space.names().events_exchange;
    for n in 0..20 {
        let id = format!("evt_{n}");
        client.publish_event(exchange, "domain.added", &id, page::PAYLOAD).await.unwrap();
    }
    receiver.wait_for(20, SOON).await.unwrap();
    assert_eq!(hand.try_webhooks(&["create", "https://b.example/"]).await.0, Some(1));

    one.logged("the delivery log cannot be written: ", SOON).await.unwrap();
    server.start_again().await.unwrap();
    one.logged("the delivery log can be written again", SOON).await.unwrap();
    eventually("changes are taken again", SOON, || async {
        (hand.try_webhooks(&["create", "https://b.example/"]).await.0 == Some(0)).then_some(())
    })
    .await
    .unwrap();
    live(&one, 2.0).await;
    live(&other, 2.0).await;
    for program in [&one, &other] {
        let saved = fs::read(program.folder().join("state").join("webhooks.saved")).unwrap();
        let held = saved.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!held, "a secret is readable in the saved list");
        assert!(!program.log().join("\n").contains(&secret));
    }
    for program in [&mut one, &mut other] {
        program.sigterm();
        assert!(program.wait(SOON).await.unwrap().success());
    }
    drop((one, other, client));
    space.close().await.unwrap();
}
