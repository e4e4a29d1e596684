//! What differs between two systems: files to the byte, and messages.

use alloc::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, Result};

use super::scenario::Scenario;

/// Watched files that only one system has, or whose kind, mode or content differ, but for documented ones.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn differences(kmod: &Path, ours: &Path, scenario: &Scenario) -> Result<Vec<String>> {
    let (theirs, mine) = (entries(kmod, scenario)?, entries(ours, scenario)?);
    let mut found = Vec::new();
    for (path, entry) in &theirs {
        match mine.get(path) {
            None => found.push(format!("{}: only with kmod", path.display())),
            Some(other) if entry != other => found.push(format!("{}: {entry} / {other}", path.display())),
            Some(_) if is_documented(path, scenario) => {}
            Some(_) if !same_bytes(&kmod.join(path), &ours.join(path))? => {
                found.push(format!("{}: other bytes", path.display()));
            }
            Some(_) => {}
        }
    }
    let extra = mine.keys().filter(|path| !theirs.contains_key(*path));
    found.extend(extra.map(|path| format!("{}: only with ours", path.display())));
    Ok(found)
}

/// Kind, mode and target of each entry; of one with a documented difference, that it is there.
fn entries(root: &Path, scenario: &Scenario) -> Result<BTreeMap<PathBuf, String>> {
    let mut entries = BTreeMap::new();
    let mut pending: Vec<PathBuf> = scenario.watched.iter().map(PathBuf::from).collect();
    while let Some(dir) = pending.pop() {
        let path = root.join(&dir);
        if !path.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&path).with_context(|| path.display().to_string())? {
            let entry = entry?;
            let below = dir.join(entry.file_name());
            let metadata = entry.metadata()?;
            let kind = metadata.file_type();
            let mode = metadata.permissions().mode();
            let what = if is_documented(&below, scenario) {
                "documented".to_owned()
            } else if kind.is_symlink() {
                format!("link to {}", fs::read_link(entry.path())?.display())
            } else if kind.is_dir() {
                pending.push(below.clone());
                format!("directory, mode {mode:o}")
            } else if kind.is_file() {
                format!("file, mode {mode:o}")
            } else {
                format!("special file, mode {mode:o}, pipe: {}", kind.is_fifo())
            };
            entries.insert(below, what);
        }
    }
    Ok(entries)
}

fn is_documented(path: &Path, scenario: &Scenario) -> bool {
    scenario.documented.iter().any(|begin| path.to_string_lossy().starts_with(begin))
}

/// Whether two regular files are equal, but for the times in DKMS's logs.
fn same_bytes(one: &Path, other: &Path) -> Result<bool> {
    if !one.symlink_metadata()?.is_file() {
        return Ok(true);
    }
    let read = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
    let (one_bytes, other_bytes) = (read(one)?, read(other)?);
    if one.extension().is_some_and(|extension| extension == "log") {
        let lines = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.lines().map(without_chance).collect::<Vec<_>>()
        };
        return Ok(lines(&one_bytes) == lines(&other_bytes));
    }
    Ok(one_bytes == other_bytes)
}

/// Whether `run-parts --report` printed a line: the name of a script, on the stream where it first hears of it. A script
/// that prints on both has its name on either.
fn is_name_of_script(line: &str) -> bool {
    line.starts_with("/etc/kernel/") && line.ends_with(':') && !line.contains(' ')
}

/// Lines that only one of two runs printed.
pub(super) fn message_differences(kmod: &Output, ours: &Output) -> Vec<String> {
    let mut found = Vec::new();
    for (stream, theirs, mine) in
        [("stdout", &kmod.stdout, &ours.stdout), ("stderr", &kmod.stderr, &ours.stderr)]
    {
        let lines = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.lines().filter(|line| !is_name_of_script(line)).map(without_chance).collect::<Vec<_>>()
        };
        let (theirs, mine) = (lines(theirs), lines(mine));
        let only = |one: &[String], other: &[String], whose: &str| {
            let lines = one.iter().filter(|line| !other.contains(*line));
            lines.map(|line| format!("{stream}, only with {whose}: {line}")).collect::<Vec<_>>()
        };
        let (kmod_only, ours_only) = (only(&theirs, &mine, "kmod"), only(&mine, &theirs, "ours"));
        if kmod_only.is_empty() && ours_only.is_empty() && theirs != mine {
            found.push(format!("{stream}: the same lines in another order or number"));
        }
        found.extend(kmod_only);
        found.extend(ours_only);
    }
    found
}

/// A line without what differs between any two runs: times, durations, temporary names, and dpkg's count of files.
fn without_chance(line: &str) -> String {
    if line.starts_with("(Reading database ...") {
        return "(Reading database ...".to_owned();
    }
    // DKMS prints a dot for each while that a step takes.
    if let Some((step, "done.")) = line.rsplit_once(' ').filter(|(step, _)| step.ends_with("...")) {
        return format!("{} done.", step.trim_end_matches('.'));
    }
    let words = line.split(' ').map(|word| {
        let clock = word.len() == 8 && word.split(':').filter(|part| part.parse::<u8>().is_ok()).count() == 3;
        let temporary = ["/tmp/", "/var/tmp/"].iter().find(|dir| word.starts_with(**dir));
        match (clock, temporary) {
            (true, _) => "TIME".to_owned(),
            (_, Some(dir)) => format!("{dir}…"),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::without_chance;

    #[test]
    fn chance_alone_is_left_out() {
        assert_eq!(without_chance("at 10:20:30 in /tmp/mk_a1"), without_chance("at 10:21:31 in /tmp/mk_b2"));
        assert_ne!(without_chance("depmod: one"), without_chance("depmod: two"));
        assert_eq!(without_chance("Running depmod.... done."), without_chance("Running depmod... done."));
        assert_ne!(without_chance("Running depmod... done."), without_chance("Running depmod... failed."));
    }
}
