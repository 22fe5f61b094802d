//! The embedded database's file under bad conditions: whatever happens to it, a webhook that was
//! acknowledged is there, and what cannot be done is said.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use testbed::eventually;
use testbed::markdown::Document;
use testbed::program::{self, said};
use tokio::process::Command;
use tokio::time::timeout;

/// What a short command may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A database in a folder of its own, and a configuration that names it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("db")).unwrap();
        let place = Self { folder };
        let config = format!(
            "[broker]\nurl = \"amqp://127.0.0.1:1\"\n\
             [webhooks]\nstore = \"sqlite://{}\"\nstate_dir = \"{}\"\n",
            place.database().display(),
            place.path("state").display(),
        );
        fs::write(place.path("config.toml"), config).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn database(&self) -> PathBuf {
        self.path("db").join("webhooks.db")
    }

    async fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program::binary().await.unwrap());
        command.arg("webhooks").args(arguments).arg("--config").arg(self.path("config.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).await.output().await.unwrap()
    }

    /// The ids of all webhooks.
    async fn ids(&self) -> Vec<String> {
        let output = self.run(&["list", "--json"]).await;
        assert!(output.status.success(), "{}", said(&output));
        let list: Value = serde_json::from_slice(&output.stdout).unwrap();
        let ids = list.as_array().unwrap().iter();
        ids.map(|webhook| webhook["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Runs a script in a mount namespace of its own, with a small file system that vanishes with
    /// it on the database's folder.
    async fn within(&self, script: &str) -> Output {
        let program = program::binary().await.unwrap();
        let prelude = "set -eu\nmount -t tmpfs -o size=600k none \"$DB\"\n\
                       create() { \"$PROGRAM\" webhooks create https://a.example/ --json --config \"$CONFIG\"; }\n\
                       list() { \"$PROGRAM\" webhooks list --json --config \"$CONFIG\"; }\n";
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &format!("{prelude}{script}")]);
        command.env("PROGRAM", program).env("CONFIG", self.path("config.toml"));
        command.env("DB", self.path("db")).env("OUT", self.folder.path());
        command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

/// Another place takes what is in the archive as if it were its own, key and all.
#[tokio::test]
async fn a_backup_is_what_another_place_goes_on_with() {
    let here = Place::new();
    for url in ["https://a.example/", "https://b.example/"] {
        assert!(here.run(&["create", url]).await.status.success());
    }
    let config = here.path("config.toml").display().to_string();
    let archive = here.path("webhooks.tar").display().to_string();
    let back_up = async |to: &str| program::run(&["backup", to, "--config", &config], &[]).await;
    let output = back_up(&archive).await.unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let streamed = back_up("-").await.unwrap();
    assert!(streamed.status.success() && streamed.stdout.ends_with(&[0; 1024]));
    assert_eq!(streamed.stdout.len(), fs::read(&archive).unwrap().len());
    let again = back_up(&archive).await.unwrap();
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));

    // As the guide says it for folders of their own.
    let there = Place::new();
    let guide = Document::read(Path::new("docs/upgrade.md")).unwrap();
    let restore = guide.blocks().into_iter().find(|block| block.text.contains("/tmp/hooks/state"));
    let restore = restore.unwrap().script().unwrap();
    let state = there.path("state").display().to_string();
    let restore = restore
        .replace("webhooks.tar", &archive)
        .replace("/tmp/hooks/state", &state)
        .replace("/tmp/hooks", &there.path("db").display().to_string());
    let unpacked = Command::new("sh").args(["-e", "-c", &restore]).output().await.unwrap();
    assert!(unpacked.status.success(), "{}", said(&unpacked));
    assert_eq!(there.ids().await, here.ids().await);
    assert_eq!(there.ids().await.len(), 2);
    let names = fs::read_dir(there.path("db")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| name.to_string_lossy().starts_with("webhooks.db")));
}

/// Whoever looks, makes or checks without the key is told which file is missing, and makes no other.
#[tokio::test]
async fn a_key_that_is_lost_is_named_and_not_replaced() {
    let place = Place::new();
    let config = place.path("config.toml").display().to_string();
    let output = program::run(&["check", "--config", &config], &[]).await.unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(!place.path("state").exists(), "looking made something");
    let made = place.run(&["create", "https://a.example/", "--json"]).await;
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let key = place.path("state/encryption.key");
    fs::remove_file(&key).unwrap();
    let id = made["id"].as_str().unwrap();
    let named = key.display().to_string();
    for arguments in [
        &["webhooks", "list"][..],
        &["webhooks", "show", id],
        &["webhooks", "secret", id],
        &["webhooks", "create", "https://b.example/"],
        &["check"],
        &["serve"],
    ] {
        let arguments = [arguments, &["--config", &config]].concat();
        let output = program::run(&arguments, &[]).await.unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(said(&output).contains(&named), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains("put it back"), "{arguments:?}: {}", said(&output));
        assert!(!key.exists(), "{arguments:?}");
    }
    let deleted = place.run(&["delete", id]).await;
    assert!(deleted.status.success() && !key.exists(), "{}", said(&deleted));
    assert!(place.run(&["create", "https://b.example/"]).await.status.success());
    assert_eq!(place.ids().await.len(), 1);
}

