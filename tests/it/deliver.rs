//! Every event reaches every webhook that matches it and no other, signed as the page says.

use testbed::amqp::event_properties;
use testbed::node::{self, PageReceiver};
use testbed::page;
use testbed::program;
use testbed::receiver::{Authority, Receiver, Script};
use testbed::setup::{SECRET, Setup, Webhook};
use testbed::space::Space;

use crate::stage::{SOON, Stage};

#[tokio::test]
async fn the_request_is_what_the_contract_says() {
    let stage = Stage::new(|setup, receiver| {
        setup.webhook(Webhook::new("whk_1", &receiver.url("/hook?a=b")).header("x-team", "shop"))
    })
    .await;
    stage.publish_body("deployment.succeeded", "evt_page", page::PAYLOAD).await;
    let requests = stage.receiver.wait_for(1, SOON).await.unwrap();
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook?a=b"));
    assert_eq!(request.body, page::PAYLOAD);
    assert_eq!(request.header("content-type"), "application/json");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(request.header("user-agent"), format!("boottify-webhooks/{version}"));
    assert_eq!(request.header("x-boottify-event"), "deployment.succeeded");
    assert_eq!(request.attempt(), 1);
    assert!(request.delivery().starts_with("dlv_"), "{}", request.delivery());
    assert_eq!(request.header("webhook-id"), request.delivery());
    assert_eq!(request.header("x-team"), "shop");
    assert_eq!(request.headers.get_all("x-boottify-signature").iter().count(), 1);

    // The program's own verify says yes to both schemes, and no to another body.
    let folder = tempfile::tempdir().unwrap();
    let [secret, body, other] = ["secret", "body", "other"].map(|name| folder.path().join(name));
    std::fs::write(&secret, SECRET).unwrap();
    std::fs::write(&body, &request.body).unwrap();
    std::fs::write(&other, b"{}").unwrap();
    let verify = async |body: &std::path::Path, options: &[&str]| {
        let (secret, body) = (secret.to_str().unwrap(), body.to_str().unwrap());
        let arguments = [&["verify", "--secret-file", secret], options, &[body]].concat();
        program::run(&arguments, &[]).await.unwrap().status.code()
    };
    let ours = ["--signature", request.header("x-boottify-signature")];
    let standard = [
        "--webhook-signature",
        request.header("webhook-signature"),
        "--webhook-id",
        request.header("webhook-id"),
        "--webhook-timestamp",
        request.header("webhook-timestamp"),
    ];
    assert_eq!(verify(&body, &ours).await, Some(0));
    assert_eq!(verify(&other, &ours).await, Some(1));
    assert_eq!(verify(&body, &standard).await, Some(0));
    assert_eq!(verify(&other, &standard).await, Some(1));
    stage.close().await;
}

#[tokio::test]
async fn the_pages_own_recipe_verifies_every_event() {
    if !node::is_there() {
        eprintln!("NOTICE: skipped, there is no node on this machine");
        return;
    }
    let receiver = PageReceiver::start(SECRET).await.unwrap();
    let url = receiver.url("/webhook");
    let stage = Stage::new(|setup, _| setup.webhook(Webhook::new("whk_page", &url))).await;
    // Keys and numbers that JSON.parse and JSON.stringify reorder and reformat.
    let awkward = r#" {"z":1,"10":"ten","2":[1.0,1e21,0.10,-0,1E3,"\u00e9\/\u2028"],"type":"domain.added",
        "createdAt":"2024-01-15T10:30:00.000+02:00","a":{"b":1,"1":2,"b":3},"__proto__":{"x":[]},
        "domain":{"name":"shop.example"},"project":{"id":"prj_1"}} "#;
    stage.publish_body("domain.added", "evt_awkward", awkward.as_bytes()).await;
    stage.publish_body("deployment.succeeded", "evt_page", page::PAYLOAD).await;
    for kind in page::KINDS {
        stage.publish(kind, "prj_1", &format!("evt_{kind}")).await;
    }
    let received = receiver.wait_for(7, SOON).await.unwrap();
    for request in &received {
        assert!(request.verified, "{request:?}");
    }
    stage.close().await;
}

#[tokio::test]
async fn events_reach_matching_webhooks_and_no_others() {
    let filters: [(&str, &[&str], &[&str]); 7] = [
        ("exact", &["deployment.failed"], &[]),
        ("two", &["deployment.created", "domain.added"], &[]),
        ("deployments", &["deployment.*"], &[]),
        ("domains", &["domain.*"], &[]),
        ("all", &["*"], &[]),
        ("project", &["*"], &["prj_a"]),
        ("projects", &["deployment.*", "deployment.created"], &["prj_a", "prj_b"]),
    ];
    let stage = Stage::new(|setup, receiver| {
        let setup = filters.iter().fold(setup, |setup, (name, events, projects)| {
            let url = receiver.url(&format!("/{name}"));
            let webhook = Webhook::new(&format!("whk_{name}"), &url);
            setup.webhook(webhook.events(events).projects(projects))
        });
        setup.webhook(Webhook::new("whk_off", &receiver.url("/off")).set("enabled", false))
    })
    .await;
    let projects = ["prj_a", "prj_c"];
    for project in projects {
        for kind in page::KINDS {
            stage.publish(kind, project, &format!("evt_{kind}_{project}")).await;
        }
    }
    stage.settled(10).await;

    let covers = |events: &[&str], kind: &str| {
        events.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => kind.starts_with(prefix),
            None => *pattern == kind,
        })
    };
    for (name, events, wanted) in filters {
        let mut expected = Vec::new();
        for project in projects.into_iter().filter(|p| wanted.is_empty() || wanted.contains(p)) {
            expected.extend(
                page::KINDS.iter().filter(|kind| covers(events, kind)).map(|k| (*k, project)),
            );
        }
        let mut got: Vec<_> = stage.receiver.requests_at(&format!("/{name}"));
        got.sort_by_key(|request| request.header("x-boottify-event").to_owned());
        let got: Vec<_> = got
            .iter()
            .map(|request| {
                let body = String::from_utf8_lossy(&request.body).into_owned();
                let project = projects.into_iter().find(|p| body.contains(p)).unwrap();
                (request.header("x-boottify-event").to_owned(), project)
            })
            .collect();
        let mut got: Vec<_> = got.iter().map(|(kind, project)| (kind.as_str(), *project)).collect();
        got.sort_unstable();
        expected.sort_unstable();
        assert_eq!(got, expected, "webhook {name}");
    }
    assert!(stage.receiver.requests_at("/off").is_empty());
    stage.close().await;
}

