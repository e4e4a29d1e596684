//! The boot entry: a Boot Loader Specification type 1 file with additional keys.
//!
//! ```text
//! title             Debian 12
//! version           6.1.0-50-cloud-amd64
//! linux             /debian/vmlinuz
//! initrd            /debian/initrd.img
//! options           root=/dev/vda1 ro
//! x-depmod-modules  /debian/modules.cpio.zst
//! x-depmod-preload  ext4 dm-crypt usb:v*p*d*dc*dsc*dp*ic08*
//! x-depmod-hardware auto
//! x-depmod-root     auto
//! x-depmod-on-error boot
//! ```
//!
//! One key and its value per line; `#` begins a comment line. Keys of the specification without meaning here
//! are ignored, as it requires (UAPI.1, "Type #1 Boot Loader Specification Entries"); an unknown `x-depmod-`
//! key is a [`Problem`], because ignoring it could lose a request.
//!
//! A damaged boot entry is booted if possible: a title in Latin-1 is harmless, and only a missing path of the
//! kernel is an error.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

use bstr::BString;

use super::kernel_options::words;
use crate::limits::Limits;
use crate::name::module_name;

/// One boot entry. Paths are `/`-separated, from the root of the entry's volume; the file may use `\`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootEntry {
    /// `title`: shown to users.
    pub title: Option<String>,
    /// `version`: the kernel version, and the name of its module directory.
    pub version: Option<String>,
    /// `linux`: the kernel.
    pub linux: String,
    /// `initrd`, in order.
    pub initrds: Vec<String>,
    /// `options`, joined by spaces.
    pub options: String,
    /// `x-depmod-modules`: a directory like `/lib/modules`, or an archive.
    pub modules: Option<String>,
    /// `x-depmod-preload`: module names, modaliases and globs.
    pub preload: Vec<String>,
    /// `x-depmod-hardware`: whether to detect hardware.
    pub hardware: HardwareUse,
    /// `x-depmod-root`: whether to look for the root file system.
    pub root: Option<RootUse>,
    /// `x-depmod-on-error`: the reaction to a failure.
    pub on_error: OnError,
    /// Invalid lines with possible requests. The entry can boot without them.
    pub problems: Vec<Problem>,
    /// Invalid lines without lost requests, worth a warning.
    pub warnings: Vec<Problem>,
    /// Ignored keys, with their lines: keys of the specification, and misspelt ones.
    pub ignored: Vec<(usize, String)>,
}

/// Values of `x-depmod-hardware`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HardwareUse {
    /// `auto`: modules for detected hardware are preloaded.
    #[default]
    Auto,
    /// A list such as `pci acpi`: the same for devices of these buses alone, so that the initrd does not depend on what
    /// is plugged into the others.
    Only(Buses),
    /// `off`: only requests of the entry.
    Off,
}

/// Values of `x-depmod-root`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootUse {
    /// `auto`: modules for what the options name are preloaded: file systems, containers, volumes, arrays.
    Auto,
    /// `off`: only requests of the entry and for hardware.
    Off,
}

/// A bus, or another place, where firmware finds devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// PCI functions.
    Pci,
    /// USB interfaces.
    Usb,
    /// Devices that ACPI names.
    Acpi,
    /// Nodes of a device tree.
    DeviceTree,
    /// The processor's features.
    Cpu,
}

/// A set of buses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buses(u8);

impl Bus {
    /// All, with the names in `x-depmod-hardware`.
    pub const ALL: [(&'static str, Self); 5] = [
        ("pci", Self::Pci),
        ("usb", Self::Usb),
        ("acpi", Self::Acpi),
        // Not `of`, which is a misspelt `off`.
        ("devicetree", Self::DeviceTree),
        ("cpu", Self::Cpu),
    ];
}

impl Buses {
    /// The buses of a list of names; `None` if it is empty, or a name is unknown.
    fn parse(names: &str) -> Option<Self> {
        let mut buses = Self::default();
        for name in names.split_whitespace() {
            let (_, bus) = Bus::ALL.into_iter().find(|(known, _)| *known == name)?;
            buses.0 |= 1 << bus as u8;
        }
        (buses != Self::default()).then_some(buses)
    }
}

impl HardwareUse {
    /// Whether devices of a bus count.
    #[must_use]
    pub fn includes(self, bus: Bus) -> bool {
        match self {
            Self::Auto => true,
            Self::Only(Buses(buses)) => buses >> bus as u8 & 1 == 1,
            Self::Off => false,
        }
    }
}

/// Values of `x-depmod-on-error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// `boot`: boot without preload.
    #[default]
    Boot,
    /// `stop`: return to the firmware or boot loader.
    Stop,
}

/// An invalid line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line number, from 1.
    pub line: usize,
    /// The error.
    pub fault: Fault,
}

