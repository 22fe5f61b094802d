//! Which fault comes when, for how long, and whom it meets: the same for the same seed.

use std::fmt;
use std::time::Duration;

use crate::random::Random;

/// Pause between two faults: often too short for all to have recovered.
const GAP_MS: (u64, u64) = (300, 3_000);

/// One kind of fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) enum Kind {
    KillReplica,
    StopReplica,
    RollReplicas,
    CutNetwork,
    RefuseNetwork,
    SilenceNetwork,
    SlowNetwork,
    RestartBroker,
    KillLeader,
    StopLeader,
    CutNode,
    SilenceNode,
    MemoryAlarm,
    DiskAlarm,
    StoreAway,
    StoreSilent,
    StoreSlow,
    StoreReadOnly,
}

/// What is known of a kind beforehand.
struct Nature {
    kind: Kind,
    word: &'static str,
    what: &'static str,
    /// How often it comes among the others.
    weight: u64,
    /// How long it lasts.
    hold_ms: (u64, u64),
    /// What beginning and ending it take besides, about.
    effort_ms: u64,
    /// Nodes that a cluster needs for it.
    nodes: usize,
}

const fn nature(
    kind: Kind,
    (word, what): (&'static str, &'static str),
    weight: u64,
    hold_ms: (u64, u64),
    effort_ms: u64,
    nodes: usize,
) -> Nature {
    Nature { kind, word, what, weight, hold_ms, effort_ms, nodes }
}

/// In the order of the table. What must pass the heartbeat (3 s, lost after twice that) or the nodes'
/// time of silence (8 s) lasts longer than those.
const NATURES: [Nature; 18] = [
    nature(
        Kind::KillReplica,
        ("kill-replica", "a replica killed (SIGKILL) and started again"),
        8,
        (0, 1_500),
        200,
        1,
    ),
    nature(
        Kind::StopReplica,
        ("stop-replica", "a replica stopped (SIGSTOP) past the heartbeat"),
        4,
        (7_500, 10_000),
        100,
        1,
    ),
    nature(
        Kind::RollReplicas,
        ("roll-replicas", "all replicas replaced one by one (SIGTERM)"),
        2,
        (0, 500),
        6_000,
        1,
    ),
    nature(
        Kind::CutNetwork,
        ("cut-network", "a replica's connections to the broker cut"),
        6,
        (0, 0),
        50,
        1,
    ),
    nature(
        Kind::RefuseNetwork,
        ("refuse-network", "a replica's way to the broker closed"),
        4,
        (1_000, 5_000),
        200,
        1,
    ),
    nature(
        Kind::SilenceNetwork,
        ("silence-network", "a replica's connections half-open"),
        4,
        (4_000, 8_000),
        200,
        1,
    ),
    nature(
        Kind::SlowNetwork,
        ("slow-network", "a replica's way to the broker slow"),
        3,
        (3_000, 6_000),
        200,
        1,
    ),
    nature(
        Kind::RestartBroker,
        ("restart-broker", "a broker node stopped in order and started again"),
        2,
        (0, 2_000),
        14_000,
        1,
    ),
    nature(
        Kind::KillLeader,
        ("kill-leader", "the node that leads the events queue killed and started again"),
        3,
        (500, 3_000),
        14_000,
        1,
    ),
    nature(
        Kind::StopLeader,
        ("stop-leader", "that node stopped (SIGSTOP) past the heartbeat"),
        2,
        (7_500, 12_000),
        6_000,
        1,
    ),
    nature(
        Kind::CutNode,
        ("cut-node", "a node cut off from the others"),
        2,
        (6_000, 10_000),
        12_000,
        3,
    ),
    nature(
        Kind::SilenceNode,
        ("silence-node", "a node's connections to the others half-open"),
        2,
        (11_000, 14_000),
        12_000,
        3,
    ),
    nature(
        Kind::MemoryAlarm,
        ("memory-alarm", "the memory alarm raised"),
        2,
        (1_000, 4_000),
        5_000,
        1,
    ),
    nature(Kind::DiskAlarm, ("disk-alarm", "the disk alarm raised"), 2, (1_000, 4_000), 5_000, 1),
    nature(
        Kind::StoreAway,
        ("store-away", "PostgreSQL stopped and started again"),
        3,
        (1_000, 5_000),
        1_500,
        1,
    ),
    nature(
        Kind::StoreSilent,
        ("store-silent", "connections to PostgreSQL half-open"),
        2,
        (2_000, 6_000),
        200,
        1,
    ),
    nature(Kind::StoreSlow, ("store-slow", "PostgreSQL slow"), 2, (2_000, 6_000), 200, 1),
    nature(
        Kind::StoreReadOnly,
        ("store-read-only", "PostgreSQL read-only"),
        3,
        (2_000, 5_000),
        400,
        1,
    ),
];

