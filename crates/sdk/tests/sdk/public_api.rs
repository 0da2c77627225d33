//! What strangers depend on, written down: a change of the public surface is a change of a file in the repository.
//!
//! The listing is read off the sources: what `lib.rs` exports, with signatures, public fields, variants and the traits that
//! types implement. `UPDATE_EXPECT=1` writes it anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};
use syn::{Attribute, Fields, Item, ItemImpl, ItemUse, TraitItem, Type, UseTree, Visibility, parse_quote};

/// The items of a crate, by name; and what is implemented for each name.
#[derive(Default)]
struct Sources {
    items: BTreeMap<String, Vec<Item>>,
    impls: BTreeMap<String, Vec<ItemImpl>>,
    exported: BTreeSet<String>,
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn says(attributes: &[Attribute], path: &str, what: &str) -> bool {
    let of_path = attributes.iter().filter(|attribute| attribute.path().is_ident(path));
    of_path.into_iter().any(|attribute| quote::quote!(#attribute).to_string().contains(what))
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    says(attributes, "doc", "hidden") || says(attributes, "cfg", "test")
}

/// Attributes that callers notice.
fn noticed(attributes: &mut Vec<Attribute>) {
    let noticed = ["must_use", "non_exhaustive", "derive", "cfg", "macro_export", "track_caller"];
    attributes.retain(|attribute| noticed.iter().any(|name| attribute.path().is_ident(name)));
}

impl Sources {
    fn read(directory: &Path) -> Self {
        let mut sources = Sources::default();
        let mut files = vec![directory.to_owned()];
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|it| it == "rs")
                && !path.components().any(|it| it.as_os_str() == "tests")
            {
                let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
                let is_root = path == directory.join("lib.rs");
                file.items.into_iter().for_each(|item| sources.add(item, is_root));
            }
        }
        sources
    }

    fn add(&mut self, item: Item, is_exported: bool) {
        let mut named = |name: &syn::Ident, visibility: &Visibility, attributes: &[Attribute], item: &Item| {
            if is_public(visibility) && !is_hidden(attributes) {
                self.items.entry(name.to_string()).or_default().push(item.clone());
                if is_exported {
                    self.exported.insert(name.to_string());
                }
            }
        };
        match &item {
            Item::Fn(it) => named(&it.sig.ident, &it.vis, &it.attrs, &item),
            Item::Struct(it) => named(&it.ident, &it.vis, &it.attrs, &item),
            Item::Enum(it) => named(&it.ident, &it.vis, &it.attrs, &item),
            Item::Trait(it) => named(&it.ident, &it.vis, &it.attrs, &item),
            Item::Type(it) => named(&it.ident, &it.vis, &it.attrs, &item),
            Item::Const(it) => named(&it.ident, &it.vis, &it.attrs, &item),
            Item::Macro(it)
                if it.attrs.iter().any(|it| it.path().is_ident("macro_export")) && !is_hidden(&it.attrs) =>
            {
                self.exported.insert(format!("{}!", it.ident.as_ref().unwrap()));
            }
            Item::Impl(it) => {
                if let (Type::Path(of), false) = (&*it.self_ty, is_hidden(&it.attrs)) {
                    let name = of.path.segments.last().unwrap().ident.to_string();
                    self.impls.entry(name).or_default().push(it.clone());
                }
            }
            Item::Use(ItemUse { vis, attrs, tree, .. }) if is_exported && is_public(vis) && !is_hidden(attrs) => {
                self.export(tree);
            }
            // The prelude's are exported beside it; modules in files are read as files.
            Item::Mod(it) if !is_hidden(&it.attrs) && it.ident != "prelude" => {
                let is_exported = is_exported && is_public(&it.vis);
                it.content.iter().flat_map(|(_, items)| items).for_each(|item| self.add(item.clone(), is_exported));
            }
            _ => {}
        }
    }

    fn export(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.export(&path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.export(tree)),
            UseTree::Name(name) => self.exported.extend([name.ident.to_string()]),
            UseTree::Rename(name) => self.exported.extend([name.rename.to_string()]),
            UseTree::Glob(_) => {}
        }
    }

