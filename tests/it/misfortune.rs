//! What an operator gets wrong around the program: each is one clear line that names its place, and
//! a program that is not ready. What may mend itself is waited for; only a configuration that cannot
//! be used ends the program, with code 2 and that line last, where Kubernetes shows it.
//!
//! Queues with other arguments, and missing permissions, are in `topology.rs`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use testbed::program::{self, Program};
use testbed::receiver::{Authority, Receiver, Script};
use testbed::setup::{SECRET, Setup, Webhook};
use testbed::space::Space;
use testbed::{eventually, postgres, workspace};

use crate::stage::SOON;

/// A user who is nobody.
const NOBODY: u32 = 65_534;

/// `serve` with a configuration of these lines; its exit code and what it said.
async fn served(lines: &str) -> (Option<i32>, Vec<String>) {
    told("serve", lines, &[]).await
}

/// The same of any command that reads it, with these variables.
async fn told(
    command: &str,
    lines: &str,
    variables: &[(&str, &str)],
) -> (Option<i32>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let state = folder.path().join("state").display().to_string();
    let url = if lines.contains("[broker]") { "" } else { "[broker]\nurl = \"amqp://a/\"\n" };
    let store = if lines.contains("[webhooks]") { "" } else { "[webhooks]\n" };
    let text = format!("{url}[log]\nlevel = \"info\"\n{lines}\n{store}state_dir = {state:?}\n");
    fs::write(&config, text).unwrap();
    let arguments = [command, "--config", config.to_str().unwrap()];
    let output = tokio::time::timeout(SOON, program::run(&arguments, variables)).await;
    let output = output.expect("it serves").unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), said.lines().map(str::to_owned).collect())
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_ends_it_with_one_line() {
    let rows = [
        ("[broker]\nurl_file = \"/nowhere/broker-url\"", "broker.url_file", "/nowhere/broker-url"),
        ("[broker]\nurl_file = \"/proc\"", "broker.url_file", "no regular file"),
        ("[admin]\ntokens_file = \"/nowhere/tokens\"", "admin.tokens_file", "/nowhere/tokens"),
        ("[delivery]\nca_file = \"/nowhere/ca.pem\"", "delivery.ca_file", "/nowhere/ca.pem"),
        ("[traces]\nca_file = \"/nowhere/ca.pem\"", "traces.ca_file", "/nowhere/ca.pem"),
        ("[traces]\nheaders_file = \"/nowhere/token\"", "traces.headers_file", "/nowhere/token"),
        (
            "[traces]\nendpoint = \"http://a:hunter2@c\"",
            "traces.endpoint",
            "give tokens as headers",
        ),
        ("[webhooks]\nstore_file = \"/nowhere/url\"", "webhooks.store_file", "/nowhere/url"),
        ("[webhooks]\nstore = \"postgres://a:b@c/d\"", "webhooks.encryption_key", "openssl"),
        ("[webhooks]\nstore = \"sqlite:///proc/no/hooks.db\"", "/proc/no", "cannot be opened"),
    ];
    for (lines, place, why) in rows {
        let (code, said) = served(lines).await;
        assert_eq!(code, Some(2), "{lines}: {said:?}");
        assert_eq!(said.len(), 1, "{lines}: {said:?}");
        assert!(said[0].contains(place) && said[0].contains(why), "{lines}: {said:?}");
    }
}

/// The places of webhooks and log are looked at with the rest, by `check`, too, and their passwords are
/// not told.
#[tokio::test]
async fn a_database_url_that_is_none_is_told_with_its_key() {
    let key = "encryption_key = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"";
    let urls = [
        ("postgres://a:hunter2@127.0.0.1:99999/x", "invalid port number"),
        ("postgres://a:hunter2@127.0.0.1/x?sslmode=banana", "verify-full"),
        ("postgres://a@127.0.0.1/x?password=hunter2&port=x", "a parameter after the ?"),
    ];
    for (url, why) in urls {
        let log = format!("[delivery_log]\nstore = {url:?}");
        let webhooks = format!("[webhooks]\nstore = {url:?}\n{key}");
        for (lines, place) in [(log, "delivery_log.store"), (webhooks, "webhooks.store")] {
            for command in ["serve", "check"] {
                let (code, said) = told(command, &lines, &[]).await;
                assert_eq!((code, said.len()), (Some(2), 1), "{command} {lines}: {said:?}");
                assert!(
                    ["config.toml:", place, why].iter().all(|x| said[0].contains(x)),
                    "{said:?}"
                );
                assert!(!said[0].contains("hunter2"), "{said:?}");
            }
        }
    }
}

