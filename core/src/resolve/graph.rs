//! The dependency graph ([`reference::resolution`](crate::reference::resolution) §3).

use alloc::{vec, vec::Vec};

use super::ModuleIndex;

/// Direct dependencies of all modules, each list in order of first use.
#[derive(Clone, Debug, Default)]
pub struct DependencyGraph {
    /// All lists, concatenated.
    targets: Vec<ModuleIndex>,
    /// End of each module's list.
    ends: Vec<usize>,
}

impl DependencyGraph {
    /// Adds the next module with its dependencies, without duplicates.
    pub fn push(&mut self, dependencies: impl IntoIterator<Item = ModuleIndex>) {
        self.targets.extend(dependencies);
        self.ends.push(self.targets.len());
    }

    /// Number of modules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no modules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All modules, in order.
    pub fn modules(&self) -> impl DoubleEndedIterator<Item = ModuleIndex> + use<> {
        0..ModuleIndex::try_from(self.len()).unwrap_or(ModuleIndex::MAX)
    }

    /// Direct dependencies of a module.
    #[must_use]
    pub fn dependencies(&self, module: ModuleIndex) -> &[ModuleIndex] {
        let at = usize::try_from(module).unwrap_or(usize::MAX);
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        match (start, self.ends.get(at)) {
            (Some(start), Some(&end)) => self.targets.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// One value for each module, accessed by its index.
#[derive(Clone, Debug)]
pub(super) struct PerModule<T>(Vec<T>);

impl<T: Clone + Default> PerModule<T> {
    pub(super) fn new(graph: &DependencyGraph) -> Self {
        Self(vec![T::default(); graph.len()])
    }

    pub(super) fn get(&self, module: ModuleIndex) -> T {
        let at = usize::try_from(module).unwrap_or(usize::MAX);
        self.0.get(at).cloned().unwrap_or_default()
    }

    pub(super) fn set(&mut self, module: ModuleIndex, value: T) {
        let at = usize::try_from(module).unwrap_or(usize::MAX);
        if let Some(slot) = self.0.get_mut(at) {
            *slot = value;
        }
    }
}
