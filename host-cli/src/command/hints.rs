//! Hints when the running kernel has no modules here: in containers, chroots and installers.
//!
//! kmod only reports a missing directory. On a terminal, two lines follow:
//!
//! ```text
//! depmod: the running kernel is 6.9.1-host; /mnt/lib/modules has modules of 6.1.0-50-amd64
//! depmod: to index it: depmod -b /mnt 6.1.0-50-amd64
//! ```
//!
//! If a version was typed, they are about this one; of those that are there, the one that is alike the longest is
//! proposed.

use depmod_core::Source;
use depmod_core::parts::list::versions;
use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::args::Args;
use super::paths::{before_slashes, quoted};
use super::settings::{Settings, Target};

/// Limit of versions in one line.
const NAMED: usize = 8;

/// The lines after a failure, without prefix; none if the module directory exists.
#[must_use]
pub(super) fn missing_directory(source: &impl Source, target: &Target, args: &Args) -> Vec<Vec<u8>> {
    if source.stat(&target.dirname).is_ok() {
        return Vec::new();
    }
    let versions = versions(source, &target.module_root).unwrap_or_default();
    let wanted = before_slashes(&target.version);
    let here = match target.version_given {
        true => [b"there is no kernel ".as_slice(), wanted, b"; ", &target.module_root].concat(),
        false => [b"the running kernel is ".as_slice(), wanted, b"; ", &target.module_root].concat(),
    };
    let common =
        |version: &str| version.bytes().zip(wanted).take_while(|(there, wanted)| there == *wanted).count();
    let proposed = match target.version_given {
        // The newest of several.
        true => versions.iter().max_by_key(|version| common(version)),
        false => versions.last(),
    };
    let Some(proposed) = proposed else {
        let missing = source.stat(&target.module_root).is_err();
        let what: &[u8] = if missing { b" does not exist" } else { b" has no modules" };
        let mut lines = vec![[&here, what].concat()];
        if args.place.basedir.is_none() {
            let other = b"to index a system that is mounted elsewhere: depmod -b DIRECTORY VERSION";
            lines.push(other.to_vec());
        }
        return lines;
    };
    let mut first = [&here, b" has modules of ".as_slice()].concat();
    first.extend(versions.iter().rev().take(NAMED).rev().cloned().collect::<Vec<_>>().join(", ").bytes());
    if versions.len() > NAMED {
        first.extend(format!(" and {} more", versions.len() - NAMED).bytes());
    }
    let which: &[u8] = if versions.len() == 1 { b"to index it: depmod " } else { b"to index one: depmod " };
    vec![first, [which, &options(args), proposed.as_bytes()].concat()]
}

/// The line after a failure, if the user may not write the index files.
#[must_use]
pub(super) fn not_writable(settings: &Settings) -> Option<Vec<u8>> {
    let directory = settings.target.outdirname.as_slice();
    if settings.show || settings.no_write() {
        return None;
    }
    refused(directory, access(directory, Access::WRITE_OK).err()?)
}

fn refused(directory: &[u8], why: Errno) -> Option<Vec<u8>> {
    let (who, how): (&[u8], &[u8]) = match why {
        Errno::ACCESS => (b"only root may write to ", b"; -o DIR writes elsewhere"),
        Errno::ROFS => (b"nobody can write to ", b", which is mounted read-only; -o DIR writes elsewhere"),
        _ => return None,
    };
    Some([who, directory, how].concat())
}

/// Whether a `System.map` is the line that Debian's packages have in its place.
#[must_use]
pub(super) fn is_placeholder(map: &[u8]) -> bool {
    let lines = map.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.take(2).count() == 1 && !map.windows(10).any(|window| window == b"__ksymtab_")
}

