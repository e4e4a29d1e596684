//! Comparison of index files with the output of a run.
//!
//! Entries are compared, not bytes: the layout of an index and the order of lines do not matter. Every defect of
//! every file is reported, with its effects.
//!
//! ```
//! # #[cfg(all(feature = "alloc", feature = "gz", feature = "answers"))] {
//! use depmod_core::{Limits, MemorySource, Options, Output, run};
//! use depmod_core::parts::answer::{StoredFiles, verify};
//!
//! let mut source = MemorySource::new();
//! source.insert(b"/m/6.1/modules.builtin", *b"kernel/fs/ext4.ko\n");
//! source.insert(b"/m/6.1/modules.builtin.modinfo", *b"ext4.alias=fs-ext4\0");
//! let options = Options::new("/m/6.1", "6.1");
//! let files = run(&options, &source, &mut ())?;
//! for (output, bytes) in &files {
//!     source.insert(&options.path_of(output.file_name()), bytes);
//! }
//! source.insert(b"/m/6.1/modules.builtin.bin", *b"");
//!
//! let stored = StoredFiles::read(&options, &source);
//! let verified = verify(&stored, &files, |_| true);
//! assert_eq!(verified.findings.len(), 1);
//! assert_eq!(verified.findings[0].file, Output::BuiltinIndex);
//! assert_eq!(verified.findings[0].fault.to_string(), "is empty");
//! assert_eq!(verified.damage[0].to_string(), "1 built-in module taken for missing: ext4");
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod content;
mod finding;
mod quick;

pub use finding::{Count, Damage, FileFault, FileFinding};
pub use quick::{FileTime, QuickLook, Times, verify_quick};

use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};

use bstr::BString;

use crate::sort::sort_by;
use crate::{
    index::{Layout, Scratch},
    options::Options,
    output::{IndexFiles, Output},
    source::{IoError, IoErrorKind, Source},
};
use content::{Content, Difference};

/// The index files of a module directory.
#[derive(Clone, Debug)]
pub struct StoredFiles {
    files: Vec<(Output, Result<Vec<u8>, IoError>)>,
}

impl StoredFiles {
    /// Reads the eleven files of a directory.
    pub fn read(options: &Options, source: &impl Source) -> Self {
        let read = |output: Output| {
            (output, source.read(&options.path_of(output.file_name()), options.limits.text_size))
        };
        Self { files: Output::ALL.map(read).into() }
    }

    fn get(&self, output: Output) -> Option<&[u8]> {
        self.files.iter().find(|(other, _)| *other == output)?.1.as_deref().ok()
    }
}

/// One examined file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedFile {
    /// The file.
    pub file: Output,
    /// Its size; `None` if it cannot be read.
    pub size: Option<usize>,
    /// Order of the nodes of a sound index.
    pub layout: Option<Layout>,
    /// Number of readable entries; `None` if they were not counted.
    pub entries: Option<usize>,
}

/// The result of an examination.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Defects, file by file.
    pub findings: Vec<FileFinding>,
    /// Effects, file by file, as far as they can be determined.
    pub damage: Vec<Damage>,
    /// Each file, in kmod's order.
    pub files: Vec<VerifiedFile>,
}

impl Verified {
    /// The defective files.
    #[must_use]
    pub fn wrong(&self) -> BTreeSet<Output> {
        let mut wrong = BTreeSet::new();
        wrong.extend(self.findings.iter().map(|finding| finding.file));
        wrong
    }

    fn push(&mut self, file: Output, fault: FileFault) {
        self.findings.push(FileFinding { file, fault });
    }
}

/// Texts and their indexes.
const TWINS: [(Output, Output); 3] = [
    (Output::Dep, Output::DepIndex),
    (Output::Alias, Output::AliasIndex),
    (Output::Symbols, Output::SymbolsIndex),
];

/// Compares stored files with the output of a run; `exists` tells whether a path of `modules.dep` leads to a
/// file.
pub fn verify(stored: &StoredFiles, expected: &IndexFiles, exists: impl Fn(&[u8]) -> bool) -> Verified {
    let mut examination = Examination::new(stored);
    for output in Output::ALL {
        examination.one(output, expected.get(output), true, &exists);
    }
    examination.twins(|output| stored.get(output).unwrap_or_default() != expected.get(output));
    examination.finish()
}

