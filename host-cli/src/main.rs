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
/// without a core dump. Any other panic still aborts.
fn fail_without_memory() {
    // A backtrace needs memory, under a lock of the standard library: without memory, it waits for itself.
    // SAFETY: no other thread exists yet.
    #[allow(unsafe_code, reason = "the standard library has no other way to turn backtraces off")]
    unsafe {
        std::env::remove_var("RUST_BACKTRACE");
    }
    let ordinary = Arc::new(AtomicBool::new(true));
    let panicked = Arc::clone(&ordinary);
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // The standard library panics if a new thread gets no second stack.
        let no_stack = info.location().is_some_and(|place| place.file().ends_with("stack_overflow.rs"));
        panicked.fetch_and(no_stack, Ordering::Relaxed);
        report(info);
    }));
    let status = depmod::command::FAILED.into();
    // Without a handler, the program aborts.
    let _ = signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGABRT, status, ordinary);
}
