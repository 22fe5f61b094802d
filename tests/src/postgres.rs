//! A real PostgreSQL: found, installed if need be, started and asked.
//!
//! A [`Server`] is ours alone: a free port on loopback and no socket file, a password that nobody
//! else knows, all data in a temporary folder. Once started it takes connections until it is
//! stopped. Nothing here touches a server that was running before.
//!
//! Not here: a client. What tests want to see in a database they ask through `psql`.

mod keeper;
mod programs;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tokio::time::Instant;

use crate::debian::said;
use crate::ports::Port;
use crate::postgres::keeper::{Ending, Keeper};
use crate::postgres::programs::{Account, Programs};
use crate::report::Reporter;

/// Longest start: a busy machine with one core, or a log to be replayed.
const START: Duration = Duration::from_secs(60);

/// Longest fast shutdown, which writes everything out.
const STOP: Duration = Duration::from_secs(60);

/// How often a starting server is asked.
const ASK: Duration = Duration::from_millis(50);

/// The superuser that every server of ours has.
const USER: &str = "testbed";

/// The database that every server has from its beginning.
const FIRST: &str = "postgres";

/// PostgreSQL's own bound; it would cut longer names without an error.
const LONGEST_NAME: usize = 63;

/// What server and `initdb` said, in the keeper's folder.
const CONSOLE: &str = "console.log";

/// A PostgreSQL server of the test's own: data in a temporary folder, loopback only, stopped and
/// removed when dropped.
#[derive(Debug)]
pub struct Server {
    keeper: Keeper,
    programs: Programs,
    account: Option<Account>,
    password: String,
    port: Port,
}

impl Server {
    /// Starts a server and waits until it answers, telling standard error what takes time. Where
    /// no PostgreSQL is installed, Debian's package is.
    ///
    /// # Errors
    ///
    /// When there is no way to PostgreSQL, or when it does not start, with its last words.
    pub async fn start() -> Result<Self> {
        let report = Reporter::stderr();
        let programs = Programs::find_or_install(&report).await?;
        let began = Instant::now();
        let mut server = Self {
            keeper: Keeper::new()?,
            programs,
            account: Account::to_run_as()?,
            password: password()?,
            port: Port::take()?,
        };
        server.initialize().await?;
        server.start_again().await?;
        report.step(format!("PostgreSQL ready after {:.1} s", began.elapsed().as_secs_f64()));
        Ok(server)
    }

    /// The URL of the database `postgres`, as its superuser.
    pub fn url(&self) -> String {
        self.url_of(FIRST)
    }

