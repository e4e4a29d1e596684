//! The entry that firmware boots: a Boot Loader Specification type 1 file with keys of our own.
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
//! x-depmod-on-error boot
//! ```
//!
//! One key and its value a line, `#` begins a comment line. Keys of the specification that are not
//! for us are ignored, as it asks (UAPI.1, "Type #1 Boot Loader Specification Entries"); a key of
//! our own that we do not know is a [`Problem`], because ignoring it would lose what was asked for.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::name::module_name;

/// What one entry says. Paths are as written: `/`-separated, from the root of the entry's volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootEntry {
    /// `title`: for people.
    pub title: Option<String>,
    /// `version`: the kernel's, and the name of its module directory.
    pub version: Option<String>,
    /// `linux`: the kernel.
    pub linux: String,
    /// `initrd`, each of them, in order.
    pub initrds: Vec<String>,
    /// `options`, joined by spaces.
    pub options: String,
    /// `x-depmod-modules`: a directory like `/lib/modules`, or an archive.
    pub modules: Option<String>,
    /// `x-depmod-preload`: module names, modaliases and globs.
    pub preload: Vec<String>,
    /// `x-depmod-hardware`: whether to look at the hardware.
    pub hardware: Hardware,
    /// `x-depmod-on-error`: what follows a failure.
    pub on_error: OnError,
    /// Lines of our own keys that were not understood. The entry can boot without them.
    pub problems: Vec<Problem>,
}

/// Values of `x-depmod-hardware`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hardware {
    /// `auto`: what is found is preloaded.
    #[default]
    Auto,
    /// `off`: only what the entry names.
    Off,
}

/// Values of `x-depmod-on-error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// `boot`: without preload.
    #[default]
    Boot,
    /// `stop`: back to the firmware or boot loader.
    Stop,
}

/// A line that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// The key as written.
    pub key: String,
    /// The value as written.
    pub value: String,
    /// Whether the key is known, so that the value is at fault.
    pub known: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, value, known } = self;
        if *known {
            write!(f, "line {line}: {key} cannot be '{value}'")
        } else {
            write!(f, "line {line}: unknown key {key}")
        }
    }
}

impl core::error::Error for Problem {}

/// Why a file is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryError {
    /// The line, counted from 1, is not UTF-8 or holds a NUL.
    Text(usize),
    /// No `linux` key with a value.
    NoKernel,
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(line) => write!(f, "line {line}: not UTF-8 text"),
            Self::NoKernel => f.write_str("the entry names no kernel (key linux)"),
        }
    }
}

impl core::error::Error for EntryError {}

impl BootEntry {
    /// Reads an entry file, of at most [`Limits::entry_size`](crate::limits::Limits::entry_size) bytes if the
    /// reader is careful; line ends may be CR LF, and a byte order mark may come first.
    ///
    /// ```
    /// use depmod_core::entry::{BootEntry, OnError};
    /// let entry = BootEntry::parse(b"linux /vmlinuz\nx-depmod-on-error stop\n").unwrap();
    /// assert_eq!((&*entry.linux, entry.on_error), ("/vmlinuz", OnError::Stop));
    /// ```
    ///
    /// # Errors
    /// When nothing can be booted from it. What only affects modules is in [`Self::problems`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut entry = Self::default();
        for (number, line) in (1..).zip(bytes.split(|&b| b == b'\n')) {
            let line = core::str::from_utf8(line).map_err(|_| EntryError::Text(number))?.trim();
            if line.contains('\0') {
                return Err(EntryError::Text(number));
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            entry.set(number, key, value.trim_start());
        }
        if entry.linux.is_empty() { Err(EntryError::NoKernel) } else { Ok(entry) }
    }

    /// Names of modules that the kernel's options forbid to load by alias: what `modprobe.blacklist=`,
    /// `module_blacklist=` and dracut's `rd.driver.blacklist=` list between commas, normalised.
    #[must_use]
    pub fn blacklist(&self) -> Vec<Vec<u8>> {
        const KEYS: [&str; 3] = ["modprobe.blacklist", "module_blacklist", "rd.driver.blacklist"];
        let values = self.options.split_whitespace().filter_map(|option| {
            let (key, value) = option.split_once('=')?;
            KEYS.contains(&&*key.replace('-', "_")).then_some(value)
        });
        let names = values.flat_map(|value| value.trim_matches('"').split(','));
        names.filter(|name| !name.is_empty()).map(|name| module_name(name.as_bytes()).collect()).collect()
    }