#[tokio::test]
async fn a_trace_goes_on_at_the_receiver_and_over_a_retry() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/hook", Script::fail(1, 500));
        setup.webhook(Webhook::new("whk_1", &receiver.url("/hook")).retry("first_delay", "1s"))
    })
    .await;
    let mut headers = lapin::types::FieldTable::default();
    let value = lapin::types::AMQPValue::LongString(TRACE.into());
    headers.insert("traceparent".into(), value);
    let properties = event_properties("evt_1").with_headers(headers);
    let exchange = &stage.space.names().events_exchange;
    stage.client.publish(exchange, "x", properties, page::PAYLOAD).await.unwrap();
    let requests = stage.receiver.wait_for(2, SOON).await.unwrap();
    let traces: Vec<_> = requests.iter().map(|request| request.header("traceparent")).collect();
    assert_eq!(traces, [TRACE, TRACE]);
    stage.close().await;
}

#[tokio::test]
async fn ids_are_derived_and_repeat() {
    let stage = Stage::simple().await;
    let body = page::event("domain.added", "prj_1");
    for _ in 0..2 {
        stage.publish_body("domain.added", "evt_same", &body).await;
    }
    let exchange = &stage.space.names().events_exchange;
    for _ in 0..2 {
        let no_id = lapin::BasicProperties::default();
        stage.client.publish(exchange, "domain.added", no_id, &body).await.unwrap();
    }
    let requests = stage.receiver.wait_for(4, SOON).await.unwrap();
    let mut ids: Vec<_> = requests.iter().map(testbed::receiver::Received::delivery).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2, "one id per message id, one per body: {ids:?}");
    stage.close().await;
}

#[tokio::test]
async fn https_is_verified_against_the_trusted_certificates() {
    let authority = Authority::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pem = authority.write_pem(folder.path()).unwrap();
    let identity = authority.identity("localhost").unwrap();
    let secure = Receiver::start_tls(Script::ok(), &identity).await.unwrap();
    let url = format!("https://localhost:{}/hook", secure.address().port());
    let stage = Stage::new(|setup, _| {
        setup
            .set("delivery.ca_file", pem.to_str().unwrap())
            .set("delivery.allow_addresses", vec!["127.0.0.0/8", "::1/128"])
            .webhook(Webhook::new("whk_tls", &url))
    })
    .await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    let requests = secure.wait_for(1, SOON).await.unwrap();
    assert_eq!(format!("{:?}", requests[0].version), "HTTP/2.0");
    stage.close().await;
}

#[tokio::test]
async fn send_publishes_a_sample_that_arrives() {
    let space = Space::open().await.unwrap();
    let receiver = Receiver::start(Script::ok()).await.unwrap();
    let setup = Setup::new(&space).webhook(Webhook::new("whk_1", &receiver.url("/hook")));
    let program = program::Program::start(&setup).await.unwrap();
    let config = program.folder().join("config.toml");
    let config = config.to_str().unwrap();
    for kind in page::KINDS {
        let sent = program::run(&["send", kind, "--config", config], &[]).await.unwrap();
        let said = program::said(&sent);
        assert!(sent.status.success() && said.contains("; 1 webhook matches it"), "{said}");
    }
    let requests = receiver.wait_for(5, SOON).await.unwrap();
    let mut kinds: Vec<_> =
        requests.iter().map(|request| request.header("x-boottify-event")).collect();
    kinds.sort_unstable();
    let mut expected = page::KINDS;
    expected.sort_unstable();
    assert_eq!(kinds, expected);

    // A database that is not there is not an empty one, and looking makes none.
    let absent = program.folder().join("absent").join("w.db");
    let store = format!("sqlite://{}", absent.display());
    let elsewhere = [("BOOTTIFY_WEBHOOKS__WEBHOOKS__STORE", store.as_str())];
    let why = format!("there is no database {}", absent.display());
    let send = ["send", "domain.added", "--config", config];
    let sent = program::run(&send, &elsewhere).await.unwrap();
    let said = program::said(&sent);
    assert!(sent.status.success(), "{said}");
    assert!(said.contains(&format!("; the webhooks cannot be read here: {why}")), "{said}");
    let list = ["webhooks", "list", "--config", config];
    let listed = program::run(&list, &elsewhere).await.unwrap();
    let said = program::said(&listed);
    assert!(listed.status.code() == Some(2) && said.contains(&why), "{said}");
    let checked = program::run(&["check", "--config", config], &elsewhere).await.unwrap();
    let said = program::said(&checked);
    assert!(checked.status.success() && said.contains(&format!("valid; {why}")), "{said}");
    assert!(!absent.parent().unwrap().exists());

    let unknown = program::run(&["send", "deployment.exploded", "--config", config], &[]).await;
    assert_eq!(unknown.unwrap().status.code(), Some(1));
}
