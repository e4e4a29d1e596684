//! What `depmod explain` answers, before it is text or JSON.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use bstr::BString;
use depmod_core::parts::answer::{
    Builtin, ChainLink, ExplainedAlias, ExplainedModule, ExplainedSymbol, FilesOfName, FirmwareFile,
    FoundExports, Subject,
};

use depmod_core::Source;

use super::Failure;
use crate::command::nearest::instead;
use crate::source::DiskSource;

/// An answer.
pub(super) enum Answer {
    Module(Box<Module>),
    Chain {
        /// The first module of the question.
        from: BString,
        to: BString,
        /// `None` if neither needs the other.
        links: Option<Vec<ChainLink>>,
        /// Those of the two that are built in; there is then no chain.
        builtin: Vec<BString>,
    },
    Alias(ExplainedAlias),
    Builtin(Builtin),
    Symbol {
        symbol: ExplainedSymbol,
        kernel: FoundExports,
        /// Modules that cannot be read.
        unreadable: Vec<BString>,
    },
    Unknown(Subject),
}

/// A module with facts of the file system.
pub(super) struct Module {
    pub(super) module: ExplainedModule,
    /// Bytes of its file; `None` if there is none.
    pub(super) size: Option<u64>,
    pub(super) files: FilesOfName,
    /// Whether modules were looked at, and not index files alone.
    pub(super) is_read: bool,
    /// Each firmware that it names.
    pub(super) firmware: Vec<(BString, Vec<FirmwareFile>)>,
    /// The file is not indexed, although the next run would take it.
    pub(super) is_next: bool,
}

/// A failure with similar words.
pub(super) fn unknown(query: &[u8], names: &[BString]) -> Failure {
    let word = OsString::from_vec(query.to_vec());
    let word = word.display();
    if DiskSource.stat(query).is_ok_and(|stat| stat.kind == depmod_core::FileKind::File)
        && query.contains(&b'/')
    {
        return format!("{word} is not named as a module: *.ko, *.ko.gz, *.ko.xz or *.ko.zst").into();
    }
    if names.is_empty() && query.iter().any(|byte| b"*?[".contains(byte)) {
        return format!("no module or alias named {word}; what a glob matches: depmod plan '{word}'").into();
    }
    format!("no module or alias named {word}{}", instead(query, names)).into()
}

impl Module {
    /// The module's defects: a kind, the file, and a sentence.
    pub(super) fn findings(&self) -> Vec<(&'static str, BString, String)> {
        let Self { module, size, files, is_next, .. } = self;
        let mut findings = Vec::new();
        let mut find = |kind, file: &BString, message| findings.push((kind, file.clone(), message));
        let path = &module.path;
        if let Some(error) = &module.unreadable {
            let kind = if size.is_none() { "no-file" } else { "unreadable" };
            let cause = error.cause();
            find(kind, path, format!("{} cannot be read: {cause}", path.escape_ascii()));
        }
        if !module.unlisted.is_empty() {
            let names = bstr::join(", ", &module.unlisted);
            let names = names.escape_ascii();
            find("out-of-date", path, format!("it uses symbols of {names}, which modules.dep does not say"));
        }
        if *is_next {
            let message = "the index files are out of date: they lack this file, which counts now";
            find("out-of-date", path, message.into());
        }
        if let Some(winner) = files.winner.as_ref().filter(|winner| module.is_indexed && winner.path != *path)
        {
            let message =
                format!("the index files are out of date: {} counts now", winner.path.escape_ascii());
            find("out-of-date", &winner.path, message);
        }
        findings
    }
}
