//! The cache of the Linux command: every run gives the same result with and without it.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, reason = "tests run where std is")]

// Random sequences of edits to all inputs of a run.
mod edits;

// Unusable caches, and several runs with one cache.
mod hostile;

// One module directory, indexed repeatedly with and without the cache.
mod world;
