//! A broker, some replicas, receivers and an adversary, small enough to be tried out whole.
//!
//! What a replica does with a delivery is decided by [`Life`], and when it may acknowledge by
//! [`Message`]: the very types that the flow uses. The rest is what they are to be right against. A
//! broker that keeps what it has confirmed, and gives again what is not acknowledged; an adversary
//! that ends a replica between any two steps, repeats messages, has dead letters sent again or drops
//! them. Not modelled: time (any delay may be over at any moment, any policy may end), the broker's
//! own loss of what it has confirmed, and its delivery limit.

mod steps;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;

use super::*;

pub(super) use self::steps::Step;

/// One event for one webhook.
pub(super) type Id = (u8, u8);

/// What stands in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Letter {
    /// An event, which stands for a delivery to every webhook.
    Event(u8),
    /// One delivery.
    Delivery(Id, Carried),
}

/// A life as it is written into a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Carried {
    attempts: u32,
    earlier_attempts: u32,
    beside: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Queue {
    Events,
    /// All rungs and the queue where they lead.
    Deliveries,
    Dead,
}

/// What became of one delivery that a replica has taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Way {
    /// Nothing yet.
    Begun,
    /// It is known what is owed, and nothing is published.
    Owes(Owed, Life),
    /// Published to this queue; `true` once the broker has it.
    Published(Owed, Queue, Letter, bool),
    Done,
}

/// How far the broker and a replica are with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ack {
    /// The broker waits for it.
    Open,
    /// It is on its way.
    Said,
    /// The broker has it: the message is gone.
    Arrived,
}

/// A message in the hands of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hand {
    replica: u8,
    from: Queue,
    letter: Letter,
    message: Message<()>,
    ways: Vec<(Id, Life, Way)>,
    ack: Ack,
}

/// A dead letter in the hands of who sends it again or drops it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Walk {
    letter: Letter,
    /// What is sent again, and whether the broker has it; `None` where it is dropped.
    again: Option<(Letter, bool)>,
    published: bool,
    ack: Ack,
}

/// What is known of a delivery from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Known {
    /// How often its receiver took it.
    pub(super) taken: u32,
    /// How often its receiver saw the attempt with each number, from 1.
    seen: Vec<u32>,
    /// How often it may be taken at most: once, and once more for each time that it was given again.
    allowed: u32,
    /// Whether the policy ever gave it up.
    gave_up: bool,
    /// Whether people dropped it, or their webhook keeps nothing.
    dropped: bool,
}

/// How often the adversary and people may still do what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) crashes: u8,
    pub(super) doubles: u8,
    pub(super) replays: u8,
    pub(super) drops: u8,
    pub(super) beside: u8,
    pub(super) postponed: u8,
}

/// A mistake in the order of things, which the model must find; `None` is what the flow does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mistake {
    None,
    AcknowledgesBeforeConfirm,
    AcknowledgesBeforePublish,
    AcknowledgesWithTheFirst,
    TakesAwayBeforeConfirm,
    ForgetsAttempts,
    BuriesWhatIsRetried,
}

/// How large a world is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) events: u8,
    pub(super) webhooks: u8,
    pub(super) replicas: u8,
    /// Messages that a replica holds at most.
    pub(super) prefetch: usize,
    /// Attempts after which the policy gives up, counted from when people sent it again.
    pub(super) attempts: u32,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct World {
    size: Size,
    mistake: Mistake,
    state: State,
}

/// All that changes.
#[derive(Clone, Debug)]
pub(super) struct State {
    queues: BTreeMap<Queue, Vec<Letter>>,
    hands: Vec<Hand>,
    walk: Option<Walk>,
    known: BTreeMap<Id, Known>,
    budget: Budget,
}

impl Carried {
    fn of(life: Life) -> Self {
        let Life { attempts, earlier_attempts, once, .. } = life;
        Self { attempts, earlier_attempts, beside: once.is_some() }
    }

    /// As the broker holds it.
    fn parked(self) -> Parked {
        Parked {
            webhook: "whk_1".into(),
            event: "evt_1".into(),
            kind: "domain.added".into(),
            body: Bytes::new(),
            attempts: self.attempts,
            earlier_attempts: self.earlier_attempts,
            once: self.beside.then_some(Once::Beside),
            published_ms: 1,
            first_attempt_ms: 1,
            parked_ms: 1,
            due_ms: 1,
            last_failure: None,
            last_failure_detail: None,
            traceparent: None,
        }
    }

    fn life(self) -> Life {
        Life::of(&self.parked())
    }

    fn sent_again(self) -> Self {
        Self::of(Life::of(&self.parked().begun_anew(2)))
    }
}

