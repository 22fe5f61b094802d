//! The project's only tool: `cargo xtask check`, `test`, `demo`, `bench`, `torture`, `fuzz`, `docs`
//! and `dist`.
//!
//! This file reads the command line; each command is a file of its own. Nothing here is part of
//! the product, and CI calls the same commands as people do.

mod bench;
mod check;
mod demo;
mod dist;
mod docs;
mod fuzz;
mod paint;
mod progress;
mod steps;
mod test;
mod tidy;
mod torture;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

const HELP: &str = "\
The project's tool.

Usage: cargo xtask <COMMAND>

Commands:
  check [--fast]                    format, lints, tidy rules; without --fast also documentation,
                                    its examples and the dependency tree (cargo-deny)
  test [--broker WHICH] [ARGS...]   all tests against a real RabbitMQ of their own; ARGS go to
                                    cargo-nextest (or to cargo test where that is missing)
  demo [--once]                     broker, service and receiver on this machine, events from end
                                    to end; stays until Ctrl-C, with --once ends with a summary
  bench [--quick] [PART...]         the service beside the bare loop, and beside receivers that
                                    misbehave, in one run; writes a table, JSON and charts below
                                    target/bench; PART: throughput, latency, loaded, isolation,
                                    crowd
  torture [--short] [OPTIONS]       the service in several replicas under faults at random moments, and
                                    a judge of what arrived; `torture help` says more
  fuzz [--seconds N] [--keep] [TARGET]
                                    fuzz targets of tests/fuzz, all or one, for 60 s each if nobody
                                    says otherwise; --keep writes telling inputs to tests/fuzz/kept;
                                    needs cargo-fuzz
  docs                              writes what docs/ has of the code (the list of all keys)
  dist [--binary FILE] [--out DIR]  a release: archive, list of what is in it (CycloneDX), Debian
                                    package if cargo-deb is installed, checksums; below
                                    target/dist, of a static build or of FILE
  help                              this text

WHICH is one of
  any      the broker that AMQP_URL names, an installed rabbitmq-server, Docker, or the system's
           package manager, in this order (the default)
  system   the system's rabbitmq-server, installed if it is not there
  4        RabbitMQ 4 from Debian's packages, unpacked below target/ (Debian and root only)
  URL      the broker at this AMQP URL

Exit codes: 0 all is well, 1 something is not, 2 wrong usage; of `test` the test runner's own.
";

/// What was asked for on the command line.
#[derive(Debug, Eq, PartialEq)]
enum Order {
    Help,
    Check { fast: bool },
    Test { broker: Option<String>, rest: Vec<String> },
    Demo { once: bool },
    Bench { arguments: Vec<String> },
    Torture { rest: Vec<String> },
    Docs,
    Fuzz(fuzz::Wanted),
    Dist(dist::Wanted),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let order = match parse(&arguments) {
        Ok(order) => order,
        Err(complaint) => {
            eprintln!("xtask: {complaint}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match obey(order) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn obey(order: Order) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    match order {
        Order::Help => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Order::Check { fast } => runtime.block_on(check::run(fast)),
        Order::Test { broker, rest } => runtime.block_on(test::run(broker.as_deref(), &rest)),
        Order::Demo { once } => runtime.block_on(demo::run(once)),
        Order::Docs => runtime.block_on(docs::run()),
        Order::Fuzz(wanted) => runtime.block_on(fuzz::run(wanted)),
        Order::Dist(wanted) => runtime.block_on(dist::run(wanted)),
        Order::Bench { arguments } => runtime.block_on(bench::run(&arguments)),
        Order::Torture { rest } => runtime.block_on(torture::run(&rest)),
    }
}

fn parse(arguments: &[String]) -> Result<Order, String> {
    let Some((command, rest)) = arguments.split_first() else {
        return Err("which command?".to_owned());
    };
    match command.as_str() {
        "help" | "--help" | "-h" => Ok(Order::Help),
        _ if asks_for_help(rest) => Ok(Order::Help),
        "check" => flag(command, rest, "--fast").map(|fast| Order::Check { fast }),
        "demo" => flag(command, rest, "--once").map(|once| Order::Demo { once }),
        "bench" => parse_bench(rest),
        "torture" => Ok(Order::Torture { rest: rest.to_vec() }),
        "docs" if rest.is_empty() => Ok(Order::Docs),
        "fuzz" => parse_fuzz(rest).map(Order::Fuzz),
        "dist" => parse_dist(rest).map(Order::Dist),
        "test" => parse_test(rest),
        other => Err(format!("there is no command `{other}`")),
    }
}

/// What follows `--` is the test runner's.
fn asks_for_help(rest: &[String]) -> bool {
    rest.iter().take_while(|word| *word != "--").any(|word| word == "--help" || word == "-h")
}

fn flag(command: &str, rest: &[String], known: &str) -> Result<bool, String> {
    match rest {
        [] => Ok(false),
        [word] if word == known => Ok(true),
        [word, ..] => Err(format!("`{command}` does not know `{word}`, only `{known}`")),
    }
}

fn parse_test(rest: &[String]) -> Result<Order, String> {
    let mut broker = None;
    let mut others = Vec::new();
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        if word == "--broker" {
            broker = Some(words.next().ok_or("`--broker` needs a value")?.clone());
        } else if let Some(value) = word.strip_prefix("--broker=") {
            broker = Some(value.to_owned());
        } else {
            others.push(word.clone());
        }
    }
    if let Some(unknown) = broker.as_deref().filter(|value| !is_broker(value)) {
        return Err(format!("`--broker` takes any, system, 4 or an AMQP URL, not `{unknown}`"));
    }
    Ok(Order::Test { broker, rest: others })
}

fn parse_bench(rest: &[String]) -> Result<Order, String> {
    const KNOWN: [&str; 6] = ["--quick", "throughput", "latency", "loaded", "isolation", "crowd"];
    match rest.iter().find(|word| !KNOWN.contains(&word.as_str())) {
        Some(word) => Err(format!("`bench` does not know `{word}`, only {}", KNOWN.join(", "))),
        None => Ok(Order::Bench { arguments: rest.to_vec() }),
    }
}

fn parse_dist(rest: &[String]) -> Result<dist::Wanted, String> {
    let mut wanted = dist::Wanted::default();
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        let place = match word.as_str() {
            "--binary" => &mut wanted.binary,
            "--out" => &mut wanted.out,
            other => return Err(format!("`dist` does not know `{other}`")),
        };
        *place = Some(PathBuf::from(words.next().ok_or(format!("`{word}` needs a value"))?));
    }
    Ok(wanted)
}