#[tokio::test]
async fn without_its_key_nothing_is_backed_up_and_no_key_is_made() {
    let place = Place::new();
    assert!(place.run(&["create", "https://a.example/"]).await.status.success());
    let key = place.path("state/encryption.key");
    fs::remove_file(&key).unwrap();
    let config = place.path("config.toml").display().to_string();
    let archive = place.path("webhooks.tar");
    let to = archive.display().to_string();
    let output = program::run(&["backup", &to, "--config", &config], &[]).await.unwrap();
    assert!(
        !output.status.success() && said(&output).contains("encryption.key"),
        "{}",
        said(&output)
    );
    assert!(!key.exists() && !archive.exists());
}

#[tokio::test]
async fn a_backup_that_fails_leaves_nothing_and_can_be_made_again() {
    let place = Place::new();
    let script = "create > $OUT/made\n\
                  export TMPDIR=\"$OUT/copies\"\n\
                  mkdir \"$TMPDIR\" \"$OUT/small\"\n\
                  mount -t tmpfs -o size=40k none \"$OUT/small\"\n\
                  backup() { \"$PROGRAM\" backup \"$OUT/small/x.tar\" --config \"$CONFIG\"; }\n\
                  ! backup 2> $OUT/why\n\
                  ls -A \"$OUT/small\" > $OUT/left\n\
                  mount -o remount,size=4m \"$OUT/small\"\n\
                  backup\n\
                  tar -tf \"$OUT/small/x.tar\" > $OUT/names\n";
    let output = place.within(script).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(place.read("why").contains("No space left"), "{}", place.read("why"));
    assert_eq!(place.read("left"), "");
    assert_eq!(place.read("names"), "webhooks.db\nencryption.key\n");
    assert_eq!(fs::read_dir(place.path("copies")).unwrap().count(), 0);
}

/// Nobody reads the archive, which is longer than a pipe holds; so it is under way when the signal comes.
#[tokio::test]
async fn a_backup_that_is_ended_leaves_no_copy() {
    let place = Place::new();
    assert!(place.run(&["create", "https://a.example/"]).await.status.success());
    let copies = place.path("copies");
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        fs::create_dir(&copies).unwrap();
        let mut command = Command::new(program::binary().await.unwrap());
        command.args(["backup", "-", "--config"]).arg(place.path("config.toml"));
        command.env("TMPDIR", &copies).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let copy = || fs::read_dir(&copies).unwrap().next().map(|copy| copy.unwrap().path());
        let copy = eventually("there is a copy", PATIENCE, async || copy()).await.unwrap();
        assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o700);
        let process = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
        kill_process(process, signal).unwrap();
        let ended = timeout(PATIENCE, child.wait()).await.expect("it goes on").unwrap();
        assert_eq!(ended.code(), Some(1), "{signal:?}");
        // Nothing is in it.
        fs::remove_dir(&copies).unwrap();
    }
}

#[tokio::test]
async fn what_is_no_embedded_database_is_not_backed_up() {
    let place = Place::new();
    let config = place.path("config.toml").display().to_string();
    for (url, why) in [
        ("postgres://u:hunter2@127.0.0.1:1/x".to_owned(), "pg_dump"),
        (format!("sqlite://{}", place.path("none.db").display()), "no database"),
        (format!("file://{}", place.path("webhooks.toml").display()), "no database"),
    ] {
        let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        let variables = [
            ("BOOTTIFY_WEBHOOKS__WEBHOOKS__STORE", url.as_str()),
            ("BOOTTIFY_WEBHOOKS__WEBHOOKS__ENCRYPTION_KEY", key),
        ];
        let output = program::run(&["backup", "-", "--config", &config], &variables).await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(why), "{}", said(&output));
        assert!(!said(&output).contains("hunter2"));
    }
}

/// The ids in lines of JSON objects, or in one list of them.
fn ids(text: &str) -> Vec<String> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let values = values.flat_map(|value| match value.unwrap() {
        Value::Array(items) => items,
        one => vec![one],
    });
    let mut ids: Vec<_> = values.map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[tokio::test]
