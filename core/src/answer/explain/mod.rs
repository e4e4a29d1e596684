//! Explanations: the needs of a module and their symbols, its dependents, and the modules behind names, aliases and
//! symbols.
//!
//! | Question | Answered from |
//! |---|---|
//! | the meaning of a name ([`subject`]) | the indexes of modules, aliases and built-in modules |
//! | the modules that match an alias, and their patterns ([`ExplainedAlias`]) | the index of aliases |
//! | a module ([`explain_module`]) | all of these, and the module itself: its symbols and firmware are in no index |
//! | the way from one module to another ([`chain`]) | the indexes, and the modules along the way |
//! | which of several files has a name ([`files_of_name`]) | the module directory and `depmod.d` |
//! | a symbol ([`explain_symbol`]) | all modules: the indexes name one exporter and no user |
//!
//! The provider of a symbol is the one that the index of symbols names, as in a run. A dependency that
//! the module's line in `modules.dep` lacks is reported ([`ExplainedModule::unlisted`]): the indexes are older than the
//! module.

mod alias;
mod chain;
mod dependents;
mod files;
mod links;
mod module;
mod near;
mod subject;
mod symbol;
#[cfg(test)]
mod tests;

pub use alias::{AliasMatch, ExplainedAlias};
pub use chain::{ChainError, ChainLink, chain};
pub use dependents::Dependent;
pub use files::{FilesOfName, NamedFile, files_of_name};
pub use links::{Link, Links};
pub use module::{ExplainedModule, explain_file, explain_module};
pub use subject::{Builtin, Subject, subject};
pub use symbol::{ExplainedSymbol, SymbolExporter, SymbolUser, explain_symbol};
