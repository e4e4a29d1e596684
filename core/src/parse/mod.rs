//! Files in, facts out: what depmod reads of modules and of the files that the kernel build leaves beside them.
//!
//! | Room | Reads |
//! |---|---|
//! | [`elf`] | headers, sections and symbols of an ELF file |
//! | [`module`] | a module file: its [`Facts`](module::Facts) |
//! | [`kernel`] | what the kernel image itself provides: `System.map`, `Module.symvers`, `modules.builtin*` |

pub mod elf;
pub mod kernel;
pub mod module;
