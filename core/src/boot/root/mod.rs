//! The way to the root file system: from the kernel's options and the disks' superblocks to modules.
//!
//! The kernel's options name a root file system, and what it lies in; superblocks on the disks say what these are:
//!
//! ```text
//! root=/dev/mapper/vg-root cryptdevice=UUID=6f30…:disk      options ──► RootOptions
//!
//! vda2   LUKS 2, UUID 6f30…, aes-xts-plain64                disks ──► RootSearch
//!        └─ not readable: physical volume, vg/root, ext4
//!
//! dm-mod dm-crypt crypto-xts crypto-aes …                   requests: the layers that are named, with those below
//! fs-ext4 fs-xfs fs-btrfs fs-f2fs                           the file systems that may be inside
//! ```
//!
//! The host lists block devices and reads the ranges that are asked for ([`BlockDevice`]). Each format has a file of
//! its own. What a superblock says becomes only names of modules of these kinds: file systems, device mapper targets,
//! RAID levels and `crypto-…`; a hostile one can have a module loaded in vain, and nothing else.

mod btrfs;
mod cipher;
mod device;
mod device_name;
mod ext;
mod f2fs;
mod gpt;
mod layer;
mod luks;
mod lvm;
mod lvm_text;
mod md;
mod options;
mod policy;
mod search;
mod superblock;
mod swap;
mod xfs;

pub use device::BlockDevice;
pub use device_name::DeviceName;
pub use layer::Partition;
pub use options::RootOptions;
pub use search::RootSearch;
pub use superblock::{Kind, Superblock};
