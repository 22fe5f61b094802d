//! Work on dead letters, which goes on by itself.
//!
//! A walk that is broken off may leave the queue in another order, so work goes to its end in a task of
//! its own, whoever stops waiting for it; only the end of the process stops it, between two windows of
//! a walk. Who asked waits for a while and is answered with how far it is, once it has begun at all.
//! Meanwhile nobody can look at the dead letters, and is told so at once; how it ended is told by the
//! log and the page.

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Rest;
use super::moving::{DeadAct, Left, Stayed, Stays};
use crate::clock::now_ms;
use crate::problem::{Problem, ProblemKind};

/// Letters that are named of those that were left alone; the others are counted.
const NAMED: usize = 10_000;

/// What has been done so far.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Whether the broker has shown anything.
    pub(super) begun: bool,
    /// The deliveries that were sent again or dropped.
    pub deliveries: Vec<String>,
    /// How many were left alone where they are.
    pub left: Left,
    /// The first 10,000 of those, and why.
    pub left_alone: BTreeMap<String, Stayed>,
    /// How many could not be sent, because what was sent is not kept any more.
    pub forgotten: usize,
}

/// What work tells while it goes on, and what ends it early.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// How far it is.
    pub(super) progress: watch::Sender<Progress>,
    /// Nothing more is begun.
    pub(super) stop: CancellationToken,
}

/// How work ended that its asker did not wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// When, ms since 1970.
    pub(crate) at_ms: i64,
    /// Whether all of it was done.
    pub(crate) whole: bool,
    /// What to tell people.
    pub(crate) text: String,
}

/// See the module. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Labour {
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Held by the work that goes on: beside it another would find nothing.
    turn: Arc<tokio::sync::Mutex<()>>,
    known: Arc<Mutex<Known>>,
}

/// What people can be told.
#[derive(Default)]
struct Known {
    present: Option<Present>,
    ended: Option<Ended>,
}

/// Work that goes on.
struct Present {
    act: DeadAct,
    /// It is short until then, and who asks for something else waits.
    long_from: Instant,
    progress: watch::Receiver<Progress>,
}

impl Progress {
    pub(super) fn leave_alone(&mut self, delivery: &str, stayed: Stayed) {
        *match stayed.why {
            Stays::Deleted => &mut self.left.deleted,
            Stays::Disabled => &mut self.left.disabled,
            Stays::Unopened => &mut self.left.unopened,
        } += 1;
        if self.left_alone.len() < NAMED {
            self.left_alone.insert(delivery.to_owned(), stayed);
        }
    }
}

impl Course {
    /// What was done, once it is over.
    #[must_use]
    pub fn over(self) -> Progress {
        self.progress.send_replace(Progress::default())
    }
}

impl Labour {
    /// Begins work and waits so long for it; [`Rest::Follows`] says that it goes on.
    ///
    /// # Errors
    ///
    /// Those of the work. Earlier work still goes on.
    pub(super) async fn begin<W>(
        &self,
        act: DeadAct,
        actor: &str,
        patience: Duration,
        work: impl FnOnce(Course) -> W,
    ) -> Result<(Progress, Rest), Problem>
    where
        W: Future<Output = Result<Rest, Problem>> + Send + 'static,
    {
        let until = Instant::now() + patience;
        self.must_be_idle()?;
        let turn = timeout_at(until, Arc::clone(&self.turn).lock_owned()).await;
        let turn = turn.map_err(|_| self.must_be_idle().err().unwrap_or_else(busy))?;
        let course = Course { stop: self.stop.clone(), ..Course::default() };
        let mut progress = course.progress.subscribe();
        let present = Present { act, long_from: until, progress: progress.clone() };
        *self.known() = Known { present: Some(present), ended: None };
        let (tell, mut told) = oneshot::channel();
        let (labour, actor, work) = (self.clone(), actor.to_owned(), work(course));
        self.tasks.spawn(async move {
            let done = work.await;
            labour.over(act, &actor, tell, done);
            drop(turn);
        });
        let waited = async {
            sleep_until(until).await;
            if progress.wait_for(|progress| progress.begun).await.is_err() {
                // It is over, which `told` is about to say.
                pending::<()>().await;
            }
        };
        let done = tokio::select! {
            biased;
            done = &mut told => Some(done.map_err(|_| ())),
            () = waited => {
                told.close();
                // It may have ended at this very moment.
                told.try_recv().ok().map(Ok)
            }
        };
        let rest = match done {
            Some(done) => done.unwrap_or_else(|()| Err(broke_off()))?,
            None => Rest::Follows,
        };
        Ok((progress.borrow().clone(), rest))
    }

