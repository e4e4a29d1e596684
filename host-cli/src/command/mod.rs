//! The command: arguments → settings → run → exit status.

#[cfg(feature = "answers")]
mod all_kernels;
#[cfg(feature = "answers")]
mod answers;
mod args;
mod bar;
#[cfg(feature = "answers")]
mod checks;
mod classic;
mod commands;
mod confine;
mod exit;
#[cfg(feature = "answers")]
mod format;
#[cfg(all(any(test, fuzzing), feature = "answers"))]
mod fuzz;
mod getopt;
mod hints;
mod index;
mod nearest;
mod pack;
mod progress;
mod report;
mod settings;
mod status;
mod terminal;
mod uptodate;
mod usage;

pub use exit::main;
#[cfg(all(any(test, fuzzing), feature = "answers"))]
pub(crate) use fuzz::fuzz;
pub use status::{DONE, FAILED};
