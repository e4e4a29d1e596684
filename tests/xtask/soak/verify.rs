//! `depmod verify` on whole kernels.

use core::time::Duration;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_core::Output;
use depmod_tests::debian::LABELS;
use depmod_tests::oracle::Oracle;
use serde_json::Value;

use super::{Indexed, ours};

/// The exit status, and the findings.
fn verify(indexed: &Indexed, options: &[&str]) -> Result<(Option<i32>, Vec<Value>)> {
    let mut command = ours()?;
    command.args(["verify", "--format", "json", "-C", "/dev/null", "-b"]).arg(indexed.root());
    let output = command.args(options).arg(indexed.version()).output()?;
    let answer: Value = serde_json::from_slice(&output.stdout).context("the answer of verify")?;
    let findings = answer["findings"].as_array().context("an answer has findings")?;
    Ok((output.status.code(), findings.clone()))
}

/// Every kernel, indexed by each program.
pub(super) fn clean() -> Result<String> {
    let old = Oracle::kmod_30()?;
    let mut told = Vec::new();
    for label in LABELS {
        let indexed = Indexed::new(label.name)?;
        let programs: [(&str, Command); 3] =
            [("kmod 34.2", Oracle::get().tool("depmod")), ("ours", ours()?), ("kmod 30", old.tool("depmod"))];
        for (name, program) in programs {
            for output in Output::ALL {
                let _ = fs::remove_file(indexed.modules().join(output.file_name()));
            }
            indexed.index(program)?;
            for options in [&[][..], &["--quick"]] {
                let (status, findings) = verify(&indexed, options)?;
                // kmod 30 cannot read the aliases of built-ins of kernels that have several fields of them.
                let left_empty = |finding: &Value| finding["kind"] == "empty-by-old-kmod";
                if name == "kmod 30" && findings.len() == 1 && findings.iter().all(left_empty) {
                    told.push(label.name);
                    ensure!(status == Some(3), "{} after {name}: exit status {status:?}", label.name);
                } else {
                    ensure!(
                        status == Some(0) && findings.is_empty(),
                        "{} after {name} {options:?}: {status:?} {findings:#?}",
                        label.name
                    );
                }
            }
        }
    }
    told.dedup();
    let told = if told.is_empty() { "none".into() } else { told.join(", ") };
    Ok(format!(
        "{} kernels after three programs; kmod 30 leaves modules.builtin.alias.bin empty on: {told}",
        LABELS.len()
    ))
}

/// Whether spoilt files have a finding that fits.
type Expected = &'static [&'static str];

/// Eleven files in seven ways, on a kernel with plain modules.
pub(super) fn damage() -> Result<String> {
    let indexed = Indexed::new("bookworm-cloud-amd64")?;
    let other = Indexed::new("trixie-cloud-amd64")?;
    let read = |indexed: &Indexed| -> Result<Vec<Vec<u8>>> {
        let files = Output::ALL.into_iter();
        Ok(files.map(|file| fs::read(indexed.modules().join(file.file_name()))).collect::<Result<_, _>>()?)
    };
    indexed.index(ours()?)?;
    let (fresh, others) = (read(&indexed)?, read(&other)?);
    // The index files before three modules came.
    let older = {
        let (hidden, module) = (indexed.root().join("hidden"), indexed.modules().join("kernel/drivers/nvme"));
        fs::rename(&module, &hidden)?;
        let soft = indexed.modules().join("kernel/fs/btrfs");
        let hidden_too = indexed.root().join("hidden-too");
        fs::rename(&soft, &hidden_too)?;
        indexed.index(ours()?)?;
        let older = read(&indexed)?;
        fs::rename(&hidden, &module)?;
        fs::rename(&hidden_too, &soft)?;
        indexed.index(ours()?)?;
        older
    };
    let (mut found, mut quick) = (0, 0);
    for (at, file) in Output::ALL.into_iter().enumerate() {
        let (good, path) = (&fresh[at], indexed.modules().join(file.file_name()));
        let middle = good.len() / 2;
        let mut changed = good.clone();
        if let Some(byte) = changed.get_mut(middle) {
            *byte ^= 1;
        }
        let spoilt: [(&str, Option<Vec<u8>>, Expected); 7] = [
            ("removed", None, &["missing"]),
            ("emptied", Some(Vec::new()), &["empty"]),
            ("cut", Some(good[..middle].to_vec()), &["cut"]),
            ("one byte changed", Some(changed), &[]),
            ("another kernel's", Some(others[at].clone()), &[]),
            ("older generation", Some(older[at].clone()), &[]),
            ("bytes appended", Some([good, &b"\0tail"[..]].concat()), &["trailing"]),
        ];
        for (how, bytes, expected) in spoilt {
            let what = format!("{} {how}", file.file_name());
            let unchanged = bytes.as_ref() == Some(good);
            spoil(&path, bytes.as_deref(), how == "older generation" && !unchanged, &indexed)?;
            let (status, findings) = verify(&indexed, &[])?;
            let kinds: Vec<&str> = findings
                .iter()
                .filter(|finding| finding["file"] == file.file_name())
                .filter_map(|finding| finding["kind"].as_str())
                .collect();
            if unchanged {
                // The two kernels, or generations, have the same bytes there: nothing is wrong.
                ensure!(status == Some(0), "{what}: {status:?} {findings:#?}");
            } else {
                ensure!(status == Some(3) && !kinds.is_empty(), "{what}: {status:?} {findings:#?}");
                ensure!(expected.is_empty() || kinds == expected, "{what}: {kinds:?}");
                found += 1;
                quick += usize::from(verify(&indexed, &["--quick"])?.0 == Some(3));
            }
            let (status, _) = verify(&indexed, &["--fix"])?;
            ensure!(status == Some(0), "{what} --fix: {status:?}");
            ensure!(read(&indexed)? == fresh, "{what}: --fix made other files than a fresh run");
        }
    }
    Ok(format!("{found} damages found, {quick} of them by --quick; all mended"))
}

/// Replaces or removes a file; an older one has an older time, too.
fn spoil(path: &Path, bytes: Option<&[u8]>, older: bool, indexed: &Indexed) -> Result<()> {
    fs::remove_file(path)?;
    if let Some(bytes) = bytes {
        fs::write(path, bytes)?;
    }
    if older {
        let before = fs::metadata(indexed.modules().join("kernel"))?.modified()? - Duration::from_secs(60);
        fs::File::open(path)?.set_modified(before)?;
    }
    Ok(())
}