impl Kind {
    pub(crate) const ALL: [Self; 18] = {
        let mut all = [Self::KillReplica; 18];
        let mut n = 0;
        while n < all.len() {
            all[n] = NATURES[n].kind;
            n += 1;
        }
        all
    };

    fn nature(self) -> &'static Nature {
        // The natures are in the order of the kinds, which a test holds.
        &NATURES[self as usize]
    }

    pub(crate) fn word(self) -> &'static str {
        self.nature().word
    }

    pub(crate) fn what(self) -> &'static str {
        self.nature().what
    }

    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether a cluster of so many nodes can suffer it.
    pub(crate) fn is_for(self, nodes: usize) -> bool {
        self.nature().nodes <= nodes
    }

    /// Whether it takes broker nodes away or apart.
    pub(crate) fn is_of_the_broker(self) -> bool {
        matches!(
            self,
            Self::RestartBroker
                | Self::KillLeader
                | Self::StopLeader
                | Self::CutNode
                | Self::SilenceNode
        )
    }

    /// Whether replicas may not hear of changed webhooks meanwhile.
    pub(crate) fn keeps_news_away(self) -> bool {
        matches!(
            self,
            Self::StopReplica
                | Self::StoreAway
                | Self::StoreSilent
                | Self::StoreSlow
                | Self::StoreReadOnly
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One fault to come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Planned {
    pub(crate) kind: Kind,
    /// The pause before it.
    pub(crate) gap: Duration,
    pub(crate) hold: Duration,
    /// Chooses whom it meets.
    pub(crate) pick: u64,
}

/// So many faults of these kinds: each kind once at least where they suffice, the rest by weight.
pub(crate) fn plan(seed: u64, count: usize, kinds: &[Kind]) -> Vec<Planned> {
    let mut random = Random::new(seed);
    let mut drawn = kinds.to_vec();
    shuffle(&mut drawn, &mut random);
    let total: u64 = kinds.iter().map(|kind| kind.nature().weight).sum();
    while drawn.len() < count && total > 0 {
        let mut ticket = random.below(total);
        let kind = kinds.iter().find(|kind| {
            let weight = kind.nature().weight;
            let won = ticket < weight;
            ticket = ticket.saturating_sub(weight);
            won
        });
        drawn.extend(kind);
    }
    drawn.truncate(count);
    shuffle(&mut drawn, &mut random);
    let planned = drawn.into_iter().map(|kind| Planned {
        kind,
        gap: Duration::from_millis(random.within(GAP_MS)),
        hold: Duration::from_millis(random.within(kind.nature().hold_ms)),
        pick: random.next(),
    });
    planned.collect()
}

/// How long a plan takes, about.
pub(crate) fn estimate(plan: &[Planned]) -> Duration {
    let of = |fault: &Planned| {
        fault.gap + fault.hold + Duration::from_millis(fault.kind.nature().effort_ms)
    };
    plan.iter().map(of).sum()
}

fn shuffle(kinds: &mut [Kind], random: &mut Random) {
    for n in (1..kinds.len()).rev() {
        kinds.swap(n, usize::try_from(random.below(n as u64 + 1)).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natures_are_in_the_order_of_their_kinds_and_words_are_unique() {
        for (n, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!((kind as usize, Kind::of_word(kind.word())), (n, Some(kind)));
        }
    }

    #[test]
    fn a_seed_makes_the_same_plan_and_another_one_another() {
        let plan_of = |seed| plan(seed, 50, &Kind::ALL);
        assert_eq!(plan_of(7), plan_of(7));
        assert_ne!(plan_of(7), plan_of(8));
        assert_eq!(plan_of(7).len(), 50);
        for kind in Kind::ALL {
            assert!(plan_of(7).iter().any(|fault| fault.kind == kind), "{kind}");
        }
        let one = plan(7, 5, &[Kind::CutNetwork]);
        assert!(one.len() == 5 && one.iter().all(|fault| fault.kind == Kind::CutNetwork));
        assert_eq!(plan(7, 5, &[]), []);
    }
}
