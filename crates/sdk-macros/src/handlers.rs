//! `#[handlers]`.

use crate::signature::{
    Argument, AttributeOptions, Names, Output, arguments, block, conditions, constant, docs, hidden, is_result, output,
    parameter, tuple,
};
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{
    FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, Member, ReturnType, Token, Type,
    ext::IdentExt,
    meta::ParseNestedMeta,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
    spanned::Spanned,
};

#[derive(Clone, Copy, PartialEq)]
enum HandlerKind {
    Signal,
    Query,
    Update,
}

const KINDS: [(&str, HandlerKind); 3] =
    [("signal", HandlerKind::Signal), ("query", HandlerKind::Query), ("update", HandlerKind::Update)];

impl HandlerKind {
    fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// What can be said of a block: which other blocks and parts go with it, or which group it is.
#[derive(Default)]
struct BlockOptions {
    group: Option<Ident>,
    groups: Vec<Ident>,
    parts: Vec<Part>,
}

/// `field: Type`.
struct Part {
    field: Member,
    ty: Type,
}

impl Parse for Part {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let field = input.parse()?;
        input.parse::<Token![:]>()?;
        Ok(Part { field, ty: input.parse()? })
    }
}

impl BlockOptions {
    fn read(tokens: TokenStream) -> syn::Result<Self> {
        let mut options = BlockOptions::default();
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("group") {
                options.group = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("groups") {
                options.groups = list(&meta)?;
            } else if meta.path.is_ident("parts") {
                options.parts = list(&meta)?;
            } else {
                let why = "unknown option: `group = name` makes a group of the handlers of this block, `groups(name, ..)` \
                           takes those in, and `parts(field: Type, ..)` those of parts of the state";
                return Err(meta.error(why));
            }
            Ok(())
        });
        syn::parse::Parser::parse2(parser, tokens)?;
        match &options.group {
            Some(group) if !options.groups.is_empty() || !options.parts.is_empty() => {
                Err(syn::Error::new(group.span(), "one block, without `group`, takes in all groups and parts"))
            }
            _ => Ok(options),
        }
    }
}

fn list<T: Parse>(meta: &ParseNestedMeta<'_>) -> syn::Result<Vec<T>> {
    let content;
    syn::parenthesized!(content in meta.input);
    Ok(Punctuated::<T, Token![,]>::parse_terminated(&content)?.into_iter().collect())
}

/// What registers the handlers of a group.
fn of_group(group: &Ident) -> Ident {
    format_ident!("__handlers_of_{group}", span = group.span())
}

pub(crate) fn expand(options: TokenStream, tokens: TokenStream) -> syn::Result<TokenStream> {
    let options = BlockOptions::read(options)?;
    let mut block = block(tokens, "handlers")?;
    if !block.generics.params.is_empty() {
        let why = "the state of a workflow is made before anybody says for which types, so it cannot be generic";
        return Err(syn::Error::new(block.generics.span(), why));
    }
    let state = block.self_ty.clone();
    let (mut constants, mut registrations, mut names) = (Vec::new(), Vec::new(), Names::default());
    let mut errors: Option<syn::Error> = None;
    for at in 0..block.items.len() {
        let ImplItem::Fn(method) = &mut block.items[at] else { continue };
        let Some((kind, attribute)) = take_kind(method) else { continue };
        let ImplItem::Fn(method) = &block.items[at] else { continue };
        match handler(&block, method, kind, &attribute, &mut names) {
            Ok((constant, registration)) => {
                constants.push(constant);
                registrations.push(registration);
            }
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    let registers = registers(&state, &options, &registrations);
    Ok(quote! {
        #block

        #[allow(unreachable_pub)]
        impl #state {
            #(#constants)*
        }

        #registers
    })
}

/// What adds the handlers of a block to those of the state.
fn registers(state: &Type, options: &BlockOptions, registrations: &[TokenStream]) -> TokenStream {
    match &options.group {
        Some(group) => {
            let of_group = of_group(group);
            quote! {
                impl #state {
                    #[doc(hidden)]
                    #[allow(unused_variables)]
                    pub(crate) fn #of_group(handlers: &mut ::tenure_sdk::Handlers<Self>) {
                        #(#registrations)*
                    }
                }
            }
        }
        None => {
            let groups = options.groups.iter().map(of_group);
            let (fields, types): (Vec<_>, Vec<_>) = options.parts.iter().map(|part| (&part.field, &part.ty)).unzip();
            quote! {
                impl ::tenure_sdk::WorkflowState for #state {
                    #[allow(unused_variables)]
                    fn handlers(handlers: &mut ::tenure_sdk::Handlers<Self>) {
                        #(#registrations)*
                        #(Self::#groups(handlers);)*
                        #(handlers.part::<#types>(|__state| &__state.#fields, |__state| &mut __state.#fields);)*
                    }
                }

                #(impl ::tenure_sdk::Handles<#types> for #state {})*
            }
        }
    }
}