/// The bits of a reference that hold an offset.
const OFFSET: u32 = 0x0fff_ffff;
/// Offset of the root if nodes precede their children.
const ROOT_IN_FRONT: u32 = 12;

/// Files under examination.
struct Examination<'f> {
    stored: &'f StoredFiles,
    scratch: Box<Scratch>,
    verified: Verified,
    /// Readable content of files for further examination.
    contents: Vec<(Output, Content)>,
    /// Files whose form is broken.
    broken: BTreeSet<Output>,
    /// Whether most indexes that can be read have the older order of nodes.
    old: bool,
}

impl<'f> Examination<'f> {
    fn new(stored: &'f StoredFiles) -> Self {
        let roots = Output::ALL.into_iter().filter(|output| output.is_index()).filter_map(|output| {
            let root = stored.get(output)?.get(8..12)?.first_chunk().map(|word| u32::from_be_bytes(*word))?;
            // The root of an empty index has the same offset in both layouts.
            (root >> 28 != 0).then_some(root & OFFSET == ROOT_IN_FRONT)
        });
        let (new, old): (Vec<_>, Vec<_>) = roots.partition(|in_front| *in_front);
        let old = old.len() > new.len();
        let scratch = content::scratch();
        let (verified, contents, broken) = (Verified::default(), Vec::new(), BTreeSet::new());
        Self { stored, scratch, verified, contents, broken, old }
    }

    /// Examines one file. With `whole`, `should` is its complete expected content; otherwise only the form is
    /// checked.
    fn one(&mut self, output: Output, expected: &[u8], whole: bool, exists: &impl Fn(&[u8]) -> bool) {
        let Some((_, stored)) = self.stored.files.iter().find(|(other, _)| *other == output) else { return };
        let mut file = VerifiedFile { file: output, size: None, layout: None, entries: None };
        let mut content = Content::default();
        let mut good = false;
        let mut faults = Vec::new();
        match stored {
            // Releases without weak dependencies do not write this file.
            Err(error) if error.kind() == IoErrorKind::NotFound && self.may_lack(output) => good = true,
            Err(error) if error.kind() == IoErrorKind::NotFound => faults.push(FileFault::Missing),
            Err(error) => faults.push(FileFault::Unreadable(error.clone())),
            Ok(bytes) => {
                file.size = Some(bytes.len());
                good = whole && bytes == expected;
                if bytes.is_empty() && !expected.is_empty() {
                    let by_old_kmod = output == Output::BuiltinAliasIndex && self.old;
                    faults.push(if by_old_kmod { FileFault::EmptyByOldKmod } else { FileFault::Empty });
                } else if !(good || bytes.is_empty() && expected.is_empty()) {
                    match content::read(output, bytes, &mut self.scratch, &mut faults) {
                        Some(read) => {
                            file.layout = read.layout;
                            file.entries = Some(read.len());
                            content = read;
                        }
                        None => {
                            self.broken.insert(output);
                        }
                    }
                }
            }
        }
        if !good && whole {
            self.compare(output, &content, expected, &mut faults, exists);
        } else if let Some(offset) = content.unended {
            faults.push(FileFault::Cut { offset });
        }
        self.verified.files.push(file);
        faults.into_iter().for_each(|fault| self.verified.push(output, fault));
        self.contents.push((output, content));
    }

    fn may_lack(&self, output: Output) -> bool {
        output == Output::Weakdep && self.old
    }

