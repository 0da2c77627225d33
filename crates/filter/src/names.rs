//! Which names a query may use, and what they stand for.

use crate::Type;
use std::collections::BTreeMap;

/// The attribute whose absence is implied where a query does not name it.
pub(crate) const NAMESPACE_DIVISION: &str = "TemporalNamespaceDivision";
pub(crate) const STATUS: &str = "ExecutionStatus";
pub(crate) const DURATION: &str = "ExecutionDuration";
pub(crate) const CLOSE_TIME: &str = "CloseTime";
pub(crate) const START_TIME: &str = "StartTime";
pub(crate) const RUN_ID: &str = "RunId";

const PREFIX: &str = "Temporal";

/// The attributes of every namespace, as `temporal operator search-attribute list` shows them.
const SYSTEM: [(&str, Type); 33] = [
    ("BatcherNamespace", Type::Keyword),
    ("BatcherUser", Type::Keyword),
    ("BinaryChecksums", Type::KeywordList),
    ("BuildIds", Type::KeywordList),
    (CLOSE_TIME, Type::Datetime),
    (DURATION, Type::Int),
    (STATUS, Type::Keyword),
    ("ExecutionTime", Type::Datetime),
    ("HistoryLength", Type::Int),
    ("HistorySizeBytes", Type::Int),
    ("ParentRunId", Type::Keyword),
    ("ParentWorkflowId", Type::Keyword),
    ("RootRunId", Type::Keyword),
    ("RootWorkflowId", Type::Keyword),
    (RUN_ID, Type::Keyword),
    (START_TIME, Type::Datetime),
    ("StateTransitionCount", Type::Int),
    ("TaskQueue", Type::Keyword),
    ("TemporalChangeVersion", Type::KeywordList),
    ("TemporalExternalPayloadCount", Type::Int),
    ("TemporalExternalPayloadSizeBytes", Type::Int),
    (NAMESPACE_DIVISION, Type::Keyword),
    ("TemporalPauseInfo", Type::KeywordList),
    ("TemporalReportedProblems", Type::KeywordList),
    ("TemporalSchedulePaused", Type::Bool),
    ("TemporalScheduledById", Type::Keyword),
    ("TemporalScheduledStartTime", Type::Datetime),
    ("TemporalUsedWorkerDeploymentVersions", Type::KeywordList),
    ("TemporalWorkerDeployment", Type::Keyword),
    ("TemporalWorkerDeploymentVersion", Type::Keyword),
    ("TemporalWorkflowVersioningBehavior", Type::Keyword),
    ("WorkflowId", Type::Keyword),
    ("WorkflowType", Type::Keyword),
];

/// The attributes of every namespace, with their types.
pub fn system() -> impl Iterator<Item = (&'static str, Type)> {
    SYSTEM.into_iter()
}

/// A search attribute that a query names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name that the query uses; errors and answers show it.
    pub alias: String,
    /// The name that records and indexes have for it.
    pub field: String,
    pub kind: Type,
}

impl Attribute {
    /// Whether a record may have several keys of it in an index.
    pub(crate) fn is_many(&self) -> bool {
        matches!(self.kind, Type::KeywordList | Type::Text)
    }
}

/// The attributes that queries of a namespace may name: those of every namespace, and its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    custom: BTreeMap<String, (String, Type)>,
}

impl Attributes {
    /// A namespace's own attributes: the name in queries, the field that records have, and the type.
    pub fn new(custom: impl IntoIterator<Item = (String, String, Type)>) -> Attributes {
        Attributes { custom: custom.into_iter().map(|(alias, field, kind)| (alias, (field, kind))).collect() }
    }

    /// What a name stands for. A namespace's own attribute goes before the system's; those of the system are also known
    /// without their prefix `Temporal`, or with it; `ScheduleId` is the workflow id of a schedule.
    pub fn resolve(&self, alias: &str) -> Option<Attribute> {
        let (field, kind) = self.field_of(alias)?;
        Some(Attribute { alias: alias.to_owned(), field: field.to_owned(), kind })
    }

    fn field_of(&self, alias: &str) -> Option<(&str, Type)> {
        let custom = self.custom.get(alias).map(|(field, kind)| (field.as_str(), *kind));
        custom.or_else(|| {
            let bare = alias.strip_prefix(PREFIX);
            let prefixed = bare.is_none().then(|| format!("{PREFIX}{alias}"));
            let same = [Some(alias), prefixed.as_deref(), bare].into_iter().flatten();
            same.map(|name| if name == "ScheduleId" { "WorkflowId" } else { name }).find_map(system_attribute)
        })
    }
}

fn system_attribute(name: &str) -> Option<(&'static str, Type)> {
    system().find(|(system, _)| *system == name)
}

/// The names of a run's status, by their numbers.
const STATUSES: [(&str, &str); 9] = [
    ("Unspecified", "UNSPECIFIED"),
    ("Running", "RUNNING"),
    ("Completed", "COMPLETED"),
    ("Failed", "FAILED"),
    ("Canceled", "CANCELED"),
    ("Terminated", "TERMINATED"),
    ("ContinuedAsNew", "CONTINUED_AS_NEW"),
    ("TimedOut", "TIMED_OUT"),
    ("Paused", "PAUSED"),
];

/// The name of a status in queries and in the groups of a count.
pub fn status_name(number: i64) -> Option<&'static str> {
    usize::try_from(number).ok().and_then(|n| STATUSES.get(n)).map(|(name, _)| *name)
}

pub(crate) fn status_number(name: &str) -> Option<i64> {
    let constant = name.strip_prefix("WORKFLOW_EXECUTION_STATUS_");
    let found = STATUSES.iter().position(|(short, long)| *short == name || constant == Some(*long))?;
    i64::try_from(found).ok()
}
