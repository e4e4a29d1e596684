//! The commands that faults hit.

/// A command that makes new index files, or an archive with them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    /// The name in tables.
    pub(super) name: &'static str,
    /// Our command; otherwise kmod's.
    pub(super) ours: bool,
    /// Its arguments before `-b`.
    pub(super) args: &'static [&'static str],
    /// The operands at the end; `VERSION` and `ARCHIVE` stand for the world's.
    pub(super) operands: &'static [&'static str],
    /// The run makes the archive, and no index files.
    pub(super) archive: bool,
    /// Whether each attempt is followed by a run without faults: a cache must not remember a fault.
    pub(super) repeats: bool,
}

/// The run without options, without a cache: nothing but reading, resolving and publishing.
pub(super) const CLASSIC: Scenario = Scenario {
    name: "classic",
    ours: true,
    args: &["--no-cache", "--jobs", "1"],
    operands: &["VERSION"],
    archive: false,
    repeats: false,
};

/// The same run of kmod.
pub(super) const KMOD: Scenario = Scenario { name: "kmod 34.2", ours: false, args: &[], ..CLASSIC };

/// All scenarios; kmod's come last.
pub(super) const SCENARIOS: &[Scenario] = &[
    CLASSIC,
    Scenario { name: "classic, 2 jobs", args: &["--no-cache", "--jobs", "2"], ..CLASSIC },
    Scenario { name: "cache", args: &["--cache=CACHE", "--jobs", "1"], repeats: true, ..CLASSIC },
    Scenario { name: "cache, 2 jobs", args: &["--cache=CACHE", "--jobs", "2"], repeats: true, ..CLASSIC },
    Scenario { name: "-A", args: &["-A", "--no-cache", "--jobs", "1"], ..CLASSIC },
    Scenario { name: "verify --fix", args: &["verify", "--fix"], ..CLASSIC },
    Scenario {
        name: "pack",
        args: &["pack"],
        operands: &["-o", "ARCHIVE", "-k", "VERSION"],
        archive: true,
        ..CLASSIC
    },
    KMOD,
    Scenario { name: "kmod 34.2, -A", args: &["-A"], ..KMOD },
];
