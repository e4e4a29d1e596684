//! Settings of a run: the validated command line, with all defaults.
//!
//! A module directory's path is base directory, module directory and version, joined by slashes and
//! otherwise as typed ([`reference::modules`](depmod_core::reference::modules) §1):
//!
//! | Typed | Directory |
//! |---|---|
//! | `6.1.0` | `/lib/modules/6.1.0` |
//! | `-b /mnt/ 6.1.0` | `/mnt//lib/modules/6.1.0` |
//! | `-b . 6.1.0` in `/root` | `/root/./lib/modules/6.1.0` |
//! | `-m /usr/lib/modules 6.1.0` | `/usr/lib/modules/6.1.0` |

use core::num::NonZeroUsize;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use depmod_core::parts::list::{SYSTEM_DIRECTORIES, config::Config};
use depmod_core::parts::name::PATH_MAX;
use depmod_core::{Diagnostic, IoError, KernelSymbols, Options, Selection, Unresolved};

use super::args::{Args, Color, Place};
#[cfg(feature = "answers")]
use super::checks::Strict;
use super::paths::{MODULE_DIRECTORY, after_slashes, is_version};
use crate::cache;

/// The environment of a run.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    /// The current directory; `None` if it was deleted.
    pub(super) current_dir: Option<Vec<u8>>,
    /// The running kernel's release.
    pub(super) release: Result<Vec<u8>, IoError>,
    /// An image is built that must not depend on this machine's time: `SOURCE_DATE_EPOCH` is set.
    pub(super) is_reproducible: bool,
}

impl Environment {
    /// Reads the environment from the system.
    #[must_use]
    pub(super) fn current() -> Self {
        Self {
            current_dir: std::env::current_dir().ok().map(|dir| dir.into_os_string().into_vec()),
            release: Ok(rustix::system::uname().release().to_bytes().to_vec()),
            is_reproducible: std::env::var_os("SOURCE_DATE_EPOCH").is_some(),
        }
    }

    /// `None` if the path is relative, and the current directory was deleted.
    fn absolute(&self, path: &[u8]) -> Option<Vec<u8>> {
        match &self.current_dir {
            _ if path.starts_with(b"/") => Some(path.to_vec()),
            Some(dir) => Some([dir, path].join(&b'/')),
            None => None,
        }
    }
}

/// The modules of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// All modules below the module directory.
    All,
    /// All modules if one of them is newer than `modules.dep` (`-A`), else none.
    Quick,
    /// The named files.
    Files,
}

/// A module directory, and the directory of its index files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Kernel version, as typed or as reported by the kernel.
    pub(super) version: Vec<u8>,
    /// Whether the version was typed.
    pub(super) version_given: bool,
    /// The parent of the module directory: `dirname` without its last component.
    pub(super) module_root: Vec<u8>,
    /// The base directory, absolute; empty for the root.
    #[cfg(feature = "answers")]
    pub(super) base: Vec<u8>,
    /// The module directory, absolute: kmod's *dirname*.
    pub(super) dirname: Vec<u8>,
    /// The module directories over it, the uppermost last.
    pub(super) layers: Vec<Vec<u8>>,
    /// The output directory, absolute: kmod's *outdirname*.
    pub(super) outdirname: Vec<u8>,
    /// Configuration files and directories, highest priority first.
    pub(super) config: Vec<Vec<u8>>,
}

