//! What the library answers.

use core::ffi::CStr;
use std::ffi::CString;

use crate::failure::text;

/// Names in order, each with a detail or without.
#[derive(Default)]
pub struct List {
    entries: Vec<(CString, Option<CString>)>,
}

impl List {
    pub(crate) fn push(&mut self, name: &[u8], detail: Option<&[u8]>) {
        self.entries.push((text(name.to_vec()), detail.map(|detail| text(detail.to_vec()))));
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn name(&self, at: usize) -> Option<&CStr> {
        self.entries.get(at).map(|(name, _)| &**name)
    }

    pub(crate) fn detail(&self, at: usize) -> Option<&CStr> {
        self.entries.get(at)?.1.as_deref()
    }
}
