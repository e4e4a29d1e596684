//! The load stage: the modules of the list, and other files in place of those that cannot be modules.

use alloc::vec::Vec;

use super::{
    defects,
    hooks::{Hooks, Load},
};
use crate::{
    diagnostic::{Diagnostic, Reporter},
    list::{ModuleFile, ModuleList},
};

/// Loads every module of the list. In place of a file that cannot be a module, the next best one of its name
/// comes into the list, with a warning: an empty file after a power cut, or one with only debugging
/// information. Of each name, at most `candidates` other files are tried.
///
/// # Errors
/// When the machine fails, a module exceeds a limit, or a module vanished after the listing.
pub(super) fn load(
    list: &mut ModuleList,
    hooks: &mut dyn Hooks,
    candidates: usize,
    reporter: &mut dyn Reporter,
) -> Result<Vec<Load>, Diagnostic> {
    let mut loads = load_list(list, hooks)?;
    let failed = |(at, load): (usize, &Load)| load.is_err().then_some(at);
    let mut unreadable: Vec<usize> = loads.iter().enumerate().filter_map(failed).collect();
    let mut instead = Vec::new();
    for _ in 0..candidates {
        let others = list.take_others(&unreadable);
        if others.is_empty() {
            break;
        }
        let (positions, files): (Vec<usize>, Vec<ModuleFile>) = others.into_iter().unzip();
        let other_list = ModuleList::of_files(files);
        let found = load_list(&other_list, hooks)?;
        for ((at, file), load) in positions.into_iter().zip(other_list.into_files()).zip(found) {
            let Some(place) = loads.get_mut(at).filter(|_| load.is_ok()) else { continue };
            if let (Some(old), Err(error)) = (list.modules().get(at), &*place) {
                let (path, other, cause) = (old.path().into(), file.path().into(), error.cause());
                reporter.report(Diagnostic::OtherFile { path, other, cause });
            }
            *place = load;
            instead.push((at, file));
        }
        unreadable.retain(|&at| loads.get(at).is_some_and(Result::is_err));
    }
    Ok(if instead.is_empty() { loads } else { list.replace(instead, loads) })
}

fn load_list(list: &ModuleList, hooks: &mut dyn Hooks) -> Result<Vec<Load>, Diagnostic> {
    let loads = hooks.load(list)?;
    defects::fault(list, &loads).map_or(Ok(loads), Err)
}
