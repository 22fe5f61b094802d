//! `cargo xtask torture`: the whole service under faults at random moments, and a judge of what
//! receivers saw.
//!
//! ```text
//! publisher ─► broker of 1 or 3 nodes ─► replicas, each behind a proxy ─► receivers that record all
//!  confirms      ▲  ▲                      ▲           │                        │
//!             faults, in turn ─────────────┘           └─► PostgreSQL           └─► judge
//! ```
//!
//! 1. A seed makes the plan of faults ([`plan`]): kind, moment, length, whom. What happens between
//!    them is the machine's, so that a seed repeats a run roughly and not to the microsecond.
//! 2. While events are published at a pace ([`publisher`]) and webhooks come and go ([`changes`]), one
//!    fault follows the other ([`faults`]), often before all has recovered from the last.
//! 3. Then nothing more happens until nothing is under way any more ([`stage`]); some hundred events
//!    are published in calm, to compare counters with what receivers saw; the replicas are drained.
//! 4. [`judge`] compares what was confirmed with what arrived, and with what the queues of dead letters
//!    and of rejected messages hold; it sees nothing but what was recorded. [`sabotage`] shows that it
//!    finds what is wrong.
//!
//! Every wait has a bound and says what it waited for. Nothing here knows the product but from
//! outside.

mod changes;
mod faults;
mod inbox;
mod judge;
mod options;
mod plan;
mod publisher;
mod random;
mod replica;
mod report;
mod sabotage;
mod stage;
mod traffic;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use testbed::amqp::{Client, Message};
use testbed::eventually;
use tokio::time::{Instant, sleep};

use crate::changes::Changes;
use crate::faults::Done;
use crate::inbox::Inbox;
use crate::judge::{Calm, Evidence, Letter};
use crate::options::Options;
use crate::plan::Planned;
use crate::publisher::Publisher;
use crate::replica::Counted;
use crate::report::Told;
use crate::stage::{PREFETCH, Stage};

/// Longest time from the end of a fault until anything arrives.
const ARRIVES: Duration = Duration::from_secs(120);

/// Longest time until the last event is confirmed, and until nothing is under way any more.
const CONFIRMED: Duration = Duration::from_secs(900);
const SETTLED: Duration = Duration::from_secs(300);

/// Events that are published in calm.
const CALM_EVENTS: u32 = 800;

/// Events a second: the least while faults come, and the most when none is left.
const SLOWEST: u32 = 20;
const FASTEST: u32 = 400;

/// Deliveries of an event, about.
const FAN_OUT: u64 = traffic::STEADY as u64;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words == ["help"] {
        print!("{}", options::HELP);
        return ExitCode::SUCCESS;
    }
    let options = match Options::read(&words) {
        Ok(options) => options,
        Err(complaint) => {
            eprintln!("torture: {complaint}\n\n{}", options::HELP);
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(&options))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("torture: {error:#}\nagain: {}", options.command);
            ExitCode::FAILURE
        }
    }
}

/// Whether all was as promised.
async fn run(options: &Options) -> Result<bool> {
    println!("{}", options.command);
    report::clear()?;
    let began = Instant::now();
    let inbox = Arc::new(Inbox::start(began)?);
    let mut stage = Stage::start(options, Arc::clone(&inbox)).await?;
    let outcome = torture(options, &mut stage, began).await;
    report::keep_logs(&stage.logs())?;
    let (mut evidence, told) = outcome?;
    drop(stage);
    if let Some(sabotage) = options.sabotage {
        sabotage.spoil(&mut evidence);
    }
    let verdict = judge::judge(&evidence);
    report::write(options, told, &verdict)?;
    Ok(verdict.violations.is_empty())
}

async fn torture(options: &Options, stage: &mut Stage, began: Instant) -> Result<(Evidence, Told)> {
    let inbox = Arc::clone(&stage.inbox);
    let publisher = Publisher::start(stage.url(), began);
    let changes = Changes::start(options.seed, stage.admins(), Arc::clone(&inbox), began);
    let plan = plan::plan(options.seed, options.faults, &options.kinds);
    let events = u32::try_from(options.deliveries / FAN_OUT + 1).unwrap_or(u32::MAX);
    let seconds = plan::estimate(&plan).as_secs().clamp(1, options.time.as_secs().max(1));
    let pace = u64::from(events) / seconds + 1;
    let pace = u32::try_from(pace).unwrap_or(FASTEST).clamp(SLOWEST, FASTEST);
    println!("{} faults, about {seconds} s; {events} events, {pace} a second", plan.len());
    publisher.go_on(u32::MAX, pace);
    let end = Instant::now() + options.time;
    let faults = inject_all(stage, &plan, end, (&publisher, began)).await?;

    inbox.calm_down();
    let (lives, changed) = changes.finish().await;
    let goal = publisher.published().max(events);
    let late = Instant::now() >= end;
    let goal = if late { publisher.published() } else { goal };
    println!("{:>7.1} s  no more faults; {goal} events in all", began.elapsed().as_secs_f64());
    publisher.go_on(goal, FASTEST);
    publisher.finished(CONFIRMED).await?;
    stage.settle(SETTLED).await?;
    let calm = calm(stage, &publisher, goal).await?;

    let told = Told {
        minutes: began.elapsed().as_secs_f64() / 60.0,
        faults: faults.len(),
        changes: changed,
        repeated: publisher.repeated(),
    };
    let seen = stage.replicas.iter().map(replica::Replica::seen);
    let (counted, processes) = seen.fold((Counted::default(), 0), |(sum, lives), (its, more)| {
        (sum.plus(its), lives + u64::from(more))
    });
    let mut evidence = Evidence {
        prefetch: u64::from(PREFETCH),
        sent: publisher.sent(),
        repeated: publisher.repeated(),
        lives,
        faults,
        counted,
        processes,
        calm,
        ..Evidence::default()
    };
    drop(publisher);
    take_down(stage, &mut evidence).await?;
    evidence.records = inbox.since(0);
    Ok((evidence, told))
}

