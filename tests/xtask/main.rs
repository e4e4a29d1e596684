//! Developer tasks of the project: `cargo xtask TASK [ARG…]`.
//!
//! Each task is a module; this file selects the task.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, reason = "tasks run where std is")]

extern crate alloc;

mod bench;
mod boot;
mod builds;
mod c_library;
mod conformance;
mod demo;
mod deny;
mod differential;
mod efi;
mod faults;
mod fuzz;
mod hooks;
mod install;
mod instructions;
mod kernels;
mod library;
mod package;
mod parts;
mod rooms;
mod shapes;
mod size;
mod soak;
mod test;

use std::process::ExitCode;

/// A task: its name, its operands and description, and its body.
type Task = (&'static str, &'static str, fn(&[String]) -> anyhow::Result<()>);

const TASKS: &[Task] = &[
    ("demo", "             index a real kernel and show the result", demo::main),
    ("test", "[STEP…]      all tests of the project, or these steps (--list names them)", test::main),
    ("bench", "[ROW…]      compare the speed of kmod and depmod (--list names the rows)", bench::main),
    (
        "instructions",
        "[aarch64] [--record]  compare the command's instruction count with the record",
        instructions::main,
    ),
    (
        "shapes",
        "[SHAPE…]     compare kmod and depmod on module directories of unusual shapes (--list)",
        shapes::main,
    ),
    (
        "install",
        "[OPTION…]   build and install the command, manual pages and completions (--destdir D, --prefix P, …)",
        install::main,
    ),
    ("man", "DIR          the manual pages", install::man),
    ("completions", "DIR  the completions for bash, zsh and fish", install::completions),
    ("vendor", "DIR         the command's source with its dependencies, for packagers", builds::vendor::task),
    ("size", "            check the sizes of static builds", size::main),
    (
        "soak",
        "[CHECK…]     what takes longer than tests may: whole kernels, all modules (--list)",
        soak::main,
    ),
    (
        "boot",
        "[CASE…]      test the firmware program in QEMU (--list names the cases, --short leaves some)",
        boot::main,
    ),
    (
        "c-library",
        "[--destdir D] [--prefix P] build libdepmod and lay out library, header and pkg-config file",
        c_library::main,
    ),
    ("conformance", "[LABEL…]  compare our output with kmod's on real kernels", conformance::main),
    ("differential", "[N [SEED]] compare kmod and depmod on random module directories", differential::main),
    ("efi", "[--arch A]   build the firmware program for x86_64, aarch64 or i686", efi::main),
    ("parts", "[ARCH] [--names] what each part of the firmware program takes", parts::main),
    (
        "fuzz",
        "TARGET… [S]  search for inputs that crash a parser (without a target: list; --all)",
        fuzz::main,
    ),
    (
        "faults",
        "[SCENARIO…] fail each system call of a run (--list names the scenarios, --sample)",
        faults::main,
    ),
    ("kernels", "[LABEL…]   fetch real kernels into the cache (--list names them, --all)", kernels::main),
    (
        "hooks",
        "[NAME…]    compare kmod and depmod in a Debian system's hooks (--list names them)",
        hooks::main,
    ),
    ("package", "deb|tarball [ARG…] make packages for distributions", package::main),
    (
        "rooms",
        "[FOLDER]    the imports between the rooms of the core, or in a folder, as a dot file",
        rooms::main,
    ),
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
