//! Configuration; so far only its default, `search updates`.

use alloc::vec::Vec;

use crate::{
    host::{Reporter, Source},
    limits::Limits,
};

/// Which of two files with one module name is used.
#[derive(Debug, Default)]
pub struct Config;

impl Config {
    /// The default, whatever the paths.
    pub fn load(_: &impl Source, _: &[Vec<u8>], _: &[u8], _: &Limits, _: &mut impl Reporter) -> Self {
        Self
    }

    /// External directories, the last configured first.
    pub fn externals_last_first(&self) -> impl Iterator<Item = &[u8]> {
        core::iter::empty()
    }

    /// Whether the walk leaves out entries of this name.
    #[must_use]
    pub fn is_excluded(&self, _name: &[u8]) -> bool {
        false
    }

    /// Whether a file takes the place of one that was found before.
    #[must_use]
    pub fn prefer_new(&self, directory: &[u8], _old: &[u8], new: &[u8]) -> bool {
        new.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/updates/"))
    }
}
