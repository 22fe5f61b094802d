//! A file that holds less than was live: nothing of it is taken, what was live goes on.

use subscriptions::WebhookId;

use super::unopened::{load, secrets};
use super::*;

/// A folder whose webhooks were live and saved; the connections are closed. The first of two webhooks
/// was there when a copy was made.
async fn saved() -> (Folder, [WebhookId; 2]) {
    let folder = Folder::new();
    let database = folder.open();
    let first = database.create(&draft("first"), "test").await.unwrap().id;
    database.close().await;
    fs::copy(folder.file(), folder.0.path().join("copy.db")).unwrap();
    let database = folder.open();
    let second = database.create(&draft("second"), "test").await.unwrap().id;
    let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
    load(&store).await;
    store.database().unwrap().close().await;
    database.close().await;
    let wal = folder.file().with_extension("db-wal");
    assert!(!wal.exists(), "all of it is in the file");
    (folder, [first, second])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_or_older_file_ends_no_webhook_without_a_word() {
    for what in ["emptied", "older"] {
        let (folder, both) = saved().await;
        match what {
            "emptied" => fs::write(folder.file(), b"").unwrap(),
            _ => drop(fs::copy(folder.0.path().join("copy.db"), folder.file()).unwrap()),
        }
        for start in 0..2 {
            let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
            let told = load(&store).await;
            let behind = |told: &&String| told.contains("is older than what was live last");
            assert!(told.iter().any(|told| behind(&told)), "{what}, start {start}: {told:?}");
            assert_eq!(both.each_ref().map(|id| secrets(&store, id)), [Some(true); 2], "{what}");
        }
        // Somebody says that it is meant.
        fs::remove_file(folder.0.path().join("state").join("webhooks.saved")).unwrap();
        let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
        load(&store).await;
        let left = if what == "older" { Some(true) } else { None };
        assert_eq!(both.each_ref().map(|id| secrets(&store, id)), [left, None], "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_is_not_behind() {
    let (folder, both) = saved().await;
    let database = folder.open();
    database.delete(&both[0], None, "test").await.unwrap();
    database.delete(&both[1], None, "test").await.unwrap();
    for _ in 0..2 {
        let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
        load(&store).await;
        assert_eq!(both.each_ref().map(|id| secrets(&store, id)), [None; 2]);
    }
}
