//! Harness shared by the test binaries.
