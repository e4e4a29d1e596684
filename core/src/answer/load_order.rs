//! What a plan asks for, and what it gives.

use alloc::{string::String, vec::Vec};
use core::fmt;

use bstr::BString;

/// Something to find modules for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// A module's name, an alias or modalias, or a glob (with `*`, `?` or `[`).
    pub query: BString,
    /// Who asks, for people: `PCI 0000:00:02.0`, `x-depmod-preload`. May be empty.
    pub origin: String,
}

impl Request {
    /// A request with its origin.
    pub fn new(query: impl Into<BString>, origin: impl Into<String>) -> Self {
        Self { query: query.into(), origin: origin.into() }
    }
}

impl<Q: Into<BString>> From<Q> for Request {
    /// A request without an origin.
    fn from(query: Q) -> Self {
        Self::new(query, "")
    }
}

/// `QUERY (ORIGIN)`.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = Harmless(&self.query);
        if self.origin.is_empty() { query.fmt(f) } else { write!(f, "{query} ({})", self.origin) }
    }
}

/// Modules in order, and the requests and dependencies that add none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOrder {
    /// Those to load in loading order, then those that are carried along.
    pub modules: Vec<PlannedModule>,
    /// Requests and dependencies that add no module, in order.
    pub unplanned: Vec<Unplanned>,
}

/// One module of a load order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedModule {
    /// Its name, normalised.
    pub name: BString,
    /// As in `modules.dep`: relative to the module directory, or absolute.
    pub path: BString,
    /// Whether to load it; otherwise it is just there when the kernel asks for it.
    pub load: bool,
    /// Why it is here: the first reason met.
    pub reason: Reason,
}

/// Why a module is in a load order. `Display` is a sentence about it: `virtio_pci needs it`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// This request asks for it.
    Requested(Request),
    /// It provides symbols to this module.
    NeededBy(BString),
    /// Soft dependency, wanted before this module.
    Before(BString),
    /// Soft dependency, wanted after this module.
    After(BString),
    /// This module may ask for it later: weak, or in a further softdep line.
    Later(BString),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested(request) => write!(f, "requested as {request}"),
            Self::NeededBy(of) => write!(f, "{} needs it", Harmless(of)),
            Self::Before(of) => write!(f, "{} wants it before (softdep)", Harmless(of)),
            Self::After(of) => write!(f, "{} wants it after (softdep)", Harmless(of)),
            Self::Later(of) => write!(f, "{} may ask for it", Harmless(of)),
        }
    }
}

/// A request or dependency that adds no module.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unplanned {
    /// The kernel has it built in.
    Builtin {
        /// Who wants it.
        reason: Reason,
        /// The built-in modules.
        names: Vec<BString>,
    },
    /// This module fits, but the kernel's options forbid it.
    Blacklisted {
        /// Who wants it.
        reason: Reason,
        /// The module.
        name: BString,
    },
    /// No module fits.
    Missing {
        /// Who wants it.
        reason: Reason,
        /// The name, alias or glob.
        query: BString,
    },
}

impl LoadOrder {
    /// The modules to load, in order.
    pub fn to_load(&self) -> impl Iterator<Item = &PlannedModule> {
        self.modules.iter().filter(|module| module.load)
    }

    /// The requests without a module, in order.
    pub fn missing(&self) -> impl Iterator<Item = &Request> {
        self.unplanned.iter().filter_map(|unplanned| match unplanned {
            Unplanned::Missing { reason: Reason::Requested(request), .. } => Some(request),
            _ => None,
        })
    }
}

/// Bytes of input, made harmless: a line stays a line.
pub(super) struct Harmless<'t>(pub(super) &'t [u8]);

impl fmt::Display for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;

        let text = String::from_utf8_lossy(self.0);
        text.chars().try_for_each(|c| f.write_char(if c.is_control() { '?' } else { c }))
    }
}
