//! The files of the walks through the module directory, the layers over it, and external directories, one after the
//! other.

use alloc::vec::Vec;

use bstr::BString;

use super::{Excluded, ModuleFile, ModuleList, Walk, WalkError, config::Config};
use crate::{
    diagnostic::{Diagnostic, Reporter, Stopped},
    options::Options,
    source::Source,
};

/// An iterator over every module file below the module directory, its layers and the configured external
/// directories, in walk order. [`Listing::finish`] turns them into the module list.
pub struct Listing<'r, S> {
    options: &'r Options,
    config: Config,
    source: &'r S,
    reporter: &'r mut dyn Reporter,
    walk: Option<Walk<'r, S>>,
    /// The number of the walked directory in [`Options::directories`].
    layer: usize,
    /// Remaining external directories, the next one last.
    externals: Vec<BString>,
    /// Modules that root does not own.
    foreign: Vec<BString>,
    /// Set when the module directory cannot be walked, or the machine failed.
    failed: Option<WalkError>,
    /// Whether the current walk is through an external directory.
    external: bool,
}

impl<'r, S: Source> Listing<'r, S> {
    /// Reads the configuration and starts the walk.
    pub fn new(options: &'r Options, source: &'r S, reporter: &'r mut dyn Reporter) -> Self {
        let Options { config_paths, version, limits, directory, .. } = options;
        let (mut walk, mut failed) = (None, None);
        let config = match Config::load(source, config_paths, version, limits, reporter) {
            Ok(config) => {
                match Walk::new(directory, source, limits) {
                    Ok(begun) => walk = Some(begun),
                    Err(error) => failed = Some(error),
                }
                config
            }
            Err(error) => {
                failed = Some(error);
                Config::default()
            }
        };
        let externals = config.externals.clone();
        let foreign = Vec::new();
        Self {
            options,
            config,
            source,
            reporter,
            walk,
            layer: 0,
            externals,
            foreign,
            failed,
            external: false,
        }
    }

    /// Starts the walk of the next directory.
    fn next_walk(&mut self) -> Option<()> {
        let directory = match self.options.layers.get(self.layer) {
            Some(directory) if !self.external => {
                self.layer = self.layer.saturating_add(1);
                directory.clone()
            }
            _ => {
                (self.external, self.layer) = (true, 0);
                self.externals.pop()?
            }
        };
        match Walk::new(&directory, self.source, &self.options.limits) {
            Ok(walk) => self.walk = Some(walk),
            Err(error) => self.complain(error),
        }
        Some(())
    }

    fn complain(&mut self, error: WalkError) {
        if self.external && !error.cause.is_fault() {
            let WalkError { path, cause } = error;
            self.reporter.report(Diagnostic::OpenDirectory { path, cause });
        } else {
            self.failed = Some(error);
        }
    }

    /// The module list. `found` are the files of the iterator, in its order.
    ///
    /// # Errors
    /// When the module directory cannot be walked, or the machine fails.
    pub fn finish(self, found: Vec<ModuleFile>) -> Result<ModuleList, Stopped> {
        let Self { options, config, source, reporter, foreign, failed, .. } = self;
        if let Some(WalkError { path, cause }) = failed {
            if cause.is_fault() {
                return Err(reporter.stop(Diagnostic::ReadFault { path, cause }));
            }
            let stopped = reporter.stop(Diagnostic::OpenDirectory { path, cause: cause.clone() });
            reporter.report(Diagnostic::SearchModules { cause });
            return Err(stopped);
        }
        foreign.into_iter().for_each(|path| reporter.report(Diagnostic::NotRootOwned { path }));
        ModuleList::of_found(found, config, options, source, reporter)
    }
}

impl<S: Source> Iterator for Listing<'_, S> {
    type Item = ModuleFile;

    fn next(&mut self) -> Option<ModuleFile> {
        if self.failed.is_some() {
            return None;
        }
        loop {
            let Some(walk) = &mut self.walk else {
                self.next_walk()?;
                if self.failed.is_some() {
                    return None;
                }
                continue;
            };
            match walk.next_file(&self.config, self.reporter) {
                Ok(Some(path)) => {
                    let stat = self.options.root_owned_only.then(|| self.source.stat(path));
                    match stat {
                        Some(Ok(stat)) if !self.options.admits_owner(stat.root_owned) => {
                            self.foreign.push(path.into());
                        }
                        Some(Err(cause)) if cause.is_fault() => {
                            self.failed = Some(WalkError { path: path.into(), cause });
                            return None;
                        }
                        _ => {
                            let file = ModuleFile::in_layer(self.options, self.layer, path);
                            if !file.has_control_character() {
                                return Some(file);
                            }
                            self.reporter.report(Diagnostic::ControlCharacter { path: file.path().into() });
                        }
                    }
                }
                Ok(None) => self.walk = None,
                Err(error) => {
                    self.walk = None;
                    self.complain(error);
                    if self.failed.is_some() {
                        return None;
                    }
                }
            }
        }
    }
}

impl Excluded for Config {
    fn is_excluded(&self, name: &[u8]) -> bool {
        Self::is_excluded(self, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits::Limits, source::MemorySource};
    use alloc::string::{String, ToString};
    use bstr::ByteSlice;

    const DIRECTORY: &str = "/lib/modules/6.1";

    fn source(files: &[(&str, &str)]) -> MemorySource {
        let mut source = MemorySource::new();
        files.iter().for_each(|(path, text)| source.insert(path.as_bytes(), text.as_bytes()));
        source
    }

    fn paths<'f>(files: impl IntoIterator<Item = &'f ModuleFile>) -> Vec<String> {
        files.into_iter().map(|file| file.path().as_bstr().to_string()).collect()
    }

