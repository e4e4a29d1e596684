//! `cargo xtask parts`: what each part of the firmware program takes.
//!
//! The linker's map has the address of each function and named constant. The function's path says to which part of the
//! program it belongs; code of a library that is compiled for a type of ours, such as the end of its life, belongs to that
//! type's part, and a function that is inlined to its caller's. Equal functions are one, which counts once.

use alloc::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use depmod_tests::{apt, command, efi};

/// A part, and words in the paths of its functions. The first row with a word in the path counts.
const PARTS: &[(&str, &[&str])] = &[
    ("xz", &["lzma_rust2::", "sha2::", "decompress::xz::"]),
    ("zstd", &["ruzstd::", "decompress::zst::"]),
    ("gzip", &["miniz_oxide::", "decompress::gz::"]),
    ("lz4", &["lz4_flex::", "decompress::lz4::"]),
    ("decompression of any format", &["depmod_core::decompress::"]),
    ("root file system, disks", &["boot::root::", "depmod_uefi::disks::"]),
    ("ACPI's tables, device tree", &["hardware::acpi", "hardware::device_tree", "depmod_uefi::tables::"]),
    ("PCI, USB, processor", &["boot::hardware::", "depmod_uefi::{pci,usb,cpu,hardware}::"]),
    ("PXE", &["boot::network::", "depmod_uefi::network::"]),
    (
        "existing initrds, archives, the generated initrd",
        &[
            "boot::initrd::",
            "boot::archive::",
            "depmod_core::cpio::",
            "depmod_uefi::{initrd,existing,modules}::",
        ],
    ),
    ("boot entry, kernel", &["depmod_core::boot::", "depmod_uefi::{stage,kernel,fallback,watchdog}::"]),
    ("parsing of modules and lists", &["depmod_core::parse::"]),
    ("list of modules, resolution, run", &["depmod_core::{list,resolve,run,source}::"]),
    ("index files", &["depmod_core::{output,index}::"]),
    ("names, load orders, checks of index files", &["depmod_core::answer::"]),
    ("messages", &["depmod_core::diagnostic::"]),
    ("the rest of the core", &["depmod_core::"]),
    ("console, progress, memory, TPM", &["depmod_uefi::{console,progress,clock,memory,tcg,error}::"]),
    ("shell tool, options, volumes", &["depmod_uefi::", "depmod_efi::", "efi_main"]),
    ("crates for UEFI", &["uefi::", "uefi_raw::", "ucs2::"]),
    ("other crates", &["hashbrown::", "memchr::", "bstr::", "heapless::", "scroll::", "foldhash::"]),
    ("Rust's own libraries", &["core::", "alloc::", "compiler_builtins::"]),
    ("pieces that several functions share", &["OUTLINED_FUNCTION_"]),
];

/// The row of what has no path: texts, tables.
const UNNAMED: &str = "constants, what has no path";
/// The row of the rest of the file.
const REST: &str = "headers, relocations, `.sbat`, gaps";

/// Prints a Markdown table for an architecture, by default x86_64; with `--names`, each function with its size as well.
///
/// # Errors
/// When the program cannot be built, or its map is not understood.
pub(crate) fn main(args: &[String]) -> Result<()> {
    let (arch, names) = match args {
        [] => ("x86_64", false),
        [option] if option == "--names" => ("x86_64", true),
        [arch] => (arch.as_str(), false),
        [arch, option] if option == "--names" => (arch.as_str(), true),
        _ => bail!("usage: cargo xtask parts [ARCH] [--names]"),
    };
    apt::install(&["binutils"])?;
    let (program, map) = efi::build_with_map(arch)?;
    let symbols = sizes(&fs::read_to_string(&map).with_context(|| map.display().to_string())?)?;
    let file = program.metadata()?.len();
    let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
    let readable = demangled(&symbols.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>())?;
    let mut all: Vec<(u64, &str, &str)> = Vec::new();
    for ((_, size), name) in symbols.iter().zip(&readable) {
        let part = part(name);
        *rows.entry(part).or_default() += size;
        all.push((*size, part, name));
    }
    if names {
        all.sort_unstable_by(|a, b| b.cmp(a));
        all.iter().for_each(|(size, part, name)| println!("{size:7} {part}: {name:.200}"));
    }
    let named: u64 = rows.values().sum();
    ensure!(named <= file, "the parts have {named} bytes, the file {file}");
    rows.insert(REST, file - named);
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_unstable_by_key(|&(_, size)| core::cmp::Reverse(size));
    println!("| part of {arch} | size |\n|---|--:|");
    rows.iter().for_each(|(part, size)| println!("| {part} | {:.1} KiB |", *size as f64 / 1024.0));
    println!("| all | {:.1} KiB |", file as f64 / 1024.0);
    Ok(())
}

