//! The output directory of a run, which receives the files, large ones while others are built.

use core::cell::{OnceCell, RefCell};

use depmod_core::{Diagnostic, Output};

use crate::publish::{PATIENCE, Publication, Publisher};

/// The output directory, while files are built.
pub(super) struct Destination<'d> {
    path: &'d [u8],
    /// Empty until the directory exists.
    publisher: &'d OnceCell<Publisher>,
    /// Set by the first file.
    publication: RefCell<Option<Result<Publication<'d>, Diagnostic>>>,
    said: RefCell<Vec<Diagnostic>>,
}

impl<'d> Destination<'d> {
    pub(super) fn new(path: &'d [u8], publisher: &'d OnceCell<Publisher>) -> Self {
        Self { path, publisher, publication: RefCell::default(), said: RefCell::default() }
    }

    /// Writes a file; failures appear at the end.
    pub(super) fn write(&self, output: Output, bytes: &[u8]) {
        let mut publication = self.publication.borrow_mut();
        if let Ok(publication) = publication.get_or_insert_with(|| self.begin()) {
            publication.add(output.file_name(), bytes);
        }
    }

    fn begin(&self) -> Result<Publication<'d>, Diagnostic> {
        let publisher = match self.publisher.get() {
            Some(publisher) => publisher,
            None => {
                let created = Publisher::create(self.path, PATIENCE, &mut *self.said.borrow_mut())?;
                self.publisher.get_or_init(|| created)
            }
        };
        Ok(publisher.begin())
    }

    /// The files that were written, and the messages about that.
    pub(super) fn finish(self) -> (Result<Publication<'d>, Diagnostic>, Vec<Diagnostic>) {
        let publication = self.publication.take().unwrap_or_else(|| self.begin());
        (publication, self.said.take())
    }
}
