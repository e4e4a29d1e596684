//! From requests to a stack.

use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet, VecDeque},
    string::String,
    vec::Vec,
};

use super::indexes::{Found, Indexes};
use super::stack::{Finding, PlannedModule, Stack, Why};
use crate::index::IndexError;
use crate::name::module_name;

/// Something to find modules for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// A module's name, an alias or modalias, or a glob (with `*`, `?` or `[`).
    pub query: Vec<u8>,
    /// Who asks, for the report: `PCI 0000:00:02.0`, `x-depmod-preload`.
    pub origin: String,
}

impl Request {
    /// A request with its origin.
    pub fn new(query: impl Into<Vec<u8>>, origin: impl Into<String>) -> Self {
        Self { query: query.into(), origin: origin.into() }
    }
}

/// Finds the modules for all requests, in order.
///
/// # Errors
/// When an index is corrupt, or a search in it takes too long.
pub fn resolve(indexes: &Indexes<'_>, requests: &[Request]) -> Result<Stack, IndexError> {
    let mut resolver = Resolver {
        indexes,
        stack: Stack::default(),
        load: true,
        probed: BTreeSet::new(),
        filled: BTreeSet::new(),
        placed: BTreeSet::new(),
        later: VecDeque::new(),
        answers: BTreeMap::new(),
        tasks: Vec::new(),
    };
    for (number, request) in requests.iter().enumerate() {
        resolver.want(&request.query, Why::Asked(number))?;
        resolver.work()?;
    }
    resolver.load = false;
    while let Some((query, of)) = resolver.later.pop_front() {
        resolver.want(query, Why::Later(of))?;
        resolver.work()?;
    }
    Ok(resolver.stack)
}

struct Resolver<'i, 'a> {
    indexes: &'i Indexes<'a>,
    stack: Stack,
    load: bool,
    /// Modules whose own line was followed.
    probed: BTreeSet<Vec<u8>>,
    /// Modules whose soft dependencies were followed.
    filled: BTreeSet<Vec<u8>>,
    /// Modules in the stack.
    placed: BTreeSet<Vec<u8>>,
    /// What is carried along, and for whom.
    later: VecDeque<(&'a [u8], Vec<u8>)>,
    /// The same alias is asked for again and again.
    answers: BTreeMap<Vec<u8>, Found>,
    /// What is still to do, the next at the end. Recursion would need a stack as deep as the input likes.
    tasks: Vec<Task<'a>>,
}

enum Task<'a> {
    /// Find who answers.
    Want(&'a [u8], Why),
    /// A module with all it needs.
    Probe(Vec<u8>, Why),
    /// A module with its soft dependencies; its hard ones come before it.
    Fill(&'a [u8], Vec<u8>, Why),
    /// The module itself.
    Place(&'a [u8], Vec<u8>, Why),
}

impl<'a> Resolver<'_, 'a> {
    fn work(&mut self) -> Result<(), IndexError> {
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Want(query, why) => self.want(query, why)?,
                Task::Probe(name, why) => self.probe(name, why)?,
                Task::Fill(path, name, why) => self.fill(path, name, why),
                Task::Place(path, name, why) => self.place(path, name, why)?,
            }
        }
        Ok(())
    }

    fn want(&mut self, query: &[u8], why: Why) -> Result<(), IndexError> {
        let found = match self.answers.get(query) {
            Some(found) => found.clone(),
            None => {
                let is_glob = query.iter().any(|b| b"*?[".contains(b));
                let found =
                    if is_glob { self.indexes.find_glob(query)? } else { self.indexes.find(query)? };
                self.answers.insert(query.to_vec(), found.clone());
                found
            }
        };
        match found {
            Found::Modules(mut names) => {
                let by_name = |name: &Vec<u8>| module_name(query).eq(name.iter().copied());
                names.retain(|name| {
                    let refused = self.indexes.is_blacklisted(name) && !by_name(name);
                    if refused {
                        let (why, name) = (why.clone(), name.clone());
                        self.stack.findings.push(Finding::Blacklisted { why, name });
                    }
                    !refused
                });
                self.tasks.extend(names.into_iter().rev().map(|name| Task::Probe(name, why.clone())));
            }
            Found::Builtin(names) => self.stack.findings.push(Finding::Builtin { why, names }),
            Found::Nobody => self.stack.findings.push(Finding::Missing { why, query: query.to_vec() }),
        }
        Ok(())
    }

