//! Which file of a package imports which, from its source: for the properties of the packages' structure.
//!
//! An import leads to the file that defines the item, however many re-exports are on the way; re-exports of a
//! module's own children are no imports. Test code is left out.

use alloc::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use syn::visit::Visit;
use syn::{Attribute, Item, UseTree, Visibility};

/// Nodes of one folder, and for each the nodes that it imports.
pub type Graph = BTreeMap<String, BTreeSet<String>>;

/// The modules of a package, and their imports.
pub struct Package {
    modules: Vec<Module>,
}

#[derive(Default)]
struct Module {
    /// Names of the modules from the root to this one; empty for the root.
    path: Vec<String>,
    parent: usize,
    /// The module of the file; another one for a module in braces.
    file: usize,
    children: BTreeMap<String, usize>,
    /// Names of defined items.
    items: BTreeSet<String>,
    uses: Vec<Use>,
    /// Paths in the code.
    paths: Vec<Vec<String>>,
}

/// One name of a `use` declaration.
struct Use {
    path: Vec<String>,
    /// Its name here; `None` for `*`.
    name: Option<String>,
    public: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Module(usize),
    ItemOf(usize),
}

impl Package {
    /// Reads the package whose library has this root file.
    ///
    /// # Errors
    /// When a file cannot be read or parsed.
    pub fn read(root: &Path) -> Result<Self> {
        let mut package = Self { modules: Vec::new() };
        let folder = root.parent().context("a file is in a folder")?;
        package.add_file(root, folder, Vec::new(), 0)?;
        Ok(package)
    }

    fn add_file(&mut self, file: &Path, folder: &Path, path: Vec<String>, parent: usize) -> Result<usize> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let syntax = syn::parse_file(&text).with_context(|| file.display().to_string())?;
        let module = Module { path, parent, file: self.modules.len(), ..Module::default() };
        self.add(syntax.items, folder, module)
    }

    /// Adds a module with these items; files of its child modules are in `folder`.
    fn add(&mut self, items: Vec<Item>, folder: &Path, module: Module) -> Result<usize> {
        let (at, path, file) = (self.modules.len(), module.path.clone(), module.file);
        self.modules.push(module);
        for item in items.into_iter().filter(|item| !is_test(attributes(item))) {
            let Item::Mod(child) = item else {
                let module = &mut self.modules[at];
                module.items.extend(defined_name(&item));
                module.visit_item(&item);
                continue;
            };
            let name = child.ident.to_string();
            let path = [path.as_slice(), core::slice::from_ref(&name)].concat();
            let below = folder.join(&name);
            let added = match child.content {
                Some((_, items)) => {
                    self.add(items, &below, Module { path, parent: at, file, ..Module::default() })?
                }
                None => self.add_file(&module_file(folder, &name), &below, path, at)?,
            };
            self.modules[at].children.insert(name, added);
        }
        Ok(at)
    }

    /// The imports between the nodes of each folder that has modules: its files, its folders, and `mod` for
    /// the code of the folder's own module. The root's folder is the empty path.
    #[must_use]
    pub fn folders(&self) -> BTreeMap<String, Graph> {
        let mut folders: BTreeMap<String, Graph> = BTreeMap::new();
        for from in 0..self.modules.len() {
            for to in self.imports(from) {
                let (a, b) = (self.file_of(from), self.file_of(to));
                if a == b {
                    continue;
                }
                let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
                let node = |path: &[String]| path.get(common).map_or("mod", String::as_str).to_owned();
                let graph = folders.entry(a[..common].join("/")).or_default();
                graph.entry(node(b)).or_default();
                graph.entry(node(a)).or_default().insert(node(b));
            }
        }
        folders
    }

    /// The modules that define the items used by this module.
    fn imports(&self, from: usize) -> BTreeSet<usize> {
        let module = &self.modules[from];
        let re_export =
            |import: &Use, to: usize| import.public && self.modules[to].path.starts_with(self.file_of(from));
        let uses = module.uses.iter().filter_map(|import| match self.resolve(from, &import.path, 0)? {
            Target::ItemOf(to) if !re_export(import, to) => Some(to),
            _ => None,
        });
        let paths = module.paths.iter().filter_map(|path| match self.resolve(from, path, 0)? {
            Target::ItemOf(to) => Some(to),
            Target::Module(_) => None,
        });
        uses.chain(paths).filter(|&to| to != from).collect()
    }

    /// The path of a module's file.
    fn file_of(&self, at: usize) -> &[String] {
        &self.modules[self.modules[at].file].path
    }

    fn resolve(&self, from: usize, path: &[String], depth: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let start = match first.as_str() {
            "crate" => Target::Module(0),
            "self" => Target::Module(from),
            "super" => Target::Module(self.modules[from].parent),
            name => self.look_up(from, name, depth)?,
        };
        rest.iter().try_fold(start, |target, name| match target {
            Target::Module(at) if name == "super" => Some(Target::Module(self.modules[at].parent)),
            Target::Module(at) => self.look_up(at, name, depth),
            // A variant, an associated item.
            Target::ItemOf(at) => Some(Target::ItemOf(at)),
        })
    }

    fn look_up(&self, at: usize, name: &str, depth: usize) -> Option<Target> {
        const RE_EXPORTS: usize = 8;
        let module = &self.modules[at];
        if let Some(&child) = module.children.get(name) {
            return Some(Target::Module(child));
        }
        if module.items.contains(name) {
            return Some(Target::ItemOf(at));
        }
        let named = module.uses.iter().filter(|import| import.name.as_deref() == Some(name));
        let all = module.uses.iter().filter(|import| import.name.is_none());
        let mut found =
            named.map(|import| self.resolve(at, &import.path, depth + 1)).chain(all.map(|import| {
                match self.resolve(at, &import.path, depth + 1)? {
                    Target::Module(inside) => self.look_up(inside, name, depth + 1),
                    Target::ItemOf(_) => None,
                }
            }));
        if depth > RE_EXPORTS { None } else { found.find_map(|target| target) }
    }
}

