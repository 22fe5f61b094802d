//! The way of an event as a collector of traces is told it, and what a receiver, the log and the
//! metrics say of it.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::Value;
use testbed::amqp::event_properties;
use testbed::collector::{Collector, Span};
use testbed::eventually;
use testbed::loopback;
use testbed::page;
use testbed::ports::Port;
use testbed::program::Program;
use testbed::receiver::{Answer, Authority, Script};
use testbed::setup::{Setup, Webhook};
use testbed::space::Space;

use crate::stage::{SOON, Stage};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const STATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";

/// Publishes an event in the trace of its publisher.
async fn publish(stage: &Stage, id: &str, traceparent: &str, body: &[u8]) {
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.into()));
    headers.insert("tracestate".into(), AMQPValue::LongString(STATE.into()));
    let properties = event_properties(id).with_headers(headers);
    let exchange = &stage.space.names().events_exchange;
    stage.client.publish(exchange, "domain.added", properties, body).await.unwrap();
}

fn one<'a>(spans: &'a [Span], what: &str, is_it: impl Fn(&Span) -> bool) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| is_it(span)).collect();
    assert_eq!(found.len(), 1, "{what}: {spans:#?}");
    found[0]
}

#[tokio::test]
async fn one_trace_leads_from_the_publisher_over_a_retry_to_the_receiver() {
    let collector = Collector::start(Script::ok()).await.unwrap();
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/hook", Script::fail(1, 503));
        let webhook = Webhook::new("whk_1", &receiver.url("/hook"));
        let webhook = webhook.retry("first_delay", "1s").retry("jitter", 0.0);
        setup
            .set("traces.endpoint", collector.endpoint())
            .set("traces.headers", "x-scope=tenant%201")
            .webhook(webhook)
    })
    .await;
    publish(&stage, "evt_1", SAMPLED, &page::event("domain.added", "prj_1")).await;
    let spans = collector.wait_for(6, SOON).await.unwrap();
    assert_eq!(spans.len(), 6, "{spans:#?}");
    assert!(spans.iter().all(|span| span.trace == TRACE && span.state == STATE), "{spans:#?}");
    assert!(spans.iter().all(|span| span.resource["service.name"] == "boottify-webhooks"));

    let names = stage.space.names();
    let from = |queue: &str| format!("process {queue}");
    let process = one(&spans, "event", |span| span.name == from(&names.events_queue));
    assert_eq!((process.kind, process.parent.as_str()), (SpanKind::Consumer, &SAMPLED[36..52]));
    assert_eq!(process.get("messaging.system"), "rabbitmq");
    assert_eq!(process.get("messaging.message.id"), "evt_1");
    assert_eq!(process.get("boottify.event.type"), "domain.added");
    let search = one(&spans, "match", |span| span.name == "match");
    assert_eq!((search.kind, &search.parent), (SpanKind::Internal, &process.id));
    assert_eq!(search.get("boottify.webhooks.matched"), "1");

    let attempt = |number: &str| {
        one(&spans, number, |span| span.name == "POST" && span.get("boottify.attempt") == number)
    };
    let first = attempt("1");
    assert_eq!((first.kind, &first.parent), (SpanKind::Client, &process.id));
    assert!(first.failed && first.took > Duration::ZERO);
    let requests = stage.receiver.requests();
    let expected = [
        ("error.type", "http_503"),
        ("http.request.method", "POST"),
        ("http.response.status_code", "503"),
        ("server.address", "127.0.0.1"),
        ("server.port", &stage.receiver.address().port().to_string()),
        ("boottify.webhook.id", "whk_1"),
        ("boottify.delivery.id", requests[0].delivery()),
        ("boottify.next", "retry"),
        ("boottify.retry.delay_ms", "1000"),
    ];
    for (key, value) in expected {
        assert_eq!(first.get(key), value, "{key}");
    }
    let retry = one(&spans, "retry", |span| span.kind == SpanKind::Producer);
    assert_eq!((&retry.parent, retry.failed), (&process.id, false));
    assert_eq!(retry.get("boottify.parked.delay_ms"), "1000");
    let back = one(&spans, "back", |span| span.name == from(&names.deliveries_queue));
    assert_eq!((back.kind, &back.parent), (SpanKind::Consumer, &retry.id));
    let second = attempt("2");
    assert_eq!((&second.parent, second.failed), (&back.id, false));
    assert_eq!(second.get("boottify.next"), "delivered");
    assert_eq!(second.get("http.request.resend_count"), "1");

    let told: Vec<_> = requests.iter().map(|request| request.header("traceparent")).collect();
    assert_eq!(told, [first.traceparent(), second.traceparent()]);
    assert!(requests.iter().all(|request| request.header("tracestate") == STATE));
    let secret = collector.requests();
    assert!(secret.iter().all(|request| request.header("x-scope") == "tenant 1"));
    stage.reaches("trace_spans_total", &[("outcome", "exported")], 6.0).await;
    assert_eq!(stage.sum("trace_spans_waiting", &[]), 0.0);
    stage.close().await;
}

