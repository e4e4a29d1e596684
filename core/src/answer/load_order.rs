//! Requests and load orders.

use alloc::{string::String, vec::Vec};
use core::fmt;

use bstr::BString;

/// A request for modules.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// A module name, an alias or modalias, or a glob (with `*`, `?` or `[`).
    pub query: BString,
    /// Origin of the request, for reports: `PCI 0000:00:02.0`, `x-depmod-preload`. May be empty.
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
        let query = Printable(&self.query);
        if self.origin.is_empty() { query.fmt(f) } else { write!(f, "{query} ({})", self.origin) }
    }
}

/// Modules in order, and the requests and dependencies without a module to add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOrder {
    /// Modules to load, in load order, then modules carried along.
    pub modules: Vec<PlannedModule>,
    /// Requests and dependencies without a module to add, in order.
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
    /// Whether to load it; otherwise it is carried along for later requests of the kernel.
    pub load: bool,
    /// The first reason for including it.
    pub reason: Reason,
}

/// The reason for including a module. `Display` is a sentence: `virtio_pci needs it`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// This request matches it.
    Requested(Request),
    /// It provides symbols to this module.
    NeededBy(BString),
    /// Soft dependency, to be loaded before this module.
    Before(BString),
    /// Soft dependency, to be loaded after this module.
    After(BString),
    /// This module may request it later: a weak dependency, or one of a further softdep line.
    Later(BString),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested(request) => write!(f, "requested as {request}"),
            Self::NeededBy(of) => write!(f, "{} needs it", Printable(of)),
            Self::Before(of) => write!(f, "{} wants it before (softdep)", Printable(of)),
            Self::After(of) => write!(f, "{} wants it after (softdep)", Printable(of)),
            Self::Later(of) => write!(f, "{} may ask for it", Printable(of)),
        }
    }
}

/// A request or dependency without a module to add.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unplanned {
    /// Built into the kernel.
    Builtin {
        /// The reason for the request.
        reason: Reason,
        /// The built-in modules.
        names: Vec<BString>,
    },
    /// A matching module is blacklisted by the kernel's options.
    Blacklisted {
        /// The reason for the request.
        reason: Reason,
        /// The module.
        name: BString,
    },
    /// No module matches.
    Missing {
        /// The reason for the request.
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

/// Bytes of input with control characters replaced, so that a line stays one line.
pub(super) struct Printable<'t>(pub(super) &'t [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;

        let text = String::from_utf8_lossy(self.0);
        text.chars().try_for_each(|c| f.write_char(if c.is_control() { '?' } else { c }))
    }
}