    /// Examines the content of a file that differs from the expected bytes.
    fn compare(
        &mut self,
        output: Output,
        content: &Content,
        expected: &[u8],
        faults: &mut Vec<FileFault>,
        exists: &impl Fn(&[u8]) -> bool,
    ) {
        let bytes = self.stored.get(output).unwrap_or_default();
        let mut unused = Vec::new();
        let should = match expected {
            [] => Content::default(),
            _ => content::read(output, expected, &mut self.scratch, &mut unused).unwrap_or_default(),
        };
        let damage = if self.broken.contains(&output) {
            let lacking = content::not_found(bytes, &should, output);
            let lacking: Vec<_> = lacking.into_iter().map(|entry| content::parts(output, entry)).collect();
            let lacking = lacking.iter().map(|(key, module)| (&**key, &**module));
            Damage::of(output, lacking, |key| content::gives_any(bytes, key))
        } else {
            let difference = Difference::between(content, &should);
            let told = faults.iter().any(|fault| {
                matches!(
                    fault,
                    FileFault::Missing
                        | FileFault::Unreadable(_)
                        | FileFault::Empty
                        | FileFault::EmptyByOldKmod
                )
            });
            let heading = content::wrong_comment(content, &should).filter(|_| !told);
            let cut = content.unended.filter(|_| !difference.lacks.is_empty() || heading.is_some());
            if let Some(offset) = content.unended {
                let bytes = bytes.len().saturating_sub(offset);
                faults.push(match cut {
                    Some(_) => FileFault::Cut { offset: offset.saturating_add(bytes) },
                    None => FileFault::Trailing { offset, bytes },
                });
            }
            faults.extend(heading.filter(|_| cut.is_none()).map(|offset| FileFault::BadLine { offset }));
            if matches!(output, Output::Dep | Output::DepIndex) {
                faults.extend(no_files(output, &difference.extra, exists));
            }
            let lacking: Vec<_> =
                difference.lacks.iter().map(|entry| content::parts(output, entry)).collect();
            // For a missing or cut file, only its effects are reported.
            if !told && cut.is_none() {
                faults.extend(difference.faults(output));
            }
            let left = content::keys(output, content);
            let lacking = lacking.iter().map(|(key, module)| (&**key, &**module));
            Damage::of(output, lacking, |key| left.contains(key))
        };
        self.verified.damage.extend(damage);
    }

    /// Finds pairs of files from different runs. `suspect` chooses the one to report.
    fn twins(&mut self, suspect: impl Fn(Output) -> bool) {
        for (text, index) in TWINS {
            let content = |output| self.contents.iter().find(|(other, _)| *other == output);
            let (Some((_, lines)), Some((_, entries))) = (content(text), content(index)) else { continue };
            if [text, index].iter().any(|output| self.is_unusable(*output)) {
                continue;
            }
            let suspects = [suspect(text), suspect(index)];
            // Correct files were not read.
            let agree = match suspects {
                [false, false] => continue,
                [true, true] => content::agree(text, lines, entries),
                _ => false,
            };
            let differs = |output| {
                let wrong = |fault: &FileFault| matches!(fault, FileFault::Differs { .. });
                self.verified.findings.iter().any(|finding| finding.file == output && wrong(&finding.fault))
            };
            if agree {
                continue;
            }
            match [differs(text), differs(index)] {
                [true, false] => self.verified.push(text, FileFault::Generation { neighbour: index }),
                [false, true] => self.verified.push(index, FileFault::Generation { neighbour: text }),
                [true, true] => self.verified.push(index, FileFault::Generation { neighbour: text }),
                [false, false] => {}
            }
        }
    }

    /// Whether the content of a file is useless for comparison with its neighbours.
    fn is_unusable(&self, output: Output) -> bool {
        let damaged = |fault: &FileFault| {
            !matches!(
                fault,
                FileFault::Differs { .. }
                    | FileFault::NoFile { .. }
                    | FileFault::Order
                    | FileFault::Generation { .. }
                    | FileFault::Stale { .. }
            )
        };
        self.verified.findings.iter().any(|finding| finding.file == output && damaged(&finding.fault))
    }

    fn finish(mut self) -> Verified {
        sort_by(&mut self.verified.findings, &|a, b| a.file.cmp(&b.file));
        sort_by(&mut self.verified.files, &|a, b| a.file.cmp(&b.file));
        self.verified
    }
}

/// Findings for missing module files, each once.
fn no_files(output: Output, entries: &[BString], exists: impl Fn(&[u8]) -> bool) -> Vec<FileFault> {
    let mut seen = BTreeSet::new();
    let paths = entries.iter().flat_map(|entry| content::paths(output, entry));
    paths
        .filter(|path| seen.insert(*path) && !exists(path))
        .map(|path| FileFault::NoFile { path: path.into() })
        .collect()
}

#[cfg(test)]
mod tests;
