//! Dependencies and their order ([`reference::resolution`](crate::reference::resolution)).
//!
//! `snd_hda` needs `snd_pcm` and `snd`, `snd_pcm` needs `snd`:
//!
//! ```text
//! facts ──► SymbolTable ──► DependencyGraph ──► TopologicalOrder     snd_hda, snd_pcm, snd
//!           providers       dependencies        or a CycleReport
//! ```

mod cycles;
mod graph;
mod needs;
mod order;
mod symbols;

#[cfg(feature = "answers")]
pub(crate) use cycles::report_components;
pub use cycles::{CycleReport, report_cycles};
pub use graph::DependencyGraph;
pub use needs::{Resolution, resolve};
pub use order::{Closures, TopologicalOrder};
#[cfg(feature = "answers")]
pub(crate) use symbols::IMPLICIT;
pub use symbols::{ModuleIndex, Provider, SymbolTable};
