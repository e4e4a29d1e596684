//! Valid inputs for each fuzz target, the start of the search.

use depmod_core::Limits;
use depmod_core::parts::cpio::Builder;
use depmod_core::parts::decompress::PureDecoder;
use depmod_core::parts::index::IndexBuilder;
use depmod_core::parts::parse::module::Loader;

use super::join_files;
use crate::compress::Format;
use crate::elf_builder::{Binding, Crc, Elf, KINDS};

/// Valid inputs for a target, few and small.
///
/// # Panics
/// When there is no target of this name.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "index" => vec![index(), small_index()],
        "patterns" => vec![
            b"pci:v*d[0-9A-F]*sv*\0pci:v00008086d0000100Esv".to_vec(),
            b"*a*a*a*a*b\0aaaaaaaaaaaaaaaaaaaaaaaa".to_vec(),
            b"[!a-c]\\*[]x]?\0d*]y".to_vec(),
        ],
        "module" => modules(),
        "facts" => vec![facts()],
        "decompress" => {
            let text = b"some text, some text, some more text".repeat(20);
            [Format::Gz, Format::Xz, Format::Zst].map(|format| format.compress(&text)).to_vec()
        }
        "side_inputs" => vec![
            b"0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n0x9\tx\tfs/y\tEXPORT_SYMBOL_GPL\tNS\n".to_vec(),
            b"ffffffff81000000 r __ksymtab_printk\nffffffff81000010 T printk\n".to_vec(),
            b"kernel/fs/ext4/ext4.ko\nkernel/crypto/crc-32.ko\n".to_vec(),
            b"ext4.alias=fs-ext4\0ext4.license=GPL\0crc32.alias=crypto-[a-b]\0".to_vec(),
        ],
        "config" => vec![
            b"6.1.0-amd64\nsearch updates built-in\\\n external\noverride m ^6\\.[0-9]+ extra\n\
              external (5|6).* /ext\nexclude x y\n# comment\n"
                .to_vec(),
            b"6.1\noverride m [[:digit:]]{1,2}\\.1$ k\noverride m (a*)*b|.? k\n".to_vec(),
        ],
        "names" => vec![b"kernel/drivers/snd-hda.ko.xz".to_vec(), b"a-b[c-d]-e*".to_vec(), b"x]".to_vec()],
        "hardware" => vec![pci()],
        "firmware_tables" => firmware_tables(),
        "superblocks" => superblocks(),
        "cpio" => vec![archive()],
        "existing_initrd" => existing_initrds(),
        "boot_entry" => vec![
            b"title Debian\nversion 6.1\nlinux /vmlinuz\ninitrd /a.img\noptions quiet root=/dev/sda1\n\
              x-depmod-modules /lib/modules/6.1\nx-depmod-on-error stop\n"
                .to_vec(),
        ],
        "module_directory" => vec![module_directory()],
        "plan" => vec![indexes()],
        "modprobe_config" => vec![
            b"modprobe.blacklist=a,b-c ext4\nalias x-* ext4\nblacklist ext4\noptions a b=c\n\
              softdep ext4 pre: crc32c \\\n post: mii\nweakdep a b c\ninstall a* /bin/true\nremove a x\n"
                .to_vec(),
        ],
        "kernel_image" => kernel_images(),
        "codecs" => {
            let text = b"some text, some text, some more text".repeat(20);
            let files = [Format::Gz, Format::Xz, Format::Zst].map(|format| format.compress(&text));
            let twice = files.clone().map(|file| [&*file, &*file].concat());
            files.into_iter().chain(twice).collect()
        }
        "cache" => vec![cache()],
        "command_line" => [
            "-a\n-b\n/mnt\n--symbol-prefix=_\n-E\nModule.symvers\n6.1\n/a.ko",
            "-b\n/mnt\nplan\n--hardware\n-\next4\n--format=json",
            "pack\n--zstd\n-o\n/tmp/x\n-k\n6.1\n--plan\next4",
            "verify\n--layer\n/x\n--fix\n6.1",
            "lookup\n-k\n6.1\n-\npci:v00008086d*",
            "explain\next4\n--from-modules",
            "--strict=crc,cycle\n--keep-going\n--all-kernels\n--jobs=4\n--cache=/x",
        ]
        .map(|line| line.as_bytes().to_vec())
        .to_vec(),
        "threads" => vec![module_directory()],
        // The first call that fails, from none on.
        "publishing" => (0..60).step_by(4).map(|call| [vec![0; call], vec![0x80]].concat()).collect(),
        unknown => panic!("no fuzz target {unknown}"),
    }
}

