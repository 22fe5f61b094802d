//! The promises of a database of webhooks, with a file of SQLite: nothing is done twice, nothing is
//! lost, and what cannot be read is told.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use event::Catalog;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Connection, Row, SqlStr, SqliteConnection};
use subscriptions::{EventFilter, Headers, RetryPolicy, UrlRules, WebhookUrl};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::options::{Options, Rules};
use crate::store::Store;
use crate::{KeyUse, Notice, load_once, open_database};

mod behind;
mod damaged;
mod unopened;

const SOON: Duration = Duration::from_secs(20);

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("webhooks.db")
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.file().display())
    }

    fn options(&self) -> Options {
        let catalog = Catalog::try_new::<&str>(&[]).unwrap();
        let rules = Rules { url: UrlRules::default(), retry: RetryPolicy::default(), catalog };
        Options { state_dir: self.0.path().join("state"), rules, keys: None }
    }

    fn open(&self) -> Database {
        open_database(&self.url(), &self.options(), KeyUse::Seal).unwrap().unwrap()
    }

    async fn connect(&self) -> SqliteConnection {
        SqliteConnection::connect(&format!("{}?mode=rwc", self.url())).await.unwrap()
    }
}

fn draft(name: &str) -> Draft {
    let url = format!("https://{name}.example/hook?key=hunter2");
    Draft {
        url: WebhookUrl::try_new(&url, UrlRules::default()).unwrap(),
        events: EventFilter::try_new(["*"]).unwrap(),
        projects: Vec::new(),
        condition: None,
        description: None,
        enabled: true,
        keep_while_disabled: true,
        retry: None,
        max_in_flight: None,
        rate_limit: None,
        headers: Headers::default(),
    }
}

#[tokio::test]
async fn who_has_another_key_makes_and_copies_nothing() {
    let folder = Folder::new();
    let made = folder.open().create(&draft("first"), "test").await.unwrap();
    let keys = Keys::try_new(&Keys::generate().unwrap(), &[]).unwrap();
    let other = Options { keys: Some(keys), ..folder.options() };
    let other = open_database(&folder.url(), &other, KeyUse::Seal).unwrap().unwrap();
    let copy = folder.0.path().join("copy.db");
    for refused in [
        other.create(&draft("second"), "test").await.unwrap_err().to_string(),
        other.copy_into(&copy).await.unwrap_err().to_string(),
    ] {
        assert!(refused.contains(made.id.as_str()), "{refused}");
        assert!(refused.contains("not among the configured encryption keys"), "{refused}");
    }
    assert!(!copy.exists());
    let listed = load_once(&folder.url(), &folder.options()).unwrap();
    assert_eq!(listed.len(), 1);
}

