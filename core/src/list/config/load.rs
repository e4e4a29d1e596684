//! Reading the configuration from its files.

#[cfg(feature = "answers")]
use alloc::vec::Vec;

#[cfg(feature = "answers")]
use bstr::BString;

use super::{super::walk::WalkError, configuration::Config, files, parse::Parser};
use crate::{diagnostic::Reporter, limits::Limits, source::Source};

impl Config {
    /// Reads the configuration for kernel `version` from `paths`, directories or files. Unreadable files and
    /// invalid lines are reported, in kmod's order, and skipped. Directory entries are read in byte order.
    ///
    /// # Errors
    /// When a path cannot be read because of a machine fault: the configuration is then unknown.
    pub fn load<S: Source>(
        source: &S,
        paths: &[impl AsRef<[u8]>],
        version: &[u8],
        limits: &Limits,
        reporter: &mut dyn Reporter,
    ) -> Result<Self, WalkError> {
        let files = files::list(source, paths, reporter)?;
        let mut parser = Parser::new(version, limits, reporter);
        for file in files {
            parser.read(source, &file)?;
        }
        Ok(parser.finish())
    }

    /// The files that [`Config::load`] reads, in their order.
    #[cfg(feature = "answers")]
    pub fn files<S: Source>(source: &S, paths: &[impl AsRef<[u8]>]) -> Vec<BString> {
        let files = files::list(source, paths, &mut ());
        files.into_iter().flatten().filter(|file| !file.is_empty).map(|file| file.path.into()).collect()
    }
}
