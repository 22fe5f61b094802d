//! What it costs to parse the page's payload and to write its canonical body.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{Criterion, criterion_group, criterion_main};
use event::{Catalog, Event};

const PAGE: &[u8] = br#"{"type":"deployment.succeeded","createdAt":"2024-01-15T10:30:00Z","deployment":{"id":"dpl_abc123","name":"production","url":"https://my-project.boottify.com","meta":{"gitCommitSha":"abc123def","gitCommitMessage":"Update homepage","gitBranch":"main"}},"project":{"id":"prj_xyz789","name":"my-project"}}"#;

fn parse(criterion: &mut Criterion) {
    let catalog = Catalog::try_new::<&str>(&[]).unwrap();
    criterion.bench_function("parse the page's payload", |bencher| {
        bencher.iter(|| Event::parse(PAGE, Some("evt_1"), &catalog, 262_144).unwrap());
    });
}

criterion_group!(benches, parse);
criterion_main!(benches);