/// An error in a line; invalid UTF-8 is replaced by U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An unknown `x-depmod-` key.
    Key(String),
    /// A key with an invalid value.
    Value(String, String),
    /// This line and those after it are beyond this number of bytes, and were not read.
    Beyond(usize),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.fault {
            Fault::Key(key) => write!(f, "unknown key {key}"),
            Fault::Value(key, value) => write!(f, "{key} cannot be '{value}'"),
            Fault::Beyond(size) => write!(f, "beyond the {size} bytes that are read"),
        }
    }
}

impl core::error::Error for Problem {}

/// The reason for rejecting a boot entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryError {
    /// The line with the kernel, counted from 1, is not UTF-8 or contains a NUL.
    Text(usize),
    /// No `linux` key with a value.
    NoKernel,
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(line) => write!(f, "line {line}: the kernel's path is not UTF-8 text"),
            Self::NoKernel => f.write_str("the entry names no kernel (key linux)"),
        }
    }
}

impl core::error::Error for EntryError {}

/// Prefix of the additional keys.
const OUR_KEYS: &str = "x-depmod-";

impl BootEntry {
    /// Parses a boot entry; line ends may be CR LF, and the file may begin with a byte order mark. Bytes
    /// beyond [`Limits::boot_entry_size`] are ignored.
    ///
    /// ```
    /// use depmod_core::{Limits, parts::boot::{BootEntry, OnError}};
    /// let text = b"linux /vmlinuz\nx-depmod-on-error stop\n";
    /// let entry = BootEntry::parse(text, &Limits::DEFAULT).unwrap();
    /// assert_eq!((&*entry.linux, entry.on_error), ("/vmlinuz", OnError::Stop));
    /// ```
    ///
    /// # Errors
    /// When it cannot be booted. Other errors are in [`Self::problems`].
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, EntryError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let limit = usize::try_from(limits.boot_entry_size).unwrap_or(usize::MAX);
        let mut entry = Self::default();
        let mut end = 0_usize;
        for (number, line) in (1..).zip(bytes.split(|&b| b == b'\n')) {
            end = end.saturating_add(line.len());
            if end > limit && !line.is_empty() {
                entry.problems.push(Problem { line: number, fault: Fault::Beyond(limit) });
                break;
            }
            end = end.saturating_add(1);
            let text = String::from_utf8_lossy(line);
            let is_text = matches!(text, Cow::Borrowed(_)) && !text.contains('\0');
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let (key, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            let value = value.trim_start();
            if is_text {
                entry.set(number, key, value);
            } else {
                entry.set_damaged(number, key, &value.replace('\0', "\u{fffd}"))?;
            }
        }
        if entry.linux.is_empty() { Err(EntryError::NoKernel) } else { Ok(entry) }
    }

    /// Whether to look for the root file system: unless the entry says it, where hardware is detected.
    #[must_use]
    pub fn looks_for_root(&self) -> bool {
        match self.root {
            Some(root) => root == RootUse::Auto,
            None => self.hardware != HardwareUse::Off,
        }
    }

    /// Normalised names of modules that the kernel's options exclude from loading by alias: the
    /// comma-separated values of `modprobe.blacklist=`, `module_blacklist=` and dracut's
    /// `rd.driver.blacklist=`.
    #[must_use]
    pub fn blacklist(&self) -> Vec<BString> {
        const KEYS: [&str; 3] = ["modprobe.blacklist", "module_blacklist", "rd.driver.blacklist"];
        let values = words(&self.options).filter_map(|option| {
            let (key, value) = option.split_once('=')?;
            KEYS.contains(&&*key.replace('-', "_")).then_some(value)
        });
        let names = values.flat_map(|value| value.trim_matches('"').split(','));
        names
            .filter(|name| !name.is_empty())
            .map(|name| module_name(name.as_bytes()).collect::<Vec<u8>>().into())
            .collect()
    }

    /// Processes a line with invalid UTF-8 or a NUL.
    fn set_damaged(&mut self, line: usize, key: &str, value: &str) -> Result<(), EntryError> {
        match key {
            "linux" => return Err(EntryError::Text(line)),
            // The other options are still useful.
            "options" => self.set(line, key, value),
            "version" | "initrd" => {}
            _ if key.starts_with(OUR_KEYS) => {}
            _ => {
                self.set(line, key, value);
                return Ok(());
            }
        }
        self.problems.push(Problem { line, fault: Fault::Value(key.into(), value.into()) });
        Ok(())
    }

