//! `#[workflow]`.

use crate::signature::{AttributeOptions, arguments, docs, hidden, item, output, parameter};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{ItemFn, spanned::Spanned};

pub(crate) fn expand(options: TokenStream, tokens: TokenStream) -> syn::Result<TokenStream> {
    let options = AttributeOptions::read(options, &["name", "init", "fails_on", "dynamic"])?;
    let mut function: ItemFn = item(tokens, "workflow", "an `async fn`")?;
    let signature = &function.sig;
    if let Some(receiver) = signature.receiver() {
        let why = "a workflow is no method: what it keeps is the `State` of its `cx: WorkflowContext<State>`";
        return Err(syn::Error::new(receiver.span(), why));
    }
    if signature.asyncness.is_none() {
        return Err(syn::Error::new(signature.fn_token.span(), "a workflow waits: make it an `async fn`"));
    }
    let (Some(context), taken) = arguments(signature, "WorkflowContext")? else {
        let why = "the first argument of a workflow is `cx: WorkflowContext` (or `cx: WorkflowContext<State>`)";
        return Err(syn::Error::new(signature.paren_token.span.join(), why));
    };
    let state = parameter(&context.ty).map_or_else(|| quote!(()), |state| quote!(#state));
    let (name, visibility, docs) = (signature.ident.clone(), function.vis.clone(), docs(&function.attrs));
    let docs: Vec<_> = docs.into_iter().cloned().collect();
    let workflow_type = options.name_or(&name);
    let cx = hidden("cx");
    let output = output(signature);
    let ty = &output.ty;
    let (types, names) = options.arguments(signature, &taken)?;
    let call_names: Vec<_> = taken.iter().map(|argument| &argument.name).collect();
    let init = match &options.init {
        // By reference: the function gets the arguments themselves.
        Some(init) => quote!(#init(#(#call_names),*)),
        None => quote_spanned!(context.ty.span()=> <#state as ::tenure_sdk::macros::DefaultState>::make()),
    };
    let fails_on = &options.fails_on;
    let settled = output.settle(quote!(#name::run(#cx, #(#call_names),*).await));
    function.sig.ident = syn::Ident::new("run", name.span());
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

        impl ::tenure_sdk::WorkflowDefinition for #name {
            type Args = #types;
            type Output = #ty;
            type State = #state;

            fn name(&self) -> &str {
                #workflow_type
            }
        }

        impl ::tenure_sdk::Workflow for #name {
            const FAILS_ON: &'static [::tenure_sdk::TaskProblem] = &[#(::tenure_sdk::TaskProblem::#fails_on),*];

            #[allow(unused_variables)]
            fn init(#names: &#types) -> #state {
                #init
            }

            async fn run(
                #cx: ::tenure_sdk::WorkflowContext<#state>,
                #names: #types,
            ) -> ::core::result::Result<#ty, ::tenure_sdk::Failure> {
                #settled
            }
        }
    })
}
