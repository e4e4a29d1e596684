//! The bodies of the fuzz targets: each takes any bytes, and must neither panic nor use unbounded time or
//! memory.
//!
//! `cargo xtask fuzz TARGET` runs a target under libFuzzer (`tests/fuzz`). Ordinary test runs replay
//! [`seeds`], past crashers (`tests/fixtures/crashers/TARGET`) and random damage to both, so that fixed
//! crashes stay fixed on every machine.

mod files;
mod seeds;

use depmod_core::parts::answer::ModprobeConfig;
use depmod_core::parts::boot::hardware::{
    DeviceTree, PhysicalMemory, acpi_children, acpi_code, acpi_ids, acpi_modalias, tree_children,
};
use depmod_core::parts::boot::initrd::{ExistingInitrds, UnpackedInitrd};
use depmod_core::parts::boot::root::{BlockDevice, Partition, RootOptions, RootSearch};
use depmod_core::parts::boot::{
    Archive, BootEntry, compat_entry, hardware, kernel_image as boot_kernel_image, refuses_initrd,
};
use depmod_core::parts::decompress::{Compression, Decoder, PureDecoder};
use depmod_core::parts::index::{IndexBuilder, Layout, fnmatch};
use depmod_core::parts::list::config::Config;
use depmod_core::parts::list::{Listing, Order};
use depmod_core::parts::name;
use depmod_core::parts::parse::kernel;
use depmod_core::parts::parse::module::{Facts, Loader};
use depmod_core::{
    Index, IndexError, IndexFiles, KernelSymbols, Limits, Lookup, MemorySource, Options, ReadAt, Request,
    Scratch, Source, Unresolved, run,
};

pub use files::{join_files, split_files};
pub use seeds::seeds;

/// A fuzz target: its name and body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("index", index),
    ("patterns", patterns),
    ("module", module),
    ("facts", facts),
    ("decompress", decompress),
    ("side_inputs", side_inputs),
    ("config", config_file),
    ("names", names),
    ("hardware", hardware_config),
    ("firmware_tables", firmware_tables),
    ("superblocks", superblocks),
    ("cpio", cpio),
    ("existing_initrd", existing_initrd),
    ("boot_entry", boot_entry),
    ("module_directory", module_directory),
    ("plan", plan),
    ("modprobe_config", modprobe_config),
    ("kernel_image", kernel_image),
];

/// Targets of the command's package (`host-cli/src/fuzzing.rs`). Its own tests replay their crashers.
pub const HOST_TARGETS: &[&str] = &["codecs", "cache", "command_line", "threads", "publishing"];

/// The names of all targets.
pub fn target_names() -> impl Iterator<Item = &'static str> {
    TARGETS.iter().map(|(name, _)| *name).chain(HOST_TARGETS.iter().copied())
}

/// Limits low enough that reaching them is cheap.
fn limits() -> Limits {
    Limits::DEFAULT
        .module_size(1 << 22)
        .file_size(1 << 22)
        .decoder_memory(1 << 22)
        .sections_size(1 << 22)
        .text_size(1 << 20)
        .depth(32)
        .index_size(1 << 24)
        .cycle_lines(20)
        .steps(100_000)
}

/// Reading an index file. A valid file is rebuilt from its entries, byte for byte.
pub fn index(data: &[u8]) {
    let Ok(index) = Index::parse(data) else { return };
    let index = index.steps(limits().steps);
    let mut scratch = Box::new(Scratch::new());
    let summary = index.check(&mut scratch);
    let _ = index.dump(&mut scratch, |_| {});
    let _ = index.find::<4>("pci:v00008086d", &mut scratch);
    let _ = index.find_all(data.get(..64).unwrap_or(data));

    let mut entries = Vec::new();
    let mut walk = index.entries(&mut scratch);
    let mut sound = false;
    while entries.len() < 10_000 {
        match walk.next_entry() {
            Ok(Some((key, value))) => entries.push((key.to_vec(), value)),
            Ok(None) => {
                sound = true;
                break;
            }
            Err(_) => break,
        }
    }
    for (key, _) in entries.iter().take(100) {
        let _ = index.values(key).map(|mut values| while let Ok(Some(_)) = values.next().transpose() {});
        let _ = index.get(key);
    }
    let Ok(summary) = summary else { return };
    if !sound || summary.layout != Layout::PreOrder {
        return;
    }
    let mut builder = IndexBuilder::new();
    // Each insertion precedes equal entries.
    for (key, value) in entries.iter().rev() {
        builder.insert(key.iter().copied(), value.bytes, value.priority).expect("a valid index is ASCII");
    }
    let again = builder.finish(&limits()).expect("as large as the input");
    // Readers accept any minor version; the writer has one.
    assert_eq!(again[8..], data[8..], "a valid index is rebuilt from its entries");
}