    fn probe(&mut self, name: Vec<u8>, why: Why) -> Result<(), IndexError> {
        if self.probed.contains(&name) {
            return Ok(());
        }
        if self.indexes.is_builtin(&name)? {
            self.stack.findings.push(Finding::Builtin { why, names: [name].into() });
            return Ok(());
        }
        let Some(line) = self.indexes.line(&name)? else {
            self.stack.findings.push(Finding::Missing { why, query: name });
            return Ok(());
        };
        self.probed.insert(name.clone());
        self.tasks.push(Task::Fill(line.path, name.clone(), why));
        let fill = |&path: &&'a [u8]| Task::Fill(path, module_name(path).collect(), Why::Hard(name.clone()));
        self.tasks.extend(line.needs.iter().rev().map(fill));
        Ok(())
    }

    fn fill(&mut self, path: &'a [u8], name: Vec<u8>, why: Why) {
        if !self.filled.insert(name.clone()) {
            return;
        }
        let lines = self.indexes.soft(&name);
        if let Some(line) = lines.first() {
            let after = line.post.iter().rev().map(|word| Task::Want(word, Why::After(name.clone())));
            self.tasks.extend(after);
        }
        self.tasks.push(Task::Place(path, name.clone(), why));
        if let Some(line) = lines.first() {
            let before = line.pre.iter().rev().map(|word| Task::Want(word, Why::Before(name.clone())));
            self.tasks.extend(before);
        }
    }

    fn place(&mut self, path: &'a [u8], name: Vec<u8>, why: Why) -> Result<(), IndexError> {
        if self.placed.contains(&name) {
            return Ok(());
        }
        // Soft dependencies that go round in circles must not put a module before one it needs.
        for need in self.indexes.line(&name)?.map(|line| line.needs).unwrap_or_default() {
            let needed: Vec<u8> = module_name(need).collect();
            if !self.placed.contains(&needed) {
                self.push(need, needed, Why::Hard(name.clone()));
            }
        }
        self.push(path, name, why);
        Ok(())
    }

