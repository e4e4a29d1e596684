//! The program for lower limits: its plans, and its runs. See `host-cli/examples/limit.rs`.

use core::cmp::Reverse;
use core::fmt::Write;
use core::ops::Range;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use depmod_core::parts::parse::elf::{FileHeader, SectionTable};

use super::corpus;
use super::measure::{Cost, measure};
use crate::debian::Kernel;
use crate::outcome::OUTPUTS;
use crate::toolchain::hide_build_paths;
use crate::{command, target_dir, workspace};

/// The sections that the outputs depend on.
const NEEDED: [&[u8]; 5] =
    [b".modinfo\0", b".symtab\0", b".strtab\0", b"__ksymtab_strings\0", b"__versions\0"];

/// Ranges with a gap of at most this many bytes are read at once: a system call costs as much.
const GAP: u64 = 4096;

/// The program with its plan.
#[derive(Debug)]
pub struct Limit {
    command: Command,
    /// Its output directory.
    written: PathBuf,
}

impl Limit {
    /// Reads the needed bytes of every module of a kernel on `threads` threads, and writes files of the size
    /// of its outputs, which must exist.
    ///
    /// # Errors
    /// When a module cannot be read or is not ELF.
    pub fn read(kernel: &Kernel, threads: usize, scratch: &Path) -> Result<Self> {
        let mut plan = String::new();
        for path in corpus::modules(&kernel.modules())? {
            let ranges = needed(&path).with_context(|| path.display().to_string())?;
            let ranges: Vec<String> =
                ranges.iter().map(|range| format!("{}-{}", range.start, range.end)).collect();
            writeln!(plan, "{}\t{}", path.display(), ranges.join(","))?;
        }
        for name in OUTPUTS {
            writeln!(plan, "write\t{name}\t{}", kernel.modules().join(name).metadata()?.len())?;
        }
        let mut limit = Self::of("read", threads, &plan, scratch)?;
        limit.command.arg(&limit.written);
        Ok(limit)
    }

    /// Decodes every module of a kernel on `threads` threads, the largest first.
    ///
    /// # Errors
    /// When the module directory cannot be read.
    pub fn decode(kernel: &Kernel, threads: usize, scratch: &Path) -> Result<Self> {
        let mut modules = corpus::modules(&kernel.modules())?;
        modules.sort_by_cached_key(|path| Reverse(path.metadata().map_or(0, |meta| meta.len())));
        let mut plan = String::new();
        for path in modules {
            writeln!(plan, "{}", path.display())?;
        }
        Self::of("decode", threads, &plan, scratch)
    }

    fn of(what: &str, threads: usize, plan: &str, scratch: &Path) -> Result<Self> {
        let file = scratch.join("plan");
        fs::write(&file, plan)?;
        let mut command = Command::new(program()?);
        command.arg(what).arg(threads.to_string()).arg(file);
        Ok(Self { command, written: scratch.join("written") })
    }

    /// Runs the program once.
    ///
    /// # Errors
    /// When it fails.
    pub fn measure(&mut self, scratch: &Path) -> Result<Cost> {
        // Into an empty directory: file systems flush an overwritten file and wait for the disk.
        if self.written.exists() {
            fs::remove_dir_all(&self.written)?;
        }
        fs::create_dir(&self.written)?;
        measure(&mut self.command, scratch)
    }
}

/// The bytes of a module that the outputs depend on, in file order.
fn needed(path: &Path) -> Result<Vec<Range<u64>>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let get = |range: Range<u64>| -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(range.end - range.start)?];
        file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    };
    let head = 0..size.min(FileHeader::MAX_LEN as u64);
    let header = FileHeader::parse(&get(head.clone())?, size)?;
    let headers = get(header.section_headers())?;
    let table = SectionTable::new(header, &headers, size);
    let names = get(table.names_range()?)?;
    let sections = table.named(&names).filter(|(name, _)| {
        NEEDED.iter().any(|needed| name.starts_with(needed)) || name.starts_with(b"__kcrctab")
    });
    let mut ranges: Vec<Range<u64>> = sections.filter_map(|(_, section)| section.range(size)).collect();
    ranges.extend([head, header.section_headers(), table.names_range()?]);
    Ok(merge(ranges))
}

/// Sorted ranges with near ones merged.
fn merge(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end + GAP => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// The program, built now.
fn program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    if let Some(program) = PROGRAM.get() {
        return Ok(program);
    }
    let mut build = Command::new("cargo");
    build.current_dir(workspace()).args(["build", "--quiet", "--release", "--package", "depmod"]);
    // As the command, so that what both need is built once.
    hide_build_paths(&mut build);
    command::run(build.args(["--example", "limit"]))?;
    Ok(PROGRAM.get_or_init(|| target_dir().join("release/examples/limit")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf_builder::Elf;

    #[test]
    fn near_ranges_are_merged() {
        assert_eq!(merge(vec![9000..9010, 10..20, 0..12, 30..30, 4000..4001]), [0..4001, 9000..9010]);
    }

    #[test]
    fn unneeded_sections_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.ko");
        // Code lies between `.modinfo` and the symbols.
        let module = Elf::new().modinfo("alias=a").section(".text", [0x90; 100_000]).need("printk");
        fs::write(&path, module.build()).unwrap();
        let ranges = needed(&path).unwrap();
        assert_eq!(ranges.len(), 2, "{ranges:?}");
        assert!(ranges.iter().map(|range| range.end - range.start).sum::<u64>() < 2000);
    }
}