/// `fnmatch` on hostile patterns: pattern and subject are separated by the first NUL.
pub fn patterns(data: &[u8]) {
    let mut parts = data.splitn(2, |&b| b == 0);
    let (pattern, subject) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if pattern.len() * subject.len() < 1 << 20 {
        let matched = fnmatch(pattern, subject);
        if !pattern.iter().any(|b| b"*?[\\".contains(b)) {
            assert_eq!(matched, pattern == subject);
        }
    }
}

/// Loading of one module, compressed or not.
pub fn module(data: &[u8]) {
    let limits = limits();
    let mut decoder = PureDecoder::new();
    let mut bytes = data;
    if let Ok(facts) = Loader::new(&limits, &mut decoder).load(&mut bytes) {
        // The block is self-contained: the cache stores it unchanged.
        let again = Facts::from_bytes(facts.as_bytes().to_vec()).expect("own facts are valid");
        assert!(facts.exports().eq(again.exports()) && facts.needs().eq(again.needs()));
    }
}

/// A block of facts from a damaged cache.
pub fn facts(data: &[u8]) {
    if let Ok(facts) = Facts::from_bytes(data.to_vec()) {
        let _ = (facts.exports().count(), facts.needs().count(), facts.modinfo().count());
        let _ = (facts.exports_invalid(), facts.needs_discarded());
    }
}

/// The decoders in Rust, regardless of the magic.
pub fn decompress(data: &[u8]) {
    let limits = limits();
    for format in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
        let mut out = Vec::new();
        if PureDecoder::new().decode(format, data, &limits, &mut out).is_ok() {
            assert!(out.len() as u64 <= limits.module_size);
        }
    }
}

/// The text files of a kernel build.
pub fn side_inputs(data: &[u8]) {
    let prefix = data.first().copied();
    for prefix in [None, prefix] {
        let _ = kernel::symvers(data, b"Module.symvers", prefix).count();
        let _ = kernel::system_map(data, b"System.map", prefix).count();
    }
    let _ = kernel::builtin_paths(data).count();
    let _ = kernel::builtin_aliases(data).count();
    match Order::of([&b"kernel/a.ko"[..]], data) {
        Ok(order) => {
            let _ = order.position(b"kernel/a.ko");
        }
        Err(corrupt) => {
            let _ = corrupt.diagnostic(b"modules.order").message();
        }
    }
}

/// A `depmod.d` file; the first line is the kernel version for its patterns.
pub fn config_file(data: &[u8]) {
    let mut parts = data.splitn(2, |&b| b == b'\n');
    let (version, text) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut source = MemorySource::new();
    source.insert(b"/depmod.d/a.conf", text);
    let mut messages = Vec::new();
    if let Ok(config) = Config::load(&source, &[b"/depmod.d"], version, &limits(), &mut messages) {
        let _ = config.is_excluded(b"x");
        let _ = config.prefer_new(
            b"/lib/modules/6.1",
            b"/lib/modules/6.1/kernel/a.ko",
            b"/lib/modules/6.1/updates/a.ko",
        );
    }
    // Walks the external directories.
    let options = Options::new("/lib/modules/6.1", version).config_paths(["/depmod.d"]).limits(limits());
    let _ = Listing::new(&options, &source, &mut messages).count();
}

/// Names and aliases.
pub fn names(data: &[u8]) {
    assert!(name::stem_end(data) <= data.len());
    let module: Vec<u8> = name::module_name(data).collect();
    assert!(!module.contains(&b'-') && !module.contains(&b'/') && module.len() <= name::MAX_LEN);
    if let Ok(alias) = name::normalize_alias(data) {
        let alias: Vec<u8> = alias.collect();
        let again = name::normalize_alias(&alias).map(Iterator::collect::<Vec<u8>>);
        assert_eq!(again.as_ref(), Ok(&alias), "normalising twice changes nothing");
    }
}