/// A `vmlinux`, plain and in a bzImage of each compression.
fn kernel_images() -> Vec<Vec<u8>> {
    let vmlinux = module_of(Elf::new()).build();
    let packed = [Format::Gz, Format::Xz, Format::Zst].map(|format| format.compress(&vmlinux));
    let bzimage = |payload: &Vec<u8>| {
        let mut image = vec![0; 1024 + 16];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&[0x0f, 0x02]);
        image[0x248] = 16;
        let size = u32::try_from(payload.len()).expect("a small payload");
        image[0x24c..0x250].copy_from_slice(&size.to_le_bytes());
        image.extend(payload);
        image
    };
    let images: Vec<Vec<u8>> = packed.iter().chain([&vmlinux]).map(bzimage).collect();
    images.into_iter().chain([vmlinux.clone()]).collect()
}

/// A cache of one module, with a result: see `host-cli/src/cache/format.rs`.
fn cache() -> Vec<u8> {
    fn text(to: &mut Vec<u8>, bytes: &[u8]) {
        to.extend((bytes.len() as u64).to_le_bytes());
        to.extend(bytes);
    }
    let (mut head, mut body) = (Vec::new(), Vec::new());
    text(&mut head, b"program");
    text(&mut head, b"/lib/modules/6.1");
    head.extend(7u64.to_le_bytes());
    head.extend(1u64.to_le_bytes());
    head.extend([0; 16]);
    text(&mut head, &[]);
    let count = head.len() - 8;
    head[count] = 11;
    head.extend([3; 11 * 24]);
    body.extend(1u64.to_le_bytes());
    text(&mut body, b"/lib/modules/6.1/kernel/a.ko");
    body.extend([0; 3 * 8 + 2 * 12]);
    text(&mut body, &facts());
    let length = u16::try_from(head.len()).expect("a small head");
    [&length.to_le_bytes()[..], &head, &body].concat()
}

fn index() -> Vec<u8> {
    let mut builder = IndexBuilder::new();
    let keys =
        ["pci:v00008086d*", "pci:v00008086d00001502sv*", "usb:v[0-9]*", "a", "ab", "abc", "", "of:N*T*"];
    for (priority, key) in (0..).zip(keys) {
        builder.insert(key.bytes(), b"e1000e", priority).expect("ASCII");
        builder.insert(key.bytes(), b"other", 3).expect("ASCII");
    }
    builder.finish(&Limits::DEFAULT).expect("a small index")
}

fn small_index() -> Vec<u8> {
    let mut builder = IndexBuilder::new();
    builder.insert(*b"ab", b"cd", 1).expect("ASCII");
    builder.finish(&Limits::DEFAULT).expect("a small index")
}

fn module_of(elf: Elf) -> Elf {
    elf.modinfo("alias=pci:v00008086d*")
        .modinfo("softdep=pre: ptp post: mii")
        .modinfo("vermagic=6.1.0 SMP")
        .export("first", Crc::Absolute(0x1234_5678))
        .export("second", Crc::InSection(0x9abc_def0))
        .ksymtab_strings(b"first\0second\0")
        .need("printk")
        .need_as("maybe", Binding::Weak, 0)
        .version("module_layout", 1)
        .version("printk", 2)
}

fn modules() -> Vec<Vec<u8>> {
    let mut modules: Vec<Vec<u8>> =
        KINDS.iter().map(|&(class, order)| module_of(Elf::of(class, order)).build()).collect();
    let plain = modules[0].clone();
    modules.extend([Format::Gz, Format::Xz, Format::Zst].map(|format| format.compress(&plain)));
    modules
}

fn facts() -> Vec<u8> {
    let limits = Limits::DEFAULT;
    let mut decoder = PureDecoder::new();
    let module = module_of(Elf::new()).build();
    let facts = Loader::new(&limits, &mut decoder).load(&mut &*module);
    facts.expect("a valid module").as_bytes().to_vec()
}

