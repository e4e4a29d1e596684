//! The messages and files of a run, and the differences between two runs.

use std::collections::BTreeMap;
use std::process::ExitStatus;

/// The eleven files of a run, in kmod's order.
pub const OUTPUTS: [&str; 11] = [
    "modules.dep",
    "modules.dep.bin",
    "modules.alias",
    "modules.alias.bin",
    "modules.softdep",
    "modules.weakdep",
    "modules.symbols",
    "modules.symbols.bin",
    "modules.builtin.bin",
    "modules.builtin.alias.bin",
    "modules.devname",
];

/// All externally visible results of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The root directory of the run.
    pub root: String,
    /// Exit status.
    pub status: ExitStatus,
    /// Bytes on stdout.
    pub stdout: Vec<u8>,
    /// Bytes on stderr.
    pub stderr: Vec<u8>,
    /// Files and links that are new or changed below the root, by relative path; new directories, too.
    pub written: BTreeMap<String, Vec<u8>>,
    /// Paths that were removed.
    pub removed: Vec<String>,
}

impl Outcome {
    /// An output file by name, in any directory.
    ///
    /// # Panics
    /// When the run did not write it.
    #[track_caller]
    pub fn output(&self, name: &str) -> &[u8] {
        let ending = format!("/{name}");
        let found = self.written.iter().find(|(path, _)| path.ends_with(&ending));
        match found {
            Some((_, content)) => content,
            None => panic!("{name} was not written; stderr:\n{}", self.stderr()),
        }
    }

    /// An output file as text.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(self.output(name)).into_owned()
    }

    /// stderr as text, with `{}` for the root directory.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).replace(&self.root, "{}")
    }

    /// stdout as text, with `{}` for the root directory.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).replace(&self.root, "{}")
    }

    /// Asserts exit status and stderr; `{}` stands for the root directory.
    #[track_caller]
    pub fn expect(&self, status: i32, stderr: &str) -> &Self {
        assert_eq!((self.status.code(), self.stderr().as_str()), (Some(status), stderr));
        self
    }

    /// Asserts that exactly the eleven files were written, and no other file was created or removed.
    #[track_caller]
    pub fn expect_outputs(&self) -> &Self {
        let mut names: Vec<&str> =
            self.written.keys().map(|path| path.rsplit('/').next().unwrap_or(path)).collect();
        names.sort_unstable();
        let mut expected = OUTPUTS;
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(self.removed, [""; 0]);
        self
    }

    /// Asserts that the run changed no file.
    #[track_caller]
    pub fn expect_untouched(&self) -> &Self {
        let paths: Vec<&String> = self.written.keys().chain(&self.removed).collect();
        assert!(paths.is_empty(), "the run changed {paths:?}; stderr:\n{}", self.stderr());
        self
    }
}

/// The differences between two outcomes, one text per difference, with both sides.
pub fn differences(oracle: &Outcome, ours: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    if oracle.status != ours.status {
        found.push(format!("exit status\n  kmod {}\n  ours {}", oracle.status, ours.status));
    }
    found.extend(differing("stdout", &oracle.stdout, &ours.stdout));
    found.extend(differing("stderr", &oracle.stderr, &ours.stderr));
    for (path, content) in &oracle.written {
        match ours.written.get(path) {
            Some(our_content) => found.extend(differing(path, content, our_content)),
            None => found.push(format!("{path}\n  kmod wrote it, ours did not")),
        }
    }
    for path in ours.written.keys().filter(|path| !oracle.written.contains_key(*path)) {
        found.push(format!("{path}\n  ours wrote it, kmod did not"));
    }
    if oracle.removed != ours.removed {
        found.push(format!("removed files\n  kmod {:?}\n  ours {:?}", oracle.removed, ours.removed));
    }
    found
}

/// Compares a text or binary file.
pub fn differing(name: &str, kmod: &[u8], ours: &[u8]) -> Option<String> {
    if kmod == ours {
        return None;
    }
    let offset = kmod.iter().zip(ours).take_while(|(a, b)| a == b).count();
    let head = format!("{name}: {} and {} bytes, first difference at {offset}", kmod.len(), ours.len());
    if name.ends_with(".bin") {
        return Some(format!("{head}\n  kmod {}\n  ours {}", window(kmod, offset), window(ours, offset)));
    }
    let mut text = head;
    let [mut kmod_lines, mut our_lines] =
        [kmod, ours].map(|side| side.split(|&b| b == b'\n').map(String::from_utf8_lossy));
    let mut shown = 0;
    for number in 1.. {
        let (kmod_line, our_line) = (kmod_lines.next(), our_lines.next());
        if shown == 6 || (kmod_line.is_none() && our_line.is_none()) {
            break;
        }
        if kmod_line != our_line {
            let [kmod_line, our_line] =
                [kmod_line, our_line].map(|line| line.unwrap_or("(nothing)".into()).into_owned());
            text.push_str(&format!("\n  line {number}\n    kmod {kmod_line}\n    ours {our_line}"));
            shown += 1;
        }
    }
    Some(text)
}

/// The bytes around an offset in readable form.
fn window(bytes: &[u8], offset: usize) -> String {
    let start = offset.saturating_sub(8).min(bytes.len());
    let end = (offset + 24).min(bytes.len());
    format!("{start:#x}: {}", bytes[start..end].escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::differing;

    #[test]
    fn differences_show_both_sides() {
        assert_eq!(differing("f", b"a\nb\n", b"a\nb\n"), None);
        let text = differing("f", b"a\nb\n", b"a\nc\nd\n").unwrap();
        assert_eq!(
            text,
            "f: 4 and 6 bytes, first difference at 2\n  line 2\n    kmod b\n    ours c\n  \
             line 3\n    kmod \n    ours d\n  line 4\n    kmod (nothing)\n    ours "
        );
        let text = differing("x.bin", b"abc\0", b"abd\0").unwrap();
        assert!(text.ends_with("kmod 0x0: abc\\x00\n  ours 0x0: abd\\x00"));
    }
}