/// Without any authority no https webhook could be delivered: that is not left to the first of them.
#[tokio::test]
async fn a_place_of_authorities_that_holds_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let [none, empty, text] =
        ["none.pem", "empty.pem", "text.pem"].map(|name| folder.path().join(name));
    fs::write(&empty, "").unwrap();
    fs::write(&text, "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n").unwrap();
    let folder = folder.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let rows = [
        ("SSL_CERT_FILE", none, "No such file"),
        ("SSL_CERT_FILE", empty, "no usable PEM certificate"),
        ("SSL_CERT_FILE", text, "no usable PEM certificate"),
        ("SSL_CERT_DIR", folder, "no usable PEM certificate"),
    ];
    for (variable, path, why) in rows {
        let path = path.to_str().unwrap();
        for command in ["serve", "check"] {
            let (code, said) = told(command, "", &[(variable, path)]).await;
            assert_eq!((code, said.len()), (Some(2), 1), "{command} {path}: {said:?}");
            assert!([variable, path, why].iter().all(|x| said[0].contains(x)), "{said:?}");
        }
    }
}

/// A program whose webhooks cannot be read goes on trying, and says why once.
#[tokio::test]
async fn webhooks_that_cannot_be_read_are_waited_for() {
    let space = Space::open().await.unwrap();
    let webhook = Webhook::new("whk_1", "https://receiver.example/");
    let setup = Setup::new(&space).set("webhooks.store", "file:///nowhere/webhooks.toml");
    let mut program = Program::launch(&setup, &[]).await.unwrap();
    not_ready(&program, "none are live yet", &["/nowhere/webhooks.toml", "No such file"]).await;
    end(&mut program).await;

    // One trouble does not hide the other.
    let closed = testbed::ports::Port::take().unwrap();
    let setup = setup.set("broker.url", format!("amqp://a:hunter2@{}/", closed.address()));
    let mut program = Program::launch(&setup, &[]).await.unwrap();
    let both = ["webhooks: ", "/nowhere/webhooks.toml", "broker: ", "Connection refused"];
    says_of_readiness(&program, &both).await;
    end(&mut program).await;

    // The key of the Secret is missing, then it is there.
    let missing = tempfile::tempdir().unwrap();
    let file = missing.path().join("whk_1");
    let text = format!(
        "[[webhooks]]\nid = \"whk_1\"\nurl = \"https://receiver.example/\"\nevents = [\"*\"]\n\
         secret_file = {file:?}\n"
    );
    let mut program = Program::launch(&Setup::new(&space).webhook(webhook), &[]).await.unwrap();
    program.ready().await.unwrap();
    program.set_webhooks_text(&text).unwrap();
    let line = program.logged("cannot be read", SOON).await.unwrap();
    let told = ["webhooks.toml:5", "secret_file", "whk_1", "No such file"];
    assert!(told.iter().all(|word| line.contains(word)), "{line}");
    assert_eq!(program.get("/readyz").unwrap().status, 200, "what was live stays so");
    fs::write(&file, SECRET).unwrap();
    program.logged("can be read again", SOON).await.unwrap();
    end(&mut program).await;
    space.close().await.unwrap();
}

/// The line appears once however often it is tried, and the probes say the same.
async fn not_ready(program: &Program, text: &str, words: &[&str]) -> String {
    let line = program.logged(text, SOON).await.unwrap();
    assert!(words.iter().all(|word| line.contains(word)), "{line}");
    assert!(!line.contains("hunter2"), "{line}");
    says_of_readiness(program, words).await;
    assert_eq!(program.get("/healthz").unwrap().status, 200);
    let health = program.operations().to_string();
    let asked = program::run(&["health", "--address", &health], &[]).await.unwrap();
    assert_eq!(asked.status.code(), Some(1));
    let said = String::from_utf8(asked.stderr).unwrap();
    assert!(said.starts_with("not ready: ") && said.lines().count() == 1, "{said}");
    let times = program.log().iter().filter(|line| line.contains(text)).count();
    assert_eq!(times, 1, "{:?}", program.log());
    line
}

