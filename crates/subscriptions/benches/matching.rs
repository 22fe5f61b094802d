//! What it costs to find an event's webhooks among 100,000, and to build the index over them.
//!
//! The bound is 2 µs per event plus the matches themselves. `cargo bench -p subscriptions`.

#[path = "matching/population.rs"]
mod population;

use std::error::Error;
use std::hint::black_box;

use criterion::Criterion;
use event::EventType;
use subscriptions::Snapshot;

const WEBHOOKS: usize = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    matching(&mut criterion)?;
    building(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn matching(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let snapshot = Snapshot::build(population::webhooks(WEBHOOKS)?, 1)?;
    let known = EventType::try_new("deployment.succeeded")?;
    let strange = EventType::try_new("invoice.paid")?;
    let (project, nobody) = (population::project(50_003)?, population::project(WEBHOOKS * 10)?);
    let mut group = criterion.benchmark_group("matching among 100,000");
    for (name, kind, project) in [
        ("nobody's type and project", &strange, Some(&nobody)),
        ("no project", &known, None),
        ("a project", &known, Some(&project)),
    ] {
        let matches = snapshot.matching(kind, project).len();
        group.bench_function(format!("{name}, {matches} matches"), |bencher| {
            bencher.iter(|| snapshot.matching(black_box(kind), black_box(project)).count());
        });
    }
    group.finish();
    Ok(())
}

fn building(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let webhooks = population::webhooks(WEBHOOKS)?;
    let mut group = criterion.benchmark_group("building");
    group.sample_size(10);
    group.bench_function("100,000 webhooks", |bencher| {
        bencher.iter(|| Snapshot::build(black_box(webhooks.clone()), 1).map(|s| s.len()));
    });
    group.finish();
    Ok(())
}
