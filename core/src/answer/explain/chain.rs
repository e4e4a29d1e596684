//! The shortest way from a module to one that it needs.

use alloc::{collections::VecDeque, vec::Vec};
use core::fmt;

use bstr::BString;

use super::super::Lookup;
use super::links::{Link, links};
use crate::{index::IndexError, parse::module::LoadError, run::Load};

/// One step: a module, and another one whose symbols it uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainLink {
    /// The module.
    pub from: BString,
    /// The module that it uses.
    pub to: BString,
    /// The symbols.
    pub symbols: Vec<BString>,
}

/// The reason for an unknown chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainError {
    /// An index is corrupt.
    Index(IndexError),
    /// A module along the way cannot be read.
    Load {
        /// Its path, as in `modules.dep`.
        path: BString,
        /// The cause.
        cause: LoadError,
    },
    /// `modules.dep` says that one module needs another one, but the modules now do not.
    OutOfDate {
        /// The one.
        from: BString,
        /// The other.
        to: BString,
    },
}

impl From<IndexError> for ChainError {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(_) => f.write_str("cannot use the index files"),
            Self::Load { path, .. } => write!(f, "cannot read {}", path.escape_ascii()),
            Self::OutOfDate { from, to } => write!(
                f,
                "the index files are out of date: {} needs {} there, but its symbols lead elsewhere",
                from.escape_ascii(),
                to.escape_ascii()
            ),
        }
    }
}

impl core::error::Error for ChainError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Index(error) => Some(error),
            Self::Load { cause, .. } => Some(cause),
            Self::OutOfDate { .. } => None,
        }
    }
}

/// The shortest chain of links from one module to another; `None` if the first does not need the second. Of several,
/// the one whose symbols come first. `load` reads a module by its path in `modules.dep`; only modules that need `to`
/// are read.
///
/// # Errors
/// See [`ChainError`].
pub fn chain(
    lookup: &Lookup<'_>,
    from: &[u8],
    to: &[u8],
    load: &mut dyn FnMut(&[u8]) -> Load,
) -> Result<Option<Vec<ChainLink>>, ChainError> {
    let (Some(first), Some(last)) = (lookup.line(from)?, lookup.line(to)?) else { return Ok(None) };
    if !first.needs.contains(&last.path) {
        return Ok(None);
    }
    // Each module with the link that led to it first.
    let mut reached: Vec<(BString, Link)> = Vec::new();
    let mut pending = VecDeque::from([BString::from(from)]);
    while let Some(module) = pending.pop_front() {
        let Some(line) = lookup.line(&module)? else { continue };
        let facts = load(line.path).map_err(|cause| ChainError::Load { path: line.path.into(), cause })?;
        for link in links(lookup, &module, &facts)?.modules {
            let next = link.module.clone();
            if next == from || reached.iter().any(|(_, link)| link.module == next) {
                continue;
            }
            let is_last = next == to;
            if is_last || lookup.line(&next)?.is_some_and(|line| line.needs.contains(&last.path)) {
                reached.push((module.clone(), link));
                pending.push_back(next);
            }
            if is_last {
                return Ok(Some(back(reached, to)));
            }
        }
    }
    Err(ChainError::OutOfDate { from: from.into(), to: to.into() })
}

/// The links that led to a module, in order.
fn back(reached: Vec<(BString, Link)>, to: &[u8]) -> Vec<ChainLink> {
    let mut links = Vec::new();
    let mut at = BString::from(to);
    // A module is reached after the one that led to it.
    for (from, Link { module, symbols }) in reached.into_iter().rev() {
        if module == at {
            at.clone_from(&from);
            links.push(ChainLink { from, to: module, symbols });
        }
    }
    links.reverse();
    links
}
