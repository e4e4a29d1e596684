//! The command: arguments → settings → run → exit status.

#[cfg(feature = "answers")]
mod all_kernels;
#[cfg(feature = "answers")]
mod answers;
mod args;
mod bar;
mod commands;
mod confine;
mod exit;
mod getopt;
mod hints;
mod pack;
mod progress;
mod report;
mod settings;
mod status;
mod terminal;
mod uptodate;
mod usage;

pub use exit::main;
pub use status::{DONE, FAILED};