#[tokio::test]
async fn what_its_publisher_does_not_record_is_passed_on_and_not_told() {
    let collector = Collector::start(Script::ok()).await.unwrap();
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/hook", Script::fail(1, 500));
        let webhook = Webhook::new("whk_1", &receiver.url("/hook"));
        setup
            .set("traces.endpoint", collector.endpoint())
            .set("traces.sample_ratio", 1.0)
            .webhook(webhook.retry("first_delay", "1s"))
    })
    .await;
    let body = page::event("domain.added", "prj_1");
    publish(&stage, "evt_1", UNSAMPLED, &body).await;
    let requests = stage.receiver.wait_for(2, SOON).await.unwrap();
    assert!(requests.iter().all(|request| request.header("traceparent") == UNSAMPLED));
    assert!(requests.iter().all(|request| request.header("tracestate") == STATE));
    // What is no trace context is none: this event begins a trace.
    publish(&stage, "evt_2", &SAMPLED.to_uppercase(), &body).await;
    let spans = collector.wait_for(3, SOON).await.unwrap();
    assert!(spans.iter().all(|span| span.trace != TRACE && span.state.is_empty()), "{spans:#?}");
    let process = one(&spans, "root", |span| span.parent.is_empty());
    assert_eq!(process.get("messaging.message.id"), "evt_2");
    stage.close().await;
}

#[tokio::test]
async fn receivers_are_told_nothing_where_that_is_not_wanted() {
    let authority = Authority::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pem = authority.write_pem(folder.path()).unwrap();
    let identity = authority.identity("localhost").unwrap();
    let collector = Collector::start_tls(Script::ok(), &identity).await.unwrap();
    let port = collector.address().port();
    let stage = Stage::new(|setup, receiver| {
        setup
            .set("traces.endpoint", format!("https://localhost:{port}"))
            .set("traces.ca_file", pem.to_str().unwrap())
            .set("traces.propagate", false)
            .webhook(Webhook::new("whk_1", &receiver.url("/hook")))
    })
    .await;
    publish(&stage, "evt_1", SAMPLED, &page::event("domain.added", "prj_1")).await;
    assert_eq!(collector.wait_for(3, SOON).await.unwrap().len(), 3);
    let request = &stage.receiver.wait_for(1, SOON).await.unwrap()[0];
    assert_eq!((request.header("traceparent"), request.header("tracestate")), ("", ""));
    stage.close().await;
}

/// Nobody listens; somebody never answers; somebody refuses for good.
#[tokio::test]
async fn a_collector_that_takes_nothing_is_told_of_once_and_holds_up_nothing() {
    let nobody = Port::take().unwrap();
    let silent = Collector::start(Script::always(Answer::hang())).await.unwrap();
    let refusing = Collector::start(Script::always(Answer::status(401))).await.unwrap();
    let nobody = format!("http://{}", nobody.address());
    for endpoint in [nobody, silent.endpoint(), refusing.endpoint()] {
        let stage = Stage::new(|setup, receiver| {
            setup
                .set("traces.endpoint", endpoint.as_str())
                .set("traces.timeout", "100ms")
                .set("traces.sample_ratio", 1.0)
                .set("traces.max_waiting_spans", 512)
                .webhook(Webhook::new("whk_1", &receiver.url("/hook")))
        })
        .await;
        for n in 0..400 {
            stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
        }
        stage.reaches("deliveries_total", &[("outcome", "delivered")], 400.0).await;
        // Three spans for each: a batch on its way, as many as may wait, and those beyond.
        stage.program.logged("does not take traces", SOON).await.unwrap();
        let lost = ["dropped", "failed"].map(|outcome| ("outcome", outcome));
        if endpoint == refusing.endpoint() {
            stage.reaches("trace_spans_total", &[lost[1]], 512.0).await;
        } else {
            stage.reaches("trace_spans_total", &[lost[0]], 100.0).await;
        }
        assert_eq!(stage.sum("trace_spans_total", &[("outcome", "exported")]), 0.0);
        let log = stage.program.log();
        let lines = log.iter().filter(|line| line.contains("take traces")).count();
        assert_eq!(lines, 1, "{}", log.join("\n"));
        stage.close().await;
    }
}