impl World {
    pub(super) fn new(size: Size, budget: Budget, mistake: Mistake) -> Self {
        let ids = (0..size.events).flat_map(|e| (0..size.webhooks).map(move |w| (e, w)));
        let known = ids.map(|id| (id, Known { allowed: 1, ..Known::default() })).collect();
        let events = (0..size.events).map(Letter::Event).collect();
        let queues =
            [(Queue::Events, events), (Queue::Deliveries, Vec::new()), (Queue::Dead, Vec::new())];
        let queues = queues.into_iter().collect();
        let state = State { queues, hands: Vec::new(), walk: None, known, budget };
        Self { size, mistake, state }
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// A number for what this world is, the same for worlds that differ only in the order of their
    /// hands or in which replica is which; with enough bits that no two of some million worlds are
    /// taken for one.
    pub(super) fn fingerprint(&self) -> u128 {
        let State { queues, hands, walk, known, budget } = &self.state;
        let half = |salt: u64| {
            let mut replicas: Vec<Vec<u64>> = (0..self.size.replicas)
                .map(|replica| {
                    let own = hands.iter().filter(|hand| hand.replica == replica);
                    let own = own.map(|Hand { from, letter, message, ways, ack, .. }| {
                        hash((salt, from, letter, message, ways, ack))
                    });
                    let mut own: Vec<u64> = own.collect();
                    own.sort_unstable();
                    own
                })
                .collect();
            replicas.sort_unstable();
            u128::from(hash((salt, queues, replicas, walk, known, budget)))
        };
        half(1) << 64 | half(2)
    }

    pub(super) fn known(&self) -> impl Iterator<Item = &Known> {
        self.state.known.values()
    }

    /// Does one step, and tells what it broke.
    pub(super) fn go(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Take(queue, at, replica) => self.take(queue, at, replica),
            Step::Deliver(hand, way) => self.attempt(hand, way, None)?,
            Step::Fail(hand, way, next) => self.attempt(hand, way, Some(next))?,
            Step::PutOff(hand, way, over) => {
                self.state.budget.postponed -= 1;
                let (id, life) = self.of(hand, way);
                let owed = if over { life.held_back(true) } else { Owed::Wait(life.put_off()) };
                self.give_up(id, &owed);
                self.owes(hand, way, owed, life);
            }
            Step::Disable(hand, way, keep) => {
                self.state.budget.postponed -= 1;
                let (id, life) = self.of(hand, way);
                let owed = life.disabled(keep);
                self.give_up(id, &owed);
                self.owes(hand, way, owed, life);
            }
            Step::Publish(hand, way) => self.publish(hand, way)?,
            Step::Arrive(hand, way) => {
                if let Way::Published(_, queue, letter, arrived) =
                    &mut self.state.hands[hand].ways[way].2
                {
                    *arrived = true;
                    let (queue, letter) = (*queue, letter.clone());
                    self.put(queue, letter);
                }
            }
            Step::Confirm(hand, way) => self.confirm(hand, way),
            Step::Acknowledge(hand) => self.state.hands[hand].ack = Ack::Said,
            Step::AckArrives(hand) => self.state.hands[hand].ack = Ack::Arrived,
            Step::Crash(replica) => self.crash(replica),
            Step::Double(at) => {
                self.state.budget.doubles -= 1;
                let letter = self.state.queues[&Queue::Deliveries][at].clone();
                self.allow(&letter);
                self.put(Queue::Deliveries, letter);
            }
            Step::Beside(id) => {
                self.state.budget.beside -= 1;
                let letter = Letter::Delivery(
                    id,
                    Carried { attempts: 0, earlier_attempts: 0, beside: true },
                );
                self.allow(&letter);
                self.put(Queue::Deliveries, letter);
            }
            walk => self.walk(walk)?,
        }
        self.state.hands.retain(|hand| {
            hand.ack != Ack::Arrived || hand.ways.iter().any(|(_, _, way)| *way != Way::Done)
        });
        self.state.walk.take_if(|walk| {
            walk.ack == Ack::Arrived && walk.again.as_ref().is_none_or(|(_, arrived)| *arrived)
        });
        self.judge()
    }

    fn take(&mut self, queue: Queue, at: usize, replica: u8) {
        let letter = self.state.queues.entry(queue).or_default().remove(at);
        let lives: Vec<(Id, Life)> = match &letter {
            Letter::Event(event) => {
                (0..self.size.webhooks).map(|webhook| ((*event, webhook), Life::NEW)).collect()
            }
            Letter::Delivery(id, carried) => vec![(*id, carried.life())],
        };
        let mut message = Message::new(());
        lives.iter().for_each(|_| message.owes_one());
        let ways = lives.into_iter().map(|(id, life)| (id, life, Way::Begun)).collect();
        self.state.hands.push(Hand { replica, from: queue, letter, message, ways, ack: Ack::Open });
    }