    fn listing(&self) -> String {
        let mut out = String::new();
        for name in &self.exported {
            let Some(items) = self.items.get(name) else {
                out += &format!("use {name}; // of another crate, or written by a macro\n\n");
                continue;
            };
            let of_name = self.impls.get(name).into_iter().flatten();
            // Sorted: a directory has no order.
            let definitions: BTreeSet<String> = items.iter().cloned().map(shown).map(text).collect();
            let impls: BTreeSet<String> = of_name.filter_map(shown_impl).map(text).collect();
            definitions.iter().chain(&impls).for_each(|text| out += text);
            out += "\n";
        }
        out
    }
}

fn text(item: Item) -> String {
    prettyplease::unparse(&syn::File { shebang: None, attrs: Vec::new(), items: vec![item] })
}

/// An item without its private parts and bodies.
fn shown(mut item: Item) -> Item {
    match &mut item {
        Item::Fn(it) => {
            noticed(&mut it.attrs);
            it.block = parse_quote!({});
        }
        Item::Struct(it) => {
            noticed(&mut it.attrs);
            public_fields(&mut it.fields);
        }
        Item::Enum(it) => {
            noticed(&mut it.attrs);
            for variant in &mut it.variants {
                noticed(&mut variant.attrs);
                variant.fields.iter_mut().for_each(|field| noticed(&mut field.attrs));
            }
        }
        Item::Trait(it) => {
            noticed(&mut it.attrs);
            for item in &mut it.items {
                if let TraitItem::Fn(method) = item {
                    noticed(&mut method.attrs);
                    method.default = method.default.as_ref().map(|_| parse_quote!({}));
                } else if let TraitItem::Type(it) = item {
                    noticed(&mut it.attrs);
                }
            }
        }
        Item::Type(it) => noticed(&mut it.attrs),
        Item::Const(it) => {
            noticed(&mut it.attrs);
            it.expr = parse_quote!(..);
        }
        _ => {}
    }
    item
}

fn public_fields(fields: &mut Fields) {
    fields.iter_mut().for_each(|field| noticed(&mut field.attrs));
    if let Fields::Named(named) = fields {
        let all = named.named.len();
        named.named = std::mem::take(&mut named.named).into_iter().filter(|field| is_public(&field.vis)).collect();
        if named.named.len() < all {
            named.named.push(parse_quote!(_others: _));
        }
    }
}

/// The public methods of a type, or the trait that it implements.
fn shown_impl(block: &ItemImpl) -> Option<Item> {
    let mut block = block.clone();
    noticed(&mut block.attrs);
    if block.trait_.is_some() {
        block.items.retain(|item| matches!(item, syn::ImplItem::Type(_)));
        return Some(Item::Impl(block));
    }
    block.items.retain_mut(|item| match item {
        syn::ImplItem::Fn(method) => {
            let is_shown = is_public(&method.vis) && !is_hidden(&method.attrs);
            noticed(&mut method.attrs);
            method.block = parse_quote!({});
            is_shown
        }
        syn::ImplItem::Const(it) => is_public(&it.vis) && !is_hidden(&it.attrs),
        _ => false,
    });
    (!block.items.is_empty()).then_some(Item::Impl(block))
}

#[test]
fn the_public_surface_is_the_one_that_is_written_down() {
    // At run time: checkouts share a target directory.
    let sdk = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("run with cargo"));
    let mut changed = Vec::new();
    for package in ["client", "sdk", "sdk-testing"] {
        let package = sdk.with_file_name(package);
        let listing = Sources::read(&package.join("src")).listing();
        let path = package.join("public-api.txt");
        let written = fs::read_to_string(&path).unwrap_or_default();
        if listing == written {
            continue;
        }
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, listing).unwrap();
            continue;
        }
        let (old, new): (BTreeSet<_>, BTreeSet<_>) = (written.lines().collect(), listing.lines().collect());
        changed.push(path.display().to_string());
        changed.extend(old.difference(&new).map(|line| format!("- {line}")));
        changed.extend(new.difference(&old).map(|line| format!("+ {line}")));
    }
    assert!(
        changed.is_empty(),
        "the public surface has changed; if that is meant, UPDATE_EXPECT=1 writes it down:\n{}",
        changed.join("\n")
    );
}
