//! Queries answered from the index files alone: the modules to load, their order, and the reasons.
//!
//! A request is a module's name, a modalias or another alias, or a glob. With a request for `virtio_blk` and
//! these index files
//!
//! ```text
//! modules.dep          kernel/drivers/virtio/virtio.ko:
//!                      kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko
//!                      kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
//! modules.softdep      softdep virtio_blk pre: crypto-crc32c
//! modules.alias        alias crypto-crc32c crc32c_generic
//! ```
//!
//! the load order is `virtio`, `virtio_ring`, then `crc32c_generic`, then `virtio_blk`: hard dependencies are
//! in one line per module, in reverse load order; soft dependencies are additional requests, before (`pre:`)
//! or after (`post:`) their module. This is `modprobe`'s order.
//!
//! Two kinds of modules are *carried along* in the same initrd without being loaded, because the kernel may
//! request them later: weak dependencies, and the soft dependencies of a module's second and further
//! `softdep` lines, which `modprobe` ignores.
//!
//! A name takes precedence over aliases, a module over a built-in module; built-in modules need no loading.
//! Equal index files produce equal load orders, whether shipped or computed.

#[cfg(feature = "answers")]
mod diff;
#[cfg(feature = "answers")]
mod explain;
#[cfg(feature = "answers")]
mod firmware;
mod fit;
#[cfg(feature = "answers")]
mod index_directory;
#[cfg(feature = "answers")]
mod keep_going;
#[cfg(feature = "answers")]
mod kernel_exports;
mod load_order;
mod lookup;
#[cfg(feature = "answers")]
mod modprobe_config;
#[cfg(feature = "answers")]
mod nearest;
mod plan;
mod report;
#[cfg(feature = "answers")]
mod resolver;
#[cfg(feature = "answers")]
mod schedule;
mod soft_dependencies;
#[cfg(feature = "answers")]
mod strict;
#[cfg(feature = "answers")]
mod verify;

#[cfg(feature = "answers")]
pub use diff::{Change, ChangeKind, Side, diff};
#[cfg(feature = "answers")]
pub use explain::{
    AliasMatch, Builtin, ChainError, ChainLink, Dependent, ExplainedAlias, ExplainedModule, ExplainedSymbol,
    FilesOfName, Link, Links, NamedFile, Subject, SymbolExporter, SymbolUser, chain, explain_file,
    explain_module, explain_symbol, files_of_name, subject,
};
#[cfg(feature = "answers")]
pub use firmware::{FirmwareDirectories, FirmwareFile};
pub use fit::{Stale, ensure_fit};
#[cfg(feature = "answers")]
pub use index_directory::{IndexDirectory, IndexFault, IndexFileError, PLANNED_WITH};
#[cfg(feature = "answers")]
pub use keep_going::{KeepGoing, LeftOut, NeedOmission, Omission};
#[cfg(feature = "answers")]
pub use kernel_exports::{ExportsFile, FoundExports, KernelPlace, find_kernel_exports};
pub use load_order::{LoadOrder, PlannedModule, Reason, Request, Unplanned};
pub use lookup::{Found, Lookup};
#[cfg(feature = "answers")]
pub use modprobe_config::ModprobeConfig;
#[cfg(feature = "answers")]
pub use nearest::{nearest, nearest_word};
pub use plan::plan;
#[cfg(feature = "answers")]
pub use resolver::Resolver;
#[cfg(feature = "answers")]
pub use schedule::{InstallCommand, Schedule, ScheduledModule, proposals, schedule};
#[cfg(feature = "answers")]
pub use strict::{
    Cause, Check, Explanation, ExportedBy, Gap, LoadFault, LoadFinding, Modules, NotChecked, Verdict, strict,
};
#[cfg(feature = "answers")]
pub use verify::{
    Count, Damage, FileFault, FileFinding, FileTime, QuickLook, StoredFiles, Times, Verified, VerifiedFile,
    verify, verify_quick,
};