/// Settings of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Settings {
    /// The module directory and the output directory.
    pub(super) target: Target,
    /// The modules.
    pub(super) mode: Mode,
    /// The operands after the version, as typed; the core validates them.
    pub(super) files: Vec<Vec<u8>>,
    /// `-E`
    pub(super) symvers: Option<Vec<u8>>,
    /// `-F`
    pub(super) filesyms: Option<Vec<u8>>,
    /// `-e`
    pub(super) errsyms: bool,
    /// `-u`
    pub(super) unresolved_error: bool,
    /// `-P`
    pub(super) symbol_prefix: Option<u8>,
    /// `-w`
    pub(super) warn: bool,
    /// `-n`
    pub(super) show: bool,
    /// `-v`, counted.
    pub(super) verbosity: u8,
    /// `-q`
    pub(super) quiet: bool,
    /// `-s`
    pub(super) syslog: bool,
    /// `--root-owned-only`, unless `-r`
    pub(super) root_owned_only: bool,
    /// `--color`
    pub(super) color: Color,
    /// `--progress`
    pub(super) progress: bool,
    /// Number of threads that read modules.
    pub(super) jobs: NonZeroUsize,
    /// The directory of the cache, if one is used.
    pub(super) cache: Option<Vec<u8>>,
    /// `--all-kernels`: this run is one of several.
    pub(super) is_one_of_many: bool,
    /// `--keep-going`
    #[cfg(feature = "answers")]
    pub(super) keep_going: bool,
    /// `--strict` and its options.
    #[cfg(feature = "answers")]
    pub(super) strict: Option<Strict>,
}

impl Settings {
    /// Validates a command line.
    ///
    /// # Errors
    /// With kmod's message, in kmod's order of checks; the exit status is then 1.
    pub(super) fn new(args: Args, environment: &Environment) -> Result<Self, Diagnostic> {
        let is_default = args.place.basedir.is_none() && args.outdir.is_none();
        let mut operands = args.operands.into_iter();
        #[cfg(feature = "answers")]
        let (kernel, is_one_of_many) = (args.kernel, args.all_kernels);
        #[cfg(not(feature = "answers"))]
        let (kernel, is_one_of_many) = (None, false);
        let version = kernel.or_else(|| operands.next());
        let layers = LayerArgs::new(args.layer, &args.place);
        let mut target = Target::new(args.place, args.outdir, version, environment)?;
        if !layers.layers.is_empty() {
            target.add_layers(&layers, environment)?;
        }
        let files: Vec<Vec<u8>> = operands.map(OsString::into_vec).collect();
        #[cfg(feature = "answers")]
        let strict = args.strict.map(|checks| Strict {
            checks,
            no_write: args.no_write,
            format: args.format.unwrap_or_default(),
            long: args.long,
        });
        let mode = match () {
            () if args.quick => Mode::Quick,
            () if args.all || files.is_empty() => Mode::All,
            () => Mode::Files,
        };
        // Module directories of other systems have no default cache.
        let is_system_directory = is_default
            && [MODULE_DIRECTORY]
                .iter()
                .chain(&SYSTEM_DIRECTORIES)
                .any(|root| root.as_bytes() == target.module_root)
            && !target.version.contains(&b'/');
        let cache = match args.cache {
            // A few files are read fast without a cache, and must not displace the other modules in it.
            _ if args.no_cache || mode == Mode::Files => None,
            // The cache has times and inodes of this machine.
            None if !is_system_directory || args.show || environment.is_reproducible => None,
            None | Some(None) => Some(cache::DIRECTORY.into()),
            Some(Some(dir)) => Some(dir.into_vec()),
        };
        let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok());
        Ok(Self {
            target,
            mode,
            files,
            symvers: args.symvers.map(OsString::into_vec),
            filesyms: args.filesyms.map(OsString::into_vec),
            errsyms: args.errsyms,
            unresolved_error: args.unresolved_error,
            symbol_prefix: args.symbol_prefix,
            warn: args.warn,
            show: args.show,
            verbosity: args.verbose,
            quiet: args.quiet,
            syslog: args.syslog,
            root_owned_only: args.root_owned_only && !args.root,
            color: args.color,
            progress: args.progress,
            jobs: jobs.unwrap_or(NonZeroUsize::MIN),
            cache,
            is_one_of_many,
            #[cfg(feature = "answers")]
            keep_going: args.keep_going,
            #[cfg(feature = "answers")]
            strict,
        })
    }
}

impl Settings {
    /// Whether the run is made for its findings alone.
    pub(super) fn no_write(&self) -> bool {
        #[cfg(feature = "answers")]
        return self.strict.as_ref().is_some_and(|strict| strict.no_write);
        #[cfg(not(feature = "answers"))]
        false
    }

