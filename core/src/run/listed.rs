//! The result of the list stage: the input of the later stages.

use alloc::vec::Vec;
use core::fmt;

use crate::{
    diagnostic::Reporter,
    list::{ModuleList, Order},
    options::{KernelSymbols, Options},
    parse::{
        kernel::{self, BUILTIN, BUILTIN_MODINFO, KernelSymbol},
        module::Facts,
    },
    resolve::SymbolTable,
    source::IoError,
};

/// Names of the lists of the kernel build, in the module directory.
pub const SIDE_FILES: [&str; 3] = [BUILTIN, BUILTIN_MODINFO, Order::FILE_NAME];

/// The input of a run, apart from the modules' contents.
#[derive(Clone)]
#[non_exhaustive]
pub struct Listed {
    /// The modules, in order.
    pub list: ModuleList,
    /// The file of [`Options::kernel_symbols`].
    pub kernel_symbols: Option<Vec<u8>>,
    /// `modules.builtin`. Without it the run continues; the emit stage reports its absence.
    pub builtin: Result<Vec<u8>, IoError>,
    /// `modules.builtin.modinfo`, likewise.
    pub builtin_modinfo: Result<Vec<u8>, IoError>,
}

/// The modules, and the lengths of the files.
impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed")
            .field("list", &self.list)
            .field("kernel_symbols", &self.kernel_symbols.as_ref().map(Vec::len))
            .field("builtin", &self.builtin.as_ref().map(Vec::len))
            .field("builtin_modinfo", &self.builtin_modinfo.as_ref().map(Vec::len))
            .finish()
    }
}

impl Listed {
    /// The symbols of the kernel and of the modules with these facts.
    pub(crate) fn symbols<'run>(
        &'run self,
        options: &'run Options,
        facts: &'run [Option<Facts>],
    ) -> SymbolTable<'run> {
        let kernel = self.kernel_symbols.as_deref();
        let kernel = kernel.map(|bytes| parse_kernel_symbols(options, bytes, &mut ()));
        SymbolTable::new(kernel.as_deref(), facts, options.symbol_prefix)
    }
}

/// The symbols of the kernel, from the file of [`Options::kernel_symbols`].
pub(super) fn parse_kernel_symbols<'data>(
    options: &'data Options,
    bytes: &'data [u8],
    reporter: &mut dyn Reporter,
) -> Vec<KernelSymbol<'data>> {
    let prefix = options.symbol_prefix;
    let mut keep = |symbol| match symbol {
        Ok(symbol) => Some(symbol),
        Err(diagnostic) => {
            reporter.report(diagnostic);
            None
        }
    };
    match &options.kernel_symbols {
        Some(KernelSymbols::Symvers(path)) => {
            kernel::symvers(bytes, path, prefix).filter_map(&mut keep).collect()
        }
        Some(KernelSymbols::SystemMap(path)) => {
            kernel::system_map(bytes, path, prefix).filter_map(&mut keep).collect()
        }
        None => Vec::new(),
    }
}