    /// Processes a valid line. A later line replaces an earlier one with the same key, unless values
    /// accumulate.
    fn set(&mut self, line: usize, key: &str, value: &str) {
        let path = || value.replace('\\', "/");
        let fault = match (key, value) {
            ("title", _) => return self.title = Some(value.into()),
            ("linux" | "initrd", "") => {
                let fault = Fault::Value(key.into(), value.into());
                return self.warnings.push(Problem { line, fault });
            }
            ("linux", _) => return self.linux = path(),
            ("initrd", _) => return self.initrds.push(path()),
            ("options", _) => {
                if !self.options.is_empty() {
                    self.options.push(' ');
                }
                return self.options.push_str(value);
            }
            // The version becomes a directory name.
            ("version", _)
                if !value.is_empty() && !value.contains(['/', '\\']) && !value.starts_with('.') =>
            {
                return self.version = Some(value.into());
            }
            ("x-depmod-modules", _) if !value.is_empty() => return self.modules = Some(path()),
            ("x-depmod-preload", _) => {
                return self.preload.extend(value.split_whitespace().map(String::from));
            }
            ("x-depmod-hardware", "auto") => return self.hardware = HardwareUse::Auto,
            ("x-depmod-hardware", "off") => return self.hardware = HardwareUse::Off,
            ("x-depmod-root", "auto") => return self.root = Some(RootUse::Auto),
            ("x-depmod-root", "off") => return self.root = Some(RootUse::Off),
            ("x-depmod-on-error", "boot") => return self.on_error = OnError::Boot,
            ("x-depmod-on-error", "stop") => return self.on_error = OnError::Stop,
            ("x-depmod-hardware", _) => match Buses::parse(value) {
                Some(buses) => return self.hardware = HardwareUse::Only(buses),
                None => Fault::Value(key.into(), value.into()),
            },
            ("version" | "x-depmod-modules" | "x-depmod-root" | "x-depmod-on-error", _) => {
                Fault::Value(key.into(), value.into())
            }
            _ if key.starts_with(OUR_KEYS) => Fault::Key(key.into()),
            _ => return self.ignored.push((line, key.into())),
        };
        self.problems.push(Problem { line, fault });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString, vec};
    use proptest::prelude::*;

    fn parse(text: &[u8]) -> Result<BootEntry, EntryError> {
        BootEntry::parse(text, &Limits::DEFAULT)
    }

    #[test]
    fn all_keys_are_parsed() {
        let entry = BootEntry::parse(
            b"\xef\xbb\xbf# comment\r\n\r\ntitle   Debian 12 \r\nversion 6.1.0-50\r\nsort-key debian\r\n\
              linux /a/vmlinuz\r\ninitrd /ucode.img\r\n\tinitrd\t/initrd.img\r\noptions root=/dev/vda1  ro\r\n\
              options quiet\r\nx-depmod-modules /m.cpio\r\nx-depmod-preload ext4  dm-mod\r\n\
              x-depmod-preload pci:v*\r\nx-depmod-hardware off\r\nx-depmod-root auto\r\nx-depmod-on-error stop",
            &Limits::DEFAULT,
        );
        let strings = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let expected = BootEntry {
            title: Some("Debian 12".into()),
            version: Some("6.1.0-50".into()),
            linux: "/a/vmlinuz".into(),
            initrds: strings(&["/ucode.img", "/initrd.img"]),
            options: "root=/dev/vda1  ro quiet".into(),
            modules: Some("/m.cpio".into()),
            preload: strings(&["ext4", "dm-mod", "pci:v*"]),
            hardware: HardwareUse::Off,
            root: Some(RootUse::Auto),
            on_error: OnError::Stop,
            problems: vec![],
            warnings: vec![],
            ignored: vec![(5, "sort-key".into())],
        };
        assert_eq!(entry.unwrap(), expected);
    }

