//! From requests to an initrd with their modules.
//!
//! The firmware program adds this initrd to those of the boot entry. For a request that matches only
//! `virtio_blk`:
//!
//! ```text
//! conf/modules                         names in load order, for initramfs-tools
//! etc/modules-load.d/depmod.conf       the same for systemd
//! lib/modules/6.1.0/kernel/…           the modules of the load order, as stored
//! lib/modules/6.1.0/modules.*          the eleven index files for these modules; modules.order,
//!                                      modules.builtin and modules.builtin.modinfo unchanged
//! lib/modules/6.1.0/modules.load       paths in load order, one per line, as on Android
//! lib/modules/6.1.0/depmod-report.txt  the modules and their reasons
//! ```
//!
//! It is unpacked over the [existing initrds](ExistingInitrds) and preserves their contents, although in
//! Linux files of a later archive replace those of an earlier one. The index files include modules of this
//! version from existing initrds; new names are appended to an existing `conf/modules`; existing directories
//! get no member, and so keep their modes; and if the module directory has no `modules.order` or
//! `modules.builtin`, the existing files stay.
//!
//! The archive is a function of the module directory, the requests and the existing initrds, so that measured
//! boot sees the same bytes each time.

mod builder;
mod error;
mod existing;
mod overlay;
mod unpacked;

pub use builder::{InitrdBuilder, ModuleInitrd, Wanted};
pub use error::{ExistingError, InitrdError};
pub use existing::{ExistingInitrds, ExistingModules};
pub use unpacked::UnpackedInitrd;
