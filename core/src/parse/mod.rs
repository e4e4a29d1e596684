//! Files in, facts out: parsers for modules and for other files of the kernel build.
//!
//! | Room | Reads |
//! |---|---|
//! | [`elf`] | headers, sections and symbols of an ELF file |
//! | [`module`] | a module file: its [`Facts`](module::Facts) |
//! | [`kernel`] | descriptions of the kernel image: `System.map`, `Module.symvers`, `modules.builtin*` |

pub mod elf;
pub mod kernel;
pub mod module;
