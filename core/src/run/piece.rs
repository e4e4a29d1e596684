//! Pieces of the emit stage's work, which hooks pass on unseen.

use alloc::vec::Vec;

use crate::{
    diagnostic::{Diagnostic, Stopped},
    output::Output,
};

/// One piece of the emit stage's work.
#[derive(Debug)]
pub struct Piece(pub(super) Option<Emitted>);

/// An index file or the reason for its absence, and the messages of its generation.
pub(super) type Emitted = (Output, Result<Vec<u8>, Stopped>, Vec<Diagnostic>);
