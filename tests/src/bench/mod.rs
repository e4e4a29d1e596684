//! Measuring: the parts of the comparison with kmod and of the instruction count.
//!
//! [`corpus`] has the module directories of real kernels in each compression, [`generated`] makes others;
//! [`twins`] are two copies of one module directory, for kmod and for us, whose outputs are compared after
//! every run; [`measure`] runs a program once, [`limit`] the program that only reads or only decodes;
//! [`callgrind`] counts instructions. The rows of the comparison are in `tests/xtask/bench/`.

pub mod callgrind;
pub mod corpus;
pub mod generated;
pub mod limit;
pub mod measure;
pub mod twins;
