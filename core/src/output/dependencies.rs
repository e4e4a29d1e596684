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
    resolve::{DependencyGraph, ModuleIndex, TopologicalOrder},
};

/// The lines of `modules.dep`, also the values of `modules.dep.bin`.
#[derive(Clone, Debug, Default)]
pub(crate) struct DependencyLines {
    text: Vec<u8>,
    /// End of each module's line, newline included.
    ends: Vec<usize>,
}

impl DependencyLines {
    pub(crate) fn new(list: &ModuleList, graph: &DependencyGraph, order: &TopologicalOrder) -> Self {
        let path = |module: ModuleIndex| list.get(module).map(ModuleFile::printed_path).unwrap_or_default();
        let mut lines = Self::default();
        order.for_each_closure(graph, |module, needed| {
            lines.text.extend_from_slice(path(module));
            lines.text.push(b':');
            for &needed in needed {
                lines.text.push(b' ');
                lines.text.extend_from_slice(path(needed));
            }
            lines.text.push(b'\n');
            lines.ends.push(lines.text.len());
        });
        lines
    }

    /// The whole file.
    pub(crate) fn into_text(self) -> Vec<u8> {
        self.text
    }

    /// Each module's line, without newline.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0usize;
        self.ends.iter().map(move |&end| {
            let line = self.text.get(start..end.saturating_sub(1)).unwrap_or_default();
            start = end;
            line
        })
    }
}
