//! How many images a second `simulate` recovers and checks: `cargo bench --bench simulate`.
//!
//! One seed of one mode on one thread, in the three shapes of the crash model's speed table: a small
//! workload whole, the same with pages torn by sector, and a longer one in larger segments.

// The macros make functions without a word.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use raftlog::event::Unobserved;
use raftlog::simulate::{Mode, Options, Shape, simulate};
use raftlog::vfs::os::OsClock;
use raftlog::vfs::sim::Torn;

fn options(steps: usize, segment_bytes: u64, torn: Torn) -> Options {
    Options {
        modes: vec![Mode::default()],
        torn,
        shape: Shape { segment_bytes, ..Shape::usual(steps) },
        faults: false,
        ..Options::default()
    }
}

fn images(options: &Options) -> u64 {
    let outcome = simulate(options, &OsClock, &mut Unobserved, &mut |_| {});
    let modes = outcome.result.modes.iter();
    modes.map(|mode| mode.images_distinct + mode.nested).sum()
}

fn images_per_second(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("images");
    group.sample_size(10);
    for (name, options) in [
        ("60 steps", options(60, 16 << 10, Torn::No)),
        ("60 steps, torn", options(60, 16 << 10, Torn::Sectors)),
        ("400 steps, segments of 256 KiB", options(400, 256 << 10, Torn::No)),
    ] {
        group.throughput(Throughput::Elements(images(&options)));
        group.bench_function(name, |bencher| bencher.iter(|| images(&options)));
    }
    group.finish();
}

criterion_group!(benches, images_per_second);
criterion_main!(benches);
