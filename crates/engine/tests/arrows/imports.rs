//! The imports between the files of one crate, as its sources write them: `use`, and paths that lead through modules.
//!
//! Who takes a name from a file that hands it on (`pub use`) imports both that file and the one that defines the name.
//! Methods that a file adds to a type of another one are reached through that type, so the type's file counts as
//! importing them. Comments, and what is compiled for tests only, do not count.

use proc_macro2::{TokenStream, TokenTree};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use syn::{
    Attribute, ImplItem, Item, ItemImpl, ItemMod, ItemUse, Macro, Meta, Type, UseTree, Visibility,
    visit::{self, Visit},
};

/// Which file imports which. Files are named relative to the crate's `src`.
pub(crate) struct Imports {
    arrows: BTreeMap<String, BTreeSet<String>>,
}

impl Imports {
    /// Reads the crate whose root module is `lib.rs` in this folder.
    pub(crate) fn of(src: &Path) -> Imports {
        let mut sources = Sources { src: src.to_owned(), modules: Vec::new() };
        sources.read_file("lib.rs".into(), None, src);
        let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (at, module) in sources.modules.iter().enumerate() {
            let owners = |paths: &BTreeSet<Words>| -> BTreeSet<String> {
                let owners = paths.iter().flat_map(|path| sources.owners(at, path, 0));
                owners.filter(|file| *file != module.file).map(str::to_owned).collect()
            };
            for extended in owners(&module.extended) {
                arrows.entry(extended).or_default().insert(module.file.clone());
            }
            arrows.entry(module.file.clone()).or_default().extend(owners(&module.paths));
        }
        Imports { arrows }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.arrows.keys().map(String::as_str)
    }

    /// Each import as (importing file, imported file).
    pub(crate) fn arrows(&self) -> impl Iterator<Item = (&str, &str)> {
        self.arrows.iter().flat_map(|(from, to)| to.iter().map(move |to| (from.as_str(), to.as_str())))
    }
}

/// The sets of nodes that reach each other, of more than one node each, the largest first.
pub(crate) fn knots<'a>(arrows: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<BTreeSet<&'a str>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in arrows {
        next.entry(from).or_default().push(to);
    }
    let reached = |start: &'a str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(node) = open.pop() {
            open.extend(next.get(node).into_iter().flatten().filter(|to| seen.insert(**to)));
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|node| (*node, reached(node))).collect();
    let knot = |(node, others): (&&'a str, &BTreeSet<&'a str>)| -> BTreeSet<&'a str> {
        others.iter().copied().filter(|other| reached.get(other).is_some_and(|back| back.contains(node))).collect()
    };
    let knots: BTreeSet<_> = reached.iter().map(knot).filter(|knot| knot.len() > 1).collect();
    let mut knots: Vec<_> = knots.into_iter().collect();
    knots.sort_by_key(|knot| std::cmp::Reverse(knot.len()));
    knots
}

/// The words of a path: `crate::txn::Txn` has three.
type Words = Vec<String>;

/// All modules of a crate; the root is the first.
struct Sources {
    src: PathBuf,
    modules: Vec<Module>,
}

#[derive(Default)]
struct Module {
    file: String,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    /// Items of its own.
    defined: BTreeSet<String>,
    /// The paths for which the names of `use` stand.
    names: BTreeMap<String, Words>,
    /// Modules and types of which a `use` brings in all names.
    globs: Vec<Words>,
    /// All paths of two words and more.
    paths: BTreeSet<Words>,
    /// Types that have methods here.
    extended: BTreeSet<Words>,
}