    /// A later line replaces an earlier one with the same key, except where values add up.
    fn set(&mut self, line: usize, key: &str, value: &str) {
        let known = match (key, value) {
            ("title", _) => return self.title = Some(value.into()),
            ("linux", _) => return self.linux = value.into(),
            ("initrd", _) => return self.initrds.push(value.into()),
            ("options", _) => {
                if !self.options.is_empty() {
                    self.options.push(' ');
                }
                return self.options.push_str(value);
            }
            // It becomes a directory's name.
            ("version", _)
                if !value.is_empty() && !value.contains(['/', '\\']) && !value.starts_with('.') =>
            {
                return self.version = Some(value.into());
            }
            ("x-depmod-modules", path) if !path.is_empty() => return self.modules = Some(path.into()),
            ("x-depmod-preload", _) => {
                return self.preload.extend(value.split_whitespace().map(String::from));
            }
            ("x-depmod-hardware", "auto") => return self.hardware = Hardware::Auto,
            ("x-depmod-hardware", "off") => return self.hardware = Hardware::Off,
            ("x-depmod-on-error", "boot") => return self.on_error = OnError::Boot,
            ("x-depmod-on-error", "stop") => return self.on_error = OnError::Stop,
            ("version" | "x-depmod-modules" | "x-depmod-hardware" | "x-depmod-on-error", _) => true,
            _ if key.starts_with("x-depmod-") => false,
            _ => return,
        };
        self.problems.push(Problem { line, key: key.into(), value: value.into(), known });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString, vec};
    use proptest::prelude::*;

    #[test]
    fn every_key() {
        let entry = BootEntry::parse(
            b"\xef\xbb\xbf# comment\r\n\r\ntitle   Debian 12 \r\nversion 6.1.0-50\r\nsort-key debian\r\n\
              linux /a/vmlinuz\r\ninitrd /ucode.img\r\n\tinitrd\t/initrd.img\r\noptions root=/dev/vda1  ro\r\n\
              options quiet\r\nx-depmod-modules /m.cpio\r\nx-depmod-preload ext4  dm-mod\r\n\
              x-depmod-preload pci:v*\r\nx-depmod-hardware off\r\nx-depmod-on-error stop",
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
            hardware: Hardware::Off,
            on_error: OnError::Stop,
            problems: vec![],
        };
        assert_eq!(entry.unwrap(), expected);
    }

    #[test]
    fn problems_leave_an_entry_that_boots() {
        let text = b"linux /k\nx-depmod-preloads a\n\nx-depmod-hardware on\nx-depmod-modules\nversion ../x\nfoo bar\n";
        let entry = BootEntry::parse(text).unwrap();
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
        assert_eq!((entry.hardware, entry.version), (Hardware::Auto, None));
    }

    #[test]
    fn no_entry_at_all() {
        assert_eq!(BootEntry::parse(b"title x\nlinux\n"), Err(EntryError::NoKernel));
        assert_eq!(BootEntry::parse(b"linux /k\noptions \xff\n"), Err(EntryError::Text(2)));
        assert_eq!(BootEntry::parse(b"linux /k\0\n"), Err(EntryError::Text(1)));
    }

    #[test]
    fn forbidden_modules() {
        let entry = BootEntry::parse(
            b"linux /k\noptions quiet modprobe.blacklist=nouveau,snd-pcsp module_blacklist=x blacklist=no\n\
              options rd.driver.blacklist=y,,z\n",
        );
        let names = ["nouveau", "snd_pcsp", "x", "y", "z"].map(|name| name.as_bytes().to_vec());
        assert_eq!(entry.unwrap().blacklist(), names);
    }

    proptest! {
        #[test]
        fn spaces_and_line_ends_do_not_matter(
            end in "(\r)?\n", gap in "[ \t]{1,3}", value in "[!-~]([ -~]{0,8}[!-~])?"
        ) {
            let text = alloc::format!("{gap}linux{gap}/k{end}title{gap}{value}{gap}{end}");
            prop_assert_eq!(BootEntry::parse(text.as_bytes()).unwrap().title, Some(value));
        }
    }
}
