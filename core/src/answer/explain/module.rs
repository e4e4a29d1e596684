//! All about one module.

use alloc::vec::Vec;

use bstr::BString;

use super::super::{Lookup, lookup::name_of, soft_dependencies::SoftLine};
use super::{
    alias::patterns_of,
    dependents::{Dependent, dependents},
    links::{Links, links},
};
use crate::{
    index::IndexError,
    name::module_name,
    parse::module::{Facts, LoadError, ModinfoKey},
    run::Load,
};

/// A module, and everything around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExplainedModule {
    /// Its name.
    pub name: BString,
    /// Its file, as in `modules.dep`.
    pub path: BString,
    /// Whether the indexes have it; a file that they do not have is explained by itself.
    pub is_indexed: bool,
    /// Everything that it needs, in load order.
    pub needs: Vec<BString>,
    /// The symbols that cause it; none if the file cannot be read.
    pub links: Links,
    /// Why the file cannot be read; links and firmware are then unknown.
    pub unreadable: Option<LoadError>,
    /// Modules that it now uses symbols of, though its line in `modules.dep` lacks them: the line is out of date.
    pub unlisted: Vec<BString>,
    /// The modules that need it.
    pub needed_by: Vec<Dependent>,
    /// Names and aliases of modules to load before it, by its softdep lines and those of `modprobe.d`.
    pub soft_before: Vec<BString>,
    /// The same, to load after it.
    pub soft_after: Vec<BString>,
    /// Its weak dependencies.
    pub weak: Vec<BString>,
    /// The firmware files that it names.
    pub firmware: Vec<BString>,
    /// Its aliases.
    pub aliases: Vec<BString>,
    /// Whether a module of this name is built in, too; `modprobe` then loads nothing.
    pub is_builtin: bool,
    /// Whether `modprobe.d` says that aliases must not lead to it.
    pub is_blacklisted: bool,
    /// The command of `modprobe.d` that runs in its place.
    pub command: Option<BString>,
}

/// Reads a module by its path in `modules.dep`.
type LoadOne<'l> = dyn FnMut(&[u8]) -> Load + 'l;

/// A module of the indexes; `None` without one of this name. `load` reads its file, by its path in `modules.dep`;
/// without it, symbols and firmware remain unknown.
///
/// # Errors
/// When an index is corrupt.
pub fn explain_module(
    lookup: &Lookup<'_>,
    name: &[u8],
    load: Option<&mut LoadOne<'_>>,
) -> Result<Option<ExplainedModule>, IndexError> {
    let Some(line) = lookup.line(name)? else { return Ok(None) };
    let needs: Vec<BString> = line.needs.iter().map(|path| name_of(path)).collect();
    let mut module = ExplainedModule {
        name: name.into(),
        path: line.path.into(),
        is_indexed: true,
        needed_by: dependents(lookup, line.path)?,
        aliases: patterns_of(&lookup.aliases, name)?,
        is_builtin: lookup.is_builtin(name)?,
        is_blacklisted: lookup.is_blacklisted(name),
        command: lookup.install_command(name).cloned(),
        weak: lookup.weak(name).map(BString::from).collect(),
        ..ExplainedModule::default()
    };
    lookup.soft(name).for_each(|line| module.add_soft(line));
    match load.map(|load| load(line.path)) {
        None => {}
        Some(Err(error)) => module.unreadable = Some(error),
        Some(Ok(facts)) => {
            module.links = links(lookup, name, &facts)?;
            let owners = module.links.modules.iter().map(|link| &link.module);
            module.unlisted = owners.filter(|owner| !needs.contains(owner)).cloned().collect();
            module.firmware = values(&facts, ModinfoKey::Firmware);
        }
    }
    module.needs = needs;
    Ok(Some(module))
}

/// A file that the indexes do not have, with the modules that they have.
///
/// # Errors
/// When an index is corrupt.
pub fn explain_file(lookup: &Lookup<'_>, path: &[u8], facts: &Facts) -> Result<ExplainedModule, IndexError> {
    let name = BString::from(module_name(path).collect::<Vec<u8>>());
    let links = links(lookup, &name, facts)?;
    let mut module = ExplainedModule {
        path: path.into(),
        firmware: values(facts, ModinfoKey::Firmware),
        aliases: values(facts, ModinfoKey::Alias),
        is_blacklisted: lookup.is_blacklisted(&name),
        command: lookup.install_command(&name).cloned(),
        ..ExplainedModule::default()
    };
    for link in &links.modules {
        let line = lookup.line(&link.module)?;
        let paths = line.map(|line| line.needs).unwrap_or_default();
        for need in paths.into_iter().map(name_of).chain([link.module.clone()]) {
            if need != name && !module.needs.contains(&need) {
                module.needs.push(need);
            }
        }
    }
    let words = |line| <[u8]>::split(line, u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    for line in facts.values(ModinfoKey::Softdep) {
        module.add_soft(&SoftLine::of(words(line)));
    }
    module.weak = facts.values(ModinfoKey::Weakdep).flat_map(words).map(BString::from).collect();
    (module.name, module.links) = (name, links);
    Ok(module)
}

fn values(facts: &Facts, key: ModinfoKey) -> Vec<BString> {
    facts.values(key).map(BString::from).collect()
}

impl ExplainedModule {
    fn add_soft(&mut self, line: &SoftLine<'_>) {
        let sides = [(&mut self.soft_before, &line.pre), (&mut self.soft_after, &line.post)];
        for (names, words) in sides {
            for word in words {
                if !names.iter().any(|name| name == word) {
                    names.push(BString::from(*word));
                }
            }
        }
    }
}