    /// Does this to its end, even if nobody waits for it any more.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        self.tasks.spawn(work).await.unwrap_or_else(|_| Err(broke_off()))
    }

    /// Says that dead letters cannot be looked at now, and why, where that is so for longer.
    pub(super) fn must_be_idle(&self) -> Result<(), Problem> {
        let known = self.known();
        let present = known.present.as_ref().filter(|present| {
            present.progress.has_changed().is_ok() && Instant::now() >= present.long_from
        });
        let Some(Present { act, progress, .. }) = present else { return Ok(()) };
        let so_far = progress.borrow().deliveries.len();
        let act = act.participle();
        let why = format!("dead letters are being {act}, {so_far} so far: look again shortly");
        Err(Problem::new(ProblemKind::Busy, why).retry_after(2))
    }

    /// How work ended last that its asker did not wait for, unless other work was begun since.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.known().ended.clone()
    }

    /// Has what goes on come to a stop, and waits for it.
    pub(super) async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Tells the asker how it ended, or everybody where the asker does not wait any more.
    fn over(
        &self,
        act: DeadAct,
        actor: &str,
        tell: oneshot::Sender<Result<Rest, Problem>>,
        done: Result<Rest, Problem>,
    ) {
        let mut known = self.known();
        let Some(Present { progress, .. }) = known.present.take() else { return };
        let Err(done) = tell.send(done) else { return };
        let act = act.participle();
        let were = match progress.borrow().deliveries.len() {
            1 => format!("1 dead letter was {act}"),
            count => format!("{count} dead letters were {act}"),
        };
        let (whole, text) = match done {
            Ok(Rest::None) => (true, format!("{were}, which was all")),
            Ok(Rest::Unseen | Rest::Follows) => {
                (false, format!("{were}; then it was stopped: ask again"))
            }
            Err(problem) => (false, format!("{were}; {}", problem.detail)),
        };
        match whole {
            true => tracing::info!(actor, "{text}"),
            false => tracing::warn!(actor, "{text}"),
        }
        known.ended = Some(Ended { at_ms: now_ms(), whole, text });
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn busy() -> Problem {
    let why = "somebody else works on the dead letters at this moment; try again shortly";
    Problem::new(ProblemKind::Busy, why).retry_after(2)
}

fn broke_off() -> Problem {
    Problem::new(ProblemKind::Internal, "the work broke off; the service's log says why")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(6);

    fn begun(course: &Course, delivery: &str) {
        course.progress.send_modify(|progress| {
            progress.begun = true;
            progress.deliveries.push(delivery.to_owned());
        });
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_is_answered_and_the_work_goes_on() {
        let labour = Labour::default();
        let (go, gone) = oneshot::channel();
        let began = labour.begin(DeadAct::Drop, "ada", PATIENCE, |course| async move {
            begun(&course, "dlv_1");
            gone.await.unwrap();
            Ok(Rest::Unseen)
        });
        let (progress, rest) = began.await.unwrap();
        assert_eq!((&*progress.deliveries, rest), (&["dlv_1".to_owned()][..], Rest::Follows));
        let busy = labour.must_be_idle().unwrap_err();
        assert!(busy.detail.contains("being dropped, 1 so far"), "{}", busy.detail);
        let other = labour.begin(DeadAct::Drop, "bob", PATIENCE, |_| async { Ok(Rest::None) });
        assert_eq!(other.await.unwrap_err().kind, ProblemKind::Busy);
        go.send(()).unwrap();
        labour.end().await;
        labour.must_be_idle().unwrap();
        let Ended { whole, text, .. } = labour.ended().unwrap();
        assert!(
            !whole && text.contains("1 dead letter was dropped; then it was stopped"),
            "{text}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_told_of_the_rest_before_it_has_begun() {
        let labour = Labour::default();
        let away = || Problem::new(ProblemKind::BrokerAway, "away");
        let failed = labour.begin(DeadAct::Replay, "ada", PATIENCE, |_course| async move {
            tokio::time::sleep(PATIENCE * 2).await;
            Err(away())
        });
        assert_eq!(failed.await.unwrap_err(), away());
        assert_eq!(labour.ended(), None, "who asked was told");
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_in_time_is_told_and_the_next_waits_for_it() {
        let labour = Labour::default();
        let both = [1, 2].map(|seconds| {
            labour.begin(DeadAct::Replay, "ada", PATIENCE, move |course| async move {
                begun(&course, "dlv_1");
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok(Rest::None)
            })
        });
        for done in futures_util::future::join_all(both).await {
            let (progress, rest) = done.unwrap();
            assert_eq!((progress.deliveries.len(), rest), (1, Rest::None));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_leaves_work_that_others_are_told_of() {
        let labour = Labour::default();
        let work = labour.begin(DeadAct::Drop, "ada", PATIENCE, |course| async move {
            begun(&course, "dlv_1");
            course.stop.cancelled().await;
            Ok(Rest::None)
        });
        tokio::time::timeout(Duration::from_secs(1), work).await.unwrap_err();
        labour.must_be_idle().unwrap();
        tokio::time::sleep(PATIENCE).await;
        labour.must_be_idle().unwrap_err();
        labour.end().await;
        assert!(labour.ended().unwrap().whole);
    }

    #[test]
    fn what_stays_is_named_up_to_a_bound_and_counted() {
        let mut progress = Progress::default();
        for n in 0..NAMED + 5 {
            let stayed = Stayed { webhook: "whk_1".to_owned(), why: Stays::Disabled };
            progress.leave_alone(&format!("dlv_{n}"), stayed);
        }
        assert_eq!((progress.left.disabled, progress.left_alone.len()), (NAMED + 5, NAMED));
    }
}
