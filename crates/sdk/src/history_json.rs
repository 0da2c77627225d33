//! Histories as JSON, as `temporal workflow show --output json` and the web UI export them.

use crate::{ReplayError, Replayer};
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, EnumDescriptor, Kind, MessageDescriptor};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};
use tenure_api::history::v1::History;

static HISTORY: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(tenure_api::DESCRIPTORS).expect("the API's own descriptors are complete");
    pool.get_message_by_name("temporal.api.history.v1.History").expect("the API has histories")
});

/// Reads a history from JSON: `temporal workflow show --output json`, what the web UI exports, or the events alone.
/// Enums may be spelled `EVENT_TYPE_TIMER_FIRED` or `TimerFired`; what this version does not know is left out.
///
/// # Errors
/// [`ReplayError::Unreadable`], with line and column.
pub fn history_from_json(json: &str) -> Result<History, ReplayError> {
    let unreadable = |error: serde_json::Error| ReplayError::Unreadable(error.to_string());
    let mut value: Value = serde_json::from_str(json).map_err(unreadable)?;
    if value.is_array() {
        value = serde_json::json!({ "events": value });
    }
    spell(&mut value, &HISTORY);
    let lenient = DeserializeOptions::new().deny_unknown_fields(false);
    let message = DynamicMessage::deserialize_with_options(HISTORY.clone(), value, &lenient).map_err(unreadable)?;
    let history: History = message.transcode_to().map_err(|error| ReplayError::Unreadable(error.to_string()))?;
    if history.events.is_empty() {
        return Err(ReplayError::Unreadable("it has no events".to_owned()));
    }
    Ok(history)
}

/// Spells all enums as the API does.
fn spell(value: &mut Value, message: &MessageDescriptor) {
    let Value::Object(object) = value else { return };
    for (key, value) in object {
        let Some(field) = message.get_field_by_json_name(key).or_else(|| message.get_field_by_name(key)) else {
            continue;
        };
        let kind = match field.kind() {
            Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
            kind => kind,
        };
        let many = match value {
            Value::Array(values) => values.iter_mut().collect(),
            Value::Object(values) if field.is_map() => values.values_mut().collect(),
            one => vec![one],
        };
        for value in many {
            match &kind {
                Kind::Enum(names) => spell_enum(value, names),
                // Durations, timestamps and the like have a JSON of their own.
                Kind::Message(inner) if inner.package_name() != "google.protobuf" => spell(value, inner),
                _ => {}
            }
        }
    }
}

fn spell_enum(value: &mut Value, names: &EnumDescriptor) {
    let Value::String(name) = value else { return };
    let flat = |name: &str| name.replace('_', "").to_lowercase();
    let (short, long) = (flat(&format!("{}{name}", names.name())), flat(name));
    let known = names.values().find(|it| flat(it.name()) == short || flat(it.name()) == long);
    *value = known.map_or(Value::from(0), |known| Value::from(known.name()));
}

impl Replayer {
    /// Replays a history that was exported as JSON.
    pub fn replay_json(&self, json: &str) -> Result<(), ReplayError> {
        self.replay(&history_from_json(json)?).map(drop)
    }

    /// Replays each `.json` file of a directory: the histories that code must still understand. Gives how many there
    /// are.
    ///
    /// ```no_run
    /// # use tenure_sdk::{Replayer, prelude::*};
    /// # #[workflow] async fn order(cx: WorkflowContext) -> Result<()> { Ok(()) }
    /// #[test]
    /// fn recorded_orders_replay() {
    ///     Replayer::new().workflow(order).replay_dir("tests/histories").unwrap();
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ReplayError::Histories`] names every file that cannot be replayed. A directory without histories is an error,
    /// too.
    pub fn replay_dir(&self, dir: impl AsRef<Path>) -> Result<usize, ReplayError> {
        let dir = dir.as_ref();
        let unreadable = |error: std::io::Error| ReplayError::Unreadable(error.to_string());
        let at = |path: &Path, error| ReplayError::Histories(vec![(path.to_owned(), error)]);
        let entries = fs::read_dir(dir).map_err(|error| at(dir, unreadable(error)))?;
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|path| path.extension().is_some_and(|it| it == "json"));
        files.sort();
        if files.is_empty() {
            return Err(at(dir, ReplayError::Unreadable("there is no .json file".to_owned())));
        }
        let replay =
            |path: &Path| fs::read_to_string(path).map_err(unreadable).and_then(|json| self.replay_json(&json));
        let failed: Vec<_> =
            files.iter().filter_map(|path| replay(path).err().map(|error| (path.clone(), error))).collect();
        if failed.is_empty() { Ok(files.len()) } else { Err(ReplayError::Histories(failed)) }
    }
}
