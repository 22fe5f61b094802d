//! The promises of the feed, with real files: what is broken replaces nothing, what was good is
//! kept, and a change is live within a second.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use event::Catalog;
use subscriptions::{RetryPolicy, UrlRules};
use tempfile::TempDir;

use super::*;
use crate::{LoadError, load_once};

/// A folder for the webhooks and one for the state, removed at the end.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self) -> String {
        format!("file://{}", self.path("w.toml").display())
    }

    fn options(&self) -> Options {
        Options { state_dir: self.path("state"), rules: rules(), keys: None }
    }

    /// A store as after a start.
    fn start(&self) -> (Store, Vec<String>) {
        let (store, mut notices) = Store::open(&self.url(), self.options()).unwrap();
        notices.extend(store.load());
        (store, notices.iter().map(ToString::to_string).collect())
    }

    /// A store whose start told nothing but that webhooks are live.
    fn start_well(&self) -> Store {
        let (store, notices) = self.start();
        assert!(matches!(&*notices, [live] if live.starts_with("webhooks live: ")), "{notices:?}");
        store
    }

    fn write(&self, text: &str) {
        fs::write(self.path("w.toml"), text).unwrap();
    }
}

fn rules() -> Rules {
    let catalog = Catalog::try_new::<&str>(&[]).unwrap();
    Rules { url: UrlRules::default(), retry: RetryPolicy::default(), catalog }
}

/// A file with these webhooks.
fn webhooks(ids: &[&str]) -> String {
    let tables = ids.iter().map(|id| {
        format!(
            "[[webhooks]]\nid = \"whk_{id}\"\nurl = \"https://{id}.example/\"\n\
             events = [\"*\"]\nsecret = \"hunter2\"\n"
        )
    });
    tables.collect()
}

fn id(text: &str) -> WebhookId {
    WebhookId::try_new(&format!("whk_{text}")).unwrap()
}

fn ids(store: &Store) -> Vec<String> {
    let snapshot = store.snapshots().load_full();
    snapshot.iter().map(|webhook| webhook.id.as_str().replace("whk_", "")).collect()
}

/// Looks until nothing is restless, as `run` does.
fn look(store: &Store) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..10 {
        let (notices, again) = store.turn();
        told.extend(notices.iter().map(ToString::to_string));
        if again == Again::Later {
            told.extend(store.save().iter().map(ToString::to_string));
            return told;
        }
    }
    panic!("the store never rests: {told:?}");
}

#[test]
fn a_broken_file_replaces_nothing_and_is_told_once() {
    let place = Place::new();
    place.write(&webhooks(&["a", "b"]));
    let store = place.start_well();
    assert_eq!(look(&store), [""; 0]);
    place.write("[[webhooks]\n");
    let told = look(&store);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("w.toml:1:"), "{told:?}");
    assert_eq!(look(&store), [""; 0]);
    assert_eq!(ids(&store), ["a", "b"]);
    assert!(store.status().is_failing());
    assert_eq!(store.status().errors(), 1);
    place.write(&webhooks(&["a", "b"]));
    assert_eq!(look(&store), ["the webhooks can be read again and have not changed"]);
    assert_eq!((store.status().generation(), store.status().is_failing()), (1, false));
    place.write(&webhooks(&["b", "c", "d"]));
    assert_eq!(look(&store), ["webhooks live: 3, enabled: 3, generation 2"]);
    assert_eq!(ids(&store), ["b", "c", "d"]);
}

#[test]
fn a_file_that_goes_away_replaces_nothing() {
    let place = Place::new();
    place.write(&webhooks(&["a"]));
    let store = place.start_well();
    fs::remove_file(place.path("w.toml")).unwrap();
    let told = look(&store);
    assert!(told.len() == 1 && told[0].contains("cannot be read: No such file"), "{told:?}");
    assert_eq!(ids(&store), ["a"]);
}