/// What stands for a block that was refused, so that its messages are not followed by others which it causes.
pub(crate) fn refused(options: TokenStream, tokens: TokenStream) -> TokenStream {
    let Ok(mut block) = syn::parse2::<ItemImpl>(tokens) else { return TokenStream::new() };
    for item in &mut block.items {
        if let ImplItem::Fn(method) = item {
            while take_kind(method).is_some() {}
        }
    }
    let registers = registers(&block.self_ty, &BlockOptions::read(options).unwrap_or_default(), &[]);
    quote! {
        #[allow(dead_code)]
        #block

        #registers
    }
}

/// Takes the attribute off that makes the method a handler.
fn take_kind(method: &mut ImplItemFn) -> Option<(HandlerKind, syn::Attribute)> {
    let kind_of = |attribute: &syn::Attribute| KINDS.iter().find(|(name, _)| attribute.path().is_ident(name));
    let (at, kind) = method.attrs.iter().enumerate().find_map(|(at, attribute)| Some((at, kind_of(attribute)?.1)))?;
    Some((kind, method.attrs.remove(at)))
}

/// Whether the method can be this kind of handler.
fn check(method: &ImplItemFn, kind: HandlerKind, has_context: bool) -> syn::Result<()> {
    let signature = &method.sig;
    let error = |why: &str| Err(syn::Error::new(signature.span(), why));
    if let Some((other, _)) = take_kind(&mut method.clone()) {
        return error(&format!("a method is one handler: this one is marked as {} and {}", kind.name(), other.name()));
    }
    match (kind, signature.asyncness.is_some(), signature.receiver(), has_context) {
        (HandlerKind::Query, true, ..) => return error("a query answers at once: it is not `async`"),
        (HandlerKind::Query, false, Some(receiver), false) if receiver.mutability.is_some() => {
            return error("a query takes `&self`: it changes nothing");
        }
        (_, false, Some(receiver), false) if receiver.reference.is_some() => {}
        (HandlerKind::Query, false, ..) => return error("a query takes `&self`"),
        (_, false, ..) => return error("a handler that is not `async` takes `&mut self` or `&self`, and no context"),
        (_, true, None, true) => {}
        (_, true, ..) => {
            let why = "an `async` handler takes `cx: WorkflowContext<Self>` instead of `self`, \
                       because others change the state while it waits";
            return error(why);
        }
    }
    match &signature.output {
        ReturnType::Type(_, ty) if kind == HandlerKind::Signal && !gives_nothing(ty) => {
            let why = "a signal answers nothing: let it return nothing or `Result<()>`, or make it an `#[update]`";
            Err(syn::Error::new(ty.span(), why))
        }
        _ => Ok(()),
    }
}

/// `()`, or a `Result` of it.
fn gives_nothing(ty: &Type) -> bool {
    let is_unit = |ty: &Type| matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty());
    is_unit(ty) || is_result(ty) && parameter(ty).is_none_or(|ty| is_unit(&ty))
}

/// A validator that is in the same block must take what the update takes, by reference.
fn check_validator(block: &ItemImpl, called: &Ident, update: &ImplItemFn, taken: &[Argument]) -> syn::Result<()> {
    let methods = block.items.iter().filter_map(|item| match item {
        ImplItem::Fn(method) if method.sig.ident == *called => Some(&method.sig),
        _ => None,
    });
    let wanted = taken.iter().map(|Argument { name, ty }| format!(", {name}: &{}", ty.to_token_stream()));
    let wanted = format!("fn {called}(&self{}) -> Result<()>", wanted.collect::<String>());
    for found in methods {
        let receiver = found.receiver().is_some_and(|it| it.reference.is_some() && it.mutability.is_none());
        let typed: Vec<_> = found.inputs.iter().filter(|input| matches!(input, FnArg::Typed(_))).collect();
        // `&str` is as good as `&String`: which types fit, the compiler knows.
        let same = typed.len() == taken.len() && typed.into_iter().all(is_reference);
        let gives = matches!(&found.output, ReturnType::Type(_, ty) if gives_nothing(ty));
        if !receiver || !same || !gives || found.asyncness.is_some() {
            let why = format!("the validator of `{}` is `{wanted}`", update.sig.ident);
            return Err(syn::Error::new(found.span(), why));
        }
    }
    Ok(())
}

fn is_reference(input: &FnArg) -> bool {
    matches!(input, FnArg::Typed(typed) if matches!(*typed.ty, Type::Reference(_)))
}

