//! The progress of a run, as those who show it receive it.

/// Receives the progress of reading modules.
pub trait Progress: Sync {
    /// Reading begins, of this number of modules.
    fn begin(&self, modules: usize);
    /// The files still to be read have this many bytes together; each step then says its own. Not called if their
    /// sizes are not known.
    fn weigh(&self, bytes: u64);
    /// One module has been read, of a file of this many bytes; 0 if that is not known.
    fn step(&self, bytes: u64);
    /// All modules have been read.
    fn end(&self);
}

/// No progress is reported.
impl Progress for () {
    fn begin(&self, _: usize) {}
    fn weigh(&self, _: u64) {}
    fn step(&self, _: u64) {}
    fn end(&self) {}
}
