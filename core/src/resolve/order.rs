//! Topological numbers, and everything a module needs sorted by them ([`reference::resolution`](crate::reference::resolution) §4).
//!
//! Every module counts its users; those without any come first, and each that comes takes its count off its
//! dependencies: `snd_hda`, `snd_pcm`, `snd`. Read backwards this is a load order, and it sorts each module's
//! line in `modules.dep`.

use alloc::vec::Vec;

use super::{DependencyGraph, ModuleIndex, graph::PerModule};

/// A number for each module; a dependant's is smaller than that of what it depends on.
#[derive(Clone, Debug)]
pub struct TopologicalOrder {
    number: PerModule<u32>,
}

impl TopologicalOrder {
    /// Numbers the modules as kmod does.
    ///
    /// # Errors
    /// The modules that got no number because they are in a cycle or needed by one, in order.
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

    /// Calls `each` with every module and all that it needs, directly or not: what is nearest to the
    /// module first, what must be loaded first last.
    pub fn for_each_closure(
        &self,
        graph: &DependencyGraph,
        mut each: impl FnMut(ModuleIndex, &[ModuleIndex]),
    ) {
        let mut seen_by = PerModule::<Option<ModuleIndex>>::new(graph);
        let mut closure: Vec<ModuleIndex> = Vec::new();
        for module in graph.modules() {
            closure.clear();
            let mut next = 0usize;
            let mut current = Some(module);
            while let Some(from) = current {
                for &used in graph.dependencies(from) {
                    if seen_by.get(used) != Some(module) {
                        seen_by.set(used, Some(module));
                        closure.push(used);
                    }
                }
                current = closure.get(next).copied();
                next = next.saturating_add(1);
            }
            closure.sort_unstable_by_key(|&used| self.number.get(used));
            each(module, &closure);
        }
    }
}
