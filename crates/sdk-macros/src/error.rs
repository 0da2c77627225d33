//! `#[derive(ApplicationError)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Fields, Ident, LitStr};

/// What `#[failure(..)]` says.
#[derive(Default)]
struct Said {
    name: Option<String>,
    non_retryable: bool,
}

fn said(attributes: &[Attribute]) -> syn::Result<Said> {
    let mut said = Said::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("failure")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("type") {
                said.name = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("non_retryable") {
                said.non_retryable = true;
            } else {
                return Err(meta.error("unknown option: `type = \"..\"` and `non_retryable` can be set here"));
            }
            Ok(())
        })?;
    }
    Ok(said)
}

pub(crate) fn expand(tokens: TokenStream) -> syn::Result<TokenStream> {
    let input: DeriveInput = syn::parse2(tokens)?;
    let name = &input.ident;
    let (generics, types, bounds) = input.generics.split_for_impl();
    let (failure_type, retryable) = match &input.data {
        Data::Struct(_) => of(name, &input.attrs)?,
        Data::Enum(all) => {
            let (mut names, mut retryable) = (Vec::new(), Vec::new());
            for variant in &all.variants {
                let ident = &variant.ident;
                let any = match &variant.fields {
                    Fields::Named(_) => quote!(Self::#ident { .. }),
                    Fields::Unnamed(_) => quote!(Self::#ident(..)),
                    Fields::Unit => quote!(Self::#ident),
                };
                let (of_name, of_retryable) = of(ident, &variant.attrs)?;
                names.push(quote!(#any => #of_name));
                retryable.push(quote!(#any => #of_retryable));
            }
            (quote!(match *self { #(#names,)* }), quote!(match *self { #(#retryable,)* }))
        }
        Data::Union(_) => return Err(syn::Error::new(name.span(), "an error is a struct or an enum")),
    };
    Ok(quote! {
        impl #generics ::tenure_sdk::ApplicationError for #name #types #bounds {
            fn failure_type(&self) -> &str {
                #failure_type
            }

            fn is_retryable(&self) -> bool {
                #retryable
            }
        }
    })
}

/// The type and retryability of a struct or a variant.
fn of(ident: &Ident, attributes: &[Attribute]) -> syn::Result<(TokenStream, TokenStream)> {
    let said = said(attributes)?;
    let name = said.name.unwrap_or_else(|| ident.to_string());
    let retryable = !said.non_retryable;
    Ok((quote!(#name), quote!(#retryable)))
}
