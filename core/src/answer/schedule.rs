//! A load order with all reasons, in waves that can load in parallel.
//!
//! ```text
//! wave 0   scsi_common   usb_common        need nothing
//! wave 1   scsi_mod      usbcore           need modules of wave 0
//! wave 2   usb_storage                     needs scsi_mod and usbcore
//! ```
//!
//! The wave of a module is the one after the last wave of its dependencies, including soft dependencies in both
//! directions. Of cyclic soft dependencies, those count that agree with the load order.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use bstr::{BString, ByteSlice};

use super::{
    Found, LoadOrder, Lookup, Reason, Request, Unplanned,
    load_order::PlannedModule,
    lookup::name_of,
    nearest,
    plan::{Rules, plan_by},
};
use crate::{index::IndexError, name::module_name};

/// Modules to load, their waves, and the reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// Modules to load in load order, then modules that are carried along.
    pub modules: Vec<ScheduledModule>,
    /// Requests and dependencies that add no module, in order.
    pub unplanned: Vec<Unplanned>,
    /// Modules and other names with an `install` command in `modprobe.d`. Its effect is unknown, so the plan
    /// ignores it.
    pub commands: Vec<InstallCommand>,
    /// The number of waves.
    pub waves: usize,
}

/// One module of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduledModule {
    /// Its name, normalised.
    pub name: BString,
    /// As in `modules.dep`: relative to the module directory, or absolute.
    pub path: BString,
    /// Its wave, from 0; `None` if it is carried along.
    pub wave: Option<usize>,
    /// All reasons: requests, modules that need it directly, soft and weak dependencies.
    pub reasons: Vec<Reason>,
}

/// A command in place of loading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallCommand {
    /// The module.
    pub module: BString,
    /// The command.
    pub command: BString,
}

impl Schedule {
    /// As a plain load order.
    #[must_use]
    pub fn load_order(&self) -> LoadOrder {
        let module = |module: &ScheduledModule| PlannedModule {
            name: module.name.clone(),
            path: module.path.clone(),
            load: module.wave.is_some(),
            reason: module.reasons.first().cloned().unwrap_or(Reason::NeededBy(BString::default())),
        };
        LoadOrder { modules: self.modules.iter().map(module).collect(), unplanned: self.unplanned.clone() }
    }
}

/// Plans in `modprobe`'s order, but with every softdep line of a module. With `weak`, weak dependencies are
/// carried along.
///
/// # Errors
/// When an index is corrupt, or a search in it takes too long.
pub fn schedule(lookup: &Lookup<'_>, requests: &[Request], weak: bool) -> Result<Schedule, IndexError> {
    let rules = Rules { soft_lines: usize::MAX, weak, blacklist_soft: false };
    let (order, answers) = plan_by(lookup, requests, rules)?;
    let mut places = BTreeMap::new();
    places.extend(order.modules.iter().enumerate().map(|(at, module)| (module.name.clone(), at)));
    let mut scheduler = Scheduler { lookup, answers, places, reasons: Vec::new(), before: Vec::new() };
    scheduler.reasons.resize(order.modules.len(), Vec::new());
    scheduler.before.resize(order.modules.len(), Vec::new());
    scheduler.requested(requests);
    scheduler.needed(&order)?;
    scheduler.wanted(&order, weak);
    Ok(scheduler.finish(order))
}

/// Names close to a query without a result, the closest first.
///
/// # Errors
/// When an index is corrupt.
pub fn proposals(lookup: &Lookup<'_>, query: &[u8], most: usize) -> Result<Vec<BString>, IndexError> {
    nearest(query, [Some(lookup.modules), lookup.builtins, Some(lookup.aliases)].into_iter().flatten(), most)
}

struct Scheduler<'l, 'a> {
    lookup: &'l Lookup<'a>,
    answers: BTreeMap<BString, Found>,
    places: BTreeMap<BString, usize>,
    reasons: Vec<Vec<Reason>>,
    /// Predecessors of each module.
    before: Vec<Vec<usize>>,
}

impl Scheduler<'_, '_> {
    fn add(&mut self, at: usize, reason: Reason) {
        if let Some(reasons) = self.reasons.get_mut(at)
            && !reasons.contains(&reason)
        {
            reasons.push(reason);
        }
    }