/// The options that selected the directory, as typed.
fn options(args: &Args) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;

    let mut text = Vec::new();
    for (name, value) in [("-b", &args.place.basedir), ("-m", &args.place.moduledir), ("-o", &args.outdir)] {
        if let Some(value) = value {
            text.extend([name.as_bytes(), b" ", &quoted(value.as_bytes()), b" "].concat());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Environment, Settings};
    use super::*;
    use depmod_core::MemorySource;
    use std::ffi::OsString;

    fn lines(words: &[&str], files: &[&str]) -> Vec<String> {
        let mut source = MemorySource::new();
        for file in files {
            source.insert(file.as_bytes(), b"".to_vec());
        }
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let args = Args::parse_words(&words, false).unwrap();
        let environment =
            Environment { current_dir: None, release: Ok(b"6.9-run".to_vec()), is_reproducible: false };
        let settings = Settings::new(args.clone(), &environment).unwrap();
        let lines = missing_directory(&source, &settings.target, &args);
        lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn hints_name_existing_versions_and_the_command() {
        let names = ["6.9.1/x", "6.10.1/x", "README", "6.11.0 x/y", "6.11.1;ls/x", "6.11.2\x1b[2J/x"];
        let files = names.map(|name| format!("/mnt/lib/modules/{name}"));
        let files = files.each_ref().map(String::as_str);
        assert_eq!(
            lines(&["-b", "/mnt"], &files),
            [
                "the running kernel is 6.9-run; /mnt/lib/modules has modules of 6.9.1, 6.10.1",
                "to index one: depmod -b /mnt 6.10.1"
            ]
        );
    }

    #[test]
    fn arguments_are_quoted_for_a_shell() {
        let lines = lines(&["-b", "/a b'c"], &["/a b'c/lib/modules/6.1.0/x"]);
        assert_eq!(lines[1], "to index it: depmod -b '/a b'\\''c' 6.1.0");
    }

    #[test]
    fn missing_module_directories_are_reported() {
        let lines = lines(&[], &["/etc/passwd"]);
        assert_eq!(lines[0], "the running kernel is 6.9-run; /lib/modules does not exist");
        assert!(lines[1].contains("depmod -b DIRECTORY VERSION"));
    }

    #[test]
    fn typed_versions_are_answered_with_those_that_are_there() {
        let files = ["/lib/modules/6.1.0-50-amd64/x", "/lib/modules/6.12.1-amd64/x"];
        assert_eq!(
            lines(&["6.1-foo/"], &files),
            [
                "there is no kernel 6.1-foo; /lib/modules has modules of 6.1.0-50-amd64, 6.12.1-amd64",
                "to index one: depmod 6.12.1-amd64"
            ]
        );
        assert_eq!(lines(&["6.1.0"], &files)[1], "to index one: depmod 6.1.0-50-amd64");
        assert_eq!(lines(&["6.1.0"], &files[1..])[1], "to index it: depmod 6.12.1-amd64");
        assert_eq!(lines(&["6.1.0"], &[])[0], "there is no kernel 6.1.0; /lib/modules does not exist");
        let files = ["/lib/modules/6.12.117-amd64/x", "/lib/modules/6.12.117-cloud-amd64/x"];
        assert_eq!(lines(&["6.12.117-amd46"], &files)[1], "to index one: depmod 6.12.117-amd64");
        assert_eq!(
            lines(&["-b", "/mnt", "6.1"], &[]),
            ["there is no kernel 6.1; /mnt/lib/modules does not exist"]
        );
    }

    #[test]
    fn existing_directories_need_no_hint() {
        assert!(lines(&[], &["/lib/modules/6.9-run/modules.order"]).is_empty());
    }

    #[test]
    fn a_placeholder_is_one_line_without_exports() {
        assert!(is_placeholder(b"ffffffffffffffff B The real System.map is in the -dbg package\n"));
        for map in [&b""[..], b"\n", b"0 T a\n0 T b\n", b"0 r __ksymtab_a\n"] {
            assert!(!is_placeholder(map));
        }
    }

    #[test]
    fn directories_that_cannot_be_written() {
        let text = |why| refused(b"/m", why).map(|line| String::from_utf8(line).unwrap());
        assert_eq!(text(Errno::ACCESS).unwrap(), "only root may write to /m; -o DIR writes elsewhere");
        assert!(text(Errno::ROFS).unwrap().contains("read-only"));
        assert_eq!(text(Errno::NOENT), None);
    }

    #[test]
    fn long_lists_are_truncated() {
        let files: Vec<String> = (1..=12).map(|n| format!("/lib/modules/6.{n}/x")).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let lines = lines(&[], &files);
        assert!(lines[0].ends_with("6.5, 6.6, 6.7, 6.8, 6.9, 6.10, 6.11, 6.12 and 4 more"), "{}", lines[0]);
    }
}