fn parse_fuzz(rest: &[String]) -> Result<fuzz::Wanted, String> {
    let mut wanted = fuzz::Wanted::default();
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        if word == "--seconds" {
            let seconds = words.next().and_then(|value| value.parse().ok());
            wanted.seconds = seconds.ok_or("`--seconds` needs a number")?;
        } else if word == "--keep" {
            wanted.keep = true;
        } else if word.starts_with('-') || wanted.target.is_some() {
            return Err(format!("`fuzz` does not know `{word}`"));
        } else {
            wanted.target = Some(word.clone());
        }
    }
    Ok(wanted)
}

fn is_broker(value: &str) -> bool {
    let url = value.starts_with("amqp://") || value.starts_with("amqps://");
    matches!(value, "any" | "system" | "4") || url
}

#[cfg(test)]
mod tests {
    use testbed::markdown::Document;

    use super::{Order, dist, fuzz, parse};

    fn parsed(line: &str) -> Result<Order, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn orders_are_read() {
        let test = |broker: Option<&str>, rest: &[&str]| Order::Test {
            broker: broker.map(str::to_owned),
            rest: rest.iter().map(|word| (*word).to_owned()).collect(),
        };
        let bench = Order::Bench { arguments: vec!["--quick".into(), "loaded".into()] };
        for (line, expected) in [
            ("help", Order::Help),
            ("demo --help", Order::Help),
            ("check", Order::Check { fast: false }),
            ("check --fast", Order::Check { fast: true }),
            ("demo --once", Order::Demo { once: true }),
            ("bench", Order::Bench { arguments: vec![] }),
            ("bench --quick loaded", bench),
            ("torture --seed 7", Order::Torture { rest: vec!["--seed".into(), "7".into()] }),
            ("dist --out o", Order::Dist(dist::Wanted { binary: None, out: Some("o".into()) })),
            ("fuzz", Order::Fuzz(fuzz::Wanted::default())),
            (
                "fuzz events --seconds 600 --keep",
                Order::Fuzz(fuzz::Wanted {
                    seconds: 600,
                    target: Some("events".to_owned()),
                    keep: true,
                }),
            ),
            ("test", test(None, &[])),
            ("test --broker 4 -p testbed", test(Some("4"), &["-p", "testbed"])),
            ("test retry --broker=amqp://h", test(Some("amqp://h"), &["retry"])),
            ("test -- --help", test(None, &["--", "--help"])),
        ] {
            assert_eq!(parsed(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_the_documents_say_in_a_sentence_is_known() {
        let mut known = 0;
        for document in Document::all().unwrap() {
            for (line, command) in document.inline_commands("cargo xtask") {
                let place = format!("{}:{line}", document.path.display());
                parse(&command).unwrap_or_else(|error| panic!("{place}: {error}"));
                known += 1;
            }
        }
        assert!(known > 20, "only {known} commands were found");
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "fly",
            "check --slow",
            "demo --once twice",
            "test --broker",
            "test --broker 5",
            "dist --out",
            "fuzz --seconds",
            "fuzz events parse",
            "dist it",
            "bench all",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
