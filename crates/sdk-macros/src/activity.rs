//! `#[activity]` and `#[activities]`.

use crate::signature::{
    Argument, AttributeOptions, Names, Output, arguments, block, conditions, constant, docs, hidden, item, output,
};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{ImplItem, ItemFn, spanned::Spanned};

pub(crate) fn function(options: TokenStream, tokens: TokenStream) -> syn::Result<TokenStream> {
    let options = AttributeOptions::read(options, &["name", "dynamic"])?;
    let mut function: ItemFn = item(tokens, "activity", "a function")?;
    if let Some(receiver) = function.sig.receiver() {
        return Err(syn::Error::new(receiver.span(), "put `#[activities]` on the `impl` around this method"));
    }
    let (context, taken) = arguments(&function.sig, "ActivityContext")?;
    let cx = hidden("cx");
    let context = context.map(|_| quote!(#cx,));
    let (name, visibility) = (function.sig.ident.clone(), function.vis.clone());
    let docs: Vec<_> = docs(&function.attrs).into_iter().cloned().collect();
    let activity_type = options.name_or(&name);
    let output = output(&function.sig);
    let ty = &output.ty;
    let (types, names) = options.arguments(&function.sig, &taken)?;
    let settled = called(&output, &function.sig, quote!(#name::call), context, &taken);
    function.sig.ident = syn::Ident::new("call", name.span());
    function.vis = syn::parse_quote!(pub);
    function.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
    Ok(quote! {
        #(#docs)*
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug)]
        #visibility struct #name {}

        #(#docs)*
        #visibility const fn #name() -> #name {
            #name {}
        }

        #[allow(unreachable_pub, clippy::unused_async)]
        impl #name {
            /// The function itself.
            #function
        }

        impl ::tenure_sdk::ActivityDefinition for #name {
            type Args = #types;
            type Output = #ty;

            fn name(&self) -> &str {
                #activity_type
            }
        }

        impl ::tenure_sdk::Activity for #name {
            #[allow(unused_variables)]
            async fn run(
                &self,
                #cx: ::tenure_sdk::ActivityContext,
                #names: #types,
            ) -> ::core::result::Result<#ty, ::tenure_sdk::Failure> {
                #settled
            }
        }
    })
}

/// The call of the function, asynchronous or on a thread that may block.
fn called(
    output: &Output,
    signature: &syn::Signature,
    function: TokenStream,
    context: Option<TokenStream>,
    taken: &[Argument],
) -> TokenStream {
    let names = taken.iter().map(|argument| &argument.name);
    let call = quote!(#function(#context #(#names),*));
    if signature.asyncness.is_some() {
        output.settle(quote!(#call.await))
    } else if output.fallible {
        output.settle(quote!(::tenure_sdk::macros::blocking(move || #call).await?))
    } else {
        quote!(::tenure_sdk::macros::blocking(move || #call).await)
    }
}

pub(crate) fn methods(options: TokenStream, tokens: TokenStream) -> syn::Result<TokenStream> {
    AttributeOptions::read(options, &[])?;
    let mut block = block(tokens, "activities")?;
    let owner = block.self_ty.clone();
    let (mut constants, mut registrations, mut names_taken) = (Vec::new(), Vec::new(), Names::default());
    for item in &mut block.items {
        let ImplItem::Fn(method) = item else { continue };
        let Some(at) = method.attrs.iter().position(|attribute| attribute.path().is_ident("activity")) else {
            continue;
        };
        let options = AttributeOptions::of(&method.attrs.remove(at), &["name", "dynamic"])?;
        let shared = method.sig.receiver().is_some_and(|it| it.reference.is_some() && it.mutability.is_none());
        if !shared {
            let why = "an activity method takes `&self`: attempts that run at the same time share what it depends on";
            return Err(syn::Error::new(method.sig.span(), why));
        }
        let (context, taken) = arguments(&method.sig, "ActivityContext")?;
        let (cx, owner_name) = (hidden("cx"), hidden("owner"));
        let context = context.map(|_| quote!(#cx,));
        let name = &method.sig.ident;
        let constant = constant(name);
        let conditions = conditions(&method.attrs);
        let activity_type = options.name_or(name);
        names_taken.add("activity", &activity_type, name)?;
        let output = output(&method.sig);
        let ty = &output.ty;
        let (types, names) = options.arguments(&method.sig, &taken)?;
        let settled = called(&output, &method.sig, quote!(#owner_name.#name), context, &taken);
        let docs = docs(&method.attrs);
        constants.push(quote! {
            #(#docs)*
            #(#conditions)*
            pub const #constant: ::tenure_sdk::ActivityRef<#types, #ty> =
                ::tenure_sdk::ActivityRef::new(#activity_type);
        });
        registrations.push(quote! {
            #(#conditions)*
            registry.add(Self::#constant, owner.clone(), |#owner_name, #cx, #names: #types| async move {
                #[allow(unused_variables)]
                let #cx = #cx;
                #settled
            });
        });
    }
    if constants.is_empty() {
        return Err(syn::Error::new(owner.span(), "no method is marked `#[activity]`"));
    }
    let (generics, _, bounds) = block.generics.split_for_impl();
    // What the owner is made of may be anything that threads can share.
    let mut shared = block.generics.clone();
    if !shared.params.is_empty() {
        let predicate = syn::parse_quote!(#owner: ::core::marker::Send + ::core::marker::Sync + 'static);
        shared.make_where_clause().predicates.push(predicate);
    }
    let (_, _, shared) = shared.split_for_impl();
    Ok(quote! {
        #block

        #[allow(unreachable_pub)]
        impl #generics #owner #bounds {
            #(#constants)*
        }

        impl #generics ::tenure_sdk::Activities for #owner #shared {
            fn register(owner: ::std::sync::Arc<Self>, registry: &mut ::tenure_sdk::ActivityRegistry) {
                #(#registrations)*
            }
        }
    })
}