    #[test]
    fn entries_with_problems_are_bootable() {
        let text = b"linux /k\nx-depmod-preloads a\n\nx-depmod-hardware on\nx-depmod-modules\nversion ../x\nfoo bar\n";
        let entry = parse(text).unwrap();
        let texts: Vec<_> = entry.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "line 2: unknown key x-depmod-preloads",
                "line 4: x-depmod-hardware cannot be 'on'",
                "line 5: x-depmod-modules cannot be ''",
                "line 6: version cannot be '../x'",
            ]
        );
        assert_eq!((entry.hardware, entry.version), (HardwareUse::Auto, None));
        assert_eq!(entry.ignored, [(7, "foo".into())]);
    }

    #[test]
    fn a_list_of_buses_selects_hardware() {
        let hardware = |value: &str| {
            let entry = parse(alloc::format!("linux /k\nx-depmod-hardware {value}\n").as_bytes()).unwrap();
            (Bus::ALL.map(|(_, bus)| entry.hardware.includes(bus)), entry.problems.len())
        };
        assert_eq!(hardware("auto"), ([true; 5], 0));
        assert_eq!(hardware("off"), ([false; 5], 0));
        assert_eq!(hardware("pci  acpi"), ([true, false, true, false, false], 0));
        assert_eq!(hardware("devicetree cpu usb"), ([false, true, false, true, true], 0));
        assert_eq!(hardware("pci isa"), ([true; 5], 1));
        assert_eq!(hardware("of"), ([true; 5], 1));
    }

    #[test]
    fn the_root_is_looked_for_where_hardware_is() {
        let looks = |keys: &str| {
            let entry = parse(alloc::format!("linux /k\n{keys}\n").as_bytes()).unwrap();
            (entry.looks_for_root(), entry.problems.len())
        };
        assert_eq!(looks(""), (true, 0));
        assert_eq!(looks("x-depmod-hardware pci"), (true, 0));
        assert_eq!(looks("x-depmod-hardware off"), (false, 0));
        assert_eq!(looks("x-depmod-hardware off\nx-depmod-root auto"), (true, 0));
        assert_eq!(looks("x-depmod-root off"), (false, 0));
        assert_eq!(looks("x-depmod-root UUID=1"), (true, 1));
    }

    #[test]
    fn invalid_utf8_affects_only_its_line() {
        let entry = parse(
            b"title D\xe9bian\n# caf\xe9\nsort-key \xff\ninitrd /\xe9.img\nlinux /k\noptions quiet \xe9 ro\n\
              x-depmod-preload \xe9\ninitrd /b\noptions a\0b\n",
        )
        .unwrap();
        assert_eq!((entry.title.as_deref(), &*entry.linux), (Some("D\u{fffd}bian"), "/k"));
        assert_eq!((&*entry.options, &*entry.initrds), ("quiet \u{fffd} ro a\u{fffd}b", &["/b".into()][..]));
        let texts: Vec<_> = entry.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "line 4: initrd cannot be '/\u{fffd}.img'",
                "line 6: options cannot be 'quiet \u{fffd} ro'",
                "line 7: x-depmod-preload cannot be '\u{fffd}'",
                "line 9: options cannot be 'a\u{fffd}b'",
            ]
        );
    }

    #[test]
    fn keys_without_a_value_are_ignored() {
        let entry = parse(b"linux /k\ninitrd\nlinux\ninitrd /i\n").unwrap();
        assert_eq!((&*entry.linux, &*entry.initrds), ("/k", &["/i".into()][..]));
        let texts: Vec<_> = entry.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["line 2: initrd cannot be ''", "line 3: linux cannot be ''"]);
        assert_eq!(entry.problems, []);
    }

    #[test]
    fn backslashes_in_paths_become_slashes() {
        let entry =
            parse(b"linux \\EFI\\k\ninitrd \\i\nx-depmod-modules \\m\\x.cpio\noptions a\\b\n").unwrap();
        assert_eq!((&*entry.linux, &*entry.initrds), ("/EFI/k", &["/i".into()][..]));
        assert_eq!((entry.modules.as_deref(), &*entry.options), (Some("/m/x.cpio"), "a\\b"));
    }

    #[test]
    fn long_entries_are_read_up_to_the_limit() {
        let limits = Limits { boot_entry_size: 18, ..Limits::DEFAULT };
        let entry = BootEntry::parse(b"linux /k\ntitle abc\n", &limits).unwrap();
        assert_eq!((entry.title.as_deref(), &*entry.problems), (Some("abc"), &[][..]));
        let entry = BootEntry::parse(b"linux /k\ntitle abcd\ninitrd /i\n", &limits).unwrap();
        assert_eq!((entry.title, &*entry.initrds), (None, &[][..]));
        let texts: Vec<_> = entry.problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["line 2: beyond the 18 bytes that are read"]);
    }

    #[test]
    fn entries_without_a_kernel_are_errors() {
        assert_eq!(parse(b"title x\nlinux\n"), Err(EntryError::NoKernel));
        assert_eq!(parse(b"title x\nlinux /\xff\n"), Err(EntryError::Text(2)));
        assert_eq!(parse(b"linux /k\0\n"), Err(EntryError::Text(1)));
    }

    #[test]
    fn blacklists_are_read_from_options() {
        let entry = parse(
            b"linux /k\noptions quiet \"modprobe.blacklist=nouveau,snd-pcsp\" module_blacklist=x blacklist=no\n\
              options rd.driver.blacklist=y,,z\n",
        );
        let names = ["nouveau", "snd_pcsp", "x", "y", "z"].map(BString::from);
        assert_eq!(entry.unwrap().blacklist(), names);
    }

    proptest! {
        #[test]
        fn spaces_and_line_ends_have_no_effect(
            end in "(\r)?\n", gap in "[ \t]{1,3}", value in "[!-~]([ -~]{0,8}[!-~])?"
        ) {
            let text = alloc::format!("{gap}linux{gap}/k{end}title{gap}{value}{gap}{end}");
            prop_assert_eq!(parse(text.as_bytes()).unwrap().title, Some(value));
        }
    }
}
