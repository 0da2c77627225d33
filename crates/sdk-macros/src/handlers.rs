//! `#[handlers]`.

use crate::signature::{Options, arguments, docs, output, take_context, tuple};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{ImplItem, ImplItemFn, ItemImpl, Type, spanned::Spanned};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Signal,
    Query,
    Update,
}

const KINDS: [(&str, Kind); 3] = [("signal", Kind::Signal), ("query", Kind::Query), ("update", Kind::Update)];

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    Options::read(options, &[])?;
    let mut block: ItemImpl = syn::parse2(item)?;
    let state = block.self_ty.clone();
    let (mut constants, mut registrations) = (Vec::new(), Vec::new());
    for item in &mut block.items {
        let ImplItem::Fn(method) = item else { continue };
        let kind_of = |attribute: &syn::Attribute| KINDS.iter().find(|(name, _)| attribute.path().is_ident(name));
        let found = method.attrs.iter().enumerate().find_map(|(at, attribute)| Some((at, kind_of(attribute)?.1)));
        let Some((at, kind)) = found else { continue };
        let attribute = method.attrs.remove(at);
        let (constant, registration) = handler(&state, method, kind, &attribute)?;
        constants.push(constant);
        registrations.push(registration);
    }
    Ok(quote! {
        #block

        #[allow(unreachable_pub)]
        impl #state {
            #(#constants)*
        }

        impl ::tenure_sdk::WorkflowState for #state {
            fn handlers(handlers: &mut ::tenure_sdk::Handlers<Self>) {
                #(#registrations)*
            }
        }
    })
}

fn handler(
    state: &Type,
    method: &ImplItemFn,
    kind: Kind,
    attribute: &syn::Attribute,
) -> syn::Result<(TokenStream, TokenStream)> {
    let allowed: &[&str] = if kind == Kind::Update { &["name", "validate"] } else { &["name"] };
    let options = Options::of(attribute, allowed)?;
    let signature = &method.sig;
    let mut taken = arguments(signature)?;
    let is_async = signature.asyncness.is_some();
    let context = take_context(&mut taken, "WorkflowContext");
    let error = |why| Err(syn::Error::new(signature.span(), why));
    match (kind, is_async, signature.receiver(), context) {
        (Kind::Query, true, ..) => return error("a query answers at once: it is not `async`"),
        (Kind::Query, false, Some(receiver), None) if receiver.mutability.is_some() => {
            return error("a query takes `&self`: it changes nothing");
        }
        (_, false, Some(receiver), None) if receiver.reference.is_some() => {}
        (_, false, ..) => return error("a handler takes `&self` or `&mut self`"),
        (_, true, None, Some(_)) => {}
        (_, true, ..) => {
            let why = "an `async` handler takes `cx: WorkflowContext<Self>` instead of `self`, \
                       because others change the state while it waits";
            return error(why);
        }
    }
    let name = &signature.ident;
    let constant = format_ident!("{}", name.to_string().to_uppercase());
    let called = options.name.unwrap_or_else(|| name.to_string());
    let output = output(signature);
    let ty = &output.ty;
    let (types, names) = tuple(&taken);
    let call_names: Vec<_> = taken.iter().map(|argument| &argument.name).collect();
    let docs = docs(&method.attrs);
    let (definition, register) = match kind {
        Kind::Signal => (quote!(Signal<#state, #types>), "signal"),
        Kind::Query => (quote!(Query<#state, #types, #ty>), "query"),
        Kind::Update => (quote!(Update<#state, #types, #ty>), "update"),
    };
    let path = match kind {
        Kind::Signal => quote!(Signal),
        Kind::Query => quote!(Query),
        Kind::Update => quote!(Update),
    };
    let constant_item = quote! {
        #(#docs)*
        pub const #constant: ::tenure_sdk::#definition = ::tenure_sdk::#path::new(#called);
    };
    let validator = (kind == Kind::Update).then(|| match &options.validate {
        Some(check) => quote! {
            , ::core::option::Option::Some(|state: &Self, #names: &#types| {
                ::tenure_sdk::macros::Fallible::settle(state.#check(#(#call_names),*))
            })
        },
        None => quote!(, ::core::option::Option::None),
    });
    let registration = if is_async {
        let register = format_ident!("{register}_async");
        let settled = output.settle(quote!(Self::#name(cx, #(#call_names),*).await));
        quote! {
            handlers.#register(Self::#constant #validator, |cx, #names: #types| async move { #settled });
        }
    } else {
        let register = format_ident!("{register}");
        let receiver = if kind == Kind::Query { quote!(&Self) } else { quote!(&mut Self) };
        let settled = output.settle(quote!(state.#name(#(#call_names),*)));
        quote! {
            handlers.#register(Self::#constant #validator, |state: #receiver, #names: #types| #settled);
        }
    };
    Ok((constant_item, registration))
}
