//! The program: reads the command line and the configuration, and does what was asked.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. What a configuration got wrong is
//! told before anything is opened.

mod admin;
mod announcer;
mod audit;
mod cli;
mod command;
mod config;
mod exit;
mod failing;
mod files;
mod health;
mod journal;
mod listener;
mod log;
mod log_metrics;
mod ops;
mod print;
mod retention;
mod serve;
mod signals;
mod stack;
mod store_metrics;
mod tasks;
mod wiring;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use tokio::runtime::Runtime;

use crate::cli::{Cli, Command, Configured, Webhooks};
use crate::config::{Config, DEFAULT_PATH};
use crate::exit::Failed;
use crate::serve::Started;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    if command.takes_messages() {
        stack::make_room();
    }
    // One TLS provider for every library that would otherwise choose for itself. It can only be
    // set once, and nobody was before us.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    exit::code(run(command))
}

fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::Serve(configured) => serve(configured),
        Command::Check(configured) => command::check::run(&load(&configured)?),
        Command::Webhooks(Webhooks::List { configured, json }) => {
            command::webhooks::list(&load(&configured)?, json)
        }
        Command::Webhooks(Webhooks::Show(show)) => {
            command::webhooks::show(&show, &load(&show.one.configured)?)
        }
        Command::Webhooks(Webhooks::NewSecret) => command::webhooks::new_secret(),
        Command::Webhooks(asked) => {
            let config = load(asked.configured())?;
            runtime(&config)?.block_on(command::change::run(&asked, &config))
        }
        Command::Dead(asked) => {
            let config = load(asked.configured())?;
            runtime(&config)?.block_on(command::dead::run(&asked, &config))
        }
        Command::Send(asked) => {
            let config = load(&asked.configured)?;
            runtime(&config)?.block_on(command::send::run(&asked, &config))
        }
        Command::Listen(asked) => {
            let config = load(&asked.configured)?;
            runtime(&config)?.block_on(command::listen::run(&asked, &config))
        }
        Command::Backup(asked) => {
            let config = load(&asked.configured)?;
            let runtime = runtime(&config)?;
            let done = runtime.block_on(command::backup::run(&asked.to, &config));
            // Whoever reads the archive may have stopped reading when a signal comes.
            runtime.shutdown_background();
            done
        }
        Command::Verify(asked) => command::verify::run(&asked),
        Command::Health(asked) => {
            let address = match &asked.address {
                Some(address) => address.clone(),
                None => command::health::own_address(load(&asked.configured)?.operations.listen),
            };
            // A probe comes every few seconds: it starts no threads.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime
                .context("starting the runtime")?
                .block_on(command::health::run(&asked, &address))
        }
        Command::Man(asked) => command::manual::run(&asked),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "boottify-webhooks", &mut script);
            print::text(&String::from_utf8_lossy(&script))
        }
    }
}

fn serve(configured: Configured) -> Result<(), Failed> {
    let config = load(&configured)?;
    // As `check` says it; it is read for use later.
    wiring::check_files(&config).map_err(|error| Failed::Usage(format!("{error:#}")))?;
    let log = log::start(config.log.format, config.log.level)?;
    files::make_room(config.delivery.max_connections);
    let runtime = runtime(&config)?;
    let started = Started { config, config_path: configured.config, log };
    let served = runtime.block_on(serve::serve(started));
    // What a second signal or the grace period cut off must not hold up the end.
    runtime.shutdown_background();
    served.map_err(|error| match error.downcast::<store::OpenError>() {
        Ok(unusable) => Failed::Usage(broker::in_one_line(&unusable)),
        Err(other) => Failed::Work(other),
    })
}

fn load(configured: &Configured) -> Result<Config, Failed> {
    let path: Option<&Path> = configured.config.as_deref();
    Config::load(path, std::env::vars()).map_err(|report| {
        let mut text = report.to_string();
        if path.is_none() && !Path::new(DEFAULT_PATH).exists() {
            text += &format!("\nno --config was given, and there is no {DEFAULT_PATH}");
        }
        Failed::Usage(text)
    })
}

fn runtime(config: &Config) -> Result<Runtime, Failed> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = config.runtime.threads {
        builder.worker_threads(threads.get());
    }
    Ok(builder.enable_all().build().context("starting the runtime")?)
}
