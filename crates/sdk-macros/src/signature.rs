//! What the attributes read off a signature.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, Ident, LitStr, Pat, ReturnType, Signature, Type, spanned::Spanned};

/// The options in the parentheses of an attribute.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    pub(crate) validate: Option<Ident>,
}

impl Options {
    /// `allowed`: the keys that make sense for this attribute.
    pub(crate) fn read(tokens: TokenStream, allowed: &[&str]) -> syn::Result<Self> {
        let mut options = Options::default();
        let parser = syn::meta::parser(|meta| {
            let is = |key: &str| allowed.contains(&key) && meta.path.is_ident(key);
            if is("name") {
                options.name = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if is("validate") {
                options.validate = Some(meta.value()?.parse()?);
            } else {
                return Err(meta.error(format!("only {} can be set here", allowed.join(" and "))));
            }
            Ok(())
        });
        syn::parse::Parser::parse2(parser, tokens)?;
        Ok(options)
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

/// The arguments, without `self`. Patterns get a name.
pub(crate) fn arguments(signature: &Signature) -> syn::Result<Vec<Argument>> {
    if !signature.generics.params.is_empty() {
        return Err(syn::Error::new(signature.generics.span(), "it is called by name, so it cannot be generic"));
    }
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    let argument = |(index, typed): (usize, &syn::PatType)| {
        if let Type::Reference(reference) = &*typed.ty {
            let why = "arguments travel between processes: take it by value, e.g. `String` for `&str`";
            return Err(syn::Error::new(reference.span(), why));
        }
        let name = match &*typed.pat {
            Pat::Ident(ident) => ident.ident.clone(),
            _ => quote::format_ident!("argument_{index}"),
        };
        Ok(Argument { name, ty: (*typed.ty).clone() })
    };
    typed.enumerate().map(argument).collect()
}

/// Takes the first argument off when its type is called so.
pub(crate) fn take_context(arguments: &mut Vec<Argument>, called: &str) -> Option<Argument> {
    let is_context = arguments.first().is_some_and(|first| last_segment(&first.ty).is_some_and(|it| it == called));
    is_context.then(|| arguments.remove(0))
}

fn last_segment(ty: &Type) -> Option<String> {
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
        ReturnType::Type(_, ty) if last_segment(ty).is_some_and(|name| name.ends_with("Result")) => {
            Output { ty: quote!(<#ty as ::tenure_sdk::macros::Fallible>::Value), fallible: true }
        }
        ReturnType::Type(_, ty) => Output { ty: quote!(#ty), fallible: false },
    }
}

impl Output {
    /// `value`, of the function's return type, as a `Result<_, Failure>`.
    pub(crate) fn settle(&self, value: TokenStream) -> TokenStream {
        if self.fallible {
            quote!(::tenure_sdk::macros::Fallible::settle(#value))
        } else {
            quote!(::core::result::Result::<_, ::tenure_sdk::Failure>::Ok(#value))
        }
    }
}

/// `(A, B,)` and `(a, b,)`.
pub(crate) fn tuple(arguments: &[Argument]) -> (TokenStream, TokenStream) {
    let types = arguments.iter().map(|argument| &argument.ty);
    let names = arguments.iter().map(|argument| &argument.name);
    (quote!((#(#types,)*)), quote!((#(#names,)*)))
}

/// The attributes of an item that are not ours, and its documentation.
pub(crate) fn docs(attributes: &[syn::Attribute]) -> Vec<&syn::Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).collect()
}
