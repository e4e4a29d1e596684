//! Requests of a plan: words, lists of words, and this machine's hardware.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use depmod_core::parts::name::{file_name, is_module_file, module_name};
use depmod_core::parts::sort::sort_by;
use depmod_core::{EntryKind, Limits, Request, Source};

use super::Failure;
use crate::source::DiskSource;

/// Limit on directory levels below `/sys/devices`; real systems have about 20.
const DEPTH: usize = 64;
/// Limit on a modalias file, in bytes; those of processors are the longest.
const MODALIAS_SIZE: u64 = 64 << 10;

/// The requests of each word: `@FILE` for the lines of a file, a module file for its name.
pub(super) fn of_words(words: &[OsString]) -> Result<Vec<Request>, Failure> {
    let mut requests = Vec::new();
    for word in words {
        match word.as_bytes().strip_prefix(b"@") {
            None => requests.push(request(word.as_bytes(), String::new())),
            Some(b"-") => {
                let mut text = Vec::new();
                std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut text).map_err(|error| {
                    format!("cannot read standard input: {}", crate::source::from_io(&error))
                })?;
                lines(&text, "standard input", &mut requests);
            }
            Some(path) => {
                let name = String::from_utf8_lossy(path).into_owned();
                let text = DiskSource.read_named(path, Limits::DEFAULT.text_size);
                lines(&text.map_err(|error| format!("cannot read {name}: {error}"))?, &name, &mut requests);
            }
        }
    }
    Ok(requests)
}

/// One request for each line, except for empty lines and comments, which begin with `#` or `;`.
fn lines(text: &[u8], origin: &str, requests: &mut Vec<Request>) {
    for (number, line) in (1_usize..).zip(text.split(|&byte| byte == b'\n')) {
        let line = line.trim_ascii();
        if !matches!(line, [] | [b'#' | b';', ..]) {
            requests.push(request(line, format!("{origin}:{number}")));
        }
    }
}

fn request(word: &[u8], origin: String) -> Request {
    if is_module_file(file_name(word)) {
        Request::new(module_name(word).collect::<Vec<u8>>(), origin)
    } else {
        Request::new(word, origin)
    }
}

/// The modaliases of all devices below a sysfs directory, each once, in order of their devices' paths.
pub(super) fn of_hardware(sysfs: &[u8]) -> Result<Vec<Request>, Failure> {
    let devices = [sysfs, b"/devices"].concat();
    let mut requests: Vec<Request> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let listed = DiskSource.list(&devices);
    let mut entries = listed.map_err(|error| Failure::cannot_read(&devices, &error))?;
    let mut pending = Vec::new();
    let mut directory = devices;
    loop {
        sort_by(&mut entries, &|a, b| b.name.cmp(&a.name));
        for entry in entries {
            let path = [&*directory, b"/", &entry.name].concat();
            match entry.kind {
                // Links lead to devices that are found elsewhere.
                EntryKind::Directory => pending.push(path),
                EntryKind::File if entry.name == "modalias" => {
                    // Devices can vanish, and some attributes cannot be read.
                    let Ok(text) = DiskSource.read(&path, MODALIAS_SIZE) else { continue };
                    let device = directory.strip_prefix(sysfs).unwrap_or(&directory);
                    let modalias = text.trim_ascii();
                    if !modalias.is_empty() && seen.insert(modalias.to_vec()) {
                        requests.push(Request::new(modalias, String::from_utf8_lossy(device)));
                    }
                }
                _ => {}
            }
        }
        let Some(next) = pending.pop() else { return Ok(requests) };
        let is_deep = next.iter().filter(|&&byte| byte == b'/').count() > DEPTH;
        entries = if is_deep { Vec::new() } else { DiskSource.list(&next).unwrap_or_default() };
        directory = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn lists_and_files() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("list");
        fs::write(&list, "# storage\n\n  nvme \n;x\nusb:v*\n").unwrap();
        let words = ["ext4", "/lib/modules/6.1/kernel/snd-hda.ko.xz", &format!("@{}", list.display())];
        let requests = of_words(&words.map(OsString::from)).unwrap_or_default();
        let queries: Vec<_> = requests.iter().map(|request| request.query.to_string()).collect();
        assert_eq!(queries, ["ext4", "snd_hda", "nvme", "usb:v*"]);
        assert_eq!(
            requests.last().map(|request| request.origin.clone()),
            Some(format!("{}:5", list.display()))
        );
        assert!(of_words(&["@/nowhere".into()]).is_err());
    }

    #[test]
    fn devices() {
        let dir = tempfile::tempdir().unwrap();
        for (device, modalias) in [("b/1", "pci:b\n"), ("a", "pci:a"), ("a/c", "pci:b"), ("d", "\n")] {
            let path = dir.path().join("devices").join(device);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("modalias"), modalias).unwrap();
        }
        std::os::unix::fs::symlink("a", dir.path().join("devices/link")).unwrap();
        let requests = of_hardware(dir.path().as_os_str().as_bytes()).unwrap_or_default();
        let found: Vec<_> = requests.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["pci:a (/devices/a)", "pci:b (/devices/a/c)"]);
        assert!(of_hardware(b"/nowhere").is_err());
    }
}