/// PCI configuration space, as a device presents it.
pub fn hardware_config(data: &[u8]) {
    if let Some(function) = hardware::PciFunction::parse(data) {
        let _ = function.modalias();
        let _ = hardware::children(&function);
    }
}

/// What firmware says of devices: ACPI's tables in a memory that begins at address 0, their code, a device tree, and a
/// kernel's file.
pub fn firmware_tables(data: &[u8]) {
    struct Memory<'d>(&'d [u8]);

    impl PhysicalMemory for Memory<'_> {
        fn bytes(&self, address: u64, length: usize) -> Option<&[u8]> {
            let start = usize::try_from(address).ok()?;
            self.0.get(start..start.checked_add(length)?)
        }
    }

    let limits = limits();
    let mut codes = 0;
    acpi_code(&Memory(data), 0, &limits, &mut |code| {
        codes += 1;
        assert!(code.len() <= data.len());
    });
    assert!(codes <= 1 + limits.firmware_tables);
    for id in acpi_ids(data) {
        assert!(acpi_modalias(&id).ends_with(':') && acpi_children(&id).len() <= 12);
    }
    assert!(DeviceTree::size(data).is_some() || DeviceTree::new(data).next().is_none());
    for device in DeviceTree::new(data) {
        assert!(device.modalias().to_string().starts_with("of:N") && tree_children(&device).len() <= 12);
    }
    if let Ok(image) = boot_kernel_image(data, &mut PureDecoder::default(), &limits) {
        let _ = refuses_initrd(&image);
        let _ = compat_entry(&image, 0x14c);
    }
}

/// A disk and the kernel's options. See [`split_files`]: the file `options`, and parts of the disk, named by their
/// offsets; the others are zeros.
pub fn superblocks(data: &[u8]) {
    struct Disk<'d>(Vec<(u64, &'d [u8])>);

    impl BlockDevice for Disk<'_> {
        fn size(&self) -> u64 {
            self.0.iter().map(|(at, bytes)| at + bytes.len() as u64).max().unwrap_or(0)
        }

        fn block_size(&self) -> u32 {
            512
        }

        fn read(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
            assert!(offset + length as u64 <= self.size(), "read beyond the disk");
            let mut bytes = vec![0; length];
            for (at, part) in &self.0 {
                let skip = usize::try_from(offset.saturating_sub(*at)).ok()?;
                let to = usize::try_from(at.saturating_sub(offset)).ok()?;
                let from = part.get(skip..).unwrap_or_default();
                bytes.iter_mut().skip(to).zip(from).for_each(|(to, from)| *to = *from);
            }
            Some(bytes)
        }
    }

    let (mut options, mut disk) = (RootOptions::default(), Disk(Vec::new()));
    for (name, content) in split_files(data).into_iter().take(100) {
        let name = String::from_utf8_lossy(name);
        match name.parse::<u32>() {
            Ok(at) => disk.0.push((at.into(), content)),
            Err(_) => options = RootOptions::parse(&String::from_utf8_lossy(content)),
        }
    }
    let limits = limits().superblocks(64).superblock_size(1 << 20).steps(10_000);
    let mut search = RootSearch::new(&limits);
    search.look_at(&disk, None);
    search.look_at(&disk, Some(Partition::mbr(1, [0; 4])));
    assert!(search.superblocks().count() <= limits.superblocks);
    for request in search.requests(&options) {
        // No glob, no path: names and aliases of modules.
        assert!(!request.query.iter().any(|b| b"*?[/\n".contains(b)), "{request}");
    }
}

/// A newc archive as a file system.
pub fn cpio(data: &[u8]) {
    let Ok(archive) = Archive::parse(data, &limits()) else { return };
    let total: usize = archive.files().iter().map(|(_, content)| content.len()).sum();
    // Hard links share their data.
    assert!(archive.files().is_empty() || total / archive.files().len() <= data.len());
    for (path, content) in archive.files().iter().take(100) {
        let path = [b"/", &path[..]].concat();
        if let Ok(file) = archive.open(&path) {
            assert_eq!(file.size(), content.len() as u64);
        }
    }
    let _ = archive.list(b"/");
    let _ = archive.stat(b"/lib/modules/6.1");
}

