//! What can come next in a world: steps of the replicas, of the broker, of people and of the
//! adversary.

use super::*;

/// One step of anybody. Numbers are places in lists.
#[derive(Clone, Copy, Debug)]
pub(in crate::life::tests) enum Step {
    Take(Queue, usize, u8),
    Deliver(usize, usize),
    Fail(usize, usize, Next),
    PutOff(usize, usize, bool),
    Disable(usize, usize, bool),
    Publish(usize, usize),
    Arrive(usize, usize),
    Confirm(usize, usize),
    Acknowledge(usize),
    AckArrives(usize),
    Walk(usize, bool),
    WalkPublish,
    WalkArrive,
    WalkAcknowledge,
    WalkAckArrives,
    Crash(u8),
    CrashWalk,
    Double(usize),
    Beside(Id),
}

impl Step {
    /// Whether it is what happens by itself when nothing goes wrong.
    pub(in crate::life::tests) fn is_usual(self) -> bool {
        matches!(
            self,
            Self::Take(..)
                | Self::Deliver(..)
                | Self::Publish(..)
                | Self::Arrive(..)
                | Self::Confirm(..)
                | Self::Acknowledge(_)
                | Self::AckArrives(_)
                | Self::WalkPublish
                | Self::WalkArrive
                | Self::WalkAcknowledge
                | Self::WalkAckArrives
        )
    }
}

impl World {
    /// All steps that can come next.
    pub(in crate::life::tests) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        self.steps_of_broker(&mut steps);
        for (at, hand) in self.state.hands.iter().enumerate() {
            self.steps_of_hand(at, hand, &mut steps);
        }
        self.steps_of_people(&mut steps);
        steps
    }

    fn steps_of_broker(&self, steps: &mut Vec<Step>) {
        let State { queues, hands, budget, .. } = &self.state;
        for replica in 0..self.size.replicas {
            let held = hands.iter().filter(|hand| hand.replica == replica).count();
            if held > 0 && budget.crashes > 0 {
                steps.push(Step::Crash(replica));
            }
            if held < self.size.prefetch {
                for queue in [Queue::Events, Queue::Deliveries] {
                    steps
                        .extend((0..queues[&queue].len()).map(|at| Step::Take(queue, at, replica)));
                }
            }
        }
        if budget.doubles > 0 {
            steps.extend((0..queues[&Queue::Deliveries].len()).map(Step::Double));
        }
    }

    fn steps_of_hand(&self, at: usize, hand: &Hand, steps: &mut Vec<Step>) {
        for (way_at, (_, life, way)) in hand.ways.iter().enumerate() {
            match way {
                Way::Begun => self.steps_of_delivery(at, way_at, *life, steps),
                Way::Owes(..) => steps.push(Step::Publish(at, way_at)),
                Way::Published(_, _, _, false) => steps.push(Step::Arrive(at, way_at)),
                Way::Published(_, _, _, true) => steps.push(Step::Confirm(at, way_at)),
                Way::Done => {}
            }
        }
        match hand.ack {
            Ack::Open if self.may_acknowledge(hand) => steps.push(Step::Acknowledge(at)),
            Ack::Said => steps.push(Step::AckArrives(at)),
            Ack::Open | Ack::Arrived => {}
        }
    }

    fn steps_of_delivery(&self, at: usize, way: usize, life: Life, steps: &mut Vec<Step>) {
        steps.push(Step::Deliver(at, way));
        if life.tried(0).attempts_of_schedule() < self.size.attempts {
            steps.push(Step::Fail(at, way, RETRY));
        }
        // Why it is given up makes no difference here.
        steps.push(Step::Fail(at, way, Next::GiveUp));
        if self.state.budget.postponed > 0 {
            steps.extend([true, false].map(|over| Step::PutOff(at, way, over)));
            if life.once.is_none() {
                steps.extend([true, false].map(|keep| Step::Disable(at, way, keep)));
            }
        }
    }

    fn steps_of_people(&self, steps: &mut Vec<Step>) {
        let State { queues, walk, known, budget, .. } = &self.state;
        match walk {
            None => {
                let dead = 0..queues[&Queue::Dead].len();
                if budget.replays > 0 {
                    steps.extend(dead.clone().map(|at| Step::Walk(at, true)));
                }
                if budget.drops > 0 {
                    steps.extend(dead.map(|at| Step::Walk(at, false)));
                }
            }
            Some(walk) => {
                let arrived = walk.again.as_ref().is_none_or(|(_, arrived)| *arrived);
                if !walk.published {
                    steps.push(Step::WalkPublish);
                } else if !arrived {
                    steps.push(Step::WalkArrive);
                }
                let hasty = self.mistake == Mistake::TakesAwayBeforeConfirm;
                match walk.ack {
                    Ack::Open if (walk.published && arrived) || hasty => {
                        steps.push(Step::WalkAcknowledge);
                    }
                    Ack::Said => steps.push(Step::WalkAckArrives),
                    Ack::Open | Ack::Arrived => {}
                }
                if budget.crashes > 0 {
                    steps.push(Step::CrashWalk);
                }
            }
        }
        if budget.beside > 0 {
            steps.extend(known.keys().map(|id| Step::Beside(*id)));
        }
    }

    /// What the flow does is in [`Message`]; the others are the mistakes.
    fn may_acknowledge(&self, hand: &Hand) -> bool {
        let ended = |way: &Way| matches!(way, Way::Done);
        let published = |way: &Way| ended(way) || matches!(way, Way::Published(..));
        let mut ways = hand.ways.iter().map(|(_, _, way)| way);
        match self.mistake {
            Mistake::AcknowledgesBeforeConfirm => ways.all(published),
            Mistake::AcknowledgesBeforePublish => ways.all(|way| !matches!(way, Way::Begun)),
            Mistake::AcknowledgesWithTheFirst => ways.any(ended),
            _ => hand.message.clone().discharged().is_some(),
        }
    }
}
