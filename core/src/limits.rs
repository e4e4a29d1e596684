//! All limits on hostile input.
//!
//! Real kernels stay far below all limits; a host with little memory lowers them, a host with unusual input
//! raises them. Exceeding a limit is an error of the input, never a panic.

use core::fmt;

/// The text of the operating system for a failed allocation.
#[cfg(feature = "alloc")]
pub(crate) const NO_MEMORY: &str = "Cannot allocate memory";

/// Limits on sizes, depths and counts. All sizes are in bytes.
///
/// ```
/// use depmod_core::Limits;
///
/// let limits = Limits::DEFAULT.module_size(64 << 20).depth(32);
/// assert_eq!((limits.module_size, limits.depth), (64 << 20, 32));
/// assert_eq!(limits.file_size, Limits::DEFAULT.file_size);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// One module after decompression. The largest in Debian's kernels is about 20 MiB; one with debugging
    /// information can have hundreds.
    pub module_size: u64,
    /// The same for a decoder that cannot decode in pieces ([`Decoder`](crate::parts::decompress::Decoder)).
    pub unpieced_module_size: u64,
    /// A compressed module whose file and decoded bytes are together larger is decoded in pieces.
    pub buffered_size: u64,
    /// One module file as stored, compressed or not.
    pub file_size: u64,
    /// Memory of one decoder: xz dictionary or zstd window.
    pub decoder_memory: u64,
    /// Sum of one module's needed sections (`.symtab`, `.strtab`, …).
    pub sections_size: u64,
    /// One side file: `modules.order`, `modules.builtin.modinfo`, `Module.symvers`, a `depmod.d` file.
    pub text_size: u64,
    /// One archive of modules, as stored and after decompression. The whole archive is in memory.
    pub archive_size: u64,
    /// Files, directories and links of one archive of modules, or of all existing initrds. Debian's largest
    /// kernel has about 5,000 of them.
    pub archive_members: usize,
    /// One boot entry file.
    pub boot_entry_size: u64,
    /// One kernel image or existing initrd.
    pub boot_file_size: u64,
    /// One table of ACPI, or a device tree.
    pub firmware_table_size: usize,
    /// Tables of ACPI.
    pub firmware_tables: usize,
    /// Disks and partitions that are looked at for the root file system.
    pub block_devices: usize,
    /// What is read of one superblock's variable part: the JSON of LUKS 2, the text of LVM, a partition table. LUKS 2 allows
    /// 4 MiB.
    pub superblock_size: usize,
    /// Superblocks of all disks and of what can be looked into.
    pub superblocks: usize,
    /// Devices in each other: a disk, an array on it, a logical volume in that.
    pub layers: usize,
    /// Directory levels below the module directory.
    pub depth: usize,
    /// Directories of one walk; a directory with several links counts once per link. Debian's largest kernel
    /// has about 900.
    pub directories: usize,
    /// Other files of one name that are tried in place of one that cannot be a module.
    pub candidates: usize,
    /// Messages of a listing that a second listing of the same run does not repeat; further ones are repeated.
    pub messages: usize,
    /// One finished index. A node reference has 28 offset bits
    /// ([`reference::index_format`](crate::reference::index_format) §2.1).
    pub index_size: u64,
    /// Steps of the search for cycles in kmod's order; beyond it, the report is simpler.
    pub cycle_steps: usize,
    /// Lines of a cycle report.
    pub cycle_lines: usize,
    /// Steps of one search in an index, or of one regular expression on one version string.
    pub steps: usize,
}

impl Limits {
    /// The default limits of both programs.
    pub const DEFAULT: Self = Self {
        module_size: 4 << 30,
        unpieced_module_size: 512 << 20,
        buffered_size: 48 << 20,
        file_size: 4 << 30,
        decoder_memory: 128 << 20,
        sections_size: 512 << 20,
        text_size: 256 << 20,
        archive_size: 1 << 30,
        archive_members: 1 << 18,
        boot_entry_size: 64 << 10,
        boot_file_size: 1 << 30,
        firmware_table_size: 16 << 20,
        firmware_tables: 512,
        block_devices: 512,
        superblock_size: 4 << 20,
        superblocks: 512,
        layers: 8,
        depth: 512,
        directories: 1 << 18,
        candidates: 8,
        messages: 1000,
        index_size: 1 << 28,
        cycle_steps: 1 << 20,
        cycle_lines: 1000,
        steps: 10_000_000,
    };

    /// Sets [`Self::module_size`].
    #[must_use]
    pub const fn module_size(self, module_size: u64) -> Self {
        Self { module_size, ..self }
    }

    /// Sets [`Self::unpieced_module_size`].
    #[must_use]
    pub const fn unpieced_module_size(self, unpieced_module_size: u64) -> Self {
        Self { unpieced_module_size, ..self }
    }

    /// Sets [`Self::buffered_size`].
    #[must_use]
    pub const fn buffered_size(self, buffered_size: u64) -> Self {
        Self { buffered_size, ..self }
    }

    /// Sets [`Self::file_size`].
    #[must_use]
    pub const fn file_size(self, file_size: u64) -> Self {
        Self { file_size, ..self }
    }

    /// Sets [`Self::decoder_memory`].
    #[must_use]
    pub const fn decoder_memory(self, decoder_memory: u64) -> Self {
        Self { decoder_memory, ..self }
    }

