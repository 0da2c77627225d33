//! What the attributes read off a signature.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{FnArg, Ident, LitStr, Pat, ReturnType, Signature, Type, ext::IdentExt, spanned::Spanned};

/// The options in the parentheses of an attribute.
#[derive(Default)]
pub(crate) struct AttributeOptions {
    pub(crate) name: Option<String>,
    pub(crate) validate: Option<Ident>,
    pub(crate) init: Option<syn::Path>,
    /// Takes what has no other taker, whatever it is called.
    pub(crate) dynamic: bool,
    /// What a workflow fails of, instead of its task.
    pub(crate) fails_on: Vec<Ident>,
}

impl AttributeOptions {
    /// `allowed`: the keys that make sense for this attribute.
    pub(crate) fn read(tokens: TokenStream, allowed: &[&str]) -> syn::Result<Self> {
        let mut options = AttributeOptions::default();
        let parser = syn::meta::parser(|meta| {
            let is = |key: &str| allowed.contains(&key) && meta.path.is_ident(key);
            if is("name") {
                options.name = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if is("validate") {
                options.validate = Some(meta.value()?.parse()?);
            } else if is("init") {
                options.init = Some(meta.value()?.parse()?);
            } else if is("dynamic") {
                options.dynamic = true;
            } else if is("fails_on") {
                meta.parse_nested_meta(|problem| {
                    options.fails_on.push(match problem.path.get_ident() {
                        Some(it) if it == "panic" => Ident::new("Panic", it.span()),
                        Some(it) if it == "nondeterminism" => Ident::new("Nondeterminism", it.span()),
                        _ => return Err(problem.error("a workflow can fail on `panic` and `nondeterminism`")),
                    });
                    Ok(())
                })?;
            } else {
                let shown = |key: &&str| match *key {
                    "dynamic" => "`dynamic`".to_owned(),
                    "fails_on" => "`fails_on(..)`".to_owned(),
                    key => format!("`{key} = ..`"),
                };
                let known = allowed.iter().map(shown).collect::<Vec<_>>().join(" and ");
                return Err(meta.error(if known.is_empty() {
                    "nothing can be set here".to_owned()
                } else {
                    format!("unknown option: {known} can be set here")
                }));
            }
            Ok(())
        });
        let span = tokens.span();
        syn::parse::Parser::parse2(parser, tokens)?;
        match options {
            AttributeOptions { dynamic: true, name: Some(_), .. } => {
                Err(syn::Error::new(span, "what is `dynamic` takes all names: it has none of its own"))
            }
            options => Ok(options),
        }
    }

    /// The name to a server: of what is dynamic, none.
    pub(crate) fn name_or(&self, name: &Ident) -> String {
        let own = || if self.dynamic { String::new() } else { name.unraw().to_string() };
        self.name.clone().unwrap_or_else(own)
    }

    /// The arguments as they travel, and a pattern of their names. What is dynamic takes them as they come, in one list.
    pub(crate) fn arguments(
        &self,
        signature: &Signature,
        taken: &[Argument],
    ) -> syn::Result<(TokenStream, TokenStream)> {
        match taken {
            _ if !self.dynamic => Ok(tuple(taken)),
            [Argument { name, ty }] => Ok((quote!(#ty), quote!(#name))),
            _ => Err(syn::Error::new(signature.span(), "what is `dynamic` takes one argument: `args: Vec<Raw>`")),
        }
    }

    /// The options of an attribute inside of an `impl`.
    pub(crate) fn of(attribute: &syn::Attribute, allowed: &[&str]) -> syn::Result<Self> {
        match &attribute.meta {
            syn::Meta::List(list) => Self::read(list.tokens.clone(), allowed),
            _ => Ok(Self::default()),
        }
    }
}

/// One typed argument after the receiver.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

/// As many as `tenure-client` implements `Args` for.
const MAX_ARGUMENTS: usize = 6;

/// The context, if the first argument is of the type `context`, and the other arguments, without `self`. Patterns get a
/// name.
pub(crate) fn arguments(signature: &Signature, context: &str) -> syn::Result<(Option<Argument>, Vec<Argument>)> {
    if !signature.generics.params.is_empty() {
        let why = "it is called by name from anywhere, so it cannot be generic: name its types";
        return Err(syn::Error::new(signature.generics.span(), why));
    }
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    let argument = |(index, typed): (usize, &syn::PatType)| {
        if let Type::Reference(reference) = &*typed.ty {
            let why = match last_segment(&reference.elem) {
                Some(name) if name == context => format!("take the context by value: `cx: {context}`"),
                _ => "arguments travel between processes: take it by value, e.g. `String` for `&str`".to_owned(),
            };
            return Err(syn::Error::new(reference.span(), why));
        }
        if let Some(name) = last_segment(&typed.ty).filter(|name| CONTEXTS.contains(&name.as_str())) {
            let why = format!("the context comes first, once, and is of type `{context}` here");
            if index > 0 || name != context {
                return Err(syn::Error::new(typed.ty.span(), why));
            }
        }
        let name = match &*typed.pat {
            Pat::Ident(ident) => ident.ident.clone(),
            _ => quote::format_ident!("argument_{index}"),
        };
        Ok(Argument { name, ty: (*typed.ty).clone() })
    };
    let mut arguments = typed.enumerate().map(argument).collect::<syn::Result<Vec<_>>>()?;
    let is_context = arguments.first().is_some_and(|first| last_segment(&first.ty).is_some_and(|it| it == context));
    let context = is_context.then(|| arguments.remove(0));
    match arguments.get(MAX_ARGUMENTS) {
        Some(one_more) => {
            let why = format!("{MAX_ARGUMENTS} arguments at most: make a struct of them");
            Err(syn::Error::new(one_more.ty.span(), why))
        }
        None => Ok((context, arguments)),
    }
}

const CONTEXTS: [&str; 2] = ["WorkflowContext", "ActivityContext"];

/// What an attribute stands on must be this kind of item.
pub(crate) fn item<T: syn::parse::Parse>(tokens: TokenStream, attribute: &str, wanted: &str) -> syn::Result<T> {
    let found = syn::parse2::<syn::Item>(tokens.clone())?;
    let start = tokens.clone().into_iter().next().map_or_else(|| found.span(), |first| first.span());
    syn::parse2(tokens).map_err(|_| syn::Error::new(start, format!("`#[{attribute}]` goes on {wanted}")))
}

/// The inherent `impl` of a type without parameters.
pub(crate) fn block(tokens: TokenStream, attribute: &str) -> syn::Result<syn::ItemImpl> {
    let block: syn::ItemImpl = item(tokens, attribute, "an `impl` block")?;
    if let Some((_, name, _)) = &block.trait_ {
        let why = format!("`#[{attribute}]` goes on the type's own `impl`, not on that of a trait");
        return Err(syn::Error::new(name.span(), why));
    }
    Ok(block)
}

/// Remembers what is called how; an error for the second of a name.
#[derive(Default)]
pub(crate) struct Names(std::collections::BTreeSet<(&'static str, String)>);

impl Names {
    pub(crate) fn add(&mut self, kind: &'static str, name: &str, at: &Ident) -> syn::Result<()> {
        if self.0.insert((kind, name.to_owned())) {
            return Ok(());
        }
        let why = format!("another {kind} here is called {name:?}: give one of them `#[{kind}(name = \"..\")]`");
        Err(syn::Error::new(at.span(), why))
    }
}

pub(crate) fn last_segment(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// The first parameter between the angle brackets of a type, `State` of `WorkflowContext<State>`.
pub(crate) fn parameter(ty: &Type) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    match &path.path.segments.last()?.arguments {
        syn::PathArguments::AngleBracketed(parameters) => parameters.args.iter().find_map(|argument| match argument {
            syn::GenericArgument::Type(ty) => Some(ty.clone()),
            _ => None,
        }),
        _ => None,
    }
}

/// The type of the result, and how a value of the return type becomes a `Result<_, Failure>`.
pub(crate) struct Output {
    pub(crate) ty: TokenStream,
    pub(crate) fallible: bool,
}

/// A return type that is called `Result`, or ends in it, may fail; any other is a plain value.
pub(crate) fn output(signature: &Signature) -> Output {
    match &signature.output {
        ReturnType::Default => Output { ty: quote!(()), fallible: false },
        ReturnType::Type(_, ty) if is_result(ty) => {
            let value = quote_spanned!(ty.span()=> <#ty as ::tenure_sdk::macros::Fallible>::Value);
            Output { ty: value, fallible: true }
        }
        ReturnType::Type(_, ty) => Output { ty: quote!(#ty), fallible: false },
    }
}

/// `Result`, or an alias of it with parameters: `SearchResult` is a type of its own, `DbResult<T>` is none.
pub(crate) fn is_result(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|name| name == "Result" || name.ends_with("Result") && parameter(ty).is_some())
}

/// A name that no argument can have: macros see it, user code does not.
pub(crate) fn hidden(name: &str) -> Ident {
    Ident::new(name, proc_macro2::Span::mixed_site())
}

/// The constant that stands for a method: `r#move` becomes `MOVE`.
pub(crate) fn constant(name: &Ident) -> Ident {
    Ident::new(&name.unraw().to_string().to_uppercase(), name.span())
}

/// The conditions under which an item is compiled: what is written for it has the same.
pub(crate) fn conditions(attributes: &[syn::Attribute]) -> Vec<&syn::Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect()
}

impl Output {
    /// `value`, of the function's return type, as a `Result<_, Failure>`.
    pub(crate) fn settle(&self, value: TokenStream) -> TokenStream {
        if self.fallible {
            // The error's own trait comes before what every error has: the method that needs fewer dereferences wins.
            quote!({
                #[allow(unused_imports)]
                use ::tenure_sdk::macros::{ByConversion as _, ByNothing as _, ByTrait as _};
                match ::tenure_sdk::macros::Fallible::into_result(#value) {
                    ::core::result::Result::Ok(__value) => {
                        ::core::result::Result::<_, ::tenure_sdk::Failure>::Ok(__value)
                    }
                    ::core::result::Result::Err(__error) => {
                        ::core::result::Result::Err((&&&::tenure_sdk::macros::Caught::new(__error)).failure())
                    }
                }
            })
        } else {
            quote!(::core::result::Result::<_, ::tenure_sdk::Failure>::Ok(#value))
        }
    }
}

/// `(A, B,)` and `(a, b,)`.
pub(crate) fn tuple(arguments: &[Argument]) -> (TokenStream, TokenStream) {
    let types = arguments.iter().map(|argument| &argument.ty);
    let names = arguments.iter().map(|argument| &argument.name);
    // What is wrong with them is said where they are.
    let span = arguments.first().map_or_else(proc_macro2::Span::call_site, |first| first.ty.span());
    (quote_spanned!(span=> (#(#types,)*)), quote!((#(#names,)*)))
}

/// The attributes of an item that are not ours, and its documentation.
pub(crate) fn docs(attributes: &[syn::Attribute]) -> Vec<&syn::Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).collect()
}