#[tokio::test]
async fn a_collector_that_comes_back_gets_what_waited_and_the_end_brings_out_the_rest() {
    let collector = Collector::start(Script::fail(1, 503)).await.unwrap();
    let mut stage = Stage::new(|setup, receiver| {
        setup
            .set("traces.endpoint", collector.endpoint())
            .webhook(Webhook::new("whk_1", &receiver.url("/hook")))
    })
    .await;
    let body = page::event("domain.added", "prj_1");
    publish(&stage, "evt_1", SAMPLED, &body).await;
    assert_eq!(collector.wait_for(3, SOON).await.unwrap().len(), 3);
    stage.program.logged("takes traces again", SOON).await.unwrap();
    publish(&stage, "evt_2", SAMPLED, &body).await;
    stage.settled(2).await;
    stage.program.sigterm();
    assert!(stage.program.wait(SOON).await.unwrap().success());
    assert_eq!(collector.spans().unwrap().len(), 6);
    drop((stage.program, stage.client));
    stage.space.close().await.unwrap();
}

/// By itself it would be asked again after a second.
#[tokio::test]
async fn a_collector_that_asks_for_time_is_left_alone_for_so_long() {
    let busy = Answer::retry_after(429, "3");
    let collector = Collector::start(Script::sequence([busy], Answer::status(200))).await.unwrap();
    let stage = Stage::new(|setup, receiver| {
        setup
            .set("traces.endpoint", collector.endpoint())
            .webhook(Webhook::new("whk_1", &receiver.url("/hook")))
    })
    .await;
    publish(&stage, "evt_1", SAMPLED, &page::event("domain.added", "prj_1")).await;
    assert_eq!(collector.wait_for(3, SOON).await.unwrap().len(), 3);
    let at: Vec<_> = collector.requests().iter().map(|request| request.at).collect();
    // Answer and request are not told of at the same moment.
    assert!(at[1] - at[0] > Duration::from_millis(2_900), "{:?}", at[1] - at[0]);
    stage.close().await;
}

/// A dead letter goes on in its trace. What only the log knows begins one, by the ratio: the log
/// keeps none.
#[tokio::test]
async fn what_people_send_again_is_in_a_trace_too() {
    let collector = Collector::start(Script::ok()).await.unwrap();
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/hook", Script::fail(1, 500));
        let webhook = Webhook::new("whk_1", &receiver.url("/hook"));
        setup
            .set("traces.endpoint", collector.endpoint())
            .set("traces.sample_ratio", 1.0)
            .webhook(webhook.retry("first_delay", "5s").retry("give_up_after", "1s"))
    })
    .await;
    publish(&stage, "evt_1", SAMPLED, &page::event("domain.added", "prj_1")).await;
    let delivery = stage.receiver.wait_for(1, SOON).await.unwrap()[0].delivery().to_owned();
    let path = format!("/api/v1/deliveries/{delivery}");
    let is = |state: &'static str| {
        let (path, admin) = (path.clone(), stage.program.admin());
        eventually("the log knows", SOON, move || {
            let shown = loopback::get(admin, &path).ok();
            let shown = shown.and_then(|shown| serde_json::from_str::<Value>(&shown.body).ok());
            let found = shown.filter(|shown| shown["delivery"]["state"] == state).map(drop);
            async move { found }
        })
    };
    let again = || {
        let path = format!("{path}/redeliver");
        let answer = loopback::request(stage.program.admin(), "POST", &path, "", "").unwrap();
        assert_eq!(answer.status, 202, "{}", answer.body);
    };
    let attempt = async |number: &'static str| {
        let found = eventually("the attempt is told", SOON, || async {
            let spans = collector.spans().unwrap();
            spans.into_iter().find(|span| span.get("boottify.attempt") == number)
        });
        found.await.unwrap()
    };

    is("dead").await.unwrap();
    again();
    assert_eq!(attempt("2").await.trace, TRACE);
    is("delivered").await.unwrap();
    again();
    let third = attempt("3").await;
    assert_ne!(third.trace, TRACE);
    let told = &stage.receiver.requests()[2];
    assert_eq!(told.header("traceparent"), third.traceparent());
    stage.close().await;
}

