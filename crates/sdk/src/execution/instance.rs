//! A workflow of some type, seen through an object: its function and its handlers.

use super::updates::Reply;
use crate::{
    runtime::{Broken, Completion, Rt},
    workflow::{Handlers, StateCell, TaskProblem, Workflow, WorkflowContext, WorkflowState},
};
use std::{marker::PhantomData, rc::Rc, sync::Arc};
use tenure_api::common::v1::{Payload, Payloads};
use tenure_client::{DataError, Failure};

/// Makes instances of one workflow type.
pub(crate) trait Factory: Send + Sync {
    fn create(&self, rt: Rt) -> Box<dyn Instance>;
    /// Where its code is, for messages.
    fn code(&self) -> &'static str;
}

pub(crate) trait Instance {
    fn name(&self) -> &str;
    /// What the run fails of, instead of its task.
    fn fails_on(&self) -> &'static [TaskProblem];
    /// Makes the state before anything runs, for queries of a workflow that has not begun.
    fn prepare(&self, args: Option<&Payloads>) -> Result<(), DataError>;
    /// Begins the function.
    fn start(&self, args: Option<&Payloads>) -> Result<(), DataError>;
    /// Whether a handler takes signals of this name.
    fn handles(&self, signal: &str) -> bool;
    /// False: no handler takes it.
    fn signal(&self, name: &str, args: Option<&Payloads>) -> bool;
    fn query(&self, name: &str, args: Option<&Payloads>) -> Result<Payload, Failure>;
    /// Calls `accept` before the handler runs, or gives why not.
    fn update(
        &self,
        name: &str,
        args: Option<&Payloads>,
        validate: bool,
        accept: &dyn Fn(),
        reply: Reply,
    ) -> Result<(), Failure>;
}

/// The factory of a workflow type.
pub(crate) struct Typed<W: Workflow> {
    name: String,
    handlers: Arc<Handlers<W::State>>,
    workflow: PhantomData<fn(W)>,
}

impl<W: Workflow> Typed<W> {
    pub(crate) fn new(workflow: &W) -> Self {
        let mut handlers = Handlers::default();
        <W::State as WorkflowState>::handlers(&mut handlers);
        Typed { name: workflow.name().to_owned(), handlers: Arc::new(handlers), workflow: PhantomData }
    }
}

impl<W: Workflow> Factory for Typed<W> {
    fn create(&self, rt: Rt) -> Box<dyn Instance> {
        let state = Rc::new(StateCell::default());
        Box::new(Running::<W> {
            name: self.name.clone(),
            cx: WorkflowContext::new(rt, state.clone()),
            state,
            handlers: self.handlers.clone(),
            workflow: PhantomData,
        })
    }

    fn code(&self) -> &'static str {
        std::any::type_name::<W>()
    }
}

struct Running<W: Workflow> {
    name: String,
    cx: WorkflowContext<W::State>,
    state: Rc<StateCell<W::State>>,
    handlers: Arc<Handlers<W::State>>,
    workflow: PhantomData<fn(W)>,
}

impl<W: Workflow> Running<W> {
    /// What stands in for a stack trace, of which asynchronous code has none.
    fn waits_for(&self) -> String {
        let rt = self.cx.rt();
        let operations = rt.operations.borrow();
        let handlers = rt.handlers.borrow();
        let handlers = handlers.iter().filter(|(_, count)| **count > 0).map(|(name, _)| format!("handler {name:?}"));
        let lines: Vec<String> = operations.pending().chain(handlers).collect();
        if lines.is_empty() { "it waits for conditions or signals only".to_owned() } else { lines.join("\n") }
    }

    /// What the UI shows of the workflow: `temporal.api.sdk.v1.WorkflowMetadata`.
    fn metadata(&self) -> serde_json::Value {
        let named = |names: Vec<&'static str>| -> serde_json::Value {
            names.into_iter().map(|name| serde_json::json!({ "name": name })).collect()
        };
        serde_json::json!({
            "currentDetails": *self.cx.rt().details.borrow(),
            "definition": {
                "type": self.name(),
                "signalDefinitions": named(self.handlers.signals.keys().copied().collect()),
                "queryDefinitions": named(self.handlers.queries.keys().copied().collect()),
                "updateDefinitions": named(self.handlers.updates.keys().copied().collect()),
            },
        })
    }
}

impl<W: Workflow> Instance for Running<W> {
    fn name(&self) -> &str {
        // Of a dynamic one, history says it.
        self.cx.rt().info.get().map_or(&*self.name, |info| &*info.workflow_type)
    }

    fn fails_on(&self) -> &'static [TaskProblem] {
        W::FAILS_ON
    }

    fn prepare(&self, args: Option<&Payloads>) -> Result<(), DataError> {
        self.state.make(W::init(&self.cx.rt().converter.decode_args(args)?));
        Ok(())
    }

    fn start(&self, args: Option<&Payloads>) -> Result<(), DataError> {
        let args = self.cx.rt().converter.decode_args::<W::Args>(args)?;
        self.state.make(W::init(&args));
        let cx = self.cx.clone();
        self.cx.rt().spawn(async move {
            let rt = cx.rt().clone();
            let result = W::run(cx, args).await;
            match result {
                Ok(value) => match rt.converter.encode(&value) {
                    Ok(payload) => rt.returns(Completion::Done(payload)),
                    // It is the code that has to change, not what the workflow was asked for.
                    Err(error) => rt.break_with(Broken::Data(format!("the result of the workflow: {error}"))),
                },
                Err(failure) => rt.returns(Completion::Failed(failure)),
            }
        });
        Ok(())
    }

    fn handles(&self, signal: &str) -> bool {
        self.handlers.any_signal.is_some() || self.handlers.signals.contains_key(signal)
    }

    fn signal(&self, name: &str, args: Option<&Payloads>) -> bool {
        let handler = self.handlers.signals.get(name).or(self.handlers.any_signal.as_ref());
        let Some(handler) = handler else { return false };
        match handler(&self.cx, name, args) {
            // The task fails, and the signal comes again.
            Err(error) if error.is_of_codec() => {}
            Err(error) => tracing::warn!(signal = name, %error, "a signal that cannot be read is left out"),
            Ok(()) => {}
        }
        true
    }

    fn query(&self, name: &str, args: Option<&Payloads>) -> Result<Payload, Failure> {
        match (self.handlers.queries.get(name), name) {
            (Some(handler), _) => handler(&self.cx, name, args),
            (None, "__stack_trace") => Ok(self.cx.rt().converter.encode(&self.waits_for())?),
            (None, "__temporal_workflow_metadata") => Ok(self.cx.rt().converter.encode(&self.metadata())?),
            (None, _) => {
                if let Some(any) = &self.handlers.any_query {
                    return any(&self.cx, name, args);
                }
                let known = self.handlers.queries.keys().copied().collect::<Vec<_>>().join(", ");
                Err(Failure::msg(format!("no query {name:?} here; there are: {known}")))
            }
        }
    }

    fn update(
        &self,
        name: &str,
        args: Option<&Payloads>,
        validate: bool,
        accept: &dyn Fn(),
        reply: Reply,
    ) -> Result<(), Failure> {
        let handler = self.handlers.updates.get(name).or(self.handlers.any_update.as_ref());
        let Some(handler) = handler else {
            let known = self.handlers.updates.keys().copied().collect::<Vec<_>>().join(", ");
            return Err(Failure::application("UnknownUpdate", format!("no update {name:?} here; there are: {known}")));
        };
        handler(&self.cx, name, args, validate, accept, reply)
    }
}
