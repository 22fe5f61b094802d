//! Rows that are damaged outside of what is sealed: they stop nobody, are named, and can be deleted.

use event::EventType;
use subscriptions::WebhookId;

use super::unopened::{load, secrets};
use super::*;

/// What is done to a row; what is told of it; whether it is still known which events it wants.
const DAMAGES: [(&str, &str, bool); 16] = [
    ("url = 'nonsense'", "its url: a URL begins with", true),
    ("url = NULL", "its url is empty", true),
    ("url = x'00ff'", "its url is of another kind", true),
    ("events = '[\"*\"'", "its events: EOF while parsing", false),
    ("events = '[]'", "its events: at least one event", false),
    ("events = NULL", "its events is empty", false),
    ("projects = '[\"\"]'", "its projects: ", false),
    ("projects = '{}'", "its projects: ", false),
    ("settings = '{'", "its settings: ", false),
    ("settings = '{\"later\": 1}'", "its settings: unknown field `later`", true),
    ("settings = '{\"condition\": [[\"nowhere\", [1]]]}'", "its condition: ", false),
    ("enabled = 'yes'", "its enabled is of another kind", true),
    ("description = x'00'", "its description is of another kind", true),
    ("created_at = NULL", "its created_at is empty", true),
    ("sealed = NULL", "its sealed is empty", true),
    // The whole row cannot be fetched.
    ("description = CAST(x'ff61' AS TEXT)", "invalid utf-8", false),
];

/// Takes from the table what keeps NULL out.
async fn let_in_nulls(connection: &mut SqliteConnection) {
    for statement in [
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE name = 'webhooks'",
        "PRAGMA writable_schema = RESET",
    ] {
        sqlx::query(statement).execute(&mut *connection).await.unwrap();
    }
}

async fn damage(connection: &mut SqliteConnection, id: &str, what: &str) {
    let damage = format!("UPDATE webhooks SET {what} WHERE id = $1");
    let damage = sqlx::query(sqlx::AssertSqlSafe(damage)).bind(id);
    assert_eq!(damage.execute(connection).await.unwrap().rows_affected(), 1, "{what}");
}

fn matched(store: &Store) -> Vec<WebhookId> {
    let kind = EventType::try_new("domain.added").unwrap();
    let snapshot = store.snapshots().load_full();
    snapshot.matching(&kind, None).map(|webhook| webhook.id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_stops_no_other_and_can_be_deleted() {
    let folder = Folder::new();
    let database = folder.open();
    let whole = database.create(&draft("whole"), "test").await.unwrap().id;
    let mut connection = folder.connect().await;
    let_in_nulls(&mut connection).await;
    drop(connection);
    for (what, told, matches) in DAMAGES {
        let damaged = database.create(&draft("damaged"), "test").await.unwrap().id;
        damage(&mut folder.connect().await, damaged.as_str(), what).await;
        let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
        let notices = load(&store).await;
        assert_eq!(notices.len(), 1, "{what}: {notices:?}");
        let named = format!("{damaged} (damaged: ");
        assert!(notices[0].contains(&named) && notices[0].contains(told), "{what}: {notices:?}");
        assert_eq!(notices[0].contains("no event is matched"), !matches, "{what}: {notices:?}");
        assert!(!notices[0].contains(whole.as_str()) && !notices[0].contains('\n'), "{notices:?}");
        assert_eq!(secrets(&store, &whole), Some(true), "{what}");
        assert_eq!(secrets(&store, &damaged), Some(false), "{what}: what waits would be dropped");
        assert_eq!(store.status().unopened(), 1, "{what}");
        let matched = matched(&store);
        assert_eq!(
            (matched.contains(&damaged), matched.len()),
            (matches, 1 + usize::from(matches))
        );

        let database = store.database().unwrap();
        let (_, seen) = database.find(&damaged).await.unwrap();
        assert_eq!(seen, crate::fingerprint(store.snapshots().load().get(&damaged).unwrap()));
        let changed = database.update(&damaged, &draft("x"), None, "test").await;
        assert!(matches!(changed, Err(ChangeError::Unopened { .. })), "{what}: {changed:?}");
        database.delete(&damaged, Some(&seen), "test").await.unwrap();
        assert_eq!(load(&store).await, ["all webhooks can be opened again"], "{what}");
        assert_eq!(secrets(&store, &damaged), None, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_id_or_number_is_damaged_is_named_by_the_other() {
    let folder = Folder::new();
    let database = folder.open();
    let whole = database.create(&draft("whole"), "test").await.unwrap().id;
    let_in_nulls(&mut folder.connect().await).await;
    for what in ["id = 'hook a'", "id = NULL", "id = x'00'", "id = CAST(x'ff' AS TEXT)"] {
        let made = database.create(&draft("damaged"), "test").await.unwrap();
        damage(&mut folder.connect().await, made.id.as_str(), what).await;
        let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
        let notices = load(&store).await;
        let id = WebhookId::unreadable(made.revision);
        assert!(notices[0].contains(&format!("{id} (damaged: ")), "{what}: {notices:?}");
        assert_eq!((secrets(&store, &whole), secrets(&store, &id)), (Some(true), Some(false)));
        store.database().unwrap().delete(&id, None, "test").await.unwrap();
        assert_eq!(load(&store).await, ["all webhooks can be opened again"], "{what}");
    }
    for what in ["revision = NULL", "revision = 'x'"] {
        let id = database.create(&draft("damaged"), "test").await.unwrap().id;
        damage(&mut folder.connect().await, id.as_str(), what).await;
        let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
        load(&store).await;
        assert_eq!((secrets(&store, &whole), secrets(&store, &id)), (Some(true), Some(false)));
        store.database().unwrap().delete(&id, None, "test").await.unwrap();
        assert_eq!(load(&store).await, ["all webhooks can be opened again"], "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_damaged_for_a_start_without_the_database() {
    let folder = Folder::new();
    let database = folder.open();
    let damaged = database.create(&draft("damaged"), "test").await.unwrap().id;
    damage(&mut folder.connect().await, damaged.as_str(), "events = ''").await;
    let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
    load(&store).await;
    drop((store, database));
    fs::rename(folder.file(), folder.0.path().join("away.db")).unwrap();
    let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
    let told = load(&store).await;
    assert!(told.iter().any(|told| told.contains("its events: EOF")), "{told:?}");
    assert_eq!((secrets(&store, &damaged), matched(&store).len()), (Some(false), 0));
}