/// What registers a handler of all names that have no other.
fn dynamic(
    method: &ImplItemFn,
    kind: HandlerKind,
    options: &AttributeOptions,
    taken: &[Argument],
) -> syn::Result<TokenStream> {
    let signature = &method.sig;
    let [Argument { name: called, ty: called_type }, Argument { name: args, ty: args_type }] = taken else {
        let why = "what is `dynamic` takes the name and the arguments as they come: `name: String, args: Vec<Raw>`";
        return Err(syn::Error::new(signature.span(), why));
    };
    if let Some(validator) = &options.validate {
        return Err(syn::Error::new(validator.span(), "what is `dynamic` has no validator"));
    }
    let (cx, state, name, conditions) = (hidden("cx"), hidden("state"), &signature.ident, conditions(&method.attrs));
    let (output, arguments) = (output(signature), quote!(#called: #called_type, #args: #args_type));
    Ok(if signature.asyncness.is_some() {
        let register = format_ident!("any_{}_async", kind.name());
        let settled = output.settle(quote!(Self::#name(#cx, #called, #args).await));
        quote!(#(#conditions)* handlers.#register(|#cx, #arguments| async move { #settled });)
    } else {
        let register = format_ident!("any_{}", kind.name());
        let receiver = if kind == HandlerKind::Query { quote!(&Self) } else { quote!(&mut Self) };
        let settled = output.settle(quote!(#state.#name(#called, #args)));
        quote!(#(#conditions)* handlers.#register(|#state: #receiver, #arguments| #settled);)
    })
}

fn handler(
    block: &ItemImpl,
    method: &ImplItemFn,
    kind: HandlerKind,
    attribute: &syn::Attribute,
    names_taken: &mut Names,
) -> syn::Result<(TokenStream, TokenStream)> {
    let allowed: &[&str] =
        if kind == HandlerKind::Update { &["name", "validate", "dynamic"] } else { &["name", "dynamic"] };
    let options = AttributeOptions::of(attribute, allowed)?;
    let (state, signature) = (&block.self_ty, &method.sig);
    let (context, taken) = arguments(signature, "WorkflowContext")?;
    check(method, kind, context.is_some())?;
    if let Some(validator) = &options.validate {
        check_validator(block, validator, method, &taken)?;
    }
    if options.dynamic {
        return Ok((TokenStream::new(), dynamic(method, kind, &options, &taken)?));
    }
    let name = &signature.ident;
    let constant = constant(name);
    let (cx, state_name) = (hidden("cx"), hidden("state"));
    let called = options.name.unwrap_or_else(|| name.unraw().to_string());
    names_taken.add(kind.name(), &called, name)?;
    let output = output(signature);
    let ty = &output.ty;
    let (types, names) = tuple(&taken);
    let call_names: Vec<_> = taken.iter().map(|argument| &argument.name).collect();
    let (docs, conditions) = (docs(&method.attrs), conditions(&method.attrs));
    let (path, parameters) = match kind {
        HandlerKind::Signal => (quote!(::tenure_sdk::Signal), quote!(<#state, #types>)),
        HandlerKind::Query => (quote!(::tenure_sdk::Query), quote!(<#state, #types, #ty>)),
        HandlerKind::Update => (quote!(::tenure_sdk::Update), quote!(<#state, #types, #ty>)),
    };
    let constant_item = quote! {
        #(#docs)*
        #(#conditions)*
        pub const #constant: #path #parameters = #path::new(#called);
    };
    let validator = (kind == HandlerKind::Update).then(|| match &options.validate {
        Some(check) => {
            let settled =
                Output { ty: TokenStream::new(), fallible: true }.settle(quote!(#state_name.#check(#(#call_names),*)));
            quote! {
                , ::core::option::Option::Some(|#state_name: &Self, #names: &#types| #settled)
            }
        }
        None => quote!(, ::core::option::Option::None),
    });
    let register = kind.name();
    let registration = if signature.asyncness.is_some() {
        let register = format_ident!("{register}_async");
        let settled = output.settle(quote!(Self::#name(#cx, #(#call_names),*).await));
        quote! {
            #(#conditions)*
            handlers.#register(Self::#constant #validator, |#cx, #names: #types| async move { #settled });
        }
    } else {
        let register = format_ident!("{register}");
        let receiver = if kind == HandlerKind::Query { quote!(&Self) } else { quote!(&mut Self) };
        let settled = output.settle(quote!(#state_name.#name(#(#call_names),*)));
        quote! {
            #(#conditions)*
            handlers.#register(Self::#constant #validator, |#state_name: #receiver, #names: #types| #settled);
        }
    };
    Ok((constant_item, registration))
}
