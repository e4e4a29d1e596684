//! The meaning of a word: a module, an alias or a built-in module.

use alloc::vec::Vec;

use bstr::BString;

use super::super::{Lookup, nearest};
use super::{
    alias::{AliasMatch, ExplainedAlias, matches, patterns_of},
    near::near,
};
use crate::{index::IndexError, name::normalize_alias, parse::kernel::builtin_paths};

/// Proposals for an unknown word.
const PROPOSED: usize = 5;

/// The meaning of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// A module of this name.
    Module(BString),
    /// An alias.
    Alias(ExplainedAlias),
    /// A built-in module.
    Builtin(Builtin),
    /// Nothing.
    Unknown {
        /// Names and aliases that are close to it.
        names: Vec<BString>,
        /// Patterns that it almost matches.
        patterns: Vec<AliasMatch>,
    },
}

/// A module that is part of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// Its name.
    pub name: BString,
    /// Its line in `modules.builtin`.
    pub path: Option<BString>,
    /// Its aliases.
    pub aliases: Vec<BString>,
}

/// The meaning of a name, an alias or a modalias, in `modprobe`'s order, except that a module's own name comes before
/// aliases of `modprobe.d`. `builtin` is the content of `modules.builtin`.
///
/// # Errors
/// When an index is corrupt.
pub fn subject(lookup: &Lookup<'_>, query: &[u8], builtin: &[u8]) -> Result<Subject, IndexError> {
    let query: Vec<u8> = normalize_alias(query).map(Iterator::collect).unwrap_or_default();
    let is_builtin = lookup.is_builtin(&query)?;
    if !is_builtin && lookup.line(&query)?.is_some() {
        return Ok(Subject::Module(query.into()));
    }
    let mut alias = ExplainedAlias {
        configured: lookup.configured(&query),
        modules: matches(&lookup.aliases, &query)?,
        ..ExplainedAlias::default()
    };
    if let Some(index) = &lookup.builtin_aliases {
        alias.builtin = matches(index, &query)?;
    }
    if !query.is_empty() && !alias.is_empty() {
        let names = alias.configured.iter().chain(alias.modules.iter().map(|found| &found.module));
        let mut blacklisted: Vec<BString> =
            names.filter(|name| lookup.is_blacklisted(name)).cloned().collect();
        blacklisted.dedup();
        alias.blacklisted = blacklisted;
        return Ok(Subject::Alias(alias));
    }
    if is_builtin {
        let aliases = match &lookup.builtin_aliases {
            Some(index) => patterns_of(index, &query)?,
            None => Vec::new(),
        };
        let is_named = |path: &&[u8]| crate::name::module_name(path).eq(query.iter().copied());
        let path = builtin_paths(builtin).flatten().find(is_named);
        let path = path.map(|path| path.trim_ascii_end().into());
        return Ok(Subject::Builtin(Builtin { name: query.into(), path, aliases }));
    }
    let indexes = [Some(lookup.modules), lookup.builtins, Some(lookup.aliases)];
    let names = nearest(&query, indexes.into_iter().flatten(), PROPOSED)?;
    let patterns = near(&lookup.aliases, &query, PROPOSED)?;
    Ok(Subject::Unknown { names, patterns })
}