    /// The receiver sees an attempt, and takes it or does not.
    fn attempt(&mut self, hand: usize, way: usize, failed: Option<Next>) -> Result<(), String> {
        let (id, life) = self.of(hand, way);
        let known = self.state.known.entry(id).or_default();
        let before = life.attempts as usize;
        if before > known.seen.len() {
            return Err(format!("{id:?}: an attempt is left out before {}", life.next_attempt()));
        }
        known.seen.resize(known.seen.len().max(before + 1), 0);
        known.seen[before] += 1;
        let Some(next) = failed else {
            known.taken += 1;
            self.owes(hand, way, Owed::Nothing(life.delivered()), life);
            return Ok(());
        };
        let life = life.tried(1);
        let mut owed = life.failed(next);
        self.give_up(id, &owed);
        if self.mistake == Mistake::BuriesWhatIsRetried && matches!(owed, Owed::Wait(_)) {
            owed = life.failed(Next::GiveUp);
        }
        self.owes(hand, way, owed, life);
        Ok(())
    }

    fn of(&self, hand: usize, way: usize) -> (Id, Life) {
        let (id, life, _) = &self.state.hands[hand].ways[way];
        (*id, *life)
    }

    fn give_up(&mut self, id: Id, owed: &Owed) {
        self.state.known.entry(id).or_default().gave_up |= matches!(owed, Owed::Dead(_));
    }

    fn owes(&mut self, hand: usize, way: usize, owed: Owed, life: Life) {
        let Hand { message, ways, .. } = &mut self.state.hands[hand];
        let (id, _, state) = &mut ways[way];
        let known = self.state.known.entry(*id).or_default();
        *state = match owed {
            Owed::Nothing(discharged) => {
                // Nothing follows from what goes beside, whatever becomes of it.
                known.dropped |= known.taken == 0 && life.once.is_none();
                message.ended::<()>(Ok(discharged));
                Way::Done
            }
            owed => Way::Owes(owed, life),
        };
    }

    fn publish(&mut self, hand: usize, way: usize) -> Result<(), String> {
        let forgets = self.mistake == Mistake::ForgetsAttempts;
        let (id, before, state) = &mut self.state.hands[hand].ways[way];
        let Way::Owes(owed, life) = state.clone() else { return Ok(()) };
        let life = if forgets { Life { attempts: 0, ..life } } else { life };
        let (fewer, more) = (life.attempts < before.attempts, life.attempts > before.attempts + 1);
        if fewer || more || life.earlier_attempts != before.earlier_attempts {
            return Err(format!("{id:?}: {before:?} became {life:?}"));
        }
        let queue = if matches!(owed, Owed::Dead(_)) { Queue::Dead } else { Queue::Deliveries };
        let letter = Letter::Delivery(*id, Carried::of(life));
        *state = Way::Published(owed, queue, letter, false);
        Ok(())
    }

    fn confirm(&mut self, hand: usize, way: usize) {
        let Hand { message, ways, .. } = &mut self.state.hands[hand];
        let state = &mut ways[way].2;
        let Way::Published(owed, ..) = std::mem::replace(state, Way::Done) else { return };
        let discharged = match owed {
            Owed::Nothing(discharged) => discharged,
            Owed::Wait(waiting) => waiting.confirmed(&Confirm),
            Owed::Dead(dying) => dying.confirmed(&Confirm),
        };
        message.ended::<()>(Ok(discharged));
    }

    /// What the broker was not told is forgotten; what it waits for is given again.
    fn crash(&mut self, replica: u8) {
        self.state.budget.crashes -= 1;
        let hands = std::mem::take(&mut self.state.hands);
        let (gone, others) = hands.into_iter().partition(|hand| hand.replica == replica);
        self.state.hands = others;
        let gone: Vec<Hand> = gone;
        for Hand { from, letter, ack, .. } in gone {
            if ack != Ack::Arrived {
                self.allow(&letter);
                self.put(from, letter);
            }
        }
    }

