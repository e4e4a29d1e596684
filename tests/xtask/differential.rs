//! `cargo xtask differential [TREES [SEED]]`: kmod and depmod on random module directories, side by side.
//!
//! Directories have modules of a real kernel and generated ones, some of them damaged, with random configuration,
//! order, links and options. Files, messages and status must be equal, or the difference must be one that
//! `COMPATIBILITY.md` documents: [`OWN_LINES`] and [`OTHER_RESULTS`] have its marks. Each directory depends on its number alone.

use alloc::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use depmod_tests::bench::corpus;
use depmod_tests::compress::Format;
use depmod_tests::debian;
use depmod_tests::elf_builder::{Binding, Crc, Elf, KINDS};
use depmod_tests::outcome::{Outcome, differences};
use depmod_tests::random::Random;
use depmod_tests::system::{Program, System};

/// Directories of a run without operands.
const TREES: usize = 2000;
/// After these seconds, kmod does not end.
const PATIENCE: &str = "10";
/// Differences that are shown.
const SHOWN: usize = 20;

/// The label of the kernel whose modules are taken.
const KERNEL: &str = "bookworm-cloud-amd64";

/// Lines that only depmod has: kmod does the same in silence.
const OWN_LINES: &[(&str, &str)] = &[
    ("loses all its dependencies: ", "a broken entry that costs a module its dependencies is told"),
    ("has a symbol whose name does not end in .strtab", "names without an end are told"),
];

/// Lines of one of them after which files or messages differ.
const OTHER_RESULTS: &[(&str, &str)] = &[
    (" takes its place", "a file that cannot be a module hides no other"),
    (": control character in the path", "control characters are escaped"),
    ("\\x", "control characters are escaped"),
    ("has a symbol whose name does not end in .strtab", "names end with their table"),
    ("only 7-bit ASCII is supported", "a bad character replaces no file"),
    ("output symbols: Cannot allocate memory", "an export without a name is left out"),
];

/// Compares both programs on `TREES` directories from the number `SEED` on.
///
/// # Errors
/// When a difference is not a documented one; its directory's number tells how to repeat it.
pub(crate) fn main(args: &[String]) -> Result<()> {
    let number = |at: usize, default: usize| args.get(at).map_or(Ok(default), |word| word.parse());
    let (trees, first) = (number(0, TREES)?, number(1, 0)?);
    let real = real_modules()?;
    let mut results: BTreeMap<String, usize> = BTreeMap::new();
    let mut unknown = Vec::new();
    for tree in first..first + trees {
        let (system, args) = Tree { random: Random::new(tree as u64), real: &real }.system();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let [kmod, ours] = system.run_both(|program, root| command(program, &system, &args, root));
        let result = judge(&kmod, &ours);
        if let Err(found) = &result
            && unknown.len() < SHOWN
        {
            println!("directory {tree}, {}:\n{found}\n", args.join(" "));
        }
        if result.is_err() {
            unknown.push(tree);
        }
        *results.entry(result.unwrap_or_else(|_| "another difference".to_owned())).or_default() += 1;
    }
    for (result, count) in &results {
        println!("{count:6} {result}");
    }
    if unknown.is_empty() {
        Ok(())
    } else {
        bail!("{} of {trees} directories differ: {unknown:?}", unknown.len())
    }
}

/// The result for one directory: the same, or which documented difference; otherwise the differences.
fn judge(kmod: &Outcome, ours: &Outcome) -> Result<String, String> {
    if !matches!(ours.status.code(), Some(0 | 1)) {
        return Err(format!("ours ended with {}: {}", ours.status, ours.stderr()));
    }
    let mut own = ours.clone();
    let mut documented = None;
    let lines = ours.stderr.split_inclusive(|&byte| byte == b'\n').filter(|line| {
        let line = String::from_utf8_lossy(line);
        let found = OWN_LINES.iter().find(|(mark, _)| line.contains(mark));
        documented = documented.or(found);
        found.is_none()
    });
    own.stderr = lines.flatten().copied().collect();
    let found = differences(kmod, &own);
    if found.is_empty() {
        return Ok(
            documented.map_or_else(|| "the same".to_owned(), |(_, about)| format!("documented: {about}"))
        );
    }
    match kmod.status.code() {
        Some(124) => return Ok("kmod does not end".to_owned()),
        Some(code) if code < 126 => {}
        _ => return Ok("kmod crashes".to_owned()),
    }
    let text = kmod.stderr() + &ours.stderr();
    let documented = OTHER_RESULTS.iter().find(|(mark, _)| text.contains(mark));
    documented.map_or_else(|| Err(found.join("\n")), |(_, about)| Ok(format!("documented: {about}")))
}

