//! `depmod`.
#![allow(clippy::std_instead_of_alloc, reason = "a program has std")]

use core::sync::atomic::{AtomicBool, Ordering};
use std::panic;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    fail_without_memory();
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    ExitCode::from(depmod::command::main(&words))
}

/// The standard library reports that there is no memory, and aborts. That is an ordinary failure: exit status 1,
/// without a core dump. A panic still aborts.
fn fail_without_memory() {
    let ordinary = Arc::new(AtomicBool::new(true));
    let panicked = Arc::clone(&ordinary);
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        panicked.store(false, Ordering::Relaxed);
        report(info);
    }));
    let status = depmod::command::FAILED.into();
    // Without a handler, the program aborts.
    let _ = signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGABRT, status, ordinary);
}
