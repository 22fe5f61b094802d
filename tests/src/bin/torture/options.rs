//! What was asked for on the command line.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::plan::Kind;
use crate::sabotage::Sabotage;

pub(crate) const HELP: &str = "\
Usage: cargo xtask torture [OPTIONS]

  --short            at most two minutes: 10 faults, 3,000 deliveries, one broker node, two replicas,
                     a build without optimisations
  --seed N           the plan of faults; one is made up and told where it is not given
  --faults N         how many faults (200)
  --deliveries N     how many deliveries at least (1000000)
  --minutes N        no fault begins later than that (60)
  --only KIND,KIND   these kinds of faults alone
  --nodes N          1 or 3 broker nodes (3)
  --replicas N       2 to 8 replicas of the service (3)
  --broker WHICH     `system` or `4`, as for `cargo xtask test` (system)
  --previous FILE    a binary of an earlier version: replicas are replaced from one to the other
  --sabotage WHAT    spoils what was seen before it is judged, to see the judge find it
";

/// See the module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) faults: usize,
    pub(crate) deliveries: u64,
    pub(crate) time: Duration,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) nodes: usize,
    pub(crate) replicas: usize,
    pub(crate) broker: String,
    pub(crate) previous: Option<PathBuf>,
    pub(crate) sabotage: Option<Sabotage>,
    /// As it was asked for, and the seed: what repeats it.
    pub(crate) command: String,
}

/// The kinds of the short form: what takes seconds on a small machine.
const SHORT: [Kind; 10] = [
    Kind::KillReplica,
    Kind::StopReplica,
    Kind::RollReplicas,
    Kind::CutNetwork,
    Kind::RefuseNetwork,
    Kind::SilenceNetwork,
    Kind::KillLeader,
    Kind::MemoryAlarm,
    Kind::StoreAway,
    Kind::StoreReadOnly,
];

impl Options {
    /// Reads the words behind the program's name.
    pub(crate) fn read(words: &[String]) -> Result<Self, String> {
        let short = words.iter().any(|word| word == "--short");
        let mut options = if short { Self::short() } else { Self::long() };
        let (mut only, mut seeded, mut rest) = (None, false, words.iter());
        while let Some(word) = rest.next() {
            if word == "--short" {
                continue;
            }
            let value = rest.next().ok_or_else(|| format!("`{word}` needs a value"))?;
            let wrong = || format!("`{word}` does not take `{value}`");
            let number = |least: u64, most: u64| {
                let number = value.parse().ok();
                number.filter(|number| (least..=most).contains(number)).ok_or_else(wrong)
            };
            let small = |number: u64| usize::try_from(number).unwrap_or_default();
            match word.as_str() {
                "--seed" => (options.seed, seeded) = (number(0, u64::MAX)?, true),
                "--faults" => options.faults = small(number(1, 100_000)?),
                "--deliveries" => options.deliveries = number(1, 100_000_000)?,
                "--minutes" => options.time = Duration::from_secs(60 * number(1, 10_000)?),
                "--nodes" => options.nodes = small(number(1, 3)?),
                "--replicas" => options.replicas = small(number(2, 8)?),
                "--broker" if ["system", "4"].contains(&value.as_str()) => {
                    options.broker.clone_from(value);
                }
                "--only" => {
                    let kinds = value.split(',').map(|word| Kind::of_word(word).ok_or_else(wrong));
                    only = Some(kinds.collect::<Result<Vec<_>, _>>()?);
                }
                "--previous" => options.previous = Some(value.into()),
                "--sabotage" => {
                    options.sabotage = Some(Sabotage::of_word(value).ok_or_else(wrong)?);
                }
                _ => return Err(format!("`torture` does not know `{word} {value}`")),
            }
        }
        if let Some(only) = only {
            options.kinds = only;
        }
        let nodes = options.nodes;
        options.kinds.retain(|kind| kind.is_for(nodes));
        options.command = format!("cargo xtask torture {}", words.join(" "));
        if !seeded {
            options.command = format!("{} --seed {}", options.command.trim_end(), options.seed);
        }
        Ok(options)
    }

    fn long() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            seed: u64::from(now.subsec_nanos()) ^ now.as_secs(),
            faults: 200,
            deliveries: 1_000_000,
            time: Duration::from_secs(60 * 60),
            kinds: Kind::ALL.to_vec(),
            nodes: 3,
            replicas: 3,
            broker: "system".to_owned(),
            previous: None,
            sabotage: None,
            command: String::new(),
        }
    }

    fn short() -> Self {
        Self {
            faults: 10,
            deliveries: 3_000,
            time: Duration::from_secs(60),
            kinds: SHORT.to_vec(),
            nodes: 1,
            replicas: 2,
            ..Self::long()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        Options::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_was_asked_for_is_read_and_can_be_repeated() {
        let options = read("--short --seed 7 --only cut-network,cut-node --faults 3").unwrap();
        assert_eq!((options.seed, options.faults, options.replicas), (7, 3, 2));
        assert_eq!(options.kinds, [Kind::CutNetwork], "one node cannot be cut off from others");
        assert!(options.command.ends_with("--only cut-network,cut-node --faults 3"));
        let made_up = read("").unwrap();
        let words = made_up.command.strip_prefix("cargo xtask torture ").unwrap();
        assert_eq!(read(words).unwrap().seed, made_up.seed);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in
            ["--seed", "--seed x", "--fast 1", "--only flood", "--nodes 4", "--sabotage x", "it 1"]
        {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
