//! `modules.dep`: each module's path with its dependencies ([`reference::outputs`](crate::reference::outputs)
//! §3.1).
//!
//! ```text
//! kernel/sound/snd-hda.ko: kernel/sound/snd-pcm.ko kernel/sound/snd.ko
//! kernel/sound/snd.ko:
//! ```

use alloc::vec::Vec;

use crate::{
    list::{ModuleFile, ModuleList},
    resolve::{Closures, DependencyGraph, ModuleIndex, TopologicalOrder},
};

/// The lines of `modules.dep`, also the values of `modules.dep.bin`.
#[derive(Debug)]
pub(crate) struct DependencyLines<'r> {
    list: &'r ModuleList,
    closures: Closures<'r>,
    /// End of each module's line in the file, newline included.
    ends: Vec<usize>,
}

impl<'r> DependencyLines<'r> {
    pub(crate) fn new(list: &'r ModuleList, graph: &'r DependencyGraph, order: &'r TopologicalOrder) -> Self {
        Self { list, closures: Closures::new(graph, order), ends: Vec::new() }
    }

    /// The whole file.
    pub(crate) fn text(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        for (module, _) in (0..).zip(self.list.modules()) {
            self.make(module, &mut text);
            text.push(b'\n');
            self.ends.push(text.len());
        }
        text
    }

    /// A module's line in the file, without newline.
    pub(crate) fn line<'t>(&self, module: ModuleIndex, text: &'t [u8]) -> &'t [u8] {
        let at = usize::try_from(module).unwrap_or(usize::MAX);
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        let end = self.ends.get(at).copied().unwrap_or_default().saturating_sub(1);
        text.get(start..end).unwrap_or_default()
    }

    /// Makes a module's line, without newline.
    pub(crate) fn make(&mut self, module: ModuleIndex, out: &mut Vec<u8>) {
        let list = self.list;
        let path = |module: ModuleIndex| list.get(module).map(ModuleFile::printed_path).unwrap_or_default();
        out.extend_from_slice(path(module));
        out.push(b':');
        for &needed in self.closures.of(module) {
            out.push(b' ');
            out.extend_from_slice(path(needed));
        }
    }
}
