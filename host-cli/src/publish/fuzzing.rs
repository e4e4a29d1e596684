//! Publishing in a directory whose file system fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use bstr::ByteSlice;
use depmod_core::Diagnostic;
use rustix::io::Errno;

use super::calls::faulty::{Schedule, schedule};
use super::{PATIENCE, Publisher};

/// Errors of calls that change a directory.
const ERRORS: [Errno; 10] = [
    Errno::IO,
    Errno::NOSPC,
    Errno::PERM,
    Errno::ROFS,
    Errno::INVAL,
    Errno::MFILE,
    Errno::NOENT,
    Errno::OPNOTSUPP,
    Errno::NOMEM,
    Errno::EXIST,
];

/// The files of a set: some are equal in both, one is in one of them only.
fn set(name: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut set = vec![
        ("modules.dep", format!("{name} dep").into_bytes()),
        ("modules.alias", b"equal".to_vec()),
        ("modules.symbols", format!("{name} symbols").into_bytes()),
        ("modules.softdep", vec![b'x'; name.len() * 5000]),
    ];
    if name == "new" {
        set.push(("modules.weakdep", b"new".to_vec()));
    }
    set
}

fn publish(dir: &Path, set: &[(&'static str, Vec<u8>)]) -> Result<(), Diagnostic> {
    let path = dir.as_os_str().as_encoded_bytes();
    let files: Vec<_> = set.iter().map(|(name, bytes)| (*name, bytes.as_bytes())).collect();
    Publisher::create(path, PATIENCE, &mut ())?.publish(&files)
}

/// The content of the directory, sorted.
fn content(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry"));
    let mut files: Vec<_> = entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

fn holds(dir: &Path, set: &[(&'static str, Vec<u8>)], leftovers: bool) -> bool {
    let mut set: Vec<_> = set.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect();
    set.sort();
    let mut found = content(dir);
    found.retain(|(name, _)| !leftovers || !name.starts_with('.'));
    found == set
}

/// A directory in memory, where there is one.
fn directory() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    parent.join(format!("depmod-publish-{}-{number}", std::process::id()))
}

/// Replaces one set of files by another; each byte decides whether the next call fails, and how. The directory
/// then holds the complete old or the complete new set, and the result tells which; if the undoing of changes
/// failed, too, the result is an error. The next run replaces everything, and leaves nothing behind.
pub(crate) fn publishing(data: &[u8]) {
    let dir = directory();
    let (old, new) = (set("old"), set("new"));
    publish(&dir, &old).expect("nothing fails yet");
    let fault = |byte: &u8| (*byte >= 0x80).then(|| ERRORS[usize::from(*byte) % ERRORS.len()]);
    let errors: Vec<_> = data.iter().take(4096).map(fault).collect();
    schedule(Some(Schedule { errors: errors.into_iter(), failed: 0 }));
    let result = publish(&dir, &new);
    let failed = schedule(None).expect("it was set").failed;
    let (is_old, is_new) = (holds(&dir, &old, true), holds(&dir, &new, true));
    match result {
        Ok(()) => assert!(is_new, "success without the new files: {:?}", content(&dir)),
        Err(Diagnostic::SyncDirectory { .. }) => assert!(is_new, "{:?}", content(&dir)),
        Err(error) => {
            assert!(failed > 0, "{error}");
            assert!(is_old || failed > 1, "{error} after one fault: {:?}", content(&dir));
        }
    }
    publish(&dir, &new).expect("nothing fails any more");
    assert!(holds(&dir, &new, false), "{:?}", content(&dir));
    fs::remove_dir_all(&dir).expect("it is ours");
}

#[cfg(test)]
mod tests {
    use super::publishing;

    #[test]
    fn every_single_call_fails_in_every_way() {
        publishing(&[]);
        for call in 0..70 {
            for error in 0x80..0x8a {
                let mut data = vec![0; call];
                data.push(error);
                publishing(&data);
            }
        }
    }

    #[test]
    fn any_calls_fail() {
        // A generator of numbers, always the same.
        let mut state = 1_u64;
        for _ in 0..1000 {
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            };
            let rare = next() % 8;
            let data: Vec<u8> = (0..100).map(|_| if next() % 8 <= rare { next() } else { 0 }).collect();
            publishing(&data);
        }
    }
}
