//! The listeners for probes and people have room, whatever strangers do to them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use testbed::loopback::request_within;
use testbed::setup::Webhook;
use testbed::{eventually, page};

use crate::stage::{SOON, Stage};

const ROOM: usize = 20;

#[tokio::test]
async fn half_requests_neither_last_nor_pile_up() {
    let stage = Stage::new(|setup, receiver| {
        setup
            .set("operations.max_connections", ROOM)
            .set("operations.timeout", "2s")
            .webhook(Webhook::new("whk_1", &receiver.url("/hook")))
    })
    .await;
    let address = stage.program.operations();
    let mut streams: Vec<TcpStream> = (0..3 * ROOM)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            // One that found no room is closed already.
            stream.write_all(b"GET /metrics HTTP/1.1\r\n").ok();
            stream.set_read_timeout(Some(SOON)).unwrap();
            stream
        })
        .collect();
    for stream in &mut streams {
        let mut rest = Vec::new();
        // Closed or reset, but not left open.
        stream.read_to_end(&mut rest).err().inspect(|error| {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        });
    }
    eventually("there is room again", SOON, || async {
        stage.program.get("/healthz").ok().filter(|answer| answer.status == 200)
    })
    .await
    .unwrap();
    assert!(stage.sum("operations_connections_refused_total", &[]) >= 1.0);
    stage.close().await;
}

/// Connections that began a request and say nothing more; those before may have been closed since.
fn half_sent(address: SocketAddr, count: usize, text: &str) -> Vec<TcpStream> {
    (0..count)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(text.as_bytes()).ok();
            stream
        })
        .collect()
}

/// Nobody is kept out for as long as a request may take, and who is being answered stays.
#[tokio::test]
async fn half_sent_requests_give_way_to_whole_ones() {
    const AT_ONCE: Duration = Duration::from_secs(10);
    let stage = Stage::new(|setup, receiver| {
        setup
            .set("operations.max_connections", ROOM)
            .set("operations.timeout", "5m")
            .set("admin.max_connections", ROOM)
            .set("admin.timeout", "5m")
            .webhook(Webhook::new("whk_1", &receiver.url("/hook")))
    })
    .await;
    let (operations, admin) = (stage.program.operations(), stage.program.admin());
    // A page that is told of deliveries as they happen.
    let mut live = TcpStream::connect(admin).unwrap();
    let ask = format!("GET /admin/webhooks/whk_1/live HTTP/1.1\r\nhost: {admin}\r\n\r\n");
    live.write_all(ask.as_bytes()).unwrap();
    live.set_read_timeout(Some(SOON)).unwrap();
    let mut begun = [0; 12];
    live.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200");

    let head = "GET /admin/webhooks HTTP/1.1\r\nhost: ";
    let body = "POST /api/v1/webhooks HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                content-length: 100\r\n\r\n{";
    let mut held = Vec::new();
    for (address, path) in [(operations, "/healthz"), (admin, "/admin/webhooks")] {
        for text in ["", head, body] {
            held.extend(half_sent(address, 2 * ROOM, text));
            for _ in 0..ROOM {
                let answer = request_within(AT_ONCE, address, "GET", path, "", "");
                let answer = answer.unwrap_or_else(|error| panic!("{path} {text:?}: {error:#}"));
                assert_eq!(answer.status, 200, "{path} {text:?}");
            }
        }
    }
    assert!(stage.sum("operations_connections_refused_total", &[]) >= 1.0);
    assert!(stage.sum("control_connections_refused_total", &[]) >= 1.0);

    stage.publish_body("domain.added", "evt_1", &page::event("domain.added", "prj_1")).await;
    // The receiver answers on this thread.
    let live = tokio::task::spawn_blocking(move || told(live)).await.unwrap();
    drop((held, live));
    stage.close().await;
}

/// Reads until the page that watches was told of a delivery.
fn told(mut live: TcpStream) -> TcpStream {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("event: delivery") {
        let mut piece = [0; 4096];
        match live.read(&mut piece) {
            Ok(read) if read > 0 => seen.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            ended => panic!("the page that watches was closed: {ended:?}"),
        }
    }
    live
}
