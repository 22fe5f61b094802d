//! `man`: the manual pages, made from the command line and the defaults, so that they cannot say
//! anything else than the program does.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::cli::{self, Cli};
use crate::config::{DEFAULT_PATH, DEFAULTS};
use crate::exit::Failed;
use crate::print;

/// Terms, each with its sentences.
type Terms = [(&'static str, &'static str)];

const FILES: &Terms = &[
    (
        DEFAULT_PATH,
        "The configuration, where neither --config nor the environment names another file. It holds \
         what differs from the defaults below; broker.url alone has none.",
    ),
    (
        "/var/lib/boottify-webhooks",
        "What has to survive a restart: the embedded database, its key, the last good webhooks \
         (webhooks.store, webhooks.state_dir).",
    ),
];

const ENVIRONMENT: &Terms = &[
    ("BOOTTIFY_WEBHOOKS_CONFIG", "The configuration file, as --config names it."),
    (
        "BOOTTIFY_WEBHOOKS__SECTION__KEY",
        "A value for this key, stronger than the file's: BOOTTIFY_WEBHOOKS__BROKER__URL is \
         broker.url. Lists are separated by commas.",
    ),
    (
        "BOOTTIFY_WEBHOOKS__SECTION__KEY_FILE",
        "The file that holds this secret: an environment is seen by more eyes than a file",
    ),
    ("WEBHOOK_SECRET", "The secret for verify, where --secret-file names none."),
];

const EXIT: &Terms = &[
    ("0", "Done. Of serve: a signal ended it, and what was in flight was settled or given back."),
    (
        "1",
        "It could not be done, or the answer is no: a signature that does not match, a program that takes no events.",
    ),
    ("2", "Wrong usage or configuration; another try without a change ends the same way."),
];

const SIGNALS: &Terms = &[
    (
        "SIGTERM, SIGINT",
        "Take nothing more, end what is in flight within shutdown.grace, give the rest back to the \
         broker, and end. A second one ends at once.",
    ),
    (
        "SIGHUP",
        "Read the configuration again, apply what can change, and say which changes need a restart. \
         A configuration with a mistake changes nothing.",
    ),
];

/// Prints the page, or writes all of them into a folder.
///
/// # Errors
///
/// Where standard output or the folder cannot be written.
pub(crate) fn run(asked: &cli::Man) -> Result<(), Failed> {
    let mut command = Cli::command().disable_help_subcommand(true);
    // From here on every subcommand knows its full name.
    command.build();
    match &asked.into {
        None => {
            let page = page(command).context("the page cannot be made")?;
            print::text(&String::from_utf8_lossy(&page))
        }
        Some(folder) => {
            fs::create_dir_all(folder)
                .and_then(|()| write(command, folder))
                .with_context(|| format!("cannot write to {}", folder.display()))?;
            Ok(())
        }
    }
}

/// A command's page and those of all below it.
fn write(command: clap::Command, folder: &Path) -> io::Result<()> {
    for below in command.get_subcommands() {
        write(below.clone(), folder)?;
    }
    let name = Man::new(command.clone()).get_filename();
    fs::write(folder.join(name), page(command)?)
}

fn page(command: clap::Command) -> io::Result<Vec<u8>> {
    // The whole program is the one without a command above it, and only it has these sections.
    let whole = command.get_name() == Cli::command().get_name();
    let man = Man::new(command).manual("Boottify");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if whole {
        man.render_subcommands_section(&mut page)?;
        for (title, entries) in [
            ("FILES", FILES),
            ("ENVIRONMENT", ENVIRONMENT),
            ("EXIT STATUS", EXIT),
            ("SIGNALS", SIGNALS),
        ] {
            terms(title, entries).to_writer(&mut page)?;
        }
        defaults().to_writer(&mut page)?;
    } else {
        let mut roff = Roff::new();
        roff.control("SH", ["SEE ALSO"]);
        roff.text([
            bold("boottify-webhooks"),
            roman("(1): files, environment, exit status, signals"),
        ]);
        roff.to_writer(&mut page)?;
    }
    Ok(page)
}

fn terms(title: &str, entries: &Terms) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (term, sentences) in entries {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*sentences)]);
    }
    roff
}

/// The defaults as they are compiled in, with their comments: the list of all keys.
fn defaults() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["CONFIGURATION"]);
    roff.text([roman("Every key with its default, as the program holds them:")]);
    roff.control("PP", []);
    roff.control("nf", []);
    for line in DEFAULTS.lines() {
        if line.is_empty() {
            roff.control("sp", []);
        } else {
            roff.text([Inline::Roman(line.to_owned())]);
        }
    }
    roff.control("fi", []);
    roff
}