#[tokio::test]
async fn who_changed_what_is_kept() {
    let folder = Folder::new();
    let database = folder.open();
    let one = database.create(&draft("a"), "ada").await.unwrap();
    let other = database.create(&draft("b"), "bob").await.unwrap();
    let (_, seen) = database.find(&one.id).await.unwrap();
    let rotated = database.rotate(&one.id, SOON, Some(&seen), "eve").await.unwrap();
    let again = database.rotate(&one.id, SOON, Some(&seen), "eve").await;
    assert!(matches!(again, Err(ChangeError::Stale(id)) if id == one.id));
    let stale = database.promote(&one.id, Some(&seen), "eve").await;
    assert!(matches!(stale, Err(ChangeError::Stale(id)) if id == one.id));
    let (_, seen) = database.find(&one.id).await.unwrap();
    let revision = database.promote(&one.id, Some(&seen), "eve").await.unwrap();
    assert_eq!(revision, rotated.revision + 1);
    database.delete(&other.id, None, "bob").await.unwrap();

    let all = database.audit(&AuditFilter::default(), None, 100).await.unwrap();
    let told: Vec<_> = all.iter().map(|row| (&*row.actor, &*row.action, &*row.webhook)).collect();
    let (a, b) = (one.id.as_str(), other.id.as_str());
    let expected = [
        ("bob", "deleted", b),
        ("eve", "secret promoted", a),
        ("eve", "secret rotated", a),
        ("bob", "created", b),
        ("ada", "created", a),
    ];
    assert_eq!(told, expected);
    assert!(all.iter().all(|row| row.at_ms > 0 && row.detail.starts_with('{')));
    let filter = AuditFilter { webhook: Some(one.id.clone()), ..AuditFilter::default() };
    let of_one = database.audit(&filter, None, 2).await.unwrap();
    assert_eq!(of_one, all[1..3]);
    let earlier = database.audit(&filter, Some(of_one[1].id), 2).await.unwrap();
    assert_eq!(earlier, all[4..]);
    let by = |actor: &str, action: Option<Action>| AuditFilter {
        actor: Some(actor.to_owned()),
        action,
        ..AuditFilter::default()
    };
    assert_eq!(database.audit(&by("eve", None), None, 9).await.unwrap(), all[1..3]);
    let exact =
        AuditFilter { webhook: Some(one.id.clone()), ..by("eve", Some(Action::SecretRotated)) };
    assert_eq!(database.audit(&exact, None, 9).await.unwrap(), all[2..3]);
    assert!(database.audit(&by("bob", Some(Action::Updated)), None, 9).await.unwrap().is_empty());
    let text = format!("{all:?}");
    for secret in [&one.secret, &rotated.secret] {
        assert!(!text.contains(secret.expose()) && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn the_fields_that_were_changed_are_named_and_their_secrets_are_not() {
    let folder = Folder::new();
    let database = folder.open();
    let made = database.create(&draft("a"), "ada").await.unwrap();
    let headers = Headers::try_new([("x-key", "tok_header_value")]).unwrap();
    let url = WebhookUrl::try_new("https://a.example/hook?key=other", UrlRules::default()).unwrap();
    let changed = Draft { url, headers, description: Some("mine".to_owned()), ..draft("a") };
    for draft in [&changed, &changed, &Draft { enabled: false, ..changed.clone() }] {
        database.update(&made.id, draft, None, "ada").await.unwrap();
    }
    let rows = database.audit(&AuditFilter::default(), None, 9).await.unwrap();
    let named = |row: &AuditRow| {
        let detail: serde_json::Value = serde_json::from_str(&row.detail).unwrap();
        detail["changed"].to_string()
    };
    let named: Vec<String> = rows.iter().map(named).collect();
    assert_eq!(named, [r#"["enabled"]"#, "[]", r#"["url","description","headers"]"#, "null"]);
    let text = format!("{rows:?}");
    assert!(!["tok_header_value", "key=other", "mine"].iter().any(|hidden| text.contains(hidden)));
}

#[tokio::test]
async fn what_is_beyond_the_bounds_of_the_audit_is_forgotten() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let folder = Folder::new();
    let database = folder.open();
    for n in 0..2_005 {
        database
            .note(Action::TestSent, &format!("whk_{n}"), &serde_json::json!({}), "ada")
            .await
            .unwrap();
    }
    let bounds = AuditBounds { max_age: DAY, max_rows: 3_000 };
    assert_eq!(database.prune_audit(bounds).await.unwrap(), 0);
    let few = AuditBounds { max_rows: 5, ..bounds };
    assert_eq!(database.prune_audit(few).await.unwrap(), 2_000);
    let left = async || {
        let rows = database.audit(&AuditFilter::default(), None, 9).await.unwrap();
        rows.into_iter().map(|row| row.webhook).collect::<Vec<_>>()
    };
    assert_eq!(left().await, ["whk_2004", "whk_2003", "whk_2002", "whk_2001", "whk_2000"]);
    let aged = "UPDATE audit SET at = at - 86400001 WHERE webhook_id < 'whk_2002'";
    sqlx::query(aged).execute(&mut folder.connect().await).await.unwrap();
    assert_eq!(database.prune_audit(bounds).await.unwrap(), 2);
    assert_eq!(left().await, ["whk_2004", "whk_2003", "whk_2002"]);
}

#[tokio::test]
async fn a_repeated_request_makes_one_webhook() {
    let folder = Folder::new();
    let database = folder.open();
    let create = async |actor: &str, key: &str, asked: u8| {
        database.create_once(&draft(&format!("a{asked}")), actor, key).await
    };
    let (one, again) = tokio::join!(create("ada", "k", 1), create("ada", "k", 1));
    let (one, again) = (one.unwrap(), again.unwrap());
    assert_eq!((&one.id, one.secret.expose()), (&again.id, again.secret.expose()));
    assert_eq!(u8::from(one.repeated) + u8::from(again.repeated), 1);
    assert_eq!(one.revision, again.revision);
    assert!(matches!(create("ada", "k", 2).await, Err(ChangeError::KeyReused)));
    let header = |pairs: [(&str, &str); 2]| Draft {
        headers: Headers::try_new(pairs).unwrap(),
        ..draft("a1")
    };
    let two = async |pairs| database.create_once(&header(pairs), "ada", "h").await;
    assert!(!two([("x-a", "1"), ("x-b", "2")]).await.unwrap().repeated);
    assert!(two([("x-b", "2"), ("x-a", "1")]).await.unwrap().repeated, "in any order");
    assert!(matches!(two([("x-a", "2"), ("x-b", "2")]).await, Err(ChangeError::KeyReused)));
    let of_bob = create("bob", "k", 2).await.unwrap();
    assert!(!of_bob.repeated && of_bob.id != one.id);

    database.delete(&one.id, None, "ada").await.unwrap();
    let gone = create("ada", "k", 1).await.unwrap_err();
    assert!(matches!(&gone, ChangeError::MadeAndDeleted(id) if *id == one.id), "{gone}");
    let day = 24 * 60 * 60 * 1_000;
    let aged = sqlx::query("UPDATE idempotency SET at = at - $1").bind(day + 1_000);
    aged.execute(&mut folder.connect().await).await.unwrap();
    assert!(!create("ada", "k", 2).await.unwrap().repeated, "a day later it is a new request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_can_be_waited_for() {
    let folder = Folder::new();
    let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let mut running = JoinSet::new();
    let feed = store.clone();
    running.spawn(async move { feed.run(async { drop(ended.await) }, |_| ()).await });
    let made = store.database().unwrap().create(&draft("a"), "ada").await.unwrap();
    assert!(store.wait_live(made.revision, SOON).await);
    assert!(store.snapshots().load().get(&made.id).is_some());
    assert!(!store.wait_live(made.revision + 1, Duration::from_millis(1)).await);
    let revision = store.database().unwrap().delete(&made.id, None, "ada").await.unwrap();
    assert!(store.wait_live(revision, SOON).await);
    assert!(store.snapshots().load().get(&made.id).is_none());
    end.send(()).unwrap();
    running.join_all().await;
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date() {
    let folder = Folder::new();
    let mut connection = folder.connect().await;
    let sql = SqlStr::from_static(include_str!("../../migrations/sqlite/0001_webhooks.sql"));
    let first = Migration::new(1, "webhooks".into(), MigrationType::Simple, sql, false);
    Migrator::with_migrations(vec![first]).run(&mut connection).await.unwrap();
    let count = "INSERT INTO audit (at, actor, action, webhook_id, detail) \
                 VALUES (1, 'ada', 'created', 'whk_a', '{}')";
    sqlx::query(count).execute(&mut connection).await.unwrap();
    drop(connection);
    let database = folder.open();
    assert_eq!(database.audit(&AuditFilter::default(), None, 9).await.unwrap().len(), 1);
    assert!(database.create_once(&draft("a"), "ada", "k").await.is_ok());
}

#[tokio::test]
async fn a_newer_schema_is_told_and_left_alone() {
    let folder = Folder::new();
    folder.open().create(&draft("a"), "ada").await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations \
                 (version, description, success, checksum, execution_time) \
                 VALUES (4711, 'later', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut folder.connect().await).await.unwrap();
    let error = folder.open().create(&draft("b"), "ada").await.unwrap_err();
    assert!(matches!(error, ChangeError::Database(DatabaseError::Newer(4711))), "{error}");
    let mut connection = folder.connect().await;
    let rows = sqlx::query("SELECT COUNT(*) AS n FROM webhooks").fetch_one(&mut connection).await;
    assert_eq!(rows.unwrap().get::<i64, _>("n"), 1);
}

/// While the file is damaged, what was live goes on, also over a restart, and the file is left to
/// whoever repairs it.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_replaces_nothing() {
    let folder = Folder::new();
    let load = async |store: Store| tokio::task::spawn_blocking(move || store.load()).await;
    let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
    let made = store.database().unwrap().create(&draft("a"), "ada").await.unwrap();
    load(store.clone()).await.unwrap();
    assert!(store.snapshots().load().get(&made.id).is_some());
    // An open connection would write over what is damaged here.
    store.database().unwrap().pool().await.unwrap().close().await;
    drop(store);

    for name in ["webhooks.db-wal", "webhooks.db-shm"] {
        fs::remove_file(folder.0.path().join(name)).ok();
    }
    // Not even the head is left; then only pages behind it are damaged.
    for from in [0, 4_096] {
        let mut bytes = fs::read(folder.file()).unwrap();
        bytes.resize(bytes.len().max(16 * 4_096), 0);
        bytes[from..].fill(0x5a);
        fs::write(folder.file(), &bytes).unwrap();
        let (store, _) = Store::open(&folder.url(), folder.options()).unwrap();
        let notices = load(store.clone()).await.unwrap();
        let unreadable = |notice: &Notice| matches!(notice, Notice::Unreadable { .. });
        assert!(notices.iter().any(unreadable), "{notices:?}");
        let trouble = store.status().trouble().unwrap();
        assert!(matches!(*trouble, crate::ReadError::Database { passes: false, .. }));
        assert!(store.snapshots().load().get(&made.id).is_some(), "the saved ones serve");
        assert!(store.database().unwrap().create(&draft("b"), "ada").await.is_err());
        assert!(load_once(&folder.url(), &folder.options()).is_err());
        assert_eq!(fs::read(folder.file()).unwrap(), bytes, "it was touched");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_database_is_told_in_one_way_by_who_looks_and_who_serves() {
    let folder = Folder::new();
    let at = |name: &str| folder.0.path().join(name);
    fs::write(at("text"), "this is no database, and no other key is made beside it").unwrap();
    fs::create_dir(at("folder")).unwrap();
    for (name, why) in [
        ("text", "is no SQLite database"),
        ("text/x.db", "text is a file and no folder"),
        ("text/x/y.db", "text is a file and no folder"),
        ("folder", "it is a folder; name a file in it"),
    ] {
        let url = format!("sqlite://{}", at(name).display());
        let looked = load_once(&url, &folder.options()).unwrap_err().to_string();
        let started = Store::open(&url, folder.options()).unwrap_err().to_string();
        assert!(looked.contains(why) && looked == started, "{name}: {looked} / {started}");
    }
    assert!(!folder.options().state_dir.join("encryption.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_nobody_is_told_by_its_place_and_in_clear_words() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = listener.local_addr().unwrap().port();
    let mut answering = JoinSet::new();
    answering.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 no").await.ok();
        }
    });
    let keys = Keys::try_new(&Keys::generate().unwrap(), &[]).unwrap();
    for (port, why) in [(1, "nothing listens there"), (other, "is no PostgreSQL server")] {
        let folder = Folder::new();
        let options = Options { keys: Some(keys.clone()), ..folder.options() };
        let url = format!("postgres://u:hunter2@127.0.0.1:{port}/x");
        let (store, _) = Store::open(&url, options).unwrap();
        let told = unopened::load(&store).await.remove(0);
        assert!(told.contains(&format!("the database postgres://127.0.0.1:{port}/x: ")), "{told}");
        assert!(told.contains(why) && !told.contains("hunter2"), "{told}");
        for word in ["sqlx", "SSLRequest"] {
            assert!(!told.contains(word), "{told}");
        }
        let trouble = store.status().trouble().unwrap();
        assert!(matches!(*trouble, crate::ReadError::Database { passes: true, .. }));
    }
}

/// Whoever has lost it is told, and no other key takes its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_only_where_nothing_is_sealed() {
    let folder = Folder::new();
    let key = folder.options().state_dir.join("encryption.key");
    let read = || load_once(&folder.url(), &folder.options()).map(|snapshot| snapshot.len());
    let open = |key: KeyUse| open_database(&folder.url(), &folder.options(), key);
    // An empty database has no key, and looking at it makes none.
    assert!(open(KeyUse::Nothing).unwrap().unwrap().pool().await.is_ok());
    assert!(read().is_ok_and(|count| count == 0) && !key.exists());
    let made = folder.open().create(&draft("a"), "test").await.unwrap();
    assert!(key.exists());
    fs::remove_file(&key).unwrap();
    let started = Store::open(&folder.url(), folder.options()).map(drop);
    for refused in [
        read().unwrap_err().to_string(),
        open(KeyUse::Seal).unwrap_err().to_string(),
        open(KeyUse::Open).unwrap_err().to_string(),
        started.unwrap_err().to_string(),
    ] {
        assert!(refused.contains(&key.display().to_string()), "{refused}");
        assert!(refused.contains("put it back"), "{refused}");
    }
    open(KeyUse::Nothing).unwrap().unwrap().delete(&made.id, None, "test").await.unwrap();
    assert!(!key.exists());
    folder.open().create(&draft("b"), "test").await.unwrap();
    assert!(key.exists());
}