impl Sources {
    /// `folder` holds the files of the module's children.
    fn read_file(&mut self, file: PathBuf, parent: Option<usize>, folder: &Path) -> usize {
        let failed = |error: &dyn std::fmt::Display| -> ! { panic!("{}: {error}", file.display()) };
        let text = fs::read_to_string(self.src.join(&file)).unwrap_or_else(|error| failed(&error));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| failed(&error));
        self.read_items(file.display().to_string(), parent, folder, &parsed.items)
    }

    fn read_items(&mut self, file: String, parent: Option<usize>, folder: &Path, items: &[Item]) -> usize {
        let at = self.modules.len();
        let mut reader = Reader { module: Module { file, parent, ..Module::default() }, children: Vec::new() };
        items.iter().for_each(|item| reader.visit_item(item));
        let Reader { module, children } = reader;
        self.modules.push(module);
        for ItemMod { ident, content, .. } in children {
            let folder = folder.join(ident.to_string());
            let child = match &content {
                Some((_, items)) => self.read_items(self.modules[at].file.clone(), Some(at), &folder, items),
                None => {
                    let flat = folder.with_extension("rs");
                    let file = if flat.exists() { flat } else { folder.join("mod.rs") };
                    let file = file.strip_prefix(&self.src).expect("modules lie below src").to_owned();
                    self.read_file(file, Some(at), &folder)
                }
            };
            self.modules[at].children.insert(ident.to_string(), child);
        }
        at
    }

    /// The file that defines what a path names, as a module sees it, and those that hand it on. None for what is not
    /// this crate's, and for a module as such.
    fn owners(&self, from: usize, path: &[String], depth: usize) -> Vec<&str> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let module = &self.modules[from];
        let child = module.children.get(first).filter(|_| !rest.is_empty());
        match (first.as_str(), child, module.names.get(first)) {
            ("crate", ..) => self.members(0, rest, depth),
            ("self", ..) => self.members(from, rest, depth),
            ("super", ..) => module.parent.map_or(Vec::new(), |parent| self.members(parent, rest, depth)),
            (_, Some(&child), _) => self.members(child, rest, depth),
            // A crate may have its own name in it, so this need not come to an end.
            (_, None, Some(path)) if depth < 16 => self.owners(from, &[path, rest].concat(), depth + 1),
            _ => Vec::new(),
        }
    }

    /// The same as [`Sources::owners`], for a path that goes on inside a module.
    fn members<'s>(&'s self, at: usize, path: &[String], depth: usize) -> Vec<&'s str> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let module = &self.modules[at];
        if first == "super" || module.children.contains_key(first) && !rest.is_empty() {
            return self.owners(at, path, depth);
        }
        let handed_on = |mut owners: Vec<&'s str>| {
            if !owners.is_empty() {
                owners.push(&module.file);
            }
            owners
        };
        if module.names.contains_key(first) {
            return handed_on(self.owners(at, path, depth + 1));
        }
        if module.defined.contains(first) {
            return vec![&module.file];
        }
        if module.children.contains_key(first) {
            return Vec::new();
        }
        let by_glob = module.globs.iter().map(|glob| self.owners(at, &[glob, path].concat(), depth + 1));
        handed_on(by_glob.flatten().collect())
    }
}

/// Gathers what a module says.
struct Reader {
    module: Module,
    children: Vec<ItemMod>,
}

impl Reader {
    fn read_use(&mut self, mut path: Words, tree: &UseTree) {
        match tree {
            UseTree::Path(to) => {
                path.push(to.ident.to_string());
                self.read_use(path, &to.tree);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.read_use(path.clone(), tree)),
            UseTree::Name(name) => self.bring_in(path, name.ident.to_string(), name.ident.to_string()),
            UseTree::Rename(name) => self.bring_in(path, name.ident.to_string(), name.rename.to_string()),
            UseTree::Glob(_) => {
                self.module.paths.insert(path.clone());
                self.module.globs.push(path);
            }
        }
    }

    fn bring_in(&mut self, mut path: Words, name: String, known_as: String) {
        let known_as = match name.as_str() {
            "self" => path.last().filter(|_| known_as == "self").cloned().unwrap_or(known_as),
            _ => {
                path.push(name);
                known_as
            }
        };
        self.module.paths.insert(path.clone());
        self.module.names.insert(known_as, path);
    }

    /// The paths among the tokens of a macro.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path = Words::new();
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.read_path(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.read_path(std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.read_tokens(group.stream());
                    }
                }
            }
        }
        self.read_path(path);
    }

    fn read_path(&mut self, path: Words) {
        if path.len() > 1 {
            self.module.paths.insert(path);
        }
    }
}

fn words(path: &syn::Path) -> Words {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// Whether an item is compiled for tests only, or for tests among others.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && mentions_test(list.tokens.clone()),
        Meta::Path(_) | Meta::NameValue(_) => false,
    })
}

fn mentions_test(condition: TokenStream) -> bool {
    condition.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "test",
        TokenTree::Group(group) => mentions_test(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// The attributes of an item, and the name that it defines.
fn parts(item: &Item) -> (&[Attribute], Option<&syn::Ident>) {
    match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Union(item) => (&item.attrs, Some(&item.ident)),
        Item::Impl(item) => (&item.attrs, None),
        Item::Mod(item) => (&item.attrs, None),
        Item::Use(item) => (&item.attrs, None),
        _ => (&[], None),
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = parts(item);
        if !is_for_tests(attributes) {
            self.module.defined.extend(name.map(|name| name.to_string()));
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.children.push(item.clone());
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.read_use(Words::new(), &item.tree);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if let (None, Type::Path(extended)) = (&item.trait_, &*item.self_ty) {
            self.module.extended.insert(words(&extended.path));
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Const(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.read_path(words(path));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.read_path(words(&item.path));
        self.read_tokens(item.tokens.clone());
    }

    /// Documentation and derives.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    /// Ignores visibilities: where something may be used does not show what it uses.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}
