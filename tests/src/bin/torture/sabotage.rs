//! Spoils what was seen, so that the judge has something to find: a judge that cannot fail is worth
//! nothing.

use crate::inbox::Flaw;
use crate::judge::{self, Evidence, Letter};
use crate::traffic::{self, Role};

/// What is spoilt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sabotage {
    /// One delivery has never arrived.
    Lose,
    /// One came again far more often than anything was in flight.
    Double,
    /// One reached a webhook that wants something else.
    Misroute,
    /// A repeat has another id.
    Rename,
    /// Two deliveries have one id.
    Confuse,
    /// One is signed wrongly.
    Forge,
    /// What is no event was delivered.
    Deliver,
    /// A deleted webhook got something.
    Revive,
    /// A dead letter is missing.
    LoseLetter,
    /// There is one of somebody who takes everything.
    InventLetter,
    /// What was rejected is gone.
    LoseRejected,
    /// An event was rejected.
    Reject,
    /// An event was never confirmed.
    Doubt,
    /// A queue is not empty.
    Leave,
    /// A counter counted one more.
    Miscount,
    /// Counters tell of more than anybody saw.
    Boast,
}

impl Sabotage {
    pub(crate) const ALL: [(&'static str, Self); 16] = [
        ("lose", Self::Lose),
        ("double", Self::Double),
        ("misroute", Self::Misroute),
        ("rename", Self::Rename),
        ("confuse", Self::Confuse),
        ("forge", Self::Forge),
        ("deliver", Self::Deliver),
        ("revive", Self::Revive),
        ("lose-letter", Self::LoseLetter),
        ("invent-letter", Self::InventLetter),
        ("lose-rejected", Self::LoseRejected),
        ("reject", Self::Reject),
        ("doubt", Self::Doubt),
        ("leave", Self::Leave),
        ("miscount", Self::Miscount),
        ("boast", Self::Boast),
    ];

    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == word).map(|(_, sabotage)| sabotage)
    }

    /// Spoils it. Where there was no traffic at all there is little to spoil.
    pub(crate) fn spoil(self, evidence: &mut Evidence) {
        let records = &mut evidence.records;
        let steady = records.iter().position(|record| {
            traffic::role(record.hook) == Some(Role::Steady) && record.status == 200
        });
        let Some(one) = steady.map(|at| records[at]) else { return };
        match self {
            Self::Lose => {
                records.retain(|known| (known.event, known.hook) != (one.event, one.hook));
            }
            Self::Double => {
                let more = usize::try_from(judge::allowed(evidence)).unwrap_or_default() + 1;
                evidence.records.extend(std::iter::repeat_n(one, more));
            }
            Self::Misroute => {
                let never = traffic::hooks().into_iter().find(|hook| hook.role == Role::Never);
                let hook = never.map_or(0, |hook| hook.number);
                records.push(crate::inbox::Record { hook, delivery: !one.delivery, ..one });
            }
            Self::Rename => {
                records.push(crate::inbox::Record { delivery: !one.delivery, ..one });
            }
            Self::Confuse => {
                let other = records.iter_mut().find(|known| known.event != one.event);
                other.into_iter().for_each(|other| other.delivery = one.delivery);
            }
            Self::Forge => records[steady.unwrap_or_default()].flaw = Flaw::Signature,
            Self::Deliver => {
                records.push(crate::inbox::Record { event: 7, delivery: !one.delivery, ..one });
            }
            Self::Revive => {
                let late = evidence.lives.iter().find(|life| life.deleted.is_some());
                let hook = late.map_or(0, |life| life.hook);
                let event = *traffic::CHANGING_PROJECTS.start();
                let (at, delivery) = (u32::MAX, !one.delivery);
                records.push(crate::inbox::Record { hook, event, at, delivery, ..one });
            }
            Self::LoseLetter => {
                let lost = evidence.letters.first().copied();
                evidence.letters.retain(|letter| Some(*letter) != lost);
            }
            Self::InventLetter => {
                evidence.letters.push(Letter { event: one.event, hook: one.hook });
            }
            Self::LoseRejected => {
                let lost = evidence.rejected.first().copied();
                evidence.rejected.retain(|event| Some(*event) != lost);
            }
            Self::Reject => evidence.rejected.push(one.event),
            Self::Doubt => evidence.sent.iter_mut().take(1).for_each(|sent| sent.confirmed = None),
            Self::Leave => evidence.left.push("webhooks.events holds 1 message".to_owned()),
            Self::Miscount => evidence.calm.counted.delivered += 1.0,
            Self::Boast => evidence.counted.delivered += 1e12,
        }
    }
}