    /// The settings as options of the core.
    #[must_use]
    pub(super) fn options(&self) -> Options {
        let symvers = self.symvers.clone().map(|path| KernelSymbols::Symvers(path.into()));
        let filesyms = self.filesyms.clone().map(|path| KernelSymbols::SystemMap(path.into()));
        let unresolved = match () {
            () if self.unresolved_error => Unresolved::Fail,
            () if self.errsyms && !self.quiet => Unresolved::Warn,
            () => Unresolved::Ignore,
        };
        let selection = match self.mode {
            Mode::All | Mode::Quick => Selection::All,
            Mode::Files => Selection::Files(self.files.iter().cloned().map(Into::into).collect()),
        };
        let options = self.target.options().selection(selection).root_owned_only(self.root_owned_only);
        options
            .kernel_symbols(symvers.or(filesyms))
            .symbol_prefix(self.symbol_prefix)
            .unresolved(unresolved)
            .warn_duplicates(self.warn)
            .trace_links(self.verbosity > 0)
            .text_only(self.show)
    }
}

#[cfg(feature = "answers")]
impl Settings {
    /// Whether a file of the kernel's symbols was named.
    pub(super) fn has_named_symbols(&self) -> bool {
        self.symvers.is_some() || self.filesyms.is_some()
    }
}

impl Target {
    /// Validates the options that select the directory; the default version is the running kernel's.
    ///
    /// # Errors
    /// With kmod's message, in kmod's order of checks.
    pub(super) fn new(
        place: Place,
        outdir: Option<OsString>,
        version: Option<OsString>,
        environment: &Environment,
    ) -> Result<Self, Diagnostic> {
        let absolute = |path: &[u8]| environment.absolute(path);
        let base = match &place.basedir {
            None => Vec::new(),
            Some(dir) => absolute(dir.as_bytes())
                .ok_or_else(|| Diagnostic::ImagePath { path: dir.as_bytes().into() })?,
        };
        let out = match &outdir {
            None => base.clone(),
            Some(dir) => absolute(dir.as_bytes())
                .ok_or_else(|| Diagnostic::OutputDirectory { path: dir.as_bytes().into() })?,
        };

        let version_given = version.is_some();
        let version = match version.map(OsString::into_vec) {
            Some(word) if is_version(&word) => word,
            Some(word) => return Err(Diagnostic::BadVersion { word: word.into() }),
            None => environment.release.clone().map_err(|cause| Diagnostic::Uname { cause })?,
        };
        let module_directory = module_directory(&place);
        let module_root = [&base, module_directory].join(&b'/');
        let dirname = directory(&base, module_directory, &version)?;
        let outdirname = directory(&out, module_directory, &version)?;

        let config = if place.config.is_empty() {
            Config::PATHS.iter().map(|path| path.to_vec()).collect()
        } else {
            place.config.into_iter().map(OsString::into_vec).collect()
        };
        Ok(Self {
            version,
            version_given,
            module_root,
            #[cfg(feature = "answers")]
            base,
            dirname,
            layers: Vec::new(),
            outdirname,
            config,
        })
    }

    /// Adds the module directories below these base directories, and their configuration, which has precedence over
    /// the system's in directories of the same name. Configuration that the command line names stays alone.
    fn add_layers(&mut self, args: &LayerArgs, environment: &Environment) -> Result<(), Diagnostic> {
        let mut bases = Vec::new();
        for base in &args.layers {
            let path = base.as_bytes();
            let base =
                environment.absolute(path).ok_or_else(|| Diagnostic::ImagePath { path: path.into() })?;
            self.layers.push(directory(&base, &args.module_directory, &self.version)?);
            bases.push(base);
        }
        if args.has_default_config {
            let below = |path: &'static [u8]| {
                let layers = bases.iter().rev().map(move |base| [base, path].concat());
                layers.chain([path.to_vec()])
            };
            self.config = Config::PATHS.iter().flat_map(|path| below(path)).collect();
        }
        Ok(())
    }

    /// The options of a run over the directory with default settings.
    #[must_use]
    pub(super) fn options(&self) -> Options {
        Options::new(self.dirname.as_slice(), self.version.as_slice())
            .layers(self.layers.iter().cloned())
            .config_paths(self.config.iter().cloned())
            .limits(super::memory::limits())
    }
}