/// Waits until `/readyz` says no with these words, and never with a password.
async fn says_of_readiness(program: &Program, words: &[&str]) {
    let said = eventually("/readyz says why", SOON, || async {
        let answer = program.get("/readyz").ok().filter(|answer| answer.status == 503)?;
        words.iter().all(|word| answer.body.contains(word)).then_some(answer.body)
    })
    .await;
    let said = said.unwrap_or_else(|error| panic!("{error:#}: {:?}", program.get("/readyz")));
    assert!(!said.contains("hunter2") && said.lines().count() == 1, "{said}");
}

async fn end(program: &mut Program) {
    program.sigterm();
    assert!(program.wait(SOON).await.unwrap().success(), "{:?}", program.log());
}

/// Each cause has words of its own, not only "no session".
#[tokio::test]
async fn a_broker_that_does_not_take_us_is_told_by_its_cause() {
    let space = Space::open().await.unwrap();
    let wrong_password = space.url().replacen("guest:guest", "guest:hunter2", 1);
    let unknown_vhost = format!("{}-unknown", space.url());
    let tls_to_plain = space.url().replacen("amqp://", "amqps://", 1);
    let closed = testbed::ports::Port::take().unwrap();
    // Whoever speaks TLS and is spoken to in the clear answers as a broker's TLS port does.
    let identity = Authority::new().unwrap().identity("127.0.0.1").unwrap();
    let with_tls = Receiver::start_tls(Script::ok(), &identity).await.unwrap();
    let rows: [(String, &[&str]); 7] = [
        (wrong_password, &["the user or the password of broker.url", "Login was refused"]),
        (unknown_vhost, &["the virtual host", "-unknown", "not found", "rabbitmqctl add_vhost"]),
        (tls_to_plain, &["speaks no TLS", "amqp://"]),
        (format!("amqp://a:hunter2@{}/", with_tls.address()), &["port for TLS", "amqps://"]),
        (
            format!("amqps://a:hunter2@{}/", with_tls.address()),
            &["certificate is not accepted", "not trusted here", "SSL_CERT_FILE"],
        ),
        (format!("amqp://a:hunter2@{}/", closed.address()), &["Connection refused", "is down"]),
        (
            "amqp://a:hunter2@nobody.invalid/".to_owned(),
            &["nobody.invalid of broker.url does not resolve"],
        ),
    ];
    for (url, words) in rows {
        let setup = Setup::new(&space).set("broker.url", url.as_str());
        let mut program = Program::launch(&setup, &[]).await.unwrap();
        let line = not_ready(&program, "no session with the broker", words).await;
        for jargon in ["AMQP ", "IO error", "Parser", "os error", "InvalidContentType"] {
            assert!(!line.contains(jargon), "{line}");
        }
        end(&mut program).await;
    }
    space.close().await.unwrap();
}

