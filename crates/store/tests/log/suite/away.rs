//! A log that ends, is away, or never comes.

use std::time::Duration;

use store::{DeliveryQuery, LogBounds, NotKept};
use testbed::eventually;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{BOUNDS, LAST_WORDS, Place, SOON, Writer, all, delivered, end_of, open, spawn};

/// A writer that ends writes what waits; one whose database is away counts what it could not.
#[tokio::test]
async fn the_end_of_a_writer() {
    let mut place = Place::sqlite().await;
    let writer = place.writer(BOUNDS);
    for n in 0..100 {
        place.writers[writer].recorder.offer(delivered(&format!("{n}")));
    }
    let Writer { recorder, shutdown, task } = place.writers.remove(writer);
    shutdown.send(()).unwrap();
    task.join_all().await;
    assert_eq!((recorder.status().written(), recorder.dropped()), (100, 0));
    assert_eq!(recorder.status().waiting_bytes(), 0);
    assert!(place.folder.path().join("deliveries.db").exists());
}

#[tokio::test]
async fn a_log_that_is_away_loses_only_what_has_no_room() {
    let mut place = Place::postgres().await;
    let bounds = LogBounds { max_waiting_bytes: 200_000, ..BOUNDS };
    let writer = place.writer(bounds);
    place.write(writer, vec![delivered("before")]).await;
    let mut server = place.server.take().unwrap();
    server.stop().await.unwrap();
    let recorder = place.writers[writer].recorder.clone();
    for n in 0..1_000 {
        recorder.offer(delivered(&format!("{n}")));
    }
    let dropped = recorder.dropped();
    assert!(dropped > 0 && dropped < 1_000, "{dropped}");
    assert!(recorder.status().waiting_bytes() <= bounds.max_waiting_bytes);
    eventually("it is tried", SOON, || async { (recorder.status().errors() > 0).then_some(()) })
        .await
        .unwrap();
    server.start_again().await.unwrap();
    eventually("what waited is written", Duration::from_secs(60), || async {
        (recorder.status().written() == 1_001 - dropped).then_some(())
    })
    .await
    .unwrap();
    assert_eq!((recorder.dropped(), recorder.status().dropped(NotKept::Full)), (dropped, dropped));
    let page = place.log.deliveries(&DeliveryQuery { limit: 1, ..all() }).await.unwrap();
    assert_eq!(page.items.len(), 1);
    place.close().await;
}

/// What comes while a batch is tried again and again is not forgotten over it at the end.
#[tokio::test]
async fn an_end_while_it_is_away_writes_what_came_meanwhile() {
    let mut place = Place::postgres().await;
    let mut server = place.server.take().unwrap();
    let (shutdown, ended) = oneshot::channel::<()>();
    let until = async {
        drop(ended.await);
        Instant::now() + Duration::from_secs(60)
    };
    let (recorder, writer) = place.log.writer(BOUNDS, until);
    let task = spawn(writer);
    recorder.offer(delivered("before"));
    eventually("it is written", SOON, || async {
        (recorder.status().written() == 1).then_some(())
    })
    .await
    .unwrap();
    server.stop().await.unwrap();
    recorder.offer(delivered("tried"));
    eventually("it is tried", SOON, || async { (recorder.status().errors() > 0).then_some(()) })
        .await
        .unwrap();
    recorder.offer(delivered("came meanwhile"));
    shutdown.send(()).unwrap();
    server.start_again().await.unwrap();
    task.join_all().await;
    assert_eq!((recorder.status().written(), recorder.dropped()), (3, 0));
}

/// Bounds hold while nobody writes: a log that cannot be written to at all is tried for as long as it
/// is told, and ends then.
#[tokio::test]
async fn a_log_that_never_comes_ends_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = open("postgres://u:hunter2@127.0.0.1:1/none", folder.path());
    let (shutdown, ended) = oneshot::channel::<()>();
    let (recorder, writer) = log.writer(BOUNDS, end_of(ended));
    let (task, began) = (spawn(writer), Instant::now());
    recorder.offer(delivered("1"));
    assert_eq!(recorder.status().waiting(), 1);
    shutdown.send(()).unwrap();
    tokio::time::timeout(SOON, task.join_all()).await.unwrap();
    assert!(began.elapsed() >= LAST_WORDS && recorder.status().errors() > 1, "{recorder:?}");
    let status = recorder.status();
    assert_eq!((status.dropped(NotKept::Ended), status.waiting()), (1, 0));
    assert_eq!((recorder.dropped(), status.waiting_bytes()), (1, 0));
    let error = log.deliveries(&all()).await.unwrap_err();
    assert!(!format!("{error} {error:?} {log:?}").contains("hunter2"), "{error:?}");
}