/// The part of a function.
fn part(name: &str) -> &'static str {
    let has = |word: &&str| match word.split_once('{').and_then(|(a, rest)| Some((a, rest.split_once('}')?)))
    {
        Some((before, (middle, after))) => {
            middle.split(',').any(|middle| name.contains(&format!("{before}{middle}{after}")))
        }
        None => name.contains(*word),
    };
    PARTS.iter().find(|(_, words)| words.iter().any(has)).map_or(UNNAMED, |(part, _)| part)
}

/// Each symbol of a map of `lld-link` and the bytes up to the next one. Lines are
///
/// ```text
///  0001:00000000 00051a2cH .text                   CODE
///  0001:00000010       _ZN4core3fmt…      0000000140001010     lib.o
/// ```
fn sizes(map: &str) -> Result<Vec<(String, u64)>> {
    let (mut places, mut ends) = (BTreeMap::<(u64, u64), String>::new(), BTreeSet::new());
    for line in map.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [place, second, third, ..] = words[..] else { continue };
        let Some((section, offset)) = place.split_once(':') else { continue };
        let (Ok(section), Ok(offset)) = (u64::from_str_radix(section, 16), u64::from_str_radix(offset, 16))
        else {
            continue;
        };
        let length = second.strip_suffix('H').and_then(|length| u64::from_str_radix(length, 16).ok());
        if let Some(length) = length {
            // Zeros are not in the file.
            if third != ".bss" {
                ends.insert((section, offset + length));
                places.entry((section, offset)).or_insert_with(|| third.to_owned());
            }
        } else {
            // A function's name replaces that of the section at its start.
            let name = places.entry((section, offset)).or_default();
            if name.is_empty() || name.starts_with('.') {
                second.clone_into(name);
            }
        }
    }
    ensure!(!ends.is_empty(), "the map has no sections");
    let mut sizes = Vec::new();
    for (&(section, offset), name) in &places {
        let next = places.range((section, offset + 1)..).next().map(|(place, _)| *place);
        let end = ends.range((section, offset + 1)..).next().copied();
        let bound = [next, end].into_iter().flatten().filter(|(other, _)| *other == section).min();
        sizes.extend(bound.map(|(_, bound)| (name.clone(), bound - offset)));
    }
    Ok(sizes)
}

/// Names as in the source, in the same order.
fn demangled(names: &[&str]) -> Result<Vec<String>> {
    let dir = tempfile::tempdir()?;
    let list = dir.path().join("names");
    fs::write(&list, names.join("\n"))?;
    let text = command::text(
        Command::new("c++filt").args(["--format=rust", "--no-verbose"]).arg(format!("@{}", list.display())),
    )?;
    let readable: Vec<String> = text.lines().map(str::to_owned).collect();
    ensure!(readable.len() == names.len(), "c++filt gave {} names of {}", readable.len(), names.len());
    Ok(readable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_ends_where_the_next_begins() {
        let map = "\
             0001:00000000 00000030H .text                   CODE\n\
             0002:00000000 00000008H .rdata                  DATA\n\
             0001:00000000       first    0000000140001000     a.o\n\
             Static symbols\n\
             0001:00000010       second   0000000140001010     a.o\n";
        let found = sizes(map).unwrap();
        let found: Vec<(&str, u64)> = found.iter().map(|(name, size)| (name.as_str(), *size)).collect();
        assert_eq!(found, [("first", 0x10), ("second", 0x20), (".rdata", 8)]);
    }

    #[test]
    fn the_first_row_with_a_word_counts() {
        assert_eq!(
            part("core::ptr::drop_in_place<depmod_core::boot::root::lvm::Group>"),
            "root file system, disks"
        );
        assert_eq!(part("depmod_uefi::usb::each"), "PCI, USB, processor");
        assert_eq!(part("depmod_core::boot::entry::parse"), "boot entry, kernel");
        assert_eq!(part(".rdata"), UNNAMED);
    }
}