    #[test]
    fn last_configured_external_directory_is_walked_first() {
        let source = source(&[
            ("/c", "external * /opt/1\nexternal * /opt/gone\nexternal * /opt/2\nexclude drafts\n"),
            ("/lib/modules/6.1/modules.order", "kernel/b.ko\nkernel/gone.ko\nkernel/a.ko\n"),
            ("/lib/modules/6.1/kernel/b.ko", ""),
            ("/lib/modules/6.1/kernel/a.ko.xz", ""),
            ("/opt/1/x.ko", ""),
            ("/opt/1/only.ko", ""),
            ("/opt/2/drafts/y.ko", ""),
            ("/opt/2/x.ko", ""),
        ]);
        let options = Options::new(DIRECTORY, "6.1").config_paths(["/c"]);
        let mut messages = Vec::new();
        let mut listing = Listing::new(&options, &source, &mut messages);
        let found: Vec<ModuleFile> = listing.by_ref().collect();
        assert_eq!(
            paths(&found),
            [
                "/lib/modules/6.1/kernel/a.ko.xz",
                "/lib/modules/6.1/kernel/b.ko",
                "/opt/2/x.ko",
                "/opt/1/only.ko",
                "/opt/1/x.ko",
            ]
        );
        assert!(listing.next().is_none(), "the iterator stays at its end");
        let list = listing.finish(found).unwrap();
        let names: Vec<_> = list.modules().iter().map(|file| file.name().as_bstr().to_string()).collect();
        assert_eq!(names, ["b", "a", "only", "x"]);
        assert_eq!(list.modules()[1].printed_path(), b"kernel/a.ko.xz");
        assert_eq!(list.modules()[2].printed_path(), b"/opt/1/only.ko");
        assert_eq!(list.get(0).map(ModuleFile::name), Some(&b"b"[..]));
        assert_eq!(list.get(4), None);
        let messages: Vec<_> = messages.iter().map(ToString::to_string).collect();
        assert_eq!(messages, ["could not open directory /opt/gone: No such file or directory"]);
    }

    #[test]
    fn upper_layers_win_by_name_and_add_their_lines_to_the_order() {
        let source = source(&[
            ("/c", "override a * kernel\n"),
            ("/lib/modules/6.1/modules.order", "kernel/c.ko\nkernel/a.ko\n"),
            ("/lib/modules/6.1/kernel/a.ko", ""),
            ("/lib/modules/6.1/kernel/c.ko", ""),
            ("/x/modules.order", "extra/z.ko\nextra/a.ko\n"),
            ("/x/extra/a.ko.xz", ""),
            ("/x/extra/z.ko", ""),
            ("/y/extra/z.ko", ""),
        ]);
        let options = Options::new(DIRECTORY, "6.1").layers(["/x", "/y"]).config_paths(["/c"]);
        let list = |options: &Options| {
            let mut messages = Vec::new();
            let mut listing = Listing::new(options, &source, &mut messages);
            let found: Vec<ModuleFile> = listing.by_ref().collect();
            let list = listing.finish(found);
            let messages: Vec<_> = messages.iter().map(ToString::to_string).collect();
            (list, messages)
        };
        let (found, messages) = list(&options);
        let found = found.unwrap();
        assert_eq!(
            paths(found.modules()),
            ["/lib/modules/6.1/kernel/c.ko", "/y/extra/z.ko", "/x/extra/a.ko.xz"]
        );
        let printed = found.modules().iter().map(|file| file.printed_path().as_bstr().to_string());
        assert_eq!(printed.collect::<Vec<_>>(), ["kernel/c.ko", "extra/z.ko", "extra/a.ko.xz"]);
        assert!(messages.is_empty());

        let (failed, messages) = list(&options.layers(["/x", "/gone"]));
        assert!(failed.is_err());
        assert_eq!(messages[0], "could not open directory /gone: No such file or directory");
    }

    #[test]
    fn failed_listings_have_no_module_list() {
        let source = source(&[("/lib/modules/6.1/a/a.ko", ""), ("/lib/modules/6.1/b/b.ko", "")]);
        let mut limits = Limits::DEFAULT;
        limits.directories = 2;
        let too_many = ("/lib/modules/6.1", limits, 1, "/lib/modules/6.1/b: Too many directories");
        let missing = ("/gone", Limits::DEFAULT, 0, "/gone: No such file or directory");
        for (directory, limits, count, text) in [too_many, missing] {
            let options = Options::new(directory, "6.1").limits(limits);
            let mut messages = Vec::new();
            let mut listing = Listing::new(&options, &source, &mut messages);
            let found: Vec<ModuleFile> = listing.by_ref().collect();
            assert_eq!((found.len(), listing.next()), (count, None));
            let stopped = listing.finish(found).unwrap_err();
            assert_eq!(stopped.to_string(), ["could not open directory ", text].concat());
            assert_eq!(messages.len(), 2);
            assert_eq!(&messages[0], stopped.diagnostic());
            assert!(matches!(messages[1], Diagnostic::SearchModules { .. }));
        }
    }
}