fn pci() -> Vec<u8> {
    let mut config = vec![0; 64];
    config[..4].copy_from_slice(&[0xf4, 0x1a, 0x41, 0x10]);
    config[9..12].copy_from_slice(&[0, 0, 2]);
    config[0x2c..0x30].copy_from_slice(&[0xf4, 0x1a, 1, 0]);
    config
}

fn archive() -> Vec<u8> {
    let mut builder = Builder::new();
    builder.directory(b"lib/modules/6.1");
    builder.file(b"lib/modules/6.1/a.ko", &b"\x7fELF"[..]);
    builder.file(b"lib/modules/6.1/modules.order", &b"a.ko\n"[..]);
    builder.build().expect("a small archive")
}

/// An early archive, zeros and another one in each compression; `lz4 -l` of `depmod`.
fn existing_initrds() -> Vec<Vec<u8>> {
    let plain = archive();
    let mut initrds: Vec<Vec<u8>> = [Format::Gz, Format::Xz, Format::Zst]
        .map(|format| [&plain[..], &[0; 8], &format.compress(&plain)].concat())
        .to_vec();
    initrds.push(b"\x02\x21\x4c\x18\x07\0\0\0\x60depmod".to_vec());
    initrds
}

fn module_directory() -> Vec<u8> {
    join_files(&[
        ("kernel/a.ko", module_of(Elf::new()).need("b_symbol").build()),
        ("kernel/b.ko", Elf::new().export("b_symbol", Crc::Absolute(1)).modinfo("alias=x-y").build()),
        ("updates/b.ko", Elf::new().export("b_symbol", Crc::Absolute(2)).modinfo("alias=[").build()),
        ("modules.order", b"kernel/b.ko\nkernel/a.ko\n".to_vec()),
        ("modules.builtin", b"kernel/fs/ext4.ko\n".to_vec()),
        ("modules.builtin.modinfo", b"ext4.alias=fs-ext4\0".to_vec()),
        ("Module.symvers", b"0x2\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n".to_vec()),
        ("depmod.d/a.conf", b"search updates built-in\noverride b * kernel\n".to_vec()),
    ])
}

/// The index files of [`module_directory`], and queries to them.
fn indexes() -> Vec<u8> {
    let mut files = vec![("queries", b"a\nx-y\npci:v00008086d1\next4\nsymbol:first\n*\nnone".to_vec())];
    for (output, content) in &super::build(&module_directory()).expect("modules without cycles") {
        files.push((output.file_name(), content.to_vec()));
    }
    join_files(&files)
}

/// The root of ACPI's tables with a table of code, a device tree with one node, and an empty program.
fn firmware_tables() -> Vec<Vec<u8>> {
    let table = |signature: &[u8], content: &[u8]| {
        let length = (36 + content.len() as u32).to_le_bytes();
        [signature, &length, &[0; 28], content].concat()
    };
    let root = [&b"RSD PTR \0\0\0\0\0\0\0\0"[..], &20_u32.to_le_bytes()].concat();
    let tables = table(b"RSDT", &60_u32.to_le_bytes());
    let code = table(b"SSDT", b"\x08_HID\x0c\x41\xd0\x0a\x08\x08_CID\x12\x0b\x02\x0dLNRO0005\0");
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let node =
        [words(&[1]), b"mmc@1\0\0\0".to_vec(), words(&[3, 4, 0]), b"a,b\0".to_vec(), words(&[2, 9])].concat();
    let strings = 40 + node.len() as u32;
    let head = words(&[0xd00d_feed, strings + 11, 40, strings, 40, 17, 16, 0, 11, node.len() as u32]);
    let mut program = vec![0; 0x44];
    program[..2].copy_from_slice(b"MZ");
    program[0x3c] = 0x40;
    program[0x40..].copy_from_slice(b"PE\0\0");
    vec![[root, tables, code].concat(), [head, node, b"compatible\0".to_vec()].concat(), program]
}