/// `--layer`, and what it needs of the other options.
struct LayerArgs {
    layers: Vec<OsString>,
    module_directory: Vec<u8>,
    has_default_config: bool,
}

impl LayerArgs {
    fn new(layers: Vec<OsString>, place: &Place) -> Self {
        let module_directory = module_directory(place).to_vec();
        Self { layers, module_directory, has_default_config: place.config.is_empty() }
    }
}

/// The module directory below a base directory, without slashes in front.
fn module_directory(place: &Place) -> &[u8] {
    match &place.moduledir {
        Some(dir) => after_slashes(dir.as_bytes()),
        None => after_slashes(MODULE_DIRECTORY.as_bytes()),
    }
}

/// The module directory of a version.
fn directory(base: &[u8], module_directory: &[u8], version: &[u8]) -> Result<Vec<u8>, Diagnostic> {
    let path = [base, module_directory, version].join(&b'/');
    if path.len() < PATH_MAX { Ok(path) } else { Err(Diagnostic::PathTooLong { path: path.into() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(words: &[&str]) -> Result<Settings, String> {
        let environment = Environment { current_dir: Some(b"/root".to_vec()), ..elsewhere() };
        settings_in(words, &environment)
    }

    fn elsewhere() -> Environment {
        Environment { current_dir: None, release: Ok(b"6.9-run".to_vec()), is_reproducible: false }
    }

    fn settings_in(words: &[&str], environment: &Environment) -> Result<Settings, String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let args = Args::parse_words(&words, false).unwrap();
        Settings::new(args, environment).map_err(|diagnostic| diagnostic.to_string())
    }

    fn dirname(words: &[&str]) -> String {
        String::from_utf8(settings(words).unwrap().target.dirname).unwrap()
    }

    #[test]
    fn directories_are_joined_as_in_kmod() {
        assert_eq!(dirname(&["5.0"]), "/lib/modules/5.0");
        assert_eq!(dirname(&["-b", ".", "5.0"]), "/root/./lib/modules/5.0");
        assert_eq!(dirname(&["-b", "./", "5.0"]), "/root/.//lib/modules/5.0");
        assert_eq!(dirname(&["-b", "/x/", "5.0"]), "/x//lib/modules/5.0");
        assert_eq!(dirname(&["-b", "", "5.0"]), "/root//lib/modules/5.0");
        assert_eq!(dirname(&["-b", ".", "-m", "", "5.0"]), "/root/.//5.0");
        assert_eq!(dirname(&["-b", ".", "-m", "//foo/", "5.0"]), "/root/./foo//5.0");
        assert_eq!(dirname(&["-m", "foo//bar/", "5.0"]), "/foo//bar//5.0");
        let at_root =
            Environment { current_dir: Some(b"/".to_vec()), release: Ok(Vec::new()), ..elsewhere() };
        assert_eq!(
            settings_in(&["-b", "t", "5.0"], &at_root).unwrap().target.dirname,
            b"//t/lib/modules/5.0"
        );
    }

    #[test]
    fn output_defaults_to_the_module_directory() {
        assert_eq!(settings(&["-b", "/x", "5.0"]).unwrap().target.outdirname, b"/x/lib/modules/5.0");
        let settings = settings(&["-b", "/x", "-o", "y", "-m", "m", "5.0"]).unwrap();
        assert_eq!(settings.target.outdirname, b"/root/y/m/5.0");
        assert_eq!(settings.target.dirname, b"/x/m/5.0");
        assert_eq!(settings.target.module_root, b"/x/m");
    }

    #[test]
    fn versions_begin_with_two_numbers() {
        for word in ["5.0", "5.1x", "5.0.1/", " 5.0", "+5.0", "5. 1", "5.+1", "-5.1", "5.0/../../etc"] {
            assert!(is_version(word.as_bytes()), "{word}");
        }
        for word in ["", "5", "5.", "5.x", "x5.0", ".5", "5 .0", "/lib/x.ko", "--5.0", "+ 5.0"] {
            assert!(!is_version(word.as_bytes()), "{word}");
        }
        assert_eq!(settings(&["/lib/x.ko"]).unwrap_err(), "Bad version passed /lib/x.ko");
    }

    #[test]
    fn the_running_kernel_is_the_default() {
        let running = settings(&["-n"]).unwrap();
        assert_eq!((&*running.target.version, running.target.version_given), (&b"6.9-run"[..], false));
        assert!(settings(&["6.9-run"]).unwrap().target.version_given);
        let nowhere = Environment { release: Err(IoError::other("Bad address")), ..elsewhere() };
        assert_eq!(settings_in(&[], &nowhere).unwrap_err(), "uname() failed: Bad address");
        assert_eq!(settings_in(&["-b", "x"], &nowhere).unwrap_err(), "invalid image path x");
        assert_eq!(settings_in(&["-o", "x"], &nowhere).unwrap_err(), "invalid output directory x");
    }

    #[test]
    fn overlong_paths_are_errors() {
        let base = format!("/{}", "a".repeat(4096 - 1 - "/lib/modules/5.0".len() - 1));
        assert_eq!(settings(&["-b", &base, "5.0"]).unwrap().target.dirname.len(), 4095);
        let long = settings(&["-b", &format!("{base}a"), "5.0"]).unwrap_err();
        assert_eq!(long, format!("Bad directory {base}a/lib/modules/5.0: path too long"));
        assert!(settings(&["-o", &format!("{base}a"), "5.0"]).is_err());
    }

    #[test]
    fn files_limit_the_run_unless_all_is_given() {
        assert_eq!(settings(&["5.0"]).unwrap().mode, Mode::All);
        assert_eq!(settings(&["5.0", "/f"]).unwrap().mode, Mode::Files);
        assert_eq!(settings(&["5.0", "/f", "-a"]).unwrap().mode, Mode::All);
        assert_eq!(settings(&["5.0", "/f", "-aA"]).unwrap().mode, Mode::Quick);
        assert_eq!(settings(&["5.0", "f"]).unwrap().files, [b"f"]);
    }

    #[test]
    fn configuration_paths_stay_as_typed() {
        assert_eq!(settings(&["5.0"]).unwrap().target.config.len(), 5);
        assert_eq!(settings(&["5.0", "-C", "x"]).unwrap().target.config, [b"x"]);
        assert_eq!(settings(&["5.0", "-C", "./x", "-C", "/y"]).unwrap().target.config, [&b"./x"[..], b"/y"]);
    }

    #[test]
    fn only_the_running_system_has_a_default_cache() {
        let cache = |words: &[&str]| {
            settings(words).unwrap().cache.map(|dir| String::from_utf8(dir).unwrap()).unwrap_or_default()
        };
        for words in
            [&["5.0"][..], &[], &["-A"], &["-m", "/usr/lib/modules", "5.0"], &["--cache", "-b", "/x"]]
        {
            assert_eq!(cache(words), "/var/cache/depmod", "{words:?}");
        }
        for words in [
            &["-b", "/x", "5.0"][..],
            &["-b", "/", "5.0"],
            &["-o", "/x", "5.0"],
            &["-m", "x", "5.0"],
            &["-n", "5.0"],
            &["5.0/../../../x"],
            &["5.0", "/f"],
            &["5.0", "/f", "--cache"],
            &["5.0", "--no-cache"],
        ] {
            assert_eq!(cache(words), "", "{words:?}");
        }
        assert_eq!(cache(&["-n", "--cache=/x", "5.0"]), "/x");
        let image = Environment { is_reproducible: true, ..elsewhere() };
        assert_eq!(settings_in(&["5.0"], &image).unwrap().cache, None);
        assert!(settings_in(&["--cache", "5.0"], &image).unwrap().cache.is_some());
    }

    #[test]
    fn ownership_is_checked_only_on_request() {
        assert!(!settings(&["5.0"]).unwrap().root_owned_only);
        assert!(settings(&["5.0", "--root-owned-only"]).unwrap().root_owned_only);
        assert!(!settings(&["5.0", "--root-owned-only", "-r"]).unwrap().root_owned_only);
    }
}
