//! The stages of a run, separately: `cargo bench --package depmod-tests --bench stages`.

#![allow(missing_docs, reason = "criterion's macros define the items")]

use core::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use depmod_core::parts::decompress::PureDecoder;
use depmod_core::parts::index::IndexBuilder;
use depmod_core::parts::parse::elf::{FileHeader, SectionTable, Symbols};
use depmod_core::parts::parse::module::{Facts, Loader};
use depmod_core::parts::resolve::SymbolTable;
use depmod_core::{Index, Limits};
use depmod_tests::bench::generated::{REAL, module};
use depmod_tests::random::Random;

fn main_benches(criterion: &mut Criterion) {
    elf(criterion);
    symbols(criterion);
    index(criterion);
}

fn elf(criterion: &mut Criterion) {
    // A library: it has exports and needs.
    let image = module(400, REAL);
    let mut group = criterion.benchmark_group("module");
    group.throughput(Throughput::Bytes(image.len() as u64));
    group.bench_function("elf", |bench| bench.iter(|| parse(black_box(&image)).expect("a valid module")));
    group.bench_function("load", |bench| {
        let mut decoder = PureDecoder::default();
        let mut loader = Loader::new(&Limits::DEFAULT, &mut decoder);
        bench.iter(|| loader.load(&mut black_box(image.as_slice())).expect("a valid module"));
    });
    group.finish();
}

/// Headers, section names and symbols, without extracting facts; returns the number of symbols.
fn parse(image: &[u8]) -> Option<usize> {
    let size = image.len() as u64;
    let bytes = |range: core::ops::Range<u64>| image.get(range.start as usize..range.end as usize);
    let header = FileHeader::parse(image, size).ok()?;
    let table = SectionTable::new(header, bytes(header.section_headers())?, size);
    let names = bytes(table.names_range().ok()?)?;
    let (_, symtab) = table.named(names).find(|(name, _)| name.starts_with(b".symtab\0"))?;
    let symbols = Symbols::new(header.class, header.byte_order, bytes(symtab.range(size)?)?)?;
    Some(symbols.map(black_box).count())
}

fn symbols(criterion: &mut Criterion) {
    let mut decoder = PureDecoder::default();
    let mut loader = Loader::new(&Limits::DEFAULT, &mut decoder);
    let facts: Vec<Option<Facts>> =
        (0..1000).map(|number| loader.load(&mut module(number, REAL).as_slice()).ok()).collect();
    assert!(facts.iter().all(Option::is_some));
    let mut group = criterion.benchmark_group("symbols");
    let exports = facts.iter().flatten().flat_map(Facts::exports).count();
    group.throughput(Throughput::Elements(exports as u64));
    group.bench_function("enter", |bench| bench.iter(|| SymbolTable::new(None, black_box(&facts), None)));
    let table = SymbolTable::new(None, &facts, None);
    let needs = facts.iter().flatten().flat_map(Facts::needs).count();
    group.throughput(Throughput::Elements(needs as u64));
    group.bench_function("resolve", |bench| {
        bench.iter(|| {
            let needs = facts.iter().flatten().flat_map(Facts::needs);
            needs.filter(|need| table.provider_of(need.name).is_some()).count()
        });
    });
    group.finish();
}

fn index(criterion: &mut Criterion) {
    let mut random = Random::new(1);
    let keys: Vec<String> = (0..20_000)
        .map(|_| {
            let (vendor, device) = (random.below(300), random.below(0x10000));
            format!("pci:v{vendor:08X}d{device:08X}sv*sd*bc*sc*i*")
        })
        .collect();
    let build = || {
        let mut builder = IndexBuilder::new();
        for (priority, key) in (0..).zip(&keys) {
            builder.insert(key.bytes(), b"some_driver", priority).expect("text");
        }
        builder
    };
    let mut group = criterion.benchmark_group("index");
    group.throughput(Throughput::Elements(keys.len() as u64));
    group.bench_function("write", |bench| {
        bench.iter_batched(
            build,
            |builder| builder.finish(&Limits::DEFAULT).expect("a small index"),
            BatchSize::LargeInput,
        );
    });
    let bytes = build().finish(&Limits::DEFAULT).expect("a small index");
    let index = Index::parse(&bytes).expect("our own index");
    group.throughput(Throughput::Elements(1));
    let exact = keys[keys.len() / 2].as_bytes();
    assert!(index.get(exact).expect("a valid index").is_some());
    group.bench_function("get", |bench| bench.iter(|| index.get(black_box(exact))));
    let device = keys[0].replace("sv*sd*bc*sc*i*", "sv00008086sd00000001bc02sc00i00");
    let find = |query: &str| index.find_all(black_box(query));
    assert!(!find(&device).expect("a valid index").is_empty());
    group.bench_function("wildcards", |bench| bench.iter(|| find(&device)));
    group.bench_function("wildcards-absent", |bench| bench.iter(|| find("usb:v1234p0000d0000")));
    group.finish();
}

criterion_group!(benches, main_benches);
criterion_main!(benches);
