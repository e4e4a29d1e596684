//! The module list and its order ([`reference::modules`](crate::reference::modules) §§2–5).
//!
//! ```text
//! depmod.d  ──► Config ──╮
//! directories ──► Walk ──┴─► Listing ──► ModuleList ◄── modules.order
//!                            each file   one file for each name, sorted
//! ```
//!
//! [`Walk`] finds files, [`config`] decides the precedence of files with the same name and adds external
//! directories, and the order file of the kernel build ([`Order`]) sorts them. A module's position in the
//! [`ModuleList`] is its priority in the indexes, so the order affects the output.

pub mod config;
mod listing;
mod modules;
mod order;
mod versions;
mod walk;

pub use listing::Listing;
pub use modules::{ModuleFile, ModuleList, has_control_character, printed_path};
pub use order::{CorruptLine, Order};
#[cfg(feature = "answers")]
pub use versions::versions_with_modules;
pub use versions::{MODULE_DIRECTORY, SYSTEM_DIRECTORIES, has_version_name, natural_order, versions};
pub use walk::{Excluded, Walk, WalkError};