    fn push(&mut self, path: &'a [u8], name: Vec<u8>, why: Why) {
        let further =
            self.indexes.soft(&name).iter().skip(1).flat_map(|line| line.pre.iter().chain(&line.post));
        let words = further.chain(self.indexes.weak(&name));
        self.later.extend(words.map(|&word| (word, name.clone())));
        self.placed.insert(name.clone());
        self.stack.modules.push(PlannedModule { name, path: path.to_owned(), load: self.load, why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::IndexBuilder;
    use crate::limits::Limits;
    use crate::output::Output;
    use alloc::{format, string::ToString, vec};

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

    impl Files {
        fn plan(&self, queries: &[&str]) -> Stack {
            self.plan_without(queries, [])
        }

        fn plan_without(&self, queries: &[&str], names: impl IntoIterator<Item = Vec<u8>>) -> Stack {
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
            let indexes = Indexes::new(file, 10_000).unwrap().without(names);
            let requests: Vec<_> = queries.iter().map(|query| Request::new(*query, "test")).collect();
            resolve(&indexes, &requests).unwrap()
        }
    }

    fn order(stack: &Stack) -> Vec<String> {
        let text = |module: &PlannedModule| {
            let name = String::from_utf8(module.name.clone()).unwrap();
            if module.load { name } else { format!("({name})") }
        };
        stack.modules.iter().map(text).collect()
    }

    #[test]
    fn hard_dependencies_come_first_and_once() {
        let files = Files {
            dep: "d/a.ko: d/b-x.ko d/c.ko\nd/b-x.ko: d/c.ko\nd/c.ko:\nd/e.ko: d/c.ko",
            ..Files::default()
        };
        let stack = files.plan(&["a", "e", "b-x"]);
        assert_eq!(order(&stack), ["c", "b_x", "a", "e"]);
        assert_eq!(stack.modules[0].why, Why::Hard(b"a".to_vec()));
        assert_eq!(stack.modules[1].path, b"d/b-x.ko");
        assert_eq!(stack.modules[3].why, Why::Asked(1));
        assert_eq!(stack.findings, []);
    }

    #[test]
    fn soft_dependencies_before_and_after() {
        let files = Files {
            dep: "a.ko: b.ko\nb.ko:\np.ko: q.ko\nq.ko:\nr.ko:\ns.ko:\nt.ko:",
            alias: "crypto_p p\ncrypto_p r",
            softdep: "softdep a pre: crypto-p gone post: s\nsoftdep b pre: t\nsoftdep s pre: a",
            ..Files::default()
        };
        let stack = files.plan(&["a"]);
        assert_eq!(order(&stack), ["t", "b", "q", "p", "r", "a", "s"]);
        assert_eq!(stack.modules[3].why, Why::Before(b"a".to_vec()));
        assert_eq!(stack.modules[6].why, Why::After(b"a".to_vec()));
        assert_eq!(
            stack.findings,
            [Finding::Missing { why: Why::Before(b"a".to_vec()), query: b"gone".to_vec() }]
        );
        assert_eq!(stack.missing_requests().count(), 0);
    }

    #[test]
    fn a_soft_circle_cannot_turn_a_hard_dependency_round() {
        let files = Files { dep: "x.ko:\ny.ko: x.ko", softdep: "softdep x pre: y", ..Files::default() };
        assert_eq!(order(&files.plan(&["x"])), ["x", "y"]);
        assert_eq!(order(&files.plan(&["y"])), ["x", "y"]);
    }

    #[test]
    fn carried_along() {
        let files = Files {
            dep: "a.ko:\nw.ko: v.ko\nv.ko:\nx.ko:\ny.ko:\nz.ko:",
            softdep: "softdep a pre: x\nsoftdep a pre: y\nsoftdep w pre: z",
            weakdep: "weakdep a w x",
            ..Files::default()
        };
        let stack = files.plan(&["a"]);
        assert_eq!(order(&stack), ["x", "a", "(y)", "(v)", "(z)", "(w)"]);
        assert_eq!(stack.modules[2].why, Why::Later(b"a".to_vec()));
        assert_eq!(order(&files.plan(&["a", "y"]))[..3], ["x", "a", "y"]);
    }

    #[test]
    fn a_blacklist_stands_against_aliases_alone() {
        let files =
            Files { dep: "a.ko: c.ko\nb.ko:\nc.ko:", alias: "pci:v1* a\npci:v1* b", ..Files::default() };
        let plan = |queries, names: &[&str]| {
            files.plan_without(queries, names.iter().map(|name| name.as_bytes().to_vec()))
        };
        let stack = plan(&["pci:v1"], &["a"]);
        assert_eq!(order(&stack), ["b"]);
        assert_eq!(stack.findings, [Finding::Blacklisted { why: Why::Asked(0), name: b"a".to_vec() }]);
        assert_eq!(order(&plan(&["pci:v1"], &["c"])), ["c", "a", "b"]);
        assert_eq!(order(&plan(&["a"], &["a"])), ["c", "a"]);
    }

    #[test]
    fn who_answers() {
        let files = Files {
            dep: "kernel/unix.ko:\nkernel/nvme.ko:\nkernel/net.ko:\nkernel/ext4.ko:",
            alias: "pci:v*sc08i02* nvme\nnvme net\nfs_ext4 ext4\npci:v1* net",
            builtin: "unix\nloop",
            builtin_alias: "fs_ext4 other\nblock_major_7_* loop",
            ..Files::default()
        };
        let found = |query| {
            let stack = files.plan(&[query]);
            (order(&stack), stack.findings)
        };
        let builtin = |name: &str| vec![Finding::Builtin { why: Why::Asked(0), names: vec![name.into()] }];
        assert_eq!(found("nvme"), (vec!["nvme".into()], vec![]), "a name wins over aliases");
        assert_eq!(found("pci:v1d2sc08i02").0, ["nvme", "net"]);
        assert_eq!(found("fs-ext4").0, ["ext4"], "a module wins over what is built in");
        assert_eq!(found("unix"), (vec![], builtin("unix")), "a built-in module needs no loading");
        assert_eq!(found("loop"), (vec![], builtin("loop")));
        assert_eq!(found("block-major-7-0"), (vec![], builtin("loop")));
        assert_eq!(found("n*").0, ["nvme", "net"]);
        assert_eq!(found("fs-*").0, ["ext4"], "aliases where no name fits");
        assert_eq!(found("pci:v[1]*").0, ["net"]);
        for nobody in ["gone", "zz*", "a]"] {
            let query = nobody.as_bytes().to_vec();
            assert_eq!(found(nobody), (vec![], vec![Finding::Missing { why: Why::Asked(0), query }]));
        }
    }
}
