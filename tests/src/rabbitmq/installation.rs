//! The programs of one RabbitMQ: those of the system, or those unpacked into a folder of their own
//! that need `chroot`.
//!
//! Either way they are started directly, never through the system's service manager, and with an
//! environment that holds only what is put into it here.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where packages put the scripts themselves. What is in `/usr/sbin` on Debian are wrappers that
/// insist on being root and run as another user.
const SCRIPTS: [&str; 3] =
    ["/usr/lib/rabbitmq/bin", "/opt/homebrew/opt/rabbitmq/sbin", "/usr/local/opt/rabbitmq/sbin"];

/// Where the data folder of a broker appears inside an unpacked root.
const INSIDE: &str = "/testbed";

/// Makes devices, processes and the data folder visible in the root for one command; the private
/// mount namespace takes all of it away again when the command ends.
const ENTER: &str = r#"
set -e
mount --bind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount --bind "$2" "$1/testbed"
root=$1
shift 2
exec chroot "$root" "$@"
"#;

/// The oldest version that the product supports: it brought at-least-once dead-lettering.
const OLDEST: (u32, u32) = (3, 10);

/// One set of RabbitMQ's programs.
#[derive(Clone, Debug)]
pub enum Installation {
    /// In a folder of the running system.
    System {
        /// The folder with `rabbitmq-server` and `rabbitmqctl`.
        scripts: PathBuf,
    },
    /// In a root folder of its own.
    Unpacked {
        /// What `chroot` is given.
        root: PathBuf,
    },
}

impl Installation {
    /// What is installed on this machine.
    pub fn of_the_system() -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        SCRIPTS
            .iter()
            .map(PathBuf::from)
            .chain(env::split_paths(&path))
            .find(|folder| folder.join("rabbitmq-server").is_file())
            .map(|scripts| Self::System { scripts })
    }

    /// Major and minor version, where the folders tell.
    fn version(&self) -> Option<(u32, u32)> {
        let library = match self {
            Self::System { scripts } => scripts.parent()?.join("lib"),
            Self::Unpacked { root } => root.join("usr/lib/rabbitmq/lib"),
        };
        let names =
            fs::read_dir(library).ok()?.filter_map(Result::ok).map(|entry| entry.file_name());
        names.filter_map(|name| version(name.to_str()?)).max()
    }

    /// Whether it is known to be older than the product supports.
    pub(super) fn is_too_old(&self) -> bool {
        self.version().is_some_and(|version| version < OLDEST)
    }

    /// A broker's data folder, as its programs see it.
    pub(super) fn inside(&self, folder: &Path) -> PathBuf {
        match self {
            Self::System { .. } => folder.to_owned(),
            Self::Unpacked { .. } => INSIDE.into(),
        }
    }

    /// A command that runs one of RabbitMQ's or Erlang's programs for the broker whose data is in
    /// `folder`, with exactly the given environment.
    pub(super) fn command(
        &self,
        program: &str,
        folder: &Path,
        environment: &[(String, String)],
    ) -> Command {
        let settings = environment.iter().map(|(name, value)| format!("{name}={value}"));
        match self {
            Self::System { scripts } => {
                let script = scripts.join(program);
                let mut command = Command::new("env");
                command.arg("-i").args(settings);
                command.arg(format!("PATH={}", env::var("PATH").unwrap_or_default()));
                command.arg(if script.is_file() { script } else { program.into() });
                command
            }
            Self::Unpacked { root } => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "sh", "-c", ENTER, "enter"]).arg(root).arg(folder);
                command.args([
                    "/usr/bin/env",
                    "-i",
                    "PATH=/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin",
                ]);
                command.args(settings).arg(program);
                command
            }
        }
    }
}

impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { scripts } => {
                write!(f, "the installed {}", scripts.join("rabbitmq-server").display())
            }
            Self::Unpacked { root } => write!(f, "RabbitMQ 4 in {}", root.display()),
        }
    }
}

/// The version in the name of the folder that packages install into.
fn version(folder: &str) -> Option<(u32, u32)> {
    let mut parts = folder.strip_prefix("rabbitmq_server-")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{OLDEST, version};

    #[test]
    fn versions_are_compared_as_numbers() {
        for (folder, supported) in [
            ("rabbitmq_server-3.9.13", Some(false)),
            ("rabbitmq_server-3.10.8", Some(true)),
            ("rabbitmq_server-4.0.5", Some(true)),
            ("erl", None),
        ] {
            assert_eq!(version(folder).map(|version| version >= OLDEST), supported, "{folder}");
        }
    }
}
