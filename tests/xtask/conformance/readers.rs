//! kmod's programs on our index files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use depmod_tests::debian::Kernel;
use depmod_tests::oracle::Oracle;

use super::{Report, index_and_keep, kmod, module_files, ours};

/// Minimum number of real modaliases and of built-in modules to look up.
const SAMPLES: usize = 400;

/// A query: one of kmod's programs and its operands.
type Query = (&'static str, Vec<String>);

/// Exit status and output of a program.
type Answer = (Option<i32>, String, String);

/// Runs the same queries with kmod's index files and with ours.
pub(super) fn compare(kernel: &Kernel, root: &Path, report: &mut Report) -> Result<()> {
    index_and_keep(root, kmod(), &[], kernel);
    let questions = questions(kernel, root)?;
    let with_kmods = answers(&questions, kernel, root);
    index_and_keep(root, ours()?, &[], kernel);
    let with_ours = answers(&questions, kernel, root);

    let mut counts: BTreeMap<&str, (usize, usize, Vec<String>)> = BTreeMap::new();
    for (((program, operands), kmods), ours) in questions.iter().zip(with_kmods).zip(with_ours) {
        let kind = match (*program, operands.first().map(String::as_str)) {
            ("modprobe", Some("-R")) => "modprobe -R",
            ("modprobe", _) => "modprobe --show-depends",
            _ => "modinfo",
        };
        let (asked, found, differences) = counts.entry(kind).or_default();
        *asked += 1;
        *found += usize::from(!ours.1.is_empty());
        if kmods != ours {
            let operands = operands.join(" ");
            differences
                .push(format!("{program} {operands}\n  with kmod's files {kmods:?}\n  with ours {ours:?}"));
        }
    }
    for (kind, (asked, found, mut differences)) in counts {
        if found * 2 < asked {
            differences.push(format!("only {found} of {asked} queries had an answer: too few"));
        }
        report.add(&format!("{} {kind}: {asked} questions, {found} answers", kernel.version), differences);
    }
    Ok(())
}

/// Queries for every module and some built-in modules by name, for real modaliases, and for details of
/// modules.
fn questions(kernel: &Kernel, root: &Path) -> Result<Vec<Query>> {
    let dir = root.join("lib/modules").join(&kernel.version);
    let names = |paths: Vec<&str>| -> Vec<String> {
        paths
            .into_iter()
            .map(|path| depmod_core::parts::name::module_name(path.as_bytes()).map(char::from).collect())
            .collect()
    };
    let files = module_files(root);
    let modules = names(files.keys().map(String::as_str).collect());
    let builtin = fs::read_to_string(dir.join("modules.builtin"))?;
    let builtin = names(builtin.lines().take(100).collect());
    let aliases = fs::read_to_string(dir.join("modules.alias"))?;
    let aliases: Vec<&str> =
        aliases.lines().filter_map(|line| line.strip_prefix("alias ")?.split(' ').next()).collect();

    let mut questions: Vec<Query> = Vec::new();
    for name in modules.iter().chain(&builtin) {
        questions.push(("modprobe", vec!["--show-depends".into(), name.clone()]));
    }
    for alias in aliases.iter().step_by((aliases.len() / SAMPLES).max(1)) {
        questions.push(("modprobe", vec!["-R".into(), concrete(alias)]));
    }
    for name in modules.iter().step_by(10) {
        questions.push(("modinfo", vec![name.clone()]));
    }
    Ok(questions)
}

/// A modalias that matches the pattern.
fn concrete(alias: &str) -> String {
    let mut out = String::new();
    let mut rest = alias.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' => out.push_str("00000042"),
            '?' => out.push('7'),
            '[' => {
                out.extend(rest.next());
                rest.by_ref().find(|&c| c == ']');
            }
            other => out.push(other),
        }
    }
    out
}

/// Runs all queries, two at a time.
fn answers(questions: &[Query], kernel: &Kernel, root: &Path) -> Vec<Answer> {
    let half = questions.len().div_ceil(2).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = questions
            .chunks(half)
            .map(|chunk| {
                scope.spawn(move || {
                    chunk.iter().map(|query| run_query(query, kernel, root)).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("queries do not panic")).collect()
    })
}

fn run_query((program, operands): &Query, kernel: &Kernel, root: &Path) -> Answer {
    let mut command: Command = Oracle::get().tool(program);
    match *program {
        "modprobe" => command.arg("-C").arg(root.join("modprobe.d")).arg("-d").arg(root).arg("-S"),
        _ => command.arg("-b").arg(root).arg("-k"),
    };
    let output = command.arg(&kernel.version).args(operands).output().expect("kmod's program can be started");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[cfg(test)]
mod tests {
    use super::concrete;

    #[test]
    fn concrete_modaliases_match_their_patterns() {
        for pattern in ["pci:v00008086d*sv*", "usb:v1?[3-5]x", "plain"] {
            assert!(depmod_core::parts::index::fnmatch(pattern.as_bytes(), concrete(pattern).as_bytes()));
        }
        assert_eq!(concrete("a[3-5]*"), "a300000042");
    }
}