    /// Sets [`Self::sections_size`].
    #[must_use]
    pub const fn sections_size(self, sections_size: u64) -> Self {
        Self { sections_size, ..self }
    }

    /// Sets [`Self::text_size`].
    #[must_use]
    pub const fn text_size(self, text_size: u64) -> Self {
        Self { text_size, ..self }
    }

    /// Sets [`Self::archive_size`].
    #[must_use]
    pub const fn archive_size(self, archive_size: u64) -> Self {
        Self { archive_size, ..self }
    }

    /// Sets [`Self::archive_members`].
    #[must_use]
    pub const fn archive_members(self, archive_members: usize) -> Self {
        Self { archive_members, ..self }
    }

    /// Sets [`Self::boot_entry_size`].
    #[must_use]
    pub const fn boot_entry_size(self, boot_entry_size: u64) -> Self {
        Self { boot_entry_size, ..self }
    }

    /// Sets [`Self::boot_file_size`].
    #[must_use]
    pub const fn boot_file_size(self, boot_file_size: u64) -> Self {
        Self { boot_file_size, ..self }
    }

    /// Sets [`Self::firmware_table_size`].
    #[must_use]
    pub const fn firmware_table_size(self, firmware_table_size: usize) -> Self {
        Self { firmware_table_size, ..self }
    }

    /// Sets [`Self::firmware_tables`].
    #[must_use]
    pub const fn firmware_tables(self, firmware_tables: usize) -> Self {
        Self { firmware_tables, ..self }
    }

    /// Sets [`Self::block_devices`].
    #[must_use]
    pub const fn block_devices(self, block_devices: usize) -> Self {
        Self { block_devices, ..self }
    }

    /// Sets [`Self::superblock_size`].
    #[must_use]
    pub const fn superblock_size(self, superblock_size: usize) -> Self {
        Self { superblock_size, ..self }
    }

    /// Sets [`Self::superblocks`].
    #[must_use]
    pub const fn superblocks(self, superblocks: usize) -> Self {
        Self { superblocks, ..self }
    }

    /// Sets [`Self::layers`].
    #[must_use]
    pub const fn layers(self, layers: usize) -> Self {
        Self { layers, ..self }
    }

    /// Sets [`Self::depth`].
    #[must_use]
    pub const fn depth(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    /// Sets [`Self::directories`].
    #[must_use]
    pub const fn directories(self, directories: usize) -> Self {
        Self { directories, ..self }
    }

    /// Sets [`Self::candidates`].
    #[must_use]
    pub const fn candidates(self, candidates: usize) -> Self {
        Self { candidates, ..self }
    }

    /// Sets [`Self::messages`].
    #[must_use]
    pub const fn messages(self, messages: usize) -> Self {
        Self { messages, ..self }
    }

    /// Sets [`Self::index_size`].
    #[must_use]
    pub const fn index_size(self, index_size: u64) -> Self {
        Self { index_size, ..self }
    }

    /// Sets [`Self::cycle_steps`].
    #[must_use]
    pub const fn cycle_steps(self, cycle_steps: usize) -> Self {
        Self { cycle_steps, ..self }
    }

    /// Sets [`Self::cycle_lines`].
    #[must_use]
    pub const fn cycle_lines(self, cycle_lines: usize) -> Self {
        Self { cycle_lines, ..self }
    }

    /// Sets [`Self::steps`].
    #[must_use]
    pub const fn steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// All limits, in order.
    #[cfg(feature = "alloc")]
    pub(crate) fn each(&self) -> [u64; 25] {
        let &Self {
            module_size,
            unpieced_module_size,
            buffered_size,
            file_size,
            decoder_memory,
            sections_size,
            text_size,
            archive_size,
            archive_members,
            boot_entry_size,
            boot_file_size,
            firmware_table_size,
            firmware_tables,
            block_devices,
            superblock_size,
            superblocks,
            layers,
            depth,
            directories,
            candidates,
            messages,
            index_size,
            cycle_steps,
            cycle_lines,
            steps,
        } = self;
        [
            module_size,
            unpieced_module_size,
            buffered_size,
            file_size,
            decoder_memory,
            sections_size,
            text_size,
            archive_size,
            archive_members as u64,
            boot_entry_size,
            boot_file_size,
            firmware_table_size as u64,
            firmware_tables as u64,
            block_devices as u64,
            superblock_size as u64,
            superblocks as u64,
            layers as u64,
            depth as u64,
            directories as u64,
            candidates as u64,
            messages as u64,
            index_size,
            cycle_steps as u64,
            cycle_lines as u64,
            steps as u64,
        ]
    }
}

/// A limit that input exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exceeded {
    /// [`Limits::module_size`], by the decompressed form.
    Decompressed {
        /// Allowed bytes.
        limit: u64,
    },
    /// [`Limits::decoder_memory`].
    DecoderMemory {
        /// Allowed bytes.
        limit: u64,
    },
    /// The limit on a file, or on its needed sections.
    Size {
        /// Required bytes.
        size: u64,
        /// Allowed bytes.
        limit: u64,
    },
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decompressed { limit } => write!(f, "more than {limit} bytes when decompressed"),
            Self::DecoderMemory { limit } => write!(f, "more than {limit} bytes of memory needed"),
            Self::Size { size, limit } => write!(f, "{size} bytes exceed the limit of {limit}"),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