#[tokio::test]
async fn lines_of_the_log_name_their_trace() {
    let collector = Collector::start(Script::ok()).await.unwrap();
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/gone", Script::always(Answer::status(410)));
        setup
            .set("log.format", "json")
            .set("traces.endpoint", collector.endpoint())
            .webhook(Webhook::new("whk_good", &receiver.url("/good")))
            .webhook(Webhook::new("whk_gone", &receiver.url("/gone")))
    })
    .await;
    let quiet = stage.program.log().len();
    let following = stage.client.follow(&stage.space.names().ops_exchange).await.unwrap();
    publish(&stage, "evt_1", SAMPLED, &page::event("domain.added", "prj_1")).await;
    publish(&stage, "evt_2", SAMPLED, b"no event").await;
    let spans = collector.wait_for(6, SOON).await.unwrap();
    for (text, event, span) in [
        (
            "a delivery is dead",
            "evt_1",
            one(&spans, "bury", |span| span.kind == SpanKind::Producer),
        ),
        (
            "a message was rejected",
            "evt_2",
            one(&spans, "rejected", |span| span.kind == SpanKind::Consumer && span.failed),
        ),
    ] {
        let line = stage.program.logged(text, SOON).await.unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["event.id"], event, "{line}");
        assert_eq!(
            (&line["trace_id"], &line["span_id"]),
            (&TRACE.into(), &span.id.as_str().into())
        );
    }
    // That the webhook was disabled is told, too, before or after.
    let mut told = Vec::new();
    for _ in 0..2 {
        let event = stage.client.wait_for(&following, SOON).await.unwrap();
        told.push(serde_json::from_slice::<Value>(&event.body).unwrap());
    }
    let dead = told.iter().find(|event| event["type"] == "delivery.dead").unwrap();
    assert_eq!(dead["traceId"], TRACE);
    // The delivery that went well said nothing.
    let log = stage.program.log();
    assert!(!log[quiet..].iter().any(|line| line.contains("whk_good")), "{}", log.join("\n"));
    stage.close().await;
}

#[tokio::test]
async fn a_platforms_own_variables_count_where_nothing_else_is_said() {
    let collector = Collector::start(Script::ok()).await.unwrap();
    let space = Space::open().await.unwrap();
    let receiver = testbed::receiver::Receiver::start(Script::ok()).await.unwrap();
    let setup = Setup::new(&space).webhook(Webhook::new("whk_1", &receiver.url("/hook")));
    let environment = [
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio".to_owned()),
        ("OTEL_TRACES_SAMPLER_ARG", "1.0".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "1000".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-scope=of-all".to_owned()),
        ("OTEL_SERVICE_NAME", "hooks".to_owned()),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.namespace.name=shop,nonsense".to_owned()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()),
        // What is for traces comes first; this one cannot be read.
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "hunter2".to_owned()),
    ];
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut program = Program::launch(&setup, &environment).await.unwrap();
    program.ready().await.unwrap();
    let stage = Stage { program, client: space.client().await.unwrap(), receiver, space };
    stage.publish("domain.added", "prj_1", "evt_1").await;
    let spans = collector.wait_for(3, SOON).await.unwrap();
    let resource = &spans[0].resource;
    assert_eq!(
        (resource["service.name"].as_str(), resource["k8s.namespace.name"].as_str()),
        ("hooks", "shop")
    );
    assert!(collector.requests().iter().all(|request| request.header("x-scope") == "of-all"));
    // A mistake ends nothing and is told once.
    let log = stage.program.log();
    let wrong = ["RESOURCE_ATTRIBUTES", "EXPORTER_OTLP_PROTOCOL", "EXPORTER_OTLP_TRACES_ENDPOINT"];
    for name in wrong.into_iter().chain(["BSP_SCHEDULE_DELAY"]) {
        let lines = log.iter().filter(|line| line.contains(&format!("OTEL_{name}: ")));
        assert_eq!(lines.count(), 1, "{name}: {}", log.join("\n"));
    }
    assert!(!log.iter().any(|line| line.contains("hunter2")));
    let told = format!("traces go to {}/v1/traces: all that", collector.endpoint());
    assert_eq!(log.iter().filter(|line| line.contains(&told)).count(), 1, "{}", log.join("\n"));
    stage.close().await;
}

#[tokio::test]
async fn the_standards_off_switch_is_above_all() {
    let collector = Collector::start(Script::ok()).await.unwrap();
    let space = Space::open().await.unwrap();
    let receiver = testbed::receiver::Receiver::start(Script::ok()).await.unwrap();
    let setup = Setup::new(&space)
        .set("traces.endpoint", collector.endpoint())
        .set("traces.sample_ratio", 1.0)
        .webhook(Webhook::new("whk_1", &receiver.url("/hook")));
    let mut program = Program::launch(&setup, &[("OTEL_SDK_DISABLED", "true")]).await.unwrap();
    program.ready().await.unwrap();
    let mut stage = Stage { program, client: space.client().await.unwrap(), receiver, space };
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.settled(1).await;
    stage.program.logged("OTEL_SDK_DISABLED is true: no traces", SOON).await.unwrap();
    stage.program.logged("no traces: OTEL_SDK_DISABLED is true", SOON).await.unwrap();
    // What was recorded would be brought out at the end.
    stage.program.sigterm();
    assert!(stage.program.wait(SOON).await.unwrap().success());
    assert!(collector.requests().is_empty());
    drop((stage.program, stage.client));
    stage.space.close().await.unwrap();
}
