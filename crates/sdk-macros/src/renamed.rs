//! `crate = path`: where the SDK is, in a program that calls it otherwise.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Token, ext::IdentExt, parse::Parser, punctuated::Punctuated};

/// What is written for the SDK's own name.
const NAME: &str = "tenure_sdk";

/// Expands with the options but `crate`, which is the SDK in what comes out.
pub(crate) fn expand(
    options: TokenStream,
    expand: impl FnOnce(TokenStream) -> syn::Result<TokenStream>,
) -> syn::Result<TokenStream> {
    let (path, others) = take(options)?;
    let expanded = expand(others)?;
    Ok(match path {
        Some(path) => replaced(expanded, &path),
        None => expanded,
    })
}

/// One option, `key` or `key = value`.
struct AnyOption(syn::Ident, TokenStream);

impl syn::parse::Parse for AnyOption {
    fn parse(input: syn::parse::ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(syn::Ident::parse_any)?;
        let mut rest = TokenStream::new();
        while !input.is_empty() && !input.peek(Token![,]) {
            rest.extend([input.parse::<TokenTree>()?]);
        }
        Ok(AnyOption(key, rest))
    }
}

fn take(options: TokenStream) -> syn::Result<(Option<TokenStream>, TokenStream)> {
    let all = Punctuated::<AnyOption, Token![,]>::parse_terminated.parse2(options)?;
    let (mut path, mut others) = (None, Vec::new());
    for AnyOption(key, rest) in all {
        if key == "crate" {
            let value = |input: syn::parse::ParseStream<'_>| {
                input.parse::<Token![=]>()?;
                input.call(syn::Path::parse_mod_style)
            };
            path = Some(value.parse2(rest)?.into_token_stream());
        } else {
            others.push(quote!(#key #rest));
        }
    }
    Ok((path, quote!(#(#others),*)))
}

/// The same with `path` for each `::tenure_sdk`.
fn replaced(tokens: TokenStream, path: &TokenStream) -> TokenStream {
    let mut out: Vec<TokenTree> = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let inner = replaced(group.stream(), path);
                let mut new = Group::new(group.delimiter(), inner);
                new.set_span(group.span());
                out.push(new.into());
            }
            TokenTree::Ident(name) if name == NAME && is_colons(&out) => {
                out.truncate(out.len() - 2);
                out.extend(path.clone());
            }
            other => out.push(other),
        }
    }
    out.into_iter().collect()
}

fn is_colons(before: &[TokenTree]) -> bool {
    let colon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
    before.len() >= 2 && before[before.len() - 2..].iter().all(colon)
}
