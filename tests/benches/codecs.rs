//! Every decoder on the same module: `cargo bench --package depmod-tests --bench codecs`.

#![allow(missing_docs, reason = "criterion's macros define the items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use depmod::codecs::HostDecoder;
use depmod_core::Limits;
use depmod_core::parts::decompress::{Compression, Decoder, PureDecoder};
use depmod_tests::bench::generated::{REAL, module};
use depmod_tests::compress::Format;
use depmod_tests::random::Random;

fn codecs(criterion: &mut Criterion) {
    let image = sample();
    for format in [Format::Gz, Format::Xz, Format::Zst] {
        let stored = format.compress(&image);
        let compression = Compression::detect(&stored).expect("a compressed file");
        let mut group = criterion.benchmark_group(compression.name());
        group.throughput(Throughput::Bytes(image.len() as u64));
        let decoders: [(&str, Box<dyn Decoder>); 2] =
            [("native", Box::new(HostDecoder::new())), ("pure", Box::new(PureDecoder::new()))];
        for (name, mut decoder) in decoders {
            let mut out = Vec::new();
            group.bench_function(name, |bench| {
                bench.iter(|| {
                    out.clear();
                    decoder.decode(compression, &stored, &Limits::DEFAULT, &mut out).expect("a valid file");
                });
            });
            assert!(out == image);
        }
        group.finish();
    }
}

/// A module of average size, with realistic tables and code that compresses like real code.
fn sample() -> Vec<u8> {
    let mut random = Random::new(1);
    let instructions: Vec<Vec<u8>> = (0..500)
        .map(|_| {
            let length = 1 + random.below(7);
            random.bytes(length)
        })
        .collect();
    let mut code = Vec::new();
    while code.len() < 60_000 {
        // Code consists mostly of a few instructions.
        let choices = 1 + random.below(instructions.len());
        let instruction: &Vec<u8> = random.pick(&instructions[..choices]);
        code.extend_from_slice(instruction);
    }
    let mut image = module(400, REAL);
    image.extend(code);
    image
}

criterion_group!(benches, codecs);
criterion_main!(benches);
