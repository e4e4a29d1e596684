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
mod definition;
mod exit;
#[cfg(feature = "answers")]
mod format;
#[cfg(all(any(test, fuzzing), feature = "answers"))]
mod fuzz;
mod getopt;
mod hints;
mod index;
mod memory;
mod nearest;
mod pack;
mod paths;
mod progress;
mod report;
mod settings;
mod status;
mod stdout;
mod suggest;
mod terminal;
mod uptodate;
mod usage;

#[doc(hidden)]
pub use definition::definition;
pub use exit::main;
#[cfg(all(any(test, fuzzing), feature = "answers"))]
pub(crate) use fuzz::fuzz;
#[doc(hidden)]
pub use paths::MODULE_DIRECTORY;
pub use status::{DONE, FAILED};
