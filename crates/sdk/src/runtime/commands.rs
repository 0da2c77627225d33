//! Commands that the code has made and no event has confirmed yet, and what the events ahead say of markers.

use super::OpId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tenure_api::{
    command::v1::{self as api, command::Attributes},
    common::v1::{Payload, Payloads},
    sdk::v1::UserMetadata,
};
use tenure_client::DataConverter;

pub(crate) type Location = &'static std::panic::Location<'static>;

/// What a person reads beside a command, in the UI.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) summary: Option<String>,
    pub(crate) details: Option<String>,
}

impl Notes {
    pub(crate) fn of(summary: Option<String>) -> Self {
        Notes { summary, details: None }
    }
}

/// A command and where the code made it.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) op: Option<OpId>,
    pub(crate) attributes: Attributes,
    pub(crate) notes: Notes,
    pub(crate) at: Location,
}

impl Command {
    pub(crate) fn new(op: Option<OpId>, attributes: Attributes, at: Location) -> Self {
        Command { op, attributes, notes: Notes::default(), at }
    }

    pub(crate) fn to_proto(&self, converter: &DataConverter) -> api::Command {
        let payload = |text: &Option<String>| text.as_ref().and_then(|text| converter.encode(text).ok());
        let (summary, details) = (payload(&self.notes.summary), payload(&self.notes.details));
        let has_notes = summary.is_some() || details.is_some();
        api::Command {
            command_type: self.attributes.command_type().into(),
            user_metadata: has_notes.then_some(UserMetadata { summary, details }),
            attributes: Some(self.attributes.clone()),
            ..Default::default()
        }
    }
}

#[derive(Default)]
pub(crate) struct Commands {
    queue: VecDeque<Command>,
}

impl Commands {
    pub(crate) fn push(&mut self, command: Command) {
        self.queue.push_back(command);
    }

    pub(crate) fn pop(&mut self) -> Option<Command> {
        self.queue.pop_front()
    }

    pub(crate) fn front(&self) -> Option<&Command> {
        self.queue.front()
    }

    pub(crate) fn last(&self) -> Option<&Command> {
        self.queue.back()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Command> {
        self.queue.iter()
    }

    /// Notes something beside the command of an operation, if it is still here.
    pub(crate) fn note(&mut self, op: OpId, notes: Notes) {
        if let Some(command) = self.queue.iter_mut().rfind(|command| command.op == Some(op)) {
            command.notes = notes;
        }
    }

    /// Takes back the command of an operation, if it is still here.
    pub(crate) fn withdraw(&mut self, op: OpId) -> bool {
        let before = self.queue.len();
        self.queue.retain(|command| command.op != Some(op));
        self.queue.len() < before
    }
}

pub(crate) const PATCH: &str = "core_patch";
pub(crate) const LOCAL_ACTIVITY: &str = "core_local_activity";
pub(crate) const SIDE_EFFECT: &str = "tenure_side_effect";

/// What markers say that are ahead of the code, or behind it.
#[derive(Default)]
pub(crate) struct Known {
    /// Patches that this run has, by marker.
    pub(crate) patches: BTreeSet<String>,
    /// Patches that the code was told this run does not have.
    pub(crate) refused: BTreeSet<String>,
    /// Patches of which the code has made the marker again.
    pub(crate) made: BTreeSet<String>,
    /// Values of side effects, by number.
    pub(crate) side_effects: BTreeMap<u64, Option<Payload>>,
    pub(crate) next_side_effect: u64,
}

/// The details of a marker, one payload each.
pub(crate) fn details(entries: impl IntoIterator<Item = (&'static str, Payload)>) -> BTreeMap<String, Payloads> {
    entries.into_iter().map(|(key, payload)| (key.to_owned(), Payloads { payloads: vec![payload] })).collect()
}
