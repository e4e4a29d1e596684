//! What a plan is made of.

use alloc::vec::Vec;

/// Modules in order, and what else is to be said about the requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// Those to load in loading order, then those that are carried along.
    pub modules: Vec<PlannedModule>,
    /// Requests and dependencies that add no module, in order.
    pub findings: Vec<Finding>,
}

/// One module of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedModule {
    /// Its name, normalised.
    pub name: Vec<u8>,
    /// As in `modules.dep`: relative to the module directory, or absolute.
    pub path: Vec<u8>,
    /// Whether to load it; otherwise it is just there when the kernel asks for it.
    pub load: bool,
    /// Why it is in the stack: the first reason met.
    pub why: Why,
}

/// A reason. The bytes are the name of the module that wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The request with this number asks for it.
    Asked(usize),
    /// It provides symbols to this module.
    Hard(Vec<u8>),
    /// Soft dependency, wanted before this module.
    Before(Vec<u8>),
    /// Soft dependency, wanted after this module.
    After(Vec<u8>),
    /// This module may ask for it later: weak, or in a further softdep line.
    Later(Vec<u8>),
}

/// Something that adds no module.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The kernel has it built in.
    Builtin {
        /// Who wants it.
        why: Why,
        /// The built-in modules.
        names: Vec<Vec<u8>>,
    },
    /// This module answers, but the kernel's options forbid it.
    Blacklisted {
        /// Who wants it.
        why: Why,
        /// The module.
        name: Vec<u8>,
    },
    /// Nobody answers to it.
    Missing {
        /// Who wants it.
        why: Why,
        /// The name, alias or glob.
        query: Vec<u8>,
    },
}

impl Stack {
    /// The modules to load, in order.
    pub fn load_order(&self) -> impl Iterator<Item = &PlannedModule> {
        self.modules.iter().filter(|module| module.load)
    }

    /// Numbers of the requests that nobody answers to, in order.
    pub fn missing_requests(&self) -> impl Iterator<Item = usize> {
        self.findings.iter().filter_map(|finding| match finding {
            Finding::Missing { why: Why::Asked(request), .. } => Some(*request),
            _ => None,
        })
    }
}