#[test]
fn a_start_without_a_good_file_takes_what_was_saved() {
    let place = Place::new();
    place.write(&webhooks(&["a", "b"]));
    let mut read_at = place.start_well().status().read_at_ms();
    for break_it in [|path: &Path| fs::remove_file(path), |path: &Path| fs::write(path, "nonsense")]
    {
        break_it(&place.path("w.toml")).unwrap();
        let (store, told) = place.start();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].ends_with("as saved when the store could last be read"), "{told:?}");
        assert_eq!(ids(&store), ["a", "b"]);
        let live = store.snapshots().load_full();
        let secrets: Vec<_> = live
            .get(&id("a"))
            .unwrap()
            .secrets
            .as_ref()
            .unwrap()
            .iter()
            .map(|s| s.expose().to_owned())
            .collect();
        assert_eq!(secrets, ["hunter2"]);
        assert!(store.status().is_failing() && store.status().is_loaded());
        // An absence in it proves nothing about later times.
        look(&store);
        assert_eq!(store.status().read_at_ms(), read_at);
        place.write(&webhooks(&["a", "b"]));
        look(&store);
        assert!(!store.status().is_failing() && store.status().read_at_ms() >= read_at);
        read_at = store.status().read_at_ms();
    }
}

#[test]
fn a_first_start_without_a_file_has_no_webhooks_but_goes_on_looking() {
    let place = Place::new();
    let (store, told) = place.start();
    assert_eq!(told.len(), 1);
    assert!(!store.status().is_loaded());
    assert_eq!(store.status().read_at_ms(), 0);
    place.write(&webhooks(&["a"]));
    look(&store);
    assert!(store.status().is_loaded());
    assert_eq!(ids(&store), ["a"]);
}

#[test]
fn a_damaged_saved_list_is_refused_clearly() {
    let place = Place::new();
    place.write(&webhooks(&["a"]));
    place.start_well();
    let saved = place.path("state/webhooks.saved");
    let text = fs::read_to_string(&saved).unwrap().replace("a.example", "b.example");
    fs::write(&saved, text).unwrap();
    fs::remove_file(place.path("w.toml")).unwrap();
    let (store, told) = place.start();
    assert!(!store.status().is_loaded());
    let expected = format!(
        "the state directory cannot be used: {}: damaged: the checksum does not hold",
        saved.display()
    );
    assert_eq!(told[1..], [expected]);
}

#[test]
fn what_was_saved_serves_its_own_store_only() {
    let place = Place::new();
    place.write(&webhooks(&["a"]));
    place.start_well();
    let other = format!("file://{}", place.path("other.toml").display());
    let (store, _) = Store::open(&other, place.options()).unwrap();
    let told = store.load();
    assert!(told[1].to_string().contains("it belongs to another store, file://"), "{told:?}");
    assert!(!store.status().is_loaded());
}

#[test]
fn disabling_survives_a_restart_and_ends_with_an_edit() {
    let place = Place::new();
    place.write(&webhooks(&["a", "b"]));
    let store = place.start_well();
    store.disable(id("a"), "it answered 410 Gone".to_owned());
    store.disable(id("unknown"), "nobody".to_owned());
    let told = look(&store);
    assert_eq!(told, ["webhooks live: 2, enabled: 1, generation 2", "webhook whk_a was disabled"]);
    let reason = |store: &Store| {
        store.snapshots().load().get(&id("a")).and_then(|webhook| webhook.disabled_reason.clone())
    };
    assert_eq!(reason(&store).as_deref(), Some("it answered 410 Gone"));

    drop(store);
    let restarted = place.start_well();
    assert_eq!(reason(&restarted).as_deref(), Some("it answered 410 Gone"));
    let once = load_once(&place.url(), &place.options()).unwrap();
    assert_eq!(once.enabled(), 1);

    // Another webhook's edit, a comment, and a start without the file change nothing about it.
    place.write(&format!("# hello\n{}", webhooks(&["c", "a"])));
    look(&restarted);
    assert!(reason(&restarted).is_some());
    fs::remove_file(place.path("w.toml")).unwrap();
    assert!(reason(&place.start().0).is_some());

    place.write(&webhooks(&["a", "c"]).replace("https://a.example/", "https://a.example/new"));
    let told = look(&restarted);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[1], "webhook whk_a is no longer disabled: its owner changed or removed it");
    assert_eq!(reason(&restarted), None);
    drop(restarted);
    assert_eq!(place.start_well().snapshots().load().enabled(), 2);
}

#[test]
fn a_damaged_list_of_disabled_webhooks_is_told_and_left_out() {
    let place = Place::new();
    place.write(&webhooks(&["a"]));
    let store = place.start_well();
    store.disable(id("a"), "gone".to_owned());
    look(&store);
    fs::write(place.path("state/webhooks.disabled"), "x\n").unwrap();
    drop(store);
    let (store, told) = place.start();
    assert!(told[0].contains("webhooks.disabled: not a file of this kind"), "{told:?}");
    assert_eq!(store.snapshots().load().enabled(), 1);
}

