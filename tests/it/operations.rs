//! The operations listener has room again soon, whatever strangers do to it.

use std::io::{Read, Write};
use std::net::TcpStream;

use testbed::eventually;
use testbed::setup::Webhook;

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
