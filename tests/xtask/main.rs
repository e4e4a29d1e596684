//! Developer tasks of the project: `cargo xtask TASK [ARG…]`.
//!
//! Each task is a file beside this one; this file only chooses.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, reason = "tasks run where std is")]

extern crate alloc;

mod bench;
mod boot;
mod conformance;
mod demo;
mod efi;
mod fuzz;
mod instructions;
mod kernels;
mod library;
mod size;
mod test;

use std::process::ExitCode;

/// One task: its name, what its operands are and what it does, and its body.
type Task = (&'static str, &'static str, fn(&[String]) -> anyhow::Result<()>);

const TASKS: &[Task] = &[
    ("demo", "             index a real kernel and show the result", demo::main),
    ("test", "[STEP…]      every test of the project, or these steps of it (--list names them)", test::main),
    ("bench", "[ROW…]      kmod and depmod side by side, as a table (--list names the rows)", bench::main),
    ("instructions", "[--record]  has the command become slower than recorded?", instructions::main),
    ("size", "            are the static builds small enough?", size::main),
    ("boot", "[CASE…]      the firmware program in QEMU (--list names the cases)", boot::main),
    ("conformance", "[LABEL…]  our output against kmod's on real kernels", conformance::main),
    ("efi", "[--arch A]   build the firmware program for x86_64, aarch64 or i686", efi::main),
    ("fuzz", "TARGET… [S]  search for inputs that crash a parser (no target names them, --all)", fuzz::main),
    ("kernels", "[LABEL…]   fetch real kernels into the cache (--list names them, --all)", kernels::main),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = args.split_first().map_or(("help", &[][..]), |(name, rest)| (name.as_str(), rest));
    let Some((_, _, task)) = TASKS.iter().find(|(task, _, _)| *task == name) else {
        println!("usage: cargo xtask TASK\n");
        for (task, about, _) in TASKS {
            println!("  {task} {about}");
        }
        return if name.trim_start_matches('-') == "help" { ExitCode::SUCCESS } else { ExitCode::from(2) };
    };
    match task(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
