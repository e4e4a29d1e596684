//! `depmod --strict` on whole kernels.

use anyhow::{Context, Result, ensure};
use depmod_tests::bench::corpus::{self, Packing};
use depmod_tests::damage::{Copy, causes};
use depmod_tests::debian::{self, LABELS};
use depmod_tests::{command, product};
use serde_json::Value;

use super::{LARGE, ours};

/// Architectures whose images do not say where their tables are.
const FLAT: [&str; 2] = ["arm64", "riscv64"];

/// Every kernel as its package has it.
pub(super) fn clean() -> Result<String> {
    let mut figures = Vec::new();
    for label in LABELS {
        let kernel = debian::kernel(label.name)?;
        let mut strict = ours()?;
        strict
            .args(["--strict", "--no-write", "--format", "json", "-C", "/dev/null", "-b"])
            .arg(&kernel.root);
        let answer: Value = serde_json::from_slice(&command::output(strict.arg(&kernel.version))?)?;
        let findings = answer["findings"].as_array().context("an answer has findings")?;
        ensure!(findings.is_empty(), "{}: {findings:#?}", label.name);
        let symbols = &answer["kernel_symbols"];
        let (kind, count) = (symbols["kind"].as_str().unwrap_or("none"), &symbols["count"]);
        let flat = FLAT.contains(&label.architecture);
        ensure!(kind == if flat { "symvers" } else { "image" }, "{}: symbols from {kind}", label.name);
        let refused = answer["refused"][0]["message"].as_str().unwrap_or_default();
        ensure!(flat == refused.starts_with("a flat "), "{}: {refused:?}", label.name);
        println!("{:22} {} modules, {count} symbols from {kind}", label.name, answer["modules"]);
        figures.push(answer["modules"].as_u64().unwrap_or_default());
    }
    Ok(format!("{} kernels, {} modules, nothing found", LABELS.len(), figures.iter().sum::<u64>()))
}

/// A kernel with all that can be wrong.
pub(super) fn damage() -> Result<String> {
    let plain = corpus::kernel(LARGE, Packing::Plain)?;
    let image = debian::kernel(LARGE)?.image();
    let program = product::release()?;
    let copy = |with_image: bool| -> Result<Copy> {
        let copy = Copy::new(&plain, false)?.with_program(&program);
        if with_image {
            let boot = copy.root().join("boot");
            std::fs::create_dir_all(&boot)?;
            std::fs::copy(&image, boot.join(format!("vmlinuz-{}", plain.version)))?;
        }
        Ok(copy)
    };
    let whole = copy(true)?;
    let expected = whole.damage();
    let (status, lines) = whole.strict(&["--strict"]);
    same(&lines, &expected)?;
    ensure!(status == 3 && whole.is_indexed(), "exit status {status}: {lines:#?}");
    let bare = copy(false)?;
    let (status, lines) = bare.strict(&["--strict", "--no-write"]);
    ensure!(status == 0, "without damage: exit status {status}: {lines:#?}");
    let expected_without = Copy::without_kernel(bare.damage());
    let (status, lines) = bare.strict(&["--strict", "--no-write"]);
    let found: Vec<String> = causes(&lines)
        .into_iter()
        .filter(|line| !line.starts_with("gpl"))
        .map(|line| format!("  {line}"))
        .collect();
    same(&found, &expected_without)?;
    ensure!(status == 3, "exit status {status}: {lines:#?}");
    let circle = copy(true)?;
    circle.cycle(&circle.vermagic("zram"));
    let (status, lines) = circle.strict(&["--strict"]);
    let cycles = ["cycle one -> two -> one", "cycle two -> one -> two"];
    let found = causes(&lines);
    ensure!(found.len() == 1 && cycles.contains(&&*found[0]), "{found:#?}");
    ensure!(status == 1 && !circle.is_indexed(), "a cycle: exit status {status}");
    Ok(format!("{}; {} and 1 causes, {} without the image", lines[0], expected.len(), expected_without.len()))
}

/// Each cause is the one that is expected.
fn same(lines: &[String], expected: &[String]) -> Result<()> {
    let causes = causes(lines);
    let same = causes.len() == expected.len()
        && causes.iter().zip(expected).all(|(cause, expected)| cause.starts_with(expected.as_str()));
    ensure!(same, "{causes:#?}\nare not {expected:#?}");
    Ok(())
}