#[test]
fn other_rules_count_at_the_next_turn() {
    let place = Place::new();
    place.write(&webhooks(&["a"]).replace("https", "http"));
    let (store, told) = place.start();
    assert!(told[0].contains("http is not allowed"), "{told:?}");
    store.reconfigure(Rules { url: UrlRules { allow_http: true }, ..rules() });
    assert_eq!(look(&store), ["webhooks live: 1, enabled: 1, generation 1"]);
}

#[test]
fn a_state_directory_that_cannot_be_written_is_told_and_stops_nothing() {
    let place = Place::new();
    place.write(&webhooks(&["a"]));
    let (store, _) = Store::open(&place.url(), place.options()).unwrap();
    fs::remove_dir(place.path("state")).unwrap();
    let told = store.load();
    assert!(matches!(&*told, [Notice::Live { .. }, Notice::State(_)]), "{told:?}");
    assert_eq!(store.status().errors(), 1);
    fs::write(place.path("state"), "a file").unwrap();
    let error = Store::open(&place.url(), place.options()).unwrap_err();
    assert!(matches!(error, OpenError::StateDir { .. }), "{error}");
}

/// Runs a store while `script` changes files; the script's waits are bounded.
async fn while_running(store: &Store, script: impl AsyncFnOnce()) {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let run = store.run(async { stopped.await.unwrap_or_default() }, |_| {});
    let script = async {
        script().await;
        stop.send(()).unwrap();
    };
    tokio::join!(run, script);
}

