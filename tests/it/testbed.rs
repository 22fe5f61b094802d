//! The testbed itself: what all other tests stand on does what it says.
//!
//! Against a real broker and real sockets, without the program.

mod browser;
mod schemathesis;

use std::io::ErrorKind;
use std::time::Duration;

use testbed::amqp::{Client, event_properties};
use testbed::node::{self, PageReceiver, Stringify};
use testbed::page;
use testbed::ports::Port;
use testbed::proxy::{Fault, Proxy};
use testbed::rabbitmq::Broker;
use testbed::receiver::{Answer, Authority, Receiver, Script};
use testbed::setup::SECRET;
use testbed::space::Space;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const SOON: Duration = Duration::from_secs(20);

/// Declares a durable queue that gets everything of a topic exchange.
async fn declare(client: &Client, exchange: &str, queue: &str) {
    use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
    use lapin::types::FieldTable;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let channel = client.channel();
    let kind = lapin::ExchangeKind::Topic;
    channel.exchange_declare(exchange.into(), kind, durable, FieldTable::default()).await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), durable, FieldTable::default()).await.unwrap();
    let options = QueueBindOptions::default();
    let all = FieldTable::default();
    channel.queue_bind(queue.into(), exchange.into(), "#".into(), options, all).await.unwrap();
}

#[tokio::test]
async fn spaces_do_not_see_each_other_and_leave_nothing() {
    let (one, other) = (Space::open().await.unwrap(), Space::open().await.unwrap());
    let exchange = one.names().events_exchange.clone();
    let queue = one.names().events_queue.clone();
    let client = one.client().await.unwrap();
    declare(&client, &exchange, &queue).await;
    client.publish_event(&exchange, "domain.added", "evt_1", page::PAYLOAD).await.unwrap();
    assert_eq!(client.depth(&queue).await.unwrap(), 1);

    let theirs = other.client().await.unwrap();
    assert!(theirs.depth(&other.names().events_queue).await.is_err());

    let message = client.wait_for(&queue, SOON).await.unwrap();
    assert_eq!((message.id(), &message.body[..]), (Some("evt_1"), page::PAYLOAD));
    assert!(client.publish("", "nowhere", event_properties("x"), b"").await.is_err());

    let url = one.url();
    one.close().await.unwrap();
    other.close().await.unwrap();
    if let Ok(client) = Client::connect(&url).await {
        assert!(client.depth(&queue).await.is_err());
    }
}

#[tokio::test]
async fn a_private_broker_stops_starves_and_comes_back_with_its_data() {
    let mut broker = Broker::start().await.unwrap();
    let space = Space::alone(&broker);
    let (exchange, queue) = (&space.names().events_exchange, &space.names().events_queue);
    let client = space.client().await.unwrap();
    declare(&client, exchange, queue).await;
    client.publish_event(exchange, "domain.added", "evt_1", b"1").await.unwrap();

    broker.starve().await.unwrap();
    let publisher = space.client().await.unwrap();
    let blocked = publisher.publish_event(exchange, "domain.added", "evt_2", b"2");
    assert!(timeout(Duration::from_secs(1), blocked).await.is_err(), "an alarmed broker confirms");
    broker.feed().await.unwrap();

    let before = broker.pid().await.unwrap();
    broker.stop().await.unwrap();
    assert!(space.client().await.is_err(), "a stopped broker answers");
    broker.start_again().await.unwrap();
    assert_ne!(broker.pid().await.unwrap(), before);
    let client = space.client().await.unwrap();
    assert_eq!(client.wait_for(queue, SOON).await.unwrap().id(), Some("evt_1"));

    client.publish_event(exchange, "domain.added", "evt_3", b"3").await.unwrap();
    broker.kill().await.unwrap();
    broker.start_again().await.unwrap();
    assert!(space.client().await.unwrap().depth(queue).await.unwrap() > 0);

    let address = broker.address().amqp().unwrap();
    drop(broker);
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

/// Sends a request over HTTP/1.1 as written and gives whatever comes back within a second.
async fn post(
    address: std::net::SocketAddr,
    path: &str,
    body: &str,
) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let end = Instant::now() + Duration::from_secs(1);
    while bytes.len() < 1_000_000 {
        match tokio::time::timeout_at(end, stream.read(&mut piece)).await {
            Err(_) | Ok(Ok(0)) => break,
            Ok(Ok(read)) => bytes.extend_from_slice(&piece[..read]),
            Ok(Err(error)) => return (bytes, Some(error.kind())),
        }
    }
    (bytes, None)
}

#[tokio::test]
async fn a_receiver_answers_by_script_and_keeps_what_it_got() {
    let receiver = Receiver::start(Script::fail(2, 503)).await.unwrap();
    receiver.answer("/hang", Script::always(Answer::hang()));
    receiver.answer("/reset", Script::always(Answer::reset()));
    receiver.answer("/slow", Script::always(Answer::slow(Duration::from_millis(100))));
    receiver.answer("/endless", Script::always(Answer::endless()));
    receiver.answer("/later", Script::always(Answer::retry_after(429, "7")));
    let address = receiver.address();

    for expected in ["503", "503", "200", "200"] {
        let (answer, _) = post(address, "/a", "body").await;
        assert!(String::from_utf8_lossy(&answer).starts_with(&format!("HTTP/1.1 {expected}")));
    }
    let (later, _) = post(address, "/later", "").await;
    assert!(String::from_utf8_lossy(&later).contains("retry-after: 7"));
    assert_eq!(post(address, "/hang", "").await, (Vec::new(), None));
    let (part, error) = post(address, "/reset", "").await;
    assert_eq!((part.len(), error), (4096, Some(ErrorKind::ConnectionReset)));
    let (slow, _) = post(address, "/slow", "").await;
    assert!((1..20).contains(&slow.len()), "{} bytes", slow.len());
    assert!(post(address, "/endless", "").await.0.len() >= 1_000_000);

    let requests = receiver.wait_for(9, SOON).await.unwrap();
    assert_eq!(receiver.requests_at("/a").len(), 4);
    assert_eq!((&requests[0].body[..], requests[0].method.as_str()), (&b"body"[..], "POST"));
    assert!(receiver.wait_for(10, Duration::from_millis(50)).await.is_err());
}

