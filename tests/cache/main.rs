//! The cache of the Linux command: with and without it, every run gives the same.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, reason = "tests run where std is")]

// Random sequences of edits to everything that a run looks at.
mod edits;

// A cache that cannot be used, and several runs with one.
mod hostile;

// One module directory, indexed repeatedly in two ways.
mod world;