/// Waits until the store has these webhooks; the contract gives it a second.
async fn live_within_a_second(store: &Store, expected: &[&str]) {
    let seen = async {
        while ids(store) != expected {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(1), seen).await;
    assert!(in_time.is_ok(), "{expected:?} is not live: {:?}", ids(store));
}

#[tokio::test]
async fn edits_in_place_and_by_rename_are_live_within_a_second() {
    let place = Place::new();
    place.write(&webhooks(&["a"]));
    let store = place.start_well();
    while_running(&store, async || {
        for round in ["b", "c", "d"] {
            place.write(&webhooks(&["a", round]));
            live_within_a_second(&store, &["a", round]).await;
            fs::write(place.path("new"), webhooks(&[round])).unwrap();
            fs::rename(place.path("new"), place.path("w.toml")).unwrap();
            live_within_a_second(&store, &[round]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_swap_of_a_config_map_is_live_within_a_second() {
    // As the kubelet does it: w.toml → ..data/w.toml, ..data → a folder of its own per version.
    let place = Place::new();
    let version = |name: &str, ids: &[&str]| {
        fs::create_dir(place.path(name)).unwrap();
        fs::write(place.path(name).join("w.toml"), webhooks(ids)).unwrap();
        symlink(name, place.path("..data_tmp")).unwrap();
        fs::rename(place.path("..data_tmp"), place.path("..data")).unwrap();
    };
    version("..1", &["a"]);
    symlink("..data/w.toml", place.path("w.toml")).unwrap();
    let store = place.start_well();
    while_running(&store, async || {
        version("..2", &["a", "b"]);
        fs::remove_dir_all(place.path("..1")).unwrap();
        live_within_a_second(&store, &["a", "b"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_changes_elsewhere_is_live_within_a_second() {
    let place = Place::new();
    let secrets = tempfile::tempdir().unwrap();
    let secret = secrets.path().join("s");
    fs::write(&secret, "one").unwrap();
    let file = format!("secret_file = {:?}", secret.display().to_string());
    place.write(&webhooks(&["a"]).replace("secret = \"hunter2\"", &file));
    let store = place.start_well();
    while_running(&store, async || {
        fs::write(&secret, "two").unwrap();
        let seen = async {
            while store
                .snapshots()
                .load()
                .get(&id("a"))
                .unwrap()
                .secrets
                .as_ref()
                .unwrap()
                .primary()
                .expose()
                != "two"
            {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(1), seen).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_time_of_the_last_reading_moves_on_without_a_change() {
    let place = Place::new();
    place.write(&webhooks(&["a"]));
    let store = place.start_well();
    let first = store.status().read_at_ms();
    while_running(&store, async || {
        let moved = async {
            while store.status().read_at_ms() <= first {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), moved).await.unwrap();
    })
    .await;
    assert_eq!(store.status().generation(), 1);
}

#[tokio::test]
async fn what_takes_long_to_save_is_live_at_once_and_saved_at_the_end() {
    let place = Place::new();
    place.write(&webhooks(&["a"]));
    let store = place.start_well();
    store.inner().pace.saved(Instant::now(), Duration::from_secs(60));
    let saved = || fs::read_to_string(place.path("state/webhooks.saved")).unwrap();
    let before = saved();
    while_running(&store, async || {
        place.write(&webhooks(&["a", "b"]));
        live_within_a_second(&store, &["a", "b"]).await;
        assert!(!store.inner().pace.is_due(Instant::now()));
        assert_eq!(saved(), before);
    })
    .await;
    assert!(saved().contains("b.example"));
}

/// A kill and a start without the store must not bring back, enabled, what stood there before.
#[tokio::test]
async fn an_edit_that_ends_disabling_is_saved_at_once() {
    let place = Place::new();
    place.write(&webhooks(&["a"]));
    let store = place.start_well();
    store.disable(id("a"), "gone".to_owned());
    look(&store);
    store.inner().pace.saved(Instant::now(), Duration::from_secs(60));
    while_running(&store, async || {
        place.write(&webhooks(&["a"]).replace("https://a.example/", "https://a.example/new"));
        let saved = async {
            let path = place.path("state/webhooks.saved");
            while !fs::read_to_string(&path).unwrap().contains("a.example/new") {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), saved).await.expect("it is not saved before the end");
    })
    .await;
}

#[test]
fn a_list_that_could_not_be_saved_is_saved_later() {
    let place = Place::new();
    place.write(&webhooks(&["a"]));
    let (store, _) = Store::open(&place.url(), place.options()).unwrap();
    fs::remove_dir(place.path("state")).unwrap();
    store.load();
    assert!(!store.inner().pace.is_due(Instant::now()));
    fs::create_dir(place.path("state")).unwrap();
    assert!(store.save().is_empty());
    assert!(place.path("state/webhooks.saved").exists());
}

#[test]
fn two_processes_on_one_state_directory_are_told() {
    let place = Place::new();
    place.write(&webhooks(&["a"]));
    let first = place.start_well();
    let (second, told) = place.start();
    assert!(told[0].starts_with("another process uses the state directory"), "{told:?}");
    assert_eq!((first.status().is_shared(), second.status().is_shared()), (false, true));
    drop(first);
    look(&second);
    assert!(!second.status().is_shared());
    drop(second);
    place.start_well();
}

#[test]
fn who_comes_second_writes_nothing_until_the_first_is_gone() {
    let place = Place::new();
    place.write(&webhooks(&["a", "b"]));
    let first = place.start_well();
    let files = || {
        ["saved", "disabled"].map(|end| fs::read(place.path(&format!("state/webhooks.{end}"))).ok())
    };
    let before = files();
    let (second, _) = place.start();
    assert_eq!(ids(&second), ["a", "b"]);
    place.write(&webhooks(&["a", "b", "c"]));
    assert!(second.disable(id("a"), "the second".to_owned()));
    look(&second);
    assert_eq!(ids(&second), ["a", "b", "c"]);
    assert!(files() == before, "it wrote");

    look(&first);
    assert!(first.disable(id("b"), "the first".to_owned()));
    look(&first);
    drop(first);
    let told = look(&second);
    assert!(told.iter().any(|told| told.ends_with("is this process's now")), "{told:?}");
    let enabled = |store: &Store| store.status().enabled();
    assert_eq!(enabled(&second), 1, "the first one's decision counts, too");
    drop(second);
    place.write("nonsense");
    let (third, _) = place.start();
    assert_eq!((ids(&third), enabled(&third)), (["a", "b", "c"].map(str::to_owned).to_vec(), 1));
}

#[test]
fn what_a_killed_process_was_writing_is_removed() {
    let place = Place::new();
    place.write(&webhooks(&["a"]));
    let first = place.start_well();
    let half = place.path("state/.writing-half");
    fs::write(&half, "half").unwrap();
    // The first one may be writing it.
    place.start();
    assert!(half.exists());
    drop(first);
    place.start_well();
    assert!(!half.exists() && place.path("state/webhooks.saved").exists());
}

#[test]
fn looking_makes_no_database() {
    let place = Place::new();
    let path = place.path("folder").join("w.db");
    let seen = load_once(&format!("sqlite://{}", path.display()), &place.options());
    assert!(matches!(seen, Err(LoadError::NotThere(named)) if named == path));
    assert!(!path.exists() && !place.path("state").exists());
}
