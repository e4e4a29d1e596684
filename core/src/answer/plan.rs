//! From requests to a load order.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use bstr::{BString, ByteSlice};

use super::load_order::{LoadOrder, PlannedModule, Reason, Request, Unplanned};
use super::lookup::{Found, Lookup, name_of};
use crate::index::IndexError;
use crate::name::module_name;

/// Finds the modules for all requests, in order.
///
/// # Errors
/// When an index is corrupt, or a search exceeds its steps.
pub fn plan(lookup: &Lookup<'_>, requests: &[Request]) -> Result<LoadOrder, IndexError> {
    let planner = Planner::new(
        lookup,
        #[cfg(feature = "answers")]
        Rules { soft_lines: 1, weak: true, blacklist_soft: true },
    );
    Ok(planner.run(requests)?.order)
}

/// Variants of planning.
#[cfg(feature = "answers")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Number of softdep lines of a module that are loaded; modules of further lines are carried along.
    pub(super) soft_lines: usize,
    /// Whether weak dependencies are carried along.
    pub(super) weak: bool,
    /// Whether a blacklist also applies to soft dependencies; in `modprobe` it does not.
    pub(super) blacklist_soft: bool,
}

/// A load order by these rules, and the result of each lookup of a name or alias.
///
/// # Errors
/// As [`plan`].
#[cfg(feature = "answers")]
pub(super) fn plan_by(
    lookup: &Lookup<'_>,
    requests: &[Request],
    rules: Rules,
) -> Result<(LoadOrder, BTreeMap<BString, Found>), IndexError> {
    let planner = Planner::new(lookup, rules).run(requests)?;
    Ok((planner.order, planner.answers))
}

/// The modules for a name, an alias or a glob.
pub(super) fn find(lookup: &Lookup<'_>, query: &[u8]) -> Result<Found, IndexError> {
    let is_glob = query.iter().any(|b| b"*?[".contains(b));
    if is_glob { lookup.find_glob(query) } else { lookup.find(query) }
}