/// Disks with a file system, a container, an array or a volume group each, the latter with a file system inside.
fn superblocks() -> Vec<Vec<u8>> {
    let disk = |options: &str, parts: &[(&str, Vec<u8>)]| {
        let options = ("options", options.as_bytes().to_vec());
        join_files(&[&[options], parts].concat())
    };
    let fields = |size: usize, fields: &[(usize, &[u8])]| {
        let mut block = vec![0; size];
        fields.iter().for_each(|(at, bytes)| block[*at..*at + bytes.len()].copy_from_slice(bytes));
        block
    };
    let ext4 = fields(256, &[(0x38, b"\x53\xef"), (0x60, b"\x42"), (0x68, &[0xe4; 16]), (0x78, b"root")]);
    let xfs = fields(512, &[(0, b"XFSB"), (32, &[0xf5; 16]), (101, &[5]), (108, b"root")]);
    let btrfs = fields(4096, &[(0x20, &[0xb7; 16]), (0x40, b"_BHRfS_M"), (0x12b, b"root")]);
    let f2fs = fields(3072, &[(0, &0xf2f5_2010_u32.to_le_bytes()), (0x6c, &[0xf2; 16]), (0x7c, b"r\0")]);
    let luks1 = fields(
        592,
        &[(0, b"LUKS\xba\xbe\0\x01"), (8, b"aes"), (40, b"cbc-essiv:sha256"), (72, b"sha1"), (168, b"11-aa")],
    );
    let json = br#"{"keyslots":{"0":{"af":{"hash":"sha256"},"area":{"encryption":"aes-xts-plain64"}}},
        "segments":{"0":{"encryption":"aes-gcm-random","integrity":{"type":"aead"}}}}"#;
    let size = 4352_u64.to_be_bytes();
    let luks2 =
        fields(4352, &[(0, b"LUKS\xba\xbe\0\x02"), (8, &size), (24, b"disk"), (168, b"22-bb"), (4096, json)]);
    let md = fields(
        4096,
        &[
            (0, &0xa92b_4efc_u32.to_le_bytes()),
            (4, &[1]),
            (16, &[0xcc; 16]),
            (72, &[5]),
            (88, &[128]),
            (128, &[16]),
            (144, &[8]),
        ],
    );
    let text = b"vg {\nextent_size = 8\nphysical_volumes {\npv0 {\nid = \"AbC-d\"\npe_start = 10\n}\n}\n\
        logical_volumes {\nroot {\nstatus = [\"VISIBLE\"]\nsegment1 {\nstart_extent = 0\nextent_count = 4\ntype = \"striped\"\n\
        stripe_count = 1\nstripes = [\n\"pv0\", 1\n]\n}\n}\nthin {\nstatus = [\"VISIBLE\"]\nsegment1 {\ntype = \"thin\"\n\
        thin_pool = \"pool\"\n}\n}\npool {\nsegment1 {\ntype = \"thin-pool\"\npool = \"root\"\n}\n}\n}\n}\n";
    let lvm = fields(
        2560 + text.len(),
        &[
            (512, b"LABELONE"),
            (532, &[32]),
            (536, b"LVM2 001"),
            (544, b"AbCd"),
            (584, &[1]),
            (616, &2048_u64.to_le_bytes()),
            (2052, b"\x20LVM2\x20x[5A%r0N*>"),
            (2080, &8192_u64.to_le_bytes()),
            (2088, &512_u64.to_le_bytes()),
            (2096, &(text.len() as u64).to_le_bytes()),
            (2560, text),
        ],
    );
    let gpt = [
        fields(512, &[(0, b"EFI PART"), (72, &[2]), (80, &[4]), (84, &[128])]),
        fields(512, &[(16, &[0xa7; 16]), (56, b"r\0o\0o\0t\0")]),
    ];
    let end = || ("16384", vec![0; 16]);
    vec![
        disk("root=UUID=e4e4 rootfstype=ext4", &[("1024", ext4.clone()), end()]),
        disk("root=LABEL=root resume=/dev/vg/swap", &[("0", xfs.clone()), end()]),
        disk("root=\"PARTLABEL=root\"", &[("65536", btrfs), ("512", gpt.concat())]),
        disk("root=/dev/sda1", &[("1024", f2fs), end()]),
        disk("cryptdevice=UUID=11-aa:x root=/dev/mapper/x", &[("0", luks1), end()]),
        disk("rd.luks.name=22-bb=x root=/dev/mapper/vg-root", &[("0", luks2), end()]),
        disk("rd.md.uuid=cc root=/dev/md0", &[("4096", md), ("8192", xfs), end()]),
        disk("rd.lvm.lv=vg/thin root=/dev/vg/root ip=dhcp", &[("0", lvm), ("10240", ext4), end()]),
    ]
}
