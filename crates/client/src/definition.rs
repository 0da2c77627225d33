//! What workflows, activities and handlers are called and which types they take and give: enough to call them.

use crate::data::{Args, Data};
use std::marker::PhantomData;

/// How a definition was given.
#[doc(hidden)]
pub mod given {
    pub struct Itself;
    pub struct Function;
}

/// What is given where a workflow is wanted: the name of a function with `#[workflow]`, or a [`WorkflowRef`].
///
/// (The attribute makes two things of one name: a type, which is the definition, and a function that gives it. A
/// function's name, unlike that of a constant, may be taken by a variable.)
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow",
    label = "not a workflow",
    note = "put `#[workflow]` on the function, or name one of another program with `WorkflowRef`"
)]
pub trait IntoWorkflow<Given> {
    /// The definition.
    type Workflow: WorkflowDefinition;

    /// Gives it.
    fn into_workflow(self) -> Self::Workflow;
}

#[diagnostic::do_not_recommend]
impl<W: WorkflowDefinition> IntoWorkflow<given::Itself> for W {
    type Workflow = W;

    fn into_workflow(self) -> W {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<W: WorkflowDefinition, F: FnOnce() -> W> IntoWorkflow<given::Function> for F {
    type Workflow = W;

    fn into_workflow(self) -> W {
        self()
    }
}

/// What is given where an activity is wanted: the name of a function with `#[activity]`, the constant of a method
/// (`Payments::CHARGE`), or an [`ActivityRef`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an activity",
    label = "not an activity",
    note = "put `#[activity]` on the function, or name one of another program with `ActivityRef`",
    note = "an activity that is a method is named by its constant: `Payments::CHARGE` for `charge`"
)]
pub trait IntoActivity<Given> {
    /// The definition.
    type Activity: ActivityDefinition;

    /// Gives it.
    fn into_activity(self) -> Self::Activity;
}

#[diagnostic::do_not_recommend]
impl<D: ActivityDefinition> IntoActivity<given::Itself> for D {
    type Activity = D;

    fn into_activity(self) -> D {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<D: ActivityDefinition, F: FnOnce() -> D> IntoActivity<given::Function> for F {
    type Activity = D;

    fn into_activity(self) -> D {
        self()
    }
}

/// The states whose workflows take the signals, queries and updates of the state `P`: `P` itself, and those of which it is
/// a part, `#[handlers(parts(field: P))]`.
#[diagnostic::on_unimplemented(
    message = "workflows with the state `{Self}` have no handlers of `{P}`",
    label = "not of this workflow",
    note = "signals, queries and updates belong to a state: name one of `{Self}`, or make `{P}` a part of it with \
            `#[handlers(parts(field: {P}))]`"
)]
pub trait Handles<P> {}

#[diagnostic::do_not_recommend]
impl<S> Handles<S> for S {}

/// A workflow that can be started: its name and types. `#[workflow]` writes it for a function; [`WorkflowRef`] names
/// one that is written elsewhere.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow",
    note = "put `#[workflow]` on the function, or name one of another program with `WorkflowRef`"
)]
pub trait WorkflowDefinition: 'static {
    /// What it takes, as a tuple.
    type Args: Args;
    /// What it gives.
    type Output: Data;
    /// What its handlers share: signals, queries and updates of this type are its own.
    type State: 'static;

    /// The workflow type.
    fn name(&self) -> &str;
}

/// An activity that can be called: its name and types. `#[activity]` writes it for a function; [`ActivityRef`] names
/// one that is written elsewhere.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an activity",
    note = "put `#[activity]` on the function, or name one of another program with `ActivityRef`"
)]
pub trait ActivityDefinition: 'static {
    /// What it takes, as a tuple.
    type Args: Args;
    /// What it gives.
    type Output: Data;

    /// The activity type.
    fn name(&self) -> &str;
}

macro_rules! reference {
    ($(#[$doc:meta])* $name:ident<$($parameter:ident $(= $default:ty)?),+>) => {
        $(#[$doc])*
        pub struct $name<$($parameter $(= $default)?),+> {
            name: &'static str,
            types: PhantomData<fn() -> ($($parameter,)+)>,
        }

        impl<$($parameter),+> $name<$($parameter),+> {
            /// The one of this name. That it has these types, nobody checks.
            pub const fn new(name: &'static str) -> Self {
                $name { name, types: PhantomData }
            }

            /// Its name.
            pub const fn name(&self) -> &'static str {
                self.name
            }
        }

        impl<$($parameter),+> Clone for $name<$($parameter),+> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($parameter),+> Copy for $name<$($parameter),+> {}

        impl<$($parameter),+> std::fmt::Debug for $name<$($parameter),+> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.name)
            }
        }
    };
}

reference! {
    /// A workflow of another program, by name.
    ///
    /// ```
    /// use tenure_client::WorkflowRef;
    /// const GREETING: WorkflowRef<(String,), String> = WorkflowRef::new("Greeting");
    /// ```
    WorkflowRef<A, R, S = ()>
}
reference! {
    /// An activity of another program, in any language, by name.
    ///
    /// ```
    /// use tenure_client::ActivityRef;
    /// const ADD: ActivityRef<(i64, i64), i64> = ActivityRef::new("add");
    /// ```
    ActivityRef<A, R>
}
reference! {
    /// A signal that workflows with the state `S` handle, with arguments `A`. `#[handlers]` makes constants of them;
    /// by hand it is for workflows of another program, and for channels.
    ///
    /// ```
    /// use tenure_client::{Signal, WorkflowRef};
    /// struct Order;
    /// const ORDER: WorkflowRef<(String,), u64, Order> = WorkflowRef::new("Order");
    /// const PICK_UP: Signal<Order, (String,)> = Signal::new("pickUp");
    /// ```
    Signal<S, A>
}
reference! {
    /// A query that workflows with the state `S` answer with an `R`.
    ///
    /// ```
    /// # struct Order;
    /// const STATUS: tenure_client::Query<Order, (), String> = tenure_client::Query::new("status");
    /// ```
    Query<S, A, R>
}
reference! {
    /// An update that workflows with the state `S` take, and answer with an `R`.
    ///
    /// ```
    /// # struct Order;
    /// const TIP: tenure_client::Update<Order, (u64,), u64> = tenure_client::Update::new("tip");
    /// ```
    Update<S, A, R>
}

impl<A: Args, R: Data, S: 'static> WorkflowDefinition for WorkflowRef<A, R, S> {
    type Args = A;
    type Output = R;
    type State = S;

    fn name(&self) -> &str {
        self.name
    }
}

impl<A: Args, R: Data> ActivityDefinition for ActivityRef<A, R> {
    type Args = A;
    type Output = R;

    fn name(&self) -> &str {
        self.name
    }
}