    /// The planned modules for a name or alias.
    fn places_of(&self, query: &[u8]) -> Vec<usize> {
        let names = self.answers.get(query.as_bstr()).map_or(&[][..], Found::modules);
        names.iter().filter_map(|name| self.places.get(name).copied()).collect()
    }

    fn requested(&mut self, requests: &[Request]) {
        for request in requests {
            for name in self.answers.get(&request.query).map_or(&[][..], Found::modules).to_vec() {
                let refused = self.lookup.is_blacklisted(&name)
                    && !module_name(&request.query).eq(name.iter().copied());
                if let Some(&at) = self.places.get(&name).filter(|_| !refused) {
                    self.add(at, Reason::Requested(request.clone()));
                }
            }
        }
    }

    /// Hard dependencies. `modules.dep` lists all of them; indirect ones are not reasons.
    fn needed(&mut self, order: &LoadOrder) -> Result<(), IndexError> {
        let mut needs: Vec<BTreeSet<usize>> = Vec::with_capacity(order.modules.len());
        for module in &order.modules {
            let line = self.lookup.line(&module.name)?;
            let paths = line.map(|line| line.needs).unwrap_or_default();
            let mut places = BTreeSet::new();
            places.extend(paths.iter().filter_map(|path| self.places.get(&name_of(path)).copied()));
            needs.push(places);
        }
        for (at, module) in order.modules.iter().enumerate() {
            let all = needs.get(at).cloned().unwrap_or_default();
            let through = all.iter().filter(|need| **need != at).filter_map(|need| needs.get(*need));
            let mut all_through = BTreeSet::new();
            all_through.extend(through.flatten().copied());
            for need in all.difference(&all_through) {
                self.add(*need, Reason::NeededBy(module.name.clone()));
            }
            if let Some(before) = self.before.get_mut(at) {
                before.extend(all);
            }
        }
        Ok(())
    }

    /// Soft and weak dependencies.
    fn wanted(&mut self, order: &LoadOrder, weak: bool) {
        let lookup = self.lookup;
        for (at, PlannedModule { name, .. }) in order.modules.iter().enumerate() {
            for line in lookup.soft(name) {
                for other in line.pre.iter().flat_map(|word| self.places_of(word)).collect::<Vec<_>>() {
                    self.add(other, Reason::Before(name.clone()));
                    self.order(other, at);
                }
                for other in line.post.iter().flat_map(|word| self.places_of(word)).collect::<Vec<_>>() {
                    self.add(other, Reason::After(name.clone()));
                    self.order(at, other);
                }
            }
            if weak {
                for other in lookup.weak(name).flat_map(|word| self.places_of(word)).collect::<Vec<_>>() {
                    self.add(other, Reason::Later(name.clone()));
                }
            }
        }
    }

    fn order(&mut self, first: usize, then: usize) {
        if let Some(before) = self.before.get_mut(then) {
            before.push(first);
        }
    }

    fn finish(self, order: LoadOrder) -> Schedule {
        let mut waves: Vec<Option<usize>> = Vec::with_capacity(order.modules.len());
        for (module, before) in order.modules.iter().zip(&self.before) {
            // Only modules before this one have a wave.
            let last = before.iter().filter_map(|at| waves.get(*at).copied().flatten()).max();
            let wave = last.map_or(0, |last| last.saturating_add(1));
            waves.push(module.load.then_some(wave));
        }
        let mut schedule = Schedule {
            waves: waves.iter().flatten().max().map_or(0, |last| last.saturating_add(1)),
            ..Schedule::default()
        };
        for ((module, wave), mut reasons) in order.modules.into_iter().zip(waves).zip(self.reasons) {
            if reasons.is_empty() {
                reasons.push(module.reason);
            }
            schedule.modules.push(ScheduledModule { name: module.name, path: module.path, wave, reasons });
        }
        let names = schedule.modules.iter().map(|module| &module.name);
        let named = order.unplanned.iter().filter_map(|unplanned| match unplanned {
            Unplanned::Missing { query, .. } => Some(query),
            _ => None,
        });
        let commands = names.chain(named).filter_map(|name| {
            let command = self.lookup.install_command(name)?.clone();
            Some(InstallCommand { module: name.clone(), command })
        });
        schedule.commands = commands.collect();
        schedule.unplanned = order.unplanned;
        schedule
    }
}
