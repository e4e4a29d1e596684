//! Properties of every input, tested on generated, truncated and damaged inputs.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, reason = "tests run where std is")]

extern crate alloc;

// Fuzz targets replayed: their seeds, known crashers, and damage to both.
mod hostile_input;

// No circles of imports.
mod rooms;

// Threads, hosts and codecs do not affect the output.
mod same_bytes;

// The count of `unsafe` blocks in the README.
mod unsafe_code;
