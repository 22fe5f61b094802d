//! Rows whose sealed part does not open: they stop nobody, are named, and can be deleted.

use super::*;

/// Keys that seal with the last of these, and open with all.
fn keys(all: &[&str]) -> Option<Keys> {
    let (sealing, earlier) = all.split_last().unwrap();
    Some(Keys::try_new(sealing, earlier).unwrap())
}

impl Folder {
    fn with(&self, keys: Option<Keys>) -> Options {
        Options { keys, ..self.options() }
    }
}

/// What the store tells of a reading, but for what is live.
pub(super) async fn load(store: &Store) -> Vec<String> {
    let store = store.clone();
    let notices = tokio::task::spawn_blocking(move || store.load()).await.unwrap();
    let others = notices.iter().filter(|notice| !matches!(notice, Notice::Live { .. }));
    others.map(ToString::to_string).collect()
}

pub(super) fn secrets(store: &Store, id: &subscriptions::WebhookId) -> Option<bool> {
    store.snapshots().load().get(id).map(|webhook| webhook.secrets.is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_another_key_stops_no_other_and_can_be_deleted() {
    let folder = Folder::new();
    let (ours, theirs) = (Keys::generate().unwrap(), Keys::generate().unwrap());
    let other =
        open_database(&folder.url(), &folder.with(keys(&[&ours, &theirs])), KeyUse::Seal).unwrap();
    let other = other.unwrap();
    let foreign = other.create(&draft("foreign"), "test").await.unwrap();
    // It is the first row, and ours is opened all the same.
    let both = folder.with(keys(&[&theirs, &ours]));
    let both = open_database(&folder.url(), &both, KeyUse::Seal).unwrap().unwrap();
    let mine = both.create(&draft("mine"), "test").await.unwrap();

    let (store, _) = Store::open(&folder.url(), folder.with(keys(&[&ours]))).unwrap();
    let told = load(&store).await;
    assert_eq!(told.len(), 1, "{told:?}");
    for part in [foreign.id.as_str(), "not among the configured", "webhooks delete"] {
        assert!(told[0].contains(part), "{told:?}");
    }
    assert!(!told[0].contains(mine.id.as_str()), "{told:?}");
    assert_eq!(
        (secrets(&store, &mine.id), secrets(&store, &foreign.id)),
        (Some(true), Some(false))
    );
    assert_eq!((store.status().unopened(), store.status().errors()), (1, 1));
    assert_eq!(load(&store).await, [""; 0], "it is told once");

    // Nobody changes what cannot be opened, and all else goes on.
    let database = store.database().unwrap();
    let changed = database.update(&foreign.id, &draft("x"), None, "test").await;
    assert!(matches!(changed, Err(ChangeError::Unopened { .. })), "{changed:?}");
    let more = database.create(&draft("more"), "test").await.unwrap();
    let (sealed, left) = both.reseal().await.unwrap();
    assert_eq!((sealed, left.len()), (1, 0), "who has both keys");
    let (sealed, left) = other.reseal().await.unwrap();
    assert_eq!((sealed, left.len()), (3, 0));
    assert_eq!(load(&store).await.len(), 1, "all of them are foreign now");
    assert_eq!((secrets(&store, &more.id), store.status().unopened()), (Some(false), 3));
    both.reseal().await.unwrap();
    assert_eq!(load(&store).await, ["all webhooks can be opened again"]);
    other.reseal().await.unwrap();
    load(&store).await;

    for id in [&foreign.id, &mine.id, &more.id] {
        database.delete(id, None, "test").await.unwrap();
    }
    assert_eq!(load(&store).await, ["all webhooks can be opened again"]);
    assert!(store.snapshots().load().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_is_not_gone_for_a_start_without_the_database() {
    let folder = Folder::new();
    let database = folder.open();
    let whole = database.create(&draft("whole"), "test").await.unwrap();
    let damaged = database.create(&draft("damaged"), "test").await.unwrap();
    let damage = sqlx::query("UPDATE webhooks SET sealed = x'00' WHERE id = $1");
    damage.bind(damaged.id.as_str()).execute(&mut folder.connect().await).await.unwrap();
    let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
    let told = load(&store).await;
    assert!(told[0].contains(&format!("{} (damaged", damaged.id)), "{told:?}");
    drop((store, database));
    fs::rename(folder.file(), folder.0.path().join("away.db")).unwrap();

    let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
    let told = load(&store).await;
    assert!(told.iter().any(|told| told.contains("(damaged")), "{told:?}");
    assert_eq!(secrets(&store, &whole.id), Some(true));
    assert_eq!(secrets(&store, &damaged.id), Some(false), "its deliveries would be dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_has_opened_something_is_right_for_good() {
    let folder = Folder::new();
    let (ours, theirs) = (Keys::generate().unwrap(), Keys::generate().unwrap());
    let other =
        open_database(&folder.url(), &folder.with(keys(&[&ours, &theirs])), KeyUse::Seal).unwrap();
    other.unwrap().create(&draft("foreign"), "test").await.unwrap();
    let (store, _) = Store::open(&folder.url(), folder.with(keys(&[&ours]))).unwrap();
    let told = load(&store).await;
    assert!(told[0].contains("cannot be read, and none are live"), "the key is wrong: {told:?}");
    assert!(!store.status().is_loaded());

    let both = folder.with(keys(&[&theirs, &ours]));
    let mine = open_database(&folder.url(), &both, KeyUse::Seal).unwrap().unwrap();
    let mine = mine.create(&draft("mine"), "test").await.unwrap();
    load(&store).await;
    assert_eq!(secrets(&store, &mine.id), Some(true));
    store.database().unwrap().delete(&mine.id, None, "test").await.unwrap();
    load(&store).await;
    assert_eq!(secrets(&store, &mine.id), None, "it goes on although it was deleted");
    assert!(!store.status().is_failing());
}