/// An existing initrd below the one with modules.
pub fn existing_initrd(data: &[u8]) {
    let limits = limits().archive_size(1 << 22);
    let Ok(unpacked) = UnpackedInitrd::read(data, &mut PureDecoder::new(), &limits) else { return };
    let mut existing = ExistingInitrds::default();
    if existing.add(&unpacked, &limits).is_ok() {
        let modules = existing.modules("6.1", &limits);
        assert!(modules.paths.is_empty() || existing.has_directory(&modules.directory));
        let _ = existing.file(b"/conf/modules", limits.text_size);
    }
}

/// A boot entry on the EFI system partition.
pub fn boot_entry(data: &[u8]) {
    let _ = BootEntry::parse(data, &limits());
}

/// A load order from index files, for the names in the lines of `queries`. See [`split_files`].
pub fn plan(data: &[u8]) {
    let files = split_files(data);
    let find = |name: &str| {
        let file = files.iter().find(|(path, _)| *path == name.as_bytes());
        file.map_or(&[][..], |(_, content)| content)
    };
    let Ok(lookup) = Lookup::new(|output| find(output.file_name())) else { return };
    let queries = find("queries").split(|&b| b == b'\n').take(20);
    let requests: Vec<Request> = queries.map(|query| Request::new(query, "test")).collect();
    if let Ok(order) = depmod_core::plan(&lookup.steps(10_000), &requests) {
        let _ = (order.to_load().count(), order.missing().count());
        let _ = order.report("6.1");
    }
}

/// A `modprobe.d` file; the first line is a kernel command line, and a query.
pub fn modprobe_config(data: &[u8]) {
    let mut parts = data.splitn(2, |&b| b == b'\n');
    let (query, text) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut source = MemorySource::new();
    source.insert(b"/etc/modprobe.d/a.conf", text);
    let mut messages = Vec::new();
    let Ok(mut config) = ModprobeConfig::load(&source, ModprobeConfig::PATHS, &limits(), &mut messages)
    else {
        return;
    };
    config.add_kernel_options(query);
    let _ = (config.aliases(query).count(), config.install_command(query), config.is_blacklisted(query));
    for message in messages {
        let _ = message.message();
    }
    let Ok(lookup) = Lookup::new(|_| &[]) else { return };
    let requests = [Request::new(query, "test")];
    let _ = depmod_core::plan(&lookup.steps(10_000).config(&config), &requests);
}

/// A kernel image in each of its containers.
pub fn kernel_image(data: &[u8]) {
    let limits = limits();
    if let Ok(exports) = kernel::image_exports(data, &mut PureDecoder::new(), &limits) {
        // An export takes at least a name and its end.
        let _ = exports.iter().count();
    }
}

/// A complete run over a module directory, through all stages. See [`split_files`] for the format.
pub fn module_directory(data: &[u8]) {
    if let Some(files) = build(data) {
        let mut scratch = Box::new(Scratch::new());
        for (output, content) in &files {
            // The two built-in indexes are empty files if their source is missing.
            if output.is_index() && !content.is_empty() {
                let index = Index::parse(content).expect("own index");
                match index.check(&mut scratch) {
                    Ok(summary) => assert_eq!(summary.layout, Layout::PreOrder),
                    // The name of a symbol may exceed the maximum key length.
                    Err(IndexError::KeyTooLong { .. }) => {}
                    Err(error) => panic!("{}: {error}", output.file_name()),
                }
            }
        }
    }
}

/// The index files of a module directory.
fn build(data: &[u8]) -> Option<IndexFiles> {
    let mut source = MemorySource::new();
    for (path, content) in split_files(data) {
        source.insert(&[b"/lib/modules/6.1/", path].concat(), content);
    }
    let symvers = "/lib/modules/6.1/Module.symvers";
    let symbols = source.stat(symvers.as_bytes()).is_ok().then(|| KernelSymbols::Symvers(symvers.into()));
    let options = Options::new("/lib/modules/6.1", "6.1")
        .config_paths(["/lib/modules/6.1/depmod.d"])
        .kernel_symbols(symbols)
        .unresolved(Unresolved::Warn)
        .warn_duplicates(true)
        .trace_links(true)
        .limits(limits());
    let mut messages = Vec::new();
    let files = run(&options, &source, &mut messages);
    for message in messages {
        let _ = message.message();
    }
    files.ok()
}