/// One fault after the other, until all were or the time is over.
async fn inject_all(
    stage: &mut Stage,
    plan: &[Planned],
    end: Instant,
    (publisher, began): (&Publisher, Instant),
) -> Result<Vec<Done>> {
    let mut faults = Vec::new();
    for (n, planned) in plan.iter().enumerate() {
        sleep(planned.gap).await;
        if Instant::now() >= end {
            println!("the time is over: {n} of {} faults were", plan.len());
            break;
        }
        let done = faults::inject(stage, planned, began).await?;
        for replica in &mut stage.replicas {
            replica.lives()?;
        }
        let (inbox, before) = (&stage.inbox, stage.inbox.count());
        eventually("a request arrives again", ARRIVES, || async {
            (inbox.count() > before).then_some(())
        })
        .await?;
        println!(
            "{:>7.1} s  {:>3}/{}  {:<15} {}  {:>5.1} s   {} events, {} requests",
            f64::from(done.from) / 1e3,
            n + 1,
            plan.len(),
            done.kind,
            done.met,
            f64::from(done.to.saturating_sub(done.from)) / 1e3,
            publisher.published(),
            inbox.count(),
        );
        faults.push(done);
    }
    Ok(faults)
}

/// Publishes some more events while nothing happens, and compares.
async fn calm(stage: &mut Stage, publisher: &Publisher, first: u32) -> Result<Calm> {
    let (before, seen) = (stage.counted()?, stage.inbox.count());
    let goal = first.saturating_add(CALM_EVENTS);
    publisher.go_on(goal, FASTEST / 4);
    publisher.finished(CONFIRMED).await?;
    stage.settle(SETTLED).await?;
    let counted = stage.counted()?.minus(before);
    let mut calm = Calm { counted, ..Calm::default() };
    for n in first..goal {
        *(if traffic::is_event(n) { &mut calm.events } else { &mut calm.invalid }) += 1.0;
    }
    for record in stage.inbox.since(seen) {
        let success = (200..300).contains(&record.status);
        *(if success { &mut calm.taken } else { &mut calm.refused }) += 1.0;
    }
    Ok(calm)
}

/// Drains the replicas, and takes what the queues hold.
async fn take_down(stage: &mut Stage, evidence: &mut Evidence) -> Result<()> {
    for replica in &mut stage.replicas {
        replica.drain().await?;
    }
    // What a replica held and did not know of is back in its queue now.
    for (queue, count) in stage.waiting().await? {
        evidence.left.push(format!("{queue} holds {count} messages"));
    }
    let client = Client::connect(&stage.url()).await?;
    while let Some(message) = client.take("webhooks.dead").await? {
        // One of a webhook that was disabled after a failed attempt, which is not promised to succeed.
        if message.header("x-dead-reason").as_deref() == Some("disabled") {
            continue;
        }
        match letter(&message, &stage.ids) {
            Some(letter) => evidence.letters.push(letter),
            None => evidence.strange.push(format!("dead: {:?}", message.id())),
        }
    }
    while let Some(message) = client.take("webhooks.rejected").await? {
        match message.id().and_then(traffic::number_of_id) {
            Some(event) => evidence.rejected.push(event),
            None => evidence.strange.push(format!("rejected: {:?}", message.id())),
        }
    }
    Ok(())
}

/// Which event's delivery to which webhook a dead letter is.
fn letter(message: &Message, ids: &HashMap<String, u16>) -> Option<Letter> {
    let event = message.id().and_then(traffic::number_of_id)?;
    let hook = *ids.get(&message.header("x-webhook-id")?)?;
    Some(Letter { event, hook })
}

/// Milliseconds since the beginning, as records keep them: enough for seven weeks.
pub(crate) fn ms(elapsed: Duration) -> u32 {
    u32::try_from(elapsed.as_millis()).unwrap_or(u32::MAX)
}