impl Module {
    fn add_use(&mut self, tree: &UseTree, mut path: Vec<String>, public: bool) {
        let mut add = |path, name| self.uses.push(Use { path, name, public });
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.add_use(&inner.tree, path, public);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_use(tree, path.clone(), public));
            }
            UseTree::Glob(_) => add(path, None),
            UseTree::Name(name) if name.ident == "self" => {
                let name = path.last().cloned();
                add(path, name);
            }
            UseTree::Name(name) => {
                path.push(name.ident.to_string());
                add(path, Some(name.ident.to_string()));
            }
            UseTree::Rename(rename) => {
                if rename.ident != "self" {
                    path.push(rename.ident.to_string());
                }
                add(path, Some(rename.rename.to_string()));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_use(&item.tree, Vec::new(), !matches!(item.vis, Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }
}

fn module_file(folder: &Path, name: &str) -> PathBuf {
    let file = folder.join(format!("{name}.rs"));
    if file.exists() { file } else { folder.join(name).join("mod.rs") }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let condition = list.tokens.to_string();
        attribute.path().is_ident("cfg") && (condition == "test" || condition.starts_with("all (test"))
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn defined_name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// The nodes of a circle, if there is any.
#[must_use]
pub fn circle(graph: &Graph) -> Option<Vec<&str>> {
    let mut left: BTreeMap<&str, BTreeSet<&str>> = graph
        .iter()
        .map(|(node, imports)| (node.as_str(), imports.iter().map(String::as_str).collect()))
        .collect();
    while let Some(leaf) = left.iter().find(|(_, imports)| imports.is_empty()).map(|(node, _)| *node) {
        left.remove(leaf);
        left.values_mut().for_each(|imports| {
            imports.remove(leaf);
        });
    }
    // Every node that is left imports another one that is left: following these closes a circle.
    let mut way = vec![*left.keys().next()?];
    loop {
        let next = *left[way[way.len() - 1]].first()?;
        if let Some(start) = way.iter().position(|node| *node == next) {
            return Some(way.split_off(start));
        }
        way.push(next);
    }
}

/// Everything that follows from these arrows: for each node, all nodes that lead from it.
#[must_use]
pub fn closure(graph: &Graph) -> Graph {
    let mut all = graph.clone();
    for _ in graph {
        let known = all.clone();
        for reached in all.values_mut() {
            let further: Vec<&String> = reached.iter().filter_map(|node| known.get(node)).flatten().collect();
            let further: Vec<String> = further.into_iter().cloned().collect();
            reached.extend(further);
        }
    }
    all
}

/// The arrows without those that follow from others.
#[must_use]
pub fn reduced(graph: &Graph) -> Graph {
    let all = closure(graph);
    let follows = |imports: &BTreeSet<String>, to: &String| {
        imports.iter().any(|other| other != to && all.get(other).is_some_and(|reached| reached.contains(to)))
    };
    let reduce =
        |imports: &BTreeSet<String>| imports.iter().filter(|to| !follows(imports, to)).cloned().collect();
    graph.iter().map(|(node, imports)| (node.clone(), reduce(imports))).collect()
}

/// The graph in the language of Graphviz.
#[must_use]
pub fn dot(name: &str, graph: &Graph) -> String {
    let arrows = |(node, imports): (&String, &BTreeSet<String>)| {
        imports.iter().map(|to| format!("  \"{node}\" -> \"{to}\";\n")).collect::<String>()
    };
    let arrows: String = graph.iter().map(arrows).collect();
    format!("digraph \"{name}\" {{\n  node [shape=box];\n{arrows}}}\n")
}