fn command(program: Program, system: &System, args: &[&str], root: &Path) -> Command {
    let command = program.command();
    let mut patient = Command::new("timeout");
    patient.arg(PATIENCE).arg(command.get_program()).args(command.get_args());
    let here = root.to_string_lossy();
    patient.args(system.args(args).iter().map(|arg| arg.replace("{}", &here)));
    patient.env("LC_ALL", "C").env_remove("LD_LIBRARY_PATH");
    patient
}

/// Small modules of a real kernel, not compressed.
fn real_modules() -> Result<Vec<Vec<u8>>> {
    let kernel = debian::kernel(KERNEL)?;
    let mut modules = Vec::new();
    for path in corpus::modules(&kernel.modules())? {
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        if bytes.len() < 200_000 && bytes.starts_with(b"\x7fELF") {
            modules.push(bytes);
        }
    }
    if modules.len() < 100 { bail!("{KERNEL} has too few small modules") } else { Ok(modules) }
}

/// Makes one directory.
struct Tree<'r> {
    random: Random,
    real: &'r [Vec<u8>],
}

impl Tree<'_> {
    fn system(mut self) -> (System, Vec<String>) {
        let mut system = System::new().complete();
        let count = 2 + self.random.below(25);
        let (mut paths, mut files) = (Vec::new(), Vec::new());
        for number in 0..count {
            let mut bytes = if self.one_in(3) {
                self.generated(number, count)
            } else {
                self.random.pick(self.real).clone()
            };
            if self.one_in(4) {
                self.damage(&mut bytes);
            }
            let format =
                if self.one_in(3) { *self.random.pick(&[Format::Xz, Format::Zst]) } else { Format::Plain };
            let directory = *self.random.pick(&[
                "kernel",
                "kernel/fs",
                "kernel/drivers/net",
                "updates",
                "updates/dkms",
                "extra",
            ]);
            // A name that is there already, in a directory of another rank: the order of the file system decides nothing.
            let name = if self.one_in(12) { 0 } else { number };
            let path = format!("{directory}/m-{name}_{}.ko", name % 7);
            if paths.iter().any(|other: &String| same_rank(other, &path)) {
                continue;
            }
            files.push(format!("{path}{}", format.suffix()));
            system = system.file(format!("{path}{}", format.suffix()), format.compress(&bytes));
            paths.push(path);
        }
        // Of two broken links, the order of the file system would decide which message is first.
        let module = format!("../{}", self.random.pick(&files));
        let links = [("l.ko", &*module), ("l.ko", "/nowhere"), ("l", "../kernel/fs"), ("l", "/nowhere")];
        if self.one_in(2) {
            let (name, target) = *self.random.pick(&links);
            system = system.link(&format!("linked/{name}"), target);
        }
        system = self.side_files(system, &paths);
        if self.one_in(2) {
            system = system.config(&self.config());
        }
        let args = self.args();
        (system, args)
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.random.below(chances) == 0
    }

    fn generated(&mut self, number: usize, count: usize) -> Vec<u8> {
        let (class, order) = *self.random.pick(&KINDS);
        let crc = self.random.next_u64();
        let crc = match self.random.below(4) {
            0 => Crc::Absolute(crc),
            1 => Crc::Undefined(crc),
            _ => Crc::InSection(crc as u32),
        };
        let mut elf = Elf::of(class, order).export(format!("s{number}"), crc);
        for _ in 0..self.random.below(5) {
            // Rarely, modules of higher numbers: cycles.
            let end = if self.one_in(30) { count } else { number + 1 };
            let need = format!("s{}", self.random.below(end).saturating_sub(1));
            let binding =
                *self.random.pick(&[Binding::Global, Binding::Global, Binding::Weak, Binding::Local]);
            elf = elf.need_as(&need, binding, 0);
            if self.one_in(2) {
                elf = elf.version(need, self.random.next_u64() as u32);
            }
        }
        for _ in 0..self.random.below(6) {
            let (key, value) = (
                *self.random.pick(&[
                    "alias", "alias", "alias", "softdep", "weakdep", "depends", "license", "firmware",
                ]),
                *self.random.pick(&[
                    "pci:v00008086d*sv*",
                    "usb:v1[2-4]p*",
                    "a-b_c",
                    "char-major-10-*",
                    "devname:x/y",
                    "",
                    "x:[",
                    "pre: a b",
                    "char-major-4-64",
                    "devname:tty",
                    "a[b-]c",
                    "*",
                    "pre: m-1 post: m-2",
                    "net-pf-1?",
                ]),
            );
            elf = elf.modinfo(format!("{key}={value}"));
        }
        elf.build()
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.random.below(bytes.len().max(1));
        match self.random.below(7) {
            0 => bytes.truncate(at),
            1 => {
                for _ in 0..1 + self.random.below(8) {
                    let at = self.random.below(bytes.len().max(1));
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = self.random.next_u64() as u8;
                    }
                }
            }
            // The file's header, or the table of sections at its end.
            2 | 3 => {
                let window =
                    if self.one_in(2) { 0..64 } else { bytes.len().saturating_sub(2560)..bytes.len() };
                let at = window.start + self.random.below(window.len().max(1));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.random.below(8);
                }
            }
            4 => {
                let end = (at + self.random.below(500)).min(bytes.len());
                bytes[at..end].fill(0);
            }
            5 => bytes.extend(vec![0xAA; self.random.below(300)]),
            _ => {
                let from = self.random.below(bytes.len().max(1));
                let piece = bytes[from..(from + 64).min(bytes.len())].to_vec();
                let end = (at + piece.len()).min(bytes.len());
                bytes.splice(at..end, piece);
            }
        }
    }

    fn side_files(&mut self, mut system: System, paths: &[String]) -> System {
        let mut order: Vec<&String> = paths.iter().filter(|_| self.random.below(3) > 0).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, self.random.below(at + 1));
        }
        let text: String = order.iter().map(|path| format!("{path}\n")).collect();
        let text = if self.one_in(20) { text.trim_end().to_owned() } else { text };
        system = system.file("modules.order", text);
        if self.one_in(2) {
            system = system.file("modules.builtin", "kernel/fs/built-in.ko\nkernel/lib/other.ko\n");
            system = system.file(
                "modules.builtin.modinfo",
                "built_in.alias=fs-x\0built_in.license=GPL\0other.alias=pci:v1*\0",
            );
        }
        system.root_file("System.map", "0000 T __crc_printk\n12ab A __crc_kmalloc\n").root_file(
            "Module.symvers",
            "0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\n0x1\ts900\tvmlinux\tEXPORT_SYMBOL\n",
        )
    }

    fn config(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..1 + self.random.below(4) {
            text += match self.random.below(8) {
                0 => "search updates built-in\n",
                1 => "search extra updates/dkms kernel/fs built-in external\n",
                2 => "override m-0_0 * extra\n",
                3 => "override m-0_0 6.1.* updates\n",
                4 => "exclude dkms\n",
                5 => "# a comment\nmake_map_files no\n",
                6 => "search updates \\\n extra built-in\n",
                _ => "nonsense\n",
            };
        }
        text
    }

    fn args(&mut self) -> Vec<String> {
        let args: &[&str] = match self.random.below(10) {
            0 => &["-w"],
            1 => &["-v"],
            2 => &["-n"],
            3 => &["-e", "-F", "{}/System.map"],
            4 => &["-e", "-E", "{}/Module.symvers"],
            5 => &["-n", "-w", "-e", "-E", "{}/Module.symvers"],
            6 => &["-P", "s", "-e", "-F", "{}/System.map"],
            7 => &["-o", "{}/out"],
            _ => &[],
        };
        args.iter().map(|&arg| arg.to_owned()).collect()
    }
}

/// Whether two files of one module name are in directories between which only the file system's order decides.
fn same_rank(one: &str, other: &str) -> bool {
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let is_listed = |path: &str| path.starts_with("updates/") || path.starts_with("extra/");
    name(one) == name(other) && !(is_listed(one) ^ is_listed(other))
}
