//! Questions about modules, answered from the index files alone: which modules to load, in which order, and why.
//!
//! A request is a module's name, a modalias or another alias, or a glob. With `virtio_blk` asked for
//! and these index files
//!
//! ```text
//! modules.dep          kernel/drivers/virtio/virtio.ko:
//!                      kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko
//!                      kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
//! modules.softdep      softdep virtio_blk pre: crypto-crc32c
//! modules.alias        alias crypto-crc32c crc32c_generic
//! ```
//!
//! the load order is `virtio`, `virtio_ring`, then `crc32c_generic`, then `virtio_blk`: hard dependencies
//! stand in one line per module, the most basic last, and are read backwards; soft dependencies are
//! requests of their own, before (`pre:`) or after (`post:`) their module. This is the order in which
//! `modprobe` loads.
//!
//! Two kinds of modules are *carried* in the same initrd without being loaded, because the kernel
//! may ask for them later: weak dependencies, and the soft dependencies of a module's second and
//! further `softdep` lines, which `modprobe` passes over.
//!
//! A name wins over aliases, modules win over what is built in, and what is built in is there already.
//! Equal index files give equal load orders, whether they were shipped or computed.

#[cfg(feature = "answers")]
mod diff;
mod fit;
mod load_order;
mod lookup;
mod plan;
mod report;
mod soft_dependencies;
#[cfg(feature = "answers")]
mod verify;

#[cfg(feature = "answers")]
pub use diff::{Change, ChangeKind, Side, diff};
pub use fit::{Stale, ensure_fit};
pub use load_order::{LoadOrder, PlannedModule, Reason, Request, Unplanned};
pub use lookup::{Found, Lookup};
pub use plan::plan;
#[cfg(feature = "answers")]
pub use verify::{
    Count, Damage, Fault, FileTime, Finding, StoredFiles, Times, Verified, VerifiedFile, verify, verify_quick,
};