struct Planner<'i, 'a> {
    lookup: &'i Lookup<'a>,
    order: LoadOrder,
    load: bool,
    /// Modules with resolved dependencies.
    probed: BTreeSet<BString>,
    /// Modules with resolved soft dependencies.
    filled: BTreeSet<BString>,
    /// Modules in the load order.
    placed: BTreeSet<BString>,
    /// Queries for modules to carry along, each with the dependent module.
    later: VecDeque<(&'a [u8], BString)>,
    /// Cache of query results, because the same aliases are queried repeatedly.
    answers: BTreeMap<BString, Found>,
    /// Remaining tasks, the next one last. An explicit list, because recursion depth would depend on the
    /// input.
    tasks: Vec<Task<'a>>,
    #[cfg(feature = "answers")]
    rules: Rules,
}

enum Task<'a> {
    /// Find the modules of a query.
    Want(&'a [u8], Reason),
    /// Add a module with its dependencies.
    Probe(BString, Reason),
    /// Add a module with its soft dependencies, after its hard dependencies.
    Fill(&'a [u8], BString, Reason),
    /// Add the module itself.
    Place(&'a [u8], BString, Reason),
}

impl<'i, 'a> Planner<'i, 'a> {
    fn new(lookup: &'i Lookup<'a>, #[cfg(feature = "answers")] rules: Rules) -> Self {
        Self {
            lookup,
            order: LoadOrder::default(),
            load: true,
            probed: BTreeSet::new(),
            filled: BTreeSet::new(),
            placed: BTreeSet::new(),
            later: VecDeque::new(),
            answers: BTreeMap::new(),
            tasks: Vec::new(),
            #[cfg(feature = "answers")]
            rules,
        }
    }

    fn run(mut self, requests: &[Request]) -> Result<Self, IndexError> {
        for request in requests {
            self.want(&request.query, Reason::Requested(request.clone()))?;
            self.work()?;
        }
        self.load = false;
        while let Some((query, of)) = self.later.pop_front() {
            self.want(query, Reason::Later(of))?;
            self.work()?;
        }
        Ok(self)
    }

    /// How many softdep lines count for loading.
    fn soft_lines(&self) -> usize {
        #[cfg(feature = "answers")]
        return self.rules.soft_lines;
        #[cfg(not(feature = "answers"))]
        1
    }

    fn work(&mut self) -> Result<(), IndexError> {
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Want(query, reason) => self.want(query, reason)?,
                Task::Probe(name, reason) => self.probe(name, reason)?,
                Task::Fill(path, name, reason) => self.fill(path, name, reason),
                Task::Place(path, name, reason) => self.place(path, name, reason)?,
            }
        }
        Ok(())
    }

    fn want(&mut self, query: &[u8], reason: Reason) -> Result<(), IndexError> {
        let found = match self.answers.get(query.as_bstr()) {
            Some(found) => found.clone(),
            None => {
                let found = find(self.lookup, query)?;
                self.answers.insert(query.into(), found.clone());
                found
            }
        };
        match found {
            Found::Modules(mut names) => {
                let by_name = |name: &BString| module_name(query).eq(name.iter().copied());
                #[cfg(feature = "answers")]
                let counts = self.rules.blacklist_soft || matches!(reason, Reason::Requested(_));
                #[cfg(not(feature = "answers"))]
                let counts = true;
                names.retain(|name| {
                    let refused = counts && self.lookup.is_blacklisted(name) && !by_name(name);
                    if refused {
                        let (reason, name) = (reason.clone(), name.clone());
                        self.order.unplanned.push(Unplanned::Blacklisted { reason, name });
                    }
                    !refused
                });
                self.tasks.extend(names.into_iter().rev().map(|name| Task::Probe(name, reason.clone())));
            }
            Found::Builtin(names) => self.order.unplanned.push(Unplanned::Builtin { reason, names }),
            Found::Nothing => self.order.unplanned.push(Unplanned::Missing { reason, query: query.into() }),
        }
        Ok(())
    }

    fn probe(&mut self, name: BString, reason: Reason) -> Result<(), IndexError> {
        if self.probed.contains(&name) {
            return Ok(());
        }
        if self.lookup.is_builtin(&name)? {
            self.order.unplanned.push(Unplanned::Builtin { reason, names: [name].into() });
            return Ok(());
        }
        let Some(line) = self.lookup.line(&name)? else {
            self.order.unplanned.push(Unplanned::Missing { reason, query: name });
            return Ok(());
        };
        self.probed.insert(name.clone());
        self.tasks.push(Task::Fill(line.path, name.clone(), reason));
        let fill = |&path: &&'a [u8]| Task::Fill(path, name_of(path), Reason::NeededBy(name.clone()));
        self.tasks.extend(line.needs.iter().rev().map(fill));
        Ok(())
    }

    fn fill(&mut self, path: &'a [u8], name: BString, reason: Reason) {
        if !self.filled.insert(name.clone()) {
            return;
        }
        let lines: Vec<_> = self.lookup.soft(&name).take(self.soft_lines()).collect();
        for line in lines.iter().rev() {
            let after = line.post.iter().rev().map(|word| Task::Want(word, Reason::After(name.clone())));
            self.tasks.extend(after);
        }
        self.tasks.push(Task::Place(path, name.clone(), reason));
        for line in lines.iter().rev() {
            let before = line.pre.iter().rev().map(|word| Task::Want(word, Reason::Before(name.clone())));
            self.tasks.extend(before);
        }
    }

    fn place(&mut self, path: &'a [u8], name: BString, reason: Reason) -> Result<(), IndexError> {
        if self.placed.contains(&name) {
            return Ok(());
        }
        // Cyclic soft dependencies must not place a module before its hard dependencies.
        for need in self.lookup.line(&name)?.map(|line| line.needs).unwrap_or_default() {
            let needed = name_of(need);
            if !self.placed.contains(&needed) {
                self.push(need, needed, Reason::NeededBy(name.clone()));
            }
        }
        self.push(path, name, reason);
        Ok(())
    }

    fn push(&mut self, path: &'a [u8], name: BString, reason: Reason) {
        let further = self.lookup.soft(&name).skip(self.soft_lines());
        let further = further.flat_map(|line| line.pre.iter().chain(&line.post)).copied();
        #[cfg(feature = "answers")]
        let weak = self.lookup.weak(&name).filter(|_| self.rules.weak);
        #[cfg(not(feature = "answers"))]
        let weak = self.lookup.weak(&name);
        self.later.extend(further.chain(weak).map(|word| (word, name.clone())));
        self.placed.insert(name.clone());
        self.order.modules.push(PlannedModule { name, path: path.into(), load: self.load, reason });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::IndexBuilder;
    use crate::limits::Limits;
    use crate::output::Output;
    use alloc::{
        format,
        string::{String, ToString},
        vec,
    };

    /// Index files from lines of `modules.dep`, `modules.alias`, and so on.
    #[derive(Default)]
    pub(crate) struct Files {
        dep: &'static str,
        alias: &'static str,
        softdep: &'static str,
        weakdep: &'static str,
        builtin: &'static str,
        builtin_alias: &'static str,
    }

    fn index(entries: impl Iterator<Item = (String, String)>) -> Vec<u8> {
        let entries: Vec<_> = entries.collect();
        let mut builder = IndexBuilder::new();
        for (priority, (key, value)) in (0..).zip(&entries) {
            builder.insert(key.clone().into_bytes(), value.as_bytes(), priority).unwrap();
        }
        builder.finish(&Limits::DEFAULT).unwrap()
    }

    fn pair(line: &str) -> (String, String) {
        let (key, value) = line.split_once(' ').unwrap();
        (key.to_string(), value.to_string())
    }

    fn request(query: &str) -> Request {
        Request::new(query, "test")
    }

    fn requested(query: &str) -> Reason {
        Reason::Requested(request(query))
    }

    impl Files {
        fn plan(&self, queries: &[&str]) -> LoadOrder {
            self.plan_without(queries, [])
        }

        fn plan_without(&self, queries: &[&str], names: impl IntoIterator<Item = BString>) -> LoadOrder {
            let name = |line: &str| {
                let path = line.split(':').next().unwrap();
                (String::from_utf8(module_name(path.as_bytes()).collect()).unwrap(), line.to_string())
            };
            let dep = index(self.dep.lines().map(name));
            let alias = index(self.alias.lines().map(pair));
            let builtin = index(self.builtin.lines().map(|name| (name.to_string(), String::new())));
            let builtin_alias = index(self.builtin_alias.lines().map(pair));
            let symbols = index([].into_iter());
            let file = |output| match output {
                Output::DepIndex => &*dep,
                Output::AliasIndex => &*alias,
                Output::SymbolsIndex => &*symbols,
                Output::BuiltinIndex if self.builtin.is_empty() => &[],
                Output::BuiltinIndex => &*builtin,
                Output::BuiltinAliasIndex => &*builtin_alias,
                Output::Softdep => self.softdep.as_bytes(),
                Output::Weakdep => self.weakdep.as_bytes(),
                other => panic!("{other:?} is not for planning"),
            };
            let lookup = Lookup::new(file).unwrap().steps(10_000).blacklist(names);
            let requests: Vec<_> = queries.iter().map(|query| request(query)).collect();
            plan(&lookup, &requests).unwrap()
        }
    }

    fn names(order: &LoadOrder) -> Vec<String> {
        let text = |module: &PlannedModule| {
            let name = module.name.to_string();
            if module.load { name } else { format!("({name})") }
        };
        order.modules.iter().map(text).collect()
    }

    #[test]
    fn hard_dependencies_come_first_without_duplicates() {
        let files = Files {
            dep: "d/a.ko: d/b-x.ko d/c.ko\nd/b-x.ko: d/c.ko\nd/c.ko:\nd/e.ko: d/c.ko",
            ..Files::default()
        };
        let order = files.plan(&["a", "e", "b-x"]);
        assert_eq!(names(&order), ["c", "b_x", "a", "e"]);
        assert_eq!(order.modules[0].reason, Reason::NeededBy("a".into()));
        assert_eq!(order.modules[1].path, b"d/b-x.ko");
        assert_eq!(order.modules[3].reason, requested("e"));
        assert_eq!(order.unplanned, []);
    }

    #[test]
    fn soft_dependencies_are_placed_before_and_after() {
        let files = Files {
            dep: "a.ko: b.ko\nb.ko:\np.ko: q.ko\nq.ko:\nr.ko:\ns.ko:\nt.ko:",
            alias: "crypto_p p\ncrypto_p r",
            softdep: "softdep a pre: crypto-p gone post: s\nsoftdep b pre: t\nsoftdep s pre: a",
            ..Files::default()
        };
        let order = files.plan(&["a"]);
        assert_eq!(names(&order), ["t", "b", "q", "p", "r", "a", "s"]);
        assert_eq!(order.modules[3].reason, Reason::Before("a".into()));
        assert_eq!(order.modules[6].reason, Reason::After("a".into()));
        assert_eq!(
            order.unplanned,
            [Unplanned::Missing { reason: Reason::Before("a".into()), query: "gone".into() }]
        );
        assert_eq!(order.missing().count(), 0);
    }

    #[test]
    fn soft_cycles_do_not_reverse_hard_dependencies() {
        let files = Files { dep: "x.ko:\ny.ko: x.ko", softdep: "softdep x pre: y", ..Files::default() };
        assert_eq!(names(&files.plan(&["x"])), ["x", "y"]);
        assert_eq!(names(&files.plan(&["y"])), ["x", "y"]);
    }

    #[test]
    fn later_soft_and_weak_dependencies_are_carried_along() {
        let files = Files {
            dep: "a.ko:\nw.ko: v.ko\nv.ko:\nx.ko:\ny.ko:\nz.ko:",
            softdep: "softdep a pre: x\nsoftdep a pre: y\nsoftdep w pre: z",
            weakdep: "weakdep a w x",
            ..Files::default()
        };
        let order = files.plan(&["a"]);
        assert_eq!(names(&order), ["x", "a", "(y)", "(v)", "(z)", "(w)"]);
        assert_eq!(order.modules[2].reason, Reason::Later("a".into()));
        assert_eq!(names(&files.plan(&["a", "y"]))[..3], ["x", "a", "y"]);
    }

    #[test]
    fn blacklists_apply_to_aliases_only() {
        let files =
            Files { dep: "a.ko: c.ko\nb.ko:\nc.ko:", alias: "pci:v1* a\npci:v1* b", ..Files::default() };
        let plan = |queries, names: &[&str]| {
            files.plan_without(queries, names.iter().map(|name| BString::from(*name)))
        };
        let order = plan(&["pci:v1"], &["a"]);
        assert_eq!(names(&order), ["b"]);
        assert_eq!(
            order.unplanned,
            [Unplanned::Blacklisted { reason: requested("pci:v1"), name: "a".into() }]
        );
        assert_eq!(names(&plan(&["pci:v1"], &["c"])), ["c", "a", "b"]);
        assert_eq!(names(&plan(&["a"], &["a"])), ["c", "a"]);
    }

    #[test]
    fn names_take_precedence_over_aliases_and_modules_over_builtins() {
        let files = Files {
            dep: "kernel/unix.ko:\nkernel/nvme.ko:\nkernel/net.ko:\nkernel/ext4.ko:",
            alias: "pci:v*sc08i02* nvme\nnvme net\nfs_ext4 ext4\npci:v1* net",
            builtin: "unix\nloop",
            builtin_alias: "fs_ext4 other\nblock_major_7_* loop",
            ..Files::default()
        };
        let found = |query| {
            let order = files.plan(&[query]);
            (names(&order), order.unplanned)
        };
        let builtin = |query: &str, name: &str| {
            vec![Unplanned::Builtin { reason: requested(query), names: vec![name.into()] }]
        };
        assert_eq!(found("nvme"), (vec!["nvme".into()], vec![]), "a name takes precedence over aliases");
        assert_eq!(found("pci:v1d2sc08i02").0, ["nvme", "net"]);
        assert_eq!(found("fs-ext4").0, ["ext4"], "a module takes precedence over a built-in module");
        assert_eq!(found("unix"), (vec![], builtin("unix", "unix")), "a built-in module needs no loading");
        assert_eq!(found("loop"), (vec![], builtin("loop", "loop")));
        assert_eq!(found("block-major-7-0"), (vec![], builtin("block-major-7-0", "loop")));
        assert_eq!(found("n*").0, ["nvme", "net"]);
        assert_eq!(found("fs-*").0, ["ext4"], "aliases match if no name does");
        assert_eq!(found("pci:v[1]*").0, ["net"]);
        for nobody in ["gone", "zz*", "a]"] {
            let (reason, query) = (requested(nobody), nobody.into());
            assert_eq!(found(nobody), (vec![], vec![Unplanned::Missing { reason, query }]));
            assert!(files.plan(&[nobody]).missing().eq([&request(nobody)]));
        }
    }
}
