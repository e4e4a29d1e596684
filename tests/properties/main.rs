//! What must hold for every input, on generated, cut and damaged ones.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, reason = "tests run where std is")]

// Fuzz targets replayed: their seeds, known crashers, and damage to both.
mod hostile_input;

// Threads, hosts and codecs change no byte.
mod same_bytes;
