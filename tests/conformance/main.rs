//! Our `depmod` against kmod 34.2 on generated module directories: files, stdout, stderr, exit status.
//!
//! Where both must agree, a test gives only the layout. Where kmod has a defect, its development head differs
//! from 34.2, or we differ on purpose, a test states our result in full.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, reason = "tests run where std is")]

// The eleven files: content and order.
mod outputs;

// ELF files of every kind, and malformed ones.
mod elf;

// Symbols, versions, dependencies; `-e -E -F -P -v -w`.
mod resolution;

// Cycles and their report.
mod cycles;

// Detection and names of modules.
mod walk;

// Precedence among files with equal names, according to depmod.d.
mod config;

// `--all-kernels`.
mod all_kernels;

// `--keep-going`.
mod keep_going;
mod layers;

// The command line.
mod cli;

// `depmod help`, misspelt words.
mod help;

// Standard output that nobody reads.
mod pipes;

// Answers as JSON, and their schema.
mod json;

// Compressed modules.
mod codecs;

// kmod crashes, hangs or reads out of bounds (rows A of the list of its defects).
mod defects_a;

// kmod loses results silently (rows B).
mod defects_b;

// Files that are no modules, and names that forge lines.
mod hostile;

// The confinement of the command.
mod confined;

// Paths redirected by fakechroot.
mod fakechroot;

// Control characters on terminals.
mod terminal;

// Little memory, few descriptors, file systems that cannot do everything.
mod machine;

// Load orders, names and aliases against modprobe.
mod plan;

// Whether modules will load.
mod strict;
// `depmod lookup` and `depmod plan`.
mod lookup;
mod plan_command;

// `depmod explain`.
mod explain;

// Archives of module directories, and initrds made from them.
mod archives;

// Archives on top of existing initrds.
mod existing_initrds;

// Index files, whole and spoilt, under `depmod verify`.
mod verify;

// Index files as text, and changes between kernels.
mod diff;
mod dump;
