//! The attributes of `tenure-sdk`: they write down what the signatures say, and nothing that could not be written by
//! hand.
//!
//! Each takes `crate = path`, for programs that have `tenure-sdk` under another name: `#[workflow(crate = durable)]`.

mod activity;
mod error;
mod handlers;
mod renamed;
mod signature;
#[cfg(test)]
mod tests;
mod workflow;

use proc_macro::TokenStream;

/// Makes a workflow of an asynchronous function `async fn name(cx: WorkflowContext<State>, args...) -> Result<T>`.
///
/// `name` becomes a value that is given where a workflow is wanted: `client.start(name, args)`,
/// `worker.workflow(name)`, `cx.child(name, args)`. `#[workflow(name = "...")]` sets the workflow type.
/// `#[workflow(init = State::new)]` makes the state of the arguments, which it gets by reference; without, the state is
/// `Default`. `#[workflow(dynamic)]` takes the tasks of all workflow types that the worker does not have: its argument is
/// `args: Vec<Raw>`, and `cx.info().workflow_type` says the type. `#[workflow(fails_on(panic, nondeterminism))]` has a run
/// fail of these, one or both, instead of having its workflow task tried again until there is better code.
#[proc_macro_attribute]
pub fn workflow(options: TokenStream, item: TokenStream) -> TokenStream {
    finish(renamed::expand(options.into(), |options| workflow::expand(options, item.into())))
}

/// Makes an activity of a function `async fn name([cx: ActivityContext,] args...) -> Result<T>`. A function that is not
/// `async` may block: it runs on a thread of its own.
///
/// `name` becomes a value: `cx.activity(name, args)`, `worker.activity(name)`; `name::call(args)` calls the function.
/// `#[activity(name = "...")]` sets the activity type. `#[activity(dynamic)]` takes the tasks of all activity types that
/// the worker does not have: its argument is `args: Vec<Raw>`, and `cx.info().activity_type` says the type.
#[proc_macro_attribute]
pub fn activity(options: TokenStream, item: TokenStream) -> TokenStream {
    finish(renamed::expand(options.into(), |options| activity::function(options, item.into())))
}

/// On an `impl` of what activities depend on (a database pool, a client): each method marked `#[activity]` becomes one.
///
/// A method `charge(&self, ...)` of `Payments` is called as `cx.activity(Payments::CHARGE, args)`; the worker gets
/// `.activities(Payments { ... })`.
#[proc_macro_attribute]
pub fn activities(options: TokenStream, item: TokenStream) -> TokenStream {
    finish(renamed::expand(options.into(), |options| activity::methods(options, item.into())))
}

/// On an `impl` of a workflow's state: methods marked `#[signal]`, `#[query]` and `#[update]` become its handlers.
///
/// Each gives a constant in upper case (`pick_up` gives `PICK_UP`), by which clients name it. Handlers take `&mut self`
/// (queries `&self`), or, to wait for something, are `async` and take `cx: WorkflowContext<Self>`.
/// `#[update(validate = check)]` names a method `fn check(&self, &args...) -> Result<()>` which may reject it.
///
/// The handlers of a state may stand in several blocks: each further one is a `#[handlers(group = name)]`, and the one
/// without takes them in with `#[handlers(groups(name, ..))]`. Handlers that several states share are those of a type of its
/// own, which is a field of each: `#[handlers(parts(field: Type))]`.
///
/// `#[signal(dynamic)]`, `#[query(dynamic)]` and `#[update(dynamic)]` take all names that have no handler: their arguments
/// are `name: String, args: Vec<Raw>`.
#[proc_macro_attribute]
pub fn handlers(options: TokenStream, item: TokenStream) -> TokenStream {
    let expand = |options| handlers::expand(options, item.clone().into());
    let expanded = renamed::expand(options.clone().into(), expand);
    finish(expanded.or_else(|error| {
        let (errors, rest) = (error.to_compile_error(), handlers::refused(options.into(), item.into()));
        Ok(quote::quote!(#errors #rest))
    }))
}

/// Makes an error say what callers and retry policies match on: the name of its variant, or of a struct itself.
///
/// `#[failure(non_retryable)]` on a variant keeps retry policies from trying again, `#[failure(type = "...")]` sets
/// another name.
#[proc_macro_derive(ApplicationError, attributes(failure))]
pub fn application_error(item: TokenStream) -> TokenStream {
    finish(error::expand(item.into()))
}

fn finish(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(|error| error.to_compile_error()).into()
}
