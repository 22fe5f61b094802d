//! The testbed's PostgreSQL: a server of the test's own does what it says.

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use testbed::eventually;
use testbed::postgres::Server;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(20);

/// Makes the test about a killed process play that process.
const VICTIM: &str = "TESTBED_POSTGRES_VICTIM";

#[tokio::test]
async fn a_private_postgres_comes_back_with_its_data_and_goes_without_a_trace() {
    let mut server = Server::start().await.unwrap();
    let url = server.database("kept").await.unwrap();
    assert_eq!(url, server.url().replace("/postgres", "/kept"));
    assert!(server.database("kept").await.is_err(), "a second database of the same name");
    let table = "CREATE TABLE rows (id int PRIMARY KEY, word text)";
    assert_eq!(server.execute("kept", table).await.unwrap(), "");
    server.execute("kept", "INSERT INTO rows VALUES (1, 'one'), (2, 'two')").await.unwrap();

    let address = address(&server.url());
    server.stop().await.unwrap();
    refused(address).await;
    assert!(server.execute("kept", "SELECT 1").await.is_err(), "a stopped server answers");
    server.start_again().await.unwrap();
    assert!(server.start_again().await.is_err(), "two servers on the same data");
    let rows = server.execute("kept", "SELECT * FROM rows ORDER BY id").await.unwrap();
    assert_eq!(rows, "1|one\n2|two");

    let data = server.execute("postgres", "SHOW data_directory").await.unwrap();
    assert!(Path::new(&data).parent().unwrap().exists());
    drop(server);
    refused(address).await;
    assert!(!Path::new(&data).parent().unwrap().exists(), "{data} is left behind");
}

#[tokio::test]
async fn a_private_postgres_takes_nobody_without_its_password() {
    let (one, other) = (Server::start().await.unwrap(), Server::start().await.unwrap());
    let password = |server: &Server| {
        let url = server.url();
        let account = url.split_once('@').unwrap().0;
        account.rsplit_once(':').unwrap().1.to_owned()
    };
    assert_ne!(password(&one), password(&other));
    let rules = "SELECT DISTINCT auth_method FROM pg_hba_file_rules";
    assert_eq!(one.execute("postgres", rules).await.unwrap(), "scram-sha-256");
    let error = one.execute("nowhere", "SELECT 1").await.unwrap_err();
    assert!(format!("{error:#}").contains("\"nowhere\" does not exist"), "{error:#}");
    for name in ["", "a b", "a/b", "a'b", &"a".repeat(64)] {
        assert!(one.database(name).await.is_err(), "{name:?}");
    }
}

#[tokio::test]
async fn a_private_postgres_goes_with_a_process_that_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        let server = Server::start().await.unwrap();
        let data = server.execute("postgres", "SHOW data_directory").await.unwrap();
        println!("\n{VICTIM} {data} {}", address(&server.url()));
        // Ends with the other process, should nobody come to kill it.
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    let name = "postgres::a_private_postgres_goes_with_a_process_that_is_killed";
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(VICTIM, "yes")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let line = loop {
        let line = lines.next_line().await.unwrap().expect("the victim starts a server");
        if let Some(line) = line.strip_prefix(VICTIM) {
            break line.trim().to_owned();
        }
    };
    let (data, address) = line.split_once(' ').unwrap();
    let address: SocketAddr = address.parse().unwrap();
    let pid_file = std::fs::read_to_string(Path::new(data).join("postmaster.pid")).unwrap();
    let memory = pid_file.lines().nth(6).unwrap().split_whitespace().nth(1).unwrap();
    assert!(!cfg!(target_os = "linux") || has_shared_memory(memory), "{pid_file}");

    victim.kill().await.unwrap();
    let folder = Path::new(data).parent().unwrap();
    eventually("the folder is gone", SOON, || async { (!folder.exists()).then_some(()) })
        .await
        .unwrap();
    refused(address).await;
    assert!(!has_shared_memory(memory), "shared memory {memory} is left behind");
}

/// Whether the machine has a System V segment of this id; only Linux tells.
fn has_shared_memory(id: &str) -> bool {
    let segments = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    segments.lines().any(|line| line.split_whitespace().nth(1) == Some(id))
}

fn address(url: &str) -> SocketAddr {
    let (_, place) = url.split_once('@').unwrap();
    place.split_once('/').unwrap().0.parse().unwrap()
}

async fn refused(address: SocketAddr) {
    let error = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}