#[tokio::test]
async fn a_receiver_speaks_http2_over_tls_of_its_own_authority() {
    let authority = Authority::new().unwrap();
    let identity = authority.identity("127.0.0.1").unwrap();
    let receiver = Receiver::start_tls(Script::ok(), &identity).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = authority.write_pem(folder.path()).unwrap();
    let mut command = tokio::process::Command::new("curl");
    command.args(["--silent", "--show-error", "--data", "x", "--cacert"]).arg(&ca);
    let Ok(output) = command.arg(receiver.url("/tls")).output().await else {
        eprintln!("skipped: there is no curl");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let requests = receiver.requests();
    assert_eq!((requests.len(), requests[0].version), (1, hyper::Version::HTTP_2));
}

#[tokio::test]
async fn a_proxy_passes_delays_swallows_refuses_and_cuts() {
    let receiver = Receiver::start(Script::ok()).await.unwrap();
    let proxy = Proxy::start(receiver.address()).await.unwrap();
    assert!(post(proxy.address(), "/", "").await.0.starts_with(b"HTTP/1.1 200"));

    proxy.set(Fault::Delay(Duration::from_millis(200))).await.unwrap();
    let began = Instant::now();
    let (answer, _) = post(proxy.address(), "/", "").await;
    assert!(answer.starts_with(b"HTTP/1.1 200") && began.elapsed() >= Duration::from_millis(400));

    proxy.set(Fault::Swallow).await.unwrap();
    assert_eq!(post(proxy.address(), "/", "").await, (Vec::new(), None));

    // What has lost a byte goes on to lose all, or its other end would read what nobody wrote.
    let request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    let before = receiver.count();
    let mut forgotten = TcpStream::connect(proxy.address()).await.unwrap();
    forgotten.write_all(request).await.unwrap();
    assert_eq!(post(proxy.address(), "/", "").await, (Vec::new(), None));
    proxy.set(Fault::Pass).await.unwrap();
    forgotten.write_all(request).await.unwrap();
    assert!(post(proxy.address(), "/", "").await.0.starts_with(b"HTTP/1.1 200"));
    proxy.cut();
    let mut said = Vec::new();
    forgotten.read_to_end(&mut said).await.unwrap_or_default();
    assert_eq!((said.len(), receiver.count()), (0, before + 1));

    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.set(Fault::Refuse).await.unwrap();
    assert!(timeout(SOON, stream.read_u8()).await.unwrap().is_err(), "refusing cuts what stands");
    assert!(TcpStream::connect(proxy.address()).await.is_err());

    proxy.set(Fault::Pass).await.unwrap();
    assert!(post(proxy.address(), "/", "").await.0.starts_with(b"HTTP/1.1 200"));
    let url = proxy.before("amqp://guest:guest@127.0.0.1:5672/v");
    assert_eq!(url, format!("amqp://guest:guest@{}/v", proxy.address()));
}

#[tokio::test]
async fn a_proxy_before_several_servers_passes_by_those_that_are_away() {
    let receivers = [
        Receiver::start(Script::ok()).await.unwrap(),
        Receiver::start(Script::ok()).await.unwrap(),
    ];
    let away = Port::take().unwrap();
    let [one, other] = receivers.each_ref().map(Receiver::address);
    let proxy = Proxy::balance(vec![one, away.address(), other]).await.unwrap();
    for _ in 0..4 {
        assert!(post(proxy.address(), "/", "").await.0.starts_with(b"HTTP/1.1 200"));
    }
    assert!(receivers.iter().all(|receiver| receiver.count() > 0), "each has its turn");
}

#[tokio::test]
async fn the_pages_recipe_runs_in_node() {
    if !node::is_there() {
        eprintln!("skipped: there is no Node.js");
        return;
    }
    let receiver = PageReceiver::start(SECRET).await.unwrap();
    let address = receiver.url("").trim_start_matches("http://").parse().unwrap();
    let payload = std::str::from_utf8(page::PAYLOAD).unwrap();
    post(address, "/forged", payload).await;
    let seen = receiver.wait_for(1, SOON).await.unwrap();
    assert_eq!((seen[0].verified, seen[0].status, &seen[0].body[..]), (false, 401, page::PAYLOAD));

    let mut stringify = Stringify::start().unwrap();
    assert_eq!(stringify.canonical(page::PAYLOAD).unwrap().as_deref(), Some(page::PAYLOAD));
    assert_eq!(stringify.canonical(b"{\"b\":1.0,\"1\":2}").unwrap().unwrap(), b"{\"1\":2,\"b\":1}");
    assert_eq!(stringify.canonical(b"{").unwrap(), None);
}
