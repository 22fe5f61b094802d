//! How much memory a snapshot holds. Alone in its binary: the allocator counts for the whole process.

#[path = "../benches/matching/population.rs"]
mod population;

use std::alloc::System;

use cap::Cap;
use subscriptions::Snapshot;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

#[test]
fn a_hundred_thousand_webhooks_take_less_than_100_mb() {
    let before = MEMORY.allocated();
    let snapshot = Snapshot::build(population::webhooks(100_000).unwrap(), 1).unwrap();
    let held = MEMORY.allocated() - before;
    assert_eq!(snapshot.len(), 100_000);
    let kind = event::EventType::try_new("deployment.succeeded").unwrap();
    let project = population::project(50_003).unwrap();
    println!("{} bytes per webhook", held / snapshot.len());
    // A hundred without a project, and the four others of this one.
    assert_eq!(snapshot.matching(&kind, Some(&project)).count(), 104);
    assert!(held < 100_000_000, "{held} bytes");
}
