//! Topological order of modules and their dependencies
//! ([`reference::resolution`](crate::reference::resolution) §4).
//!
//! Modules without users come first; each numbered module decrements the user counts of its dependencies:
//! `snd_hda`, `snd_pcm`, `snd`. The reverse is a load order, and it sorts each module's line in
//! `modules.dep`.

use alloc::vec::Vec;

use super::{DependencyGraph, ModuleIndex, graph::PerModule};

/// A number for each module, smaller than those of its dependencies.
#[derive(Clone, Debug)]
pub struct TopologicalOrder {
    number: PerModule<u32>,
}

impl TopologicalOrder {
    /// Numbers the modules in kmod's order.
    ///
    /// # Errors
    /// The modules without a number, because a cycle contains or needs them, in order.
    pub fn new(graph: &DependencyGraph) -> Result<Self, Vec<ModuleIndex>> {
        let mut left = PerModule::<u32>::new(graph);
        for &used in graph.modules().flat_map(|module| graph.dependencies(module)) {
            left.set(used, left.get(used).saturating_add(1));
        }
        let mut stack: Vec<_> = graph.modules().filter(|&module| left.get(module) == 0).collect();
        let mut number = PerModule::new(graph);
        let mut next = 0u32;
        while let Some(module) = stack.pop() {
            number.set(module, next);
            next = next.saturating_add(1);
            for &used in graph.dependencies(module) {
                let users = left.get(used).saturating_sub(1);
                left.set(used, users);
                if users == 0 {
                    stack.push(used);
                }
            }
        }
        let rest: Vec<_> = graph.modules().filter(|&module| left.get(module) > 0).collect();
        if rest.is_empty() { Ok(Self { number }) } else { Err(rest) }
    }
}

/// Finds the direct and indirect dependencies of modules.
#[derive(Clone, Debug)]
pub struct Closures<'g> {
    graph: &'g DependencyGraph,
    order: &'g TopologicalOrder,
    /// For each module, the last search that found it.
    seen_in: PerModule<u32>,
    /// Number of searches.
    searches: u32,
    found: Vec<ModuleIndex>,
}

impl<'g> Closures<'g> {
    /// Nothing is found yet.
    #[must_use]
    pub fn new(graph: &'g DependencyGraph, order: &'g TopologicalOrder) -> Self {
        Self { graph, order, seen_in: PerModule::new(graph), searches: 0, found: Vec::new() }
    }

    /// The direct and indirect dependencies of a module, in reverse load order.
    pub fn of(&mut self, module: ModuleIndex) -> &[ModuleIndex] {
        let Self { graph, order, seen_in, found, .. } = self;
        self.searches = self.searches.wrapping_add(1);
        found.clear();
        let mut next = 0usize;
        let mut current = Some(module);
        while let Some(from) = current {
            for &used in graph.dependencies(from) {
                if seen_in.get(used) != self.searches {
                    seen_in.set(used, self.searches);
                    found.push(used);
                }
            }
            current = found.get(next).copied();
            next = next.saturating_add(1);
        }
        found.sort_unstable_by_key(|&used| order.number.get(used));
        found
    }
}