    /// Makes an empty database and gives its URL.
    ///
    /// # Errors
    ///
    /// When there is one of that name, when the name is not made of 1 to 63 ASCII letters, digits,
    /// `_` and `-`, or when the server does not run.
    pub async fn database(&self, name: &str) -> Result<String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        ensure!(
            (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain),
            "{name:?} cannot be the name of a database here"
        );
        let mut command = self.client("createdb", FIRST);
        // The other template cannot be copied while somebody is connected to it.
        command.args(["--template=template0", "--", name]);
        said(command).await?;
        Ok(self.url_of(name))
    }

    /// Stops it in an orderly way: open transactions are rolled back, connections are cut, the data
    /// is kept. One that is stopped already stays so.
    ///
    /// # Errors
    ///
    /// When it does not end.
    pub async fn stop(&mut self) -> Result<()> {
        if !self.keeper.is_running() {
            return Ok(());
        }
        self.keeper.signal(Signal::INT);
        let status = self.keeper.wait(STOP).await?;
        let status = status.with_context(|| format!("PostgreSQL did not stop within {STOP:?}"))?;
        ensure!(status.success(), "PostgreSQL stopped with {status}: {}", self.last_words());
        Ok(())
    }

    /// Starts it again after [`Server::stop`], with the same port and the same data, and waits until
    /// it answers.
    ///
    /// # Errors
    ///
    /// When it runs already, or when it does not start, with its last words.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(!self.keeper.is_running(), "the PostgreSQL server runs already");
        let mut command = self.server("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.number().to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            // Sockets would be files outside our folder.
            "unix_socket_directories=",
            // What survives a power failure is the system's business; what survives the process
            // does so without.
            "fsync=off",
            "full_page_writes=off",
            "shared_buffers=16MB",
            // Files in the data folder, where the default leaves some in /dev/shm after a crash.
            "dynamic_shared_memory_type=mmap",
        ] {
            command.args(["-c", setting]);
        }
        let console = self.console()?;
        self.keeper.start(command, console, Ending::Quit)?;
        self.ready().await
    }

    /// Runs SQL through `psql` and gives the rows it returns, a line each, columns separated by
    /// `|`, without headings and without the last newline. Several statements are one transaction.
    ///
    /// # Errors
    ///
    /// When the server refuses a statement, or does not run; the error says what it complained of.
    pub async fn execute(&self, database: &str, sql: &str) -> Result<String> {
        let mut command = self.client("psql", database);
        command.args(["-AtXq", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        let rows = said(command).await?;
        Ok(rows.strip_suffix('\n').unwrap_or(&rows).to_owned())
    }

    /// Makes the data folder.
    async fn initialize(&mut self) -> Result<()> {
        let secret = self.keeper.folder().join("password");
        fs::create_dir(self.data())?;
        fs::write(&secret, &self.password)?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        if let Some(account) = &self.account {
            // The server's account passes through the folder, and owns only what it needs.
            fs::set_permissions(self.keeper.folder(), fs::Permissions::from_mode(0o711))?;
            account.own(&self.data())?;
            account.own(&secret)?;
        }
        let mut command = self.server("initdb");
        command.arg("--pgdata").arg(self.data()).arg("--pwfile").arg(&secret);
        command.args(["--username", USER, "--auth=scram-sha-256"]);
        command.args(["--encoding=UTF8", "--locale=C", "--no-sync"]);
        let console = self.console()?;
        self.keeper.start(command, console, Ending::ByItself)?;
        let status = self.keeper.wait(START).await?;
        let status = status.with_context(|| format!("initdb takes longer than {START:?}"))?;
        ensure!(status.success(), "initdb failed ({status}): {}", self.last_words());
        fs::remove_file(&secret).context("failed to remove the password file")
    }

    /// Waits until it answers.
    async fn ready(&mut self) -> Result<()> {
        let end = Instant::now() + START;
        loop {
            let Err(error) = self.execute(FIRST, "SELECT 1").await else { return Ok(()) };
            if let Some(status) = self.keeper.ended()? {
                return Err(
                    error.context(format!("PostgreSQL ended ({status}): {}", self.last_words()))
                );
            }
            if Instant::now() >= end {
                let words = self.last_words();
                return Err(
                    error.context(format!("PostgreSQL is not ready after {START:?}: {words}"))
                );
            }
            tokio::time::sleep(ASK).await;
        }
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://{USER}:{}@{}/{database}", self.password, self.port.address())
    }

    fn data(&self) -> PathBuf {
        self.keeper.folder().join("data")
    }

    fn console(&self) -> Result<File> {
        let path = self.keeper.folder().join(CONSOLE);
        File::options().append(true).create(true).open(path).context("failed to open the console")
    }

    /// The last lines that server or `initdb` said.
    fn last_words(&self) -> String {
        let text = fs::read_to_string(self.keeper.folder().join(CONSOLE)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// A program that touches the data folder, and so runs as its owner.
    fn server(&self, program: &str) -> Command {
        let mut command = self.programs.command(program);
        if let Some(account) = &self.account {
            account.run(&mut command);
        }
        command
    }

    /// A program that connects to the server.
    fn client(&self, program: &str, database: &str) -> Command {
        let mut command = self.programs.command(program);
        // By the environment: arguments are there for every user of the machine to see.
        command.env("PGPASSWORD", &self.password);
        command.env("PGHOST", self.port.address().ip().to_string());
        command.env("PGPORT", self.port.number().to_string());
        command.env("PGUSER", USER).env("PGDATABASE", database);
        command
    }
}

/// A password that nobody can guess: a superuser may run programs as the server's account.
fn password() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("failed to read /dev/urandom")?;
    Ok(hex::encode(bytes))
}