#[tokio::test]
async fn a_database_that_does_not_take_us_is_told_by_its_cause() {
    let space = Space::open().await.unwrap();
    let server = postgres::Server::start().await.unwrap();
    let (account, rest) =
        server.url().rsplit_once('@').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let user = account.rsplit_once(':').unwrap().0;
    let closed = testbed::ports::Port::take().unwrap();
    let rows = [
        (format!("{user}:hunter2@{rest}"), "password authentication failed"),
        (format!("{account}@{rest}_unknown"), "does not exist"),
        (format!("postgres://a:hunter2@{}/x", closed.address()), "Connection refused"),
    ];
    let place = |url: &str| format!("postgres://{}", url.rsplit_once('@').unwrap().1);
    for (url, why) in rows {
        let setup = Setup::new(&space)
            .set("webhooks.store", url.as_str())
            .set("webhooks.encryption_key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
        let mut program = Program::launch(&setup, &[]).await.unwrap();
        not_ready(&program, "none are live yet", &[why, &place(&url)]).await;
        let log = program.log().join("\n");
        // Of PostgreSQL's own source, and of the library.
        assert!(!log.contains(" at line ") && !log.contains("error returned"), "{log}");
        end(&mut program).await;
    }
    space.close().await.unwrap();
}

/// A folder with the program and this configuration. Root may read and write everything, so the program
/// runs as somebody else there, who could not enter the home of another user.
struct Nobody(tempfile::TempDir);

impl Nobody {
    async fn new(config: &str) -> Self {
        let nobody = Self(tempfile::tempdir().unwrap());
        nobody.mode("", 0o755);
        fs::write(nobody.path("config.toml"), config).unwrap();
        nobody.mode("config.toml", 0o644);
        fs::copy(program::binary().await.unwrap(), nobody.path("program")).unwrap();
        nobody
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The one line of a command that ends with code 2.
    fn refused(&self, command: &str) -> String {
        let mut run = Command::new(self.path("program"));
        run.args([command, "--config"]).arg(self.path("config.toml"));
        run.current_dir(workspace::root());
        if rustix::process::geteuid().is_root() {
            std::os::unix::process::CommandExt::uid(&mut run, NOBODY);
        }
        let output = run.output().unwrap();
        let said = program::said(&output);
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        said
    }
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_told_as_that() {
    let nobody = Nobody::new("[broker]\nurl_file = \"url\"\n").await;
    fs::write(nobody.path("url"), "amqp://a:hunter2@b/").unwrap();
    nobody.mode("url", 0o000);
    let said = nobody.refused("serve");
    assert!(said.contains("broker.url_file") && said.contains("Permission denied"), "{said}");
}

#[tokio::test]
async fn a_database_that_cannot_be_made_is_told_before_anybody_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    for (path, mode) in [(folder.path(), 0o777), (&closed, 0o555)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let store = format!("sqlite://{}/new/webhooks.db", closed.display());
    let state = folder.path().join("state");
    let config = format!(
        "[broker]\nurl = \"amqp://a:b@c/\"\n[log]\nlevel = \"warn\"\n\
         [webhooks]\nstore = {store:?}\nstate_dir = {state:?}\n"
    );
    let nobody = Nobody::new(&config).await;
    for command in ["check", "serve"] {
        let said = nobody.refused(command);
        let words =
            ["webhooks.db is not there", &closed.display().to_string(), "Permission denied"];
        assert!(words.iter().all(|word| said.contains(word)), "{command}: {said}");
    }
}

/// `health` as a container's health check sees it.
#[tokio::test]
async fn health_says_what_the_probes_say() {
    let space = Space::open().await.unwrap();
    let webhook = Webhook::new("whk_1", "https://receiver.example/");
    let mut program = Program::start(&Setup::new(&space).webhook(webhook)).await.unwrap();
    let config = program.folder().join("config.toml").display().to_string();
    for (more, yes) in [(&[][..], "ready\n"), (&["--live"], "live\n")] {
        let arguments = [&["health", "--config", &config], more].concat();
        let asked = program::run(&arguments, &[]).await.unwrap();
        assert_eq!(asked.status.code(), Some(0), "{}", String::from_utf8_lossy(&asked.stderr));
        assert_eq!(String::from_utf8(asked.stdout).unwrap(), yes);
    }
    end(&mut program).await;
    let asked = program::run(&["health", "--config", &config], &[]).await.unwrap();
    assert_eq!(asked.status.code(), Some(1));
    assert!(String::from_utf8(asked.stderr).unwrap().contains("Connection refused"));

    // Who takes the connection and says nothing is given up on.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let arguments = ["health", "--address", &address];
    let asking = program::run(&arguments, &[]);
    let asked = tokio::time::timeout(Duration::from_secs(60), asking).await.unwrap().unwrap();
    assert_eq!(asked.status.code(), Some(1));
    space.close().await.unwrap();
}

#[tokio::test]
async fn send_goes_on_until_it_is_ended() {
    let space = Space::open().await.unwrap();
    let webhook = Webhook::new("whk_1", "https://receiver.invalid/").events(&["deployment.*"]);
    let setup = Setup::new(&space).webhook(webhook);
    let folder = tempfile::tempdir().unwrap();
    setup.write(folder.path()).unwrap();
    let mut program = Program::start(&setup).await.unwrap();
    let mut command = Command::new(program::binary().await.unwrap());
    command.args(["send", "domain.added", "--every", "100ms", "--config"]);
    command.arg(folder.path().join("config.toml")).stdout(std::process::Stdio::piped());
    let mut guard = testbed::guard::Guard::new("send").unwrap();
    let mut group = guard.spawn(&mut command).unwrap();
    eventually("three events came", SOON, || async {
        let metrics = program.metrics().ok()?;
        (metrics.sum("boottify_webhooks_events_consumed_total", &[]) >= 3.0).then_some(())
    })
    .await
    .unwrap();
    group.signal(rustix::process::Signal::TERM);
    assert!(group.wait(SOON).await.unwrap().unwrap().success());
    end(&mut program).await;
    space.close().await.unwrap();
}