    fn walk(&mut self, step: Step) -> Result<(), String> {
        if let Step::Walk(at, again) = step {
            let State { queues, budget, .. } = &mut self.state;
            let letter = queues.entry(Queue::Dead).or_default().remove(at);
            if again {
                budget.replays -= 1;
            } else {
                budget.drops -= 1;
            }
            let sent_again = match &letter {
                Letter::Delivery(id, carried) if again => {
                    let sent_again = carried.sent_again();
                    // It keeps its count, and its schedule begins anew.
                    let goes_on = sent_again.life().stage() == Stage::Retried;
                    if sent_again.attempts != carried.attempts || goes_on {
                        return Err(format!("{id:?}: {carried:?} became {sent_again:?}"));
                    }
                    Some((Letter::Delivery(*id, sent_again), false))
                }
                _ => None,
            };
            let published = sent_again.is_none();
            self.state.walk = Some(Walk { letter, again: sent_again, published, ack: Ack::Open });
            return Ok(());
        }
        let Some(walk) = &mut self.state.walk else { return Ok(()) };
        match step {
            Step::WalkPublish => walk.published = true,
            Step::WalkArrive => {
                if let Some((letter, arrived)) = &mut walk.again {
                    *arrived = true;
                    let letter = letter.clone();
                    self.put(Queue::Deliveries, letter);
                }
            }
            Step::WalkAcknowledge => walk.ack = Ack::Said,
            Step::WalkAckArrives => {
                walk.ack = Ack::Arrived;
                if let (Letter::Delivery(id, _), None) = (&walk.letter, &walk.again) {
                    self.state.known.entry(*id).or_default().dropped = true;
                }
            }
            _ => {
                self.state.budget.crashes -= 1;
                let walk = self.state.walk.take();
                if let Some(Walk { letter, ack: Ack::Open | Ack::Said, .. }) = walk {
                    self.allow(&letter);
                    self.put(Queue::Dead, letter);
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, queue: Queue, letter: Letter) {
        let queue = self.state.queues.entry(queue).or_default();
        queue.push(letter);
        // In which order they are taken is open anyway.
        queue.sort_unstable();
    }

    /// One more of this may be taken.
    fn allow(&mut self, letter: &Letter) {
        for (id, known) in &mut self.state.known {
            known.allowed += u32::from(letter.stands_for(*id));
        }
    }

    /// What must hold at every moment.
    fn judge(&self) -> Result<(), String> {
        for (id, known) in &self.state.known {
            let most = known.seen.iter().copied().max().unwrap_or_default();
            if known.taken.max(most) > known.allowed {
                return Err(format!("{id:?} was attempted too often: {known:?}"));
            }
            if self.is_dead(*id) && !known.gave_up {
                return Err(format!("{id:?} is dead, and nobody gave it up"));
            }
            if known.taken == 0 && !known.dropped && !self.is_somewhere(*id) {
                return Err(format!("{id:?} is lost"));
            }
        }
        Ok(())
    }

    fn is_dead(&self, id: Id) -> bool {
        self.state.queues[&Queue::Dead].iter().any(|letter| letter.stands_for(id))
    }

    /// Whether anything will go on with it: the broker, or at least the memory of a process.
    fn is_somewhere(&self, id: Id) -> bool {
        let State { queues, hands, walk, .. } = &self.state;
        let goes_on = |letter: &Letter| letter.goes_on_with(id);
        queues.values().flatten().any(goes_on)
            || hands.iter().any(|hand| {
                let (given_again, ways) = (hand.ack != Ack::Arrived, &hand.ways);
                let open = |(other, life, way): &(Id, Life, Way)| {
                    *other == id && life.once.is_none() && *way != Way::Done
                };
                given_again && goes_on(&hand.letter) || ways.iter().any(open)
            })
            || walk.as_ref().is_some_and(|walk| {
                let again = walk.again.as_ref();
                walk.ack != Ack::Arrived && goes_on(&walk.letter)
                    || again.is_some_and(|(letter, arrived)| !arrived && goes_on(letter))
            })
    }

    /// Whether nothing is on its way any more but dead letters.
    pub(super) fn is_at_rest(&self) -> bool {
        let State { queues, hands, walk, .. } = &self.state;
        let waits = queues.iter().any(|(queue, all)| *queue != Queue::Dead && !all.is_empty());
        !waits && hands.is_empty() && walk.is_none()
    }

    /// At rest, everything was taken, is dead, or was dropped.
    pub(super) fn judge_at_rest(&self) -> Result<(), String> {
        for (id, known) in &self.state.known {
            if known.taken == 0 && !known.dropped && !self.is_dead(*id) {
                return Err(format!("{id:?} came to no end"));
            }
        }
        Ok(())
    }
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

impl Letter {
    fn stands_for(&self, id: Id) -> bool {
        match self {
            Self::Event(event) => *event == id.0,
            Self::Delivery(other, _) => *other == id,
        }
    }

    /// What goes beside carries nothing on.
    fn goes_on_with(&self, id: Id) -> bool {
        self.stands_for(id) && !matches!(self, Self::Delivery(_, Carried { beside: true, .. }))
    }
}