async fn killed_in_mid_write() {
    let place = Place::new();
    let made = place.run(&["create", "https://a.example/", "--json"]).await.stdout;
    let mut acknowledged = ids(std::str::from_utf8(&made).unwrap());
    let wal = place.database().with_extension("db-wal");
    let mut killed = 0;
    for round in 0..24 {
        let mut child =
            place.command(&["create", "https://a.example/", "--json"]).await.spawn().unwrap();
        // It dies at the n-th growth of the log of writes, or after its end.
        let (mut growths, mut before) = (0, length(&wal));
        while child.try_wait().unwrap().is_none() && growths <= round % 4 {
            let now = length(&wal);
            growths += i32::from(now != before);
            before = now;
            tokio::task::yield_now().await;
        }
        killed += i32::from(child.try_wait().unwrap().is_none());
        child.start_kill().ok();
        let output = child.wait_with_output().await.unwrap();
        acknowledged.extend(ids(std::str::from_utf8(&output.stdout).unwrap()));
        let there = place.ids().await;
        for id in &acknowledged {
            assert!(there.contains(id), "round {round}: {id} is lost");
        }
    }
    assert!(killed > 0, "none was killed before its end");
}

#[tokio::test]
async fn full_disk() {
    let place = Place::new();
    let script = "create > $OUT/made\n\
                  dd if=/dev/zero of=$DB/filler bs=1k count=9999 2>/dev/null || true\n\
                  for n in $(seq 20); do create >> $OUT/made 2> $OUT/why || break; done\n\
                  list > $OUT/there || true\n\
                  rm $DB/filler\n\
                  create >> $OUT/made\n\
                  list > $OUT/after\n";
    let output = place.within(script).await;
    assert!(output.status.success(), "{}", said(&output));
    let why = place.read("why");
    assert!(why.contains("full") || why.contains("disk I/O error"), "{why}");
    assert_eq!(ids(&place.read("after")), ids(&place.read("made")));
}

#[tokio::test]
async fn read_only() {
    let place = Place::new();
    let script = "create > $OUT/made\n\
                  mount -o remount,ro \"$DB\"\n\
                  ! create > $OUT/refused 2> $OUT/why\n\
                  mount -o remount,rw \"$DB\"\n\
                  create >> $OUT/made\n\
                  list > $OUT/after\n";
    let output = place.within(script).await;
    assert!(output.status.success(), "{}", said(&output));
    let why = place.read("why");
    assert!(why.contains("webhooks.db") && why.contains("Read-only file system"), "{why}");
    assert_eq!(place.read("refused"), "");
    assert_eq!(ids(&place.read("after")), ids(&place.read("made")));
}

/// What was live goes on where the file cannot be written any more: a start does not end for it.
#[tokio::test]
async fn a_start_with_a_read_only_file_goes_on_with_what_was_live() {
    let place = Place::new();
    let script = "export BOOTTIFY_WEBHOOKS__ADMIN__ENABLED=false\n\
                  export BOOTTIFY_WEBHOOKS__OPERATIONS__LISTEN=127.0.0.1:0\n\
                  export BOOTTIFY_WEBHOOKS__DELIVERY_LOG__ENABLED=false\n\
                  serve() {\n\
                    \"$PROGRAM\" serve --config \"$CONFIG\" > \"$OUT/$1\" 2>&1 & program=$!\n\
                    for n in $(seq 300); do grep -q \"$2\" \"$OUT/$1\" && break; sleep 0.1; done\n\
                    kill $program; wait $program || true\n\
                  }\n\
                  create > $OUT/made\n\
                  serve before 'webhooks live: 1'\n\
                  mount -o remount,ro \"$DB\"\n\
                  serve after 'could last be read'\n";
    let output = place.within(script).await;
    assert!(output.status.success(), "{}", said(&output));
    let log = place.read("after");
    assert!(log.contains("webhooks live: 1, enabled: 1"), "{log}");
    assert!(log.contains("the webhooks cannot be read, and none are live yet: "), "{log}");
}

/// A place where no delivery log can be made is told by `check`, as `serve` would.
#[tokio::test]
async fn a_log_that_cannot_be_made() {
    let place = Place::new();
    let config = place.path("config.toml").display().to_string();
    let log = format!("sqlite://{}", place.path("config.toml").join("log.db").display());
    let variables = [("BOOTTIFY_WEBHOOKS__DELIVERY_LOG__STORE", log.as_str())];
    for command in ["check", "serve"] {
        let output = program::run(&[command, "--config", &config], &variables).await.unwrap();
        assert!(output.status.code().is_some_and(|code| code > 0), "{command}: {}", said(&output));
        assert!(said(&output).contains("config.toml/log.db"), "{command}: {}", said(&output));
    }
}

#[tokio::test]
async fn no_database_at_all() {
    let place = Place::new();
    let text = "this is somebody's letter, not a database\n".repeat(100);
    fs::write(place.database(), &text).unwrap();
    for arguments in [&["create", "https://a.example/"][..], &["list"]] {
        let output = place.run(arguments).await;
        assert!(!output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("is no SQLite database"), "{}", said(&output));
    }
    assert_eq!(fs::read_to_string(place.database()).unwrap(), text, "it was touched");
}
