//! Which names a query may use, and what they stand for.

use crate::Type;
use std::collections::BTreeMap;

/// The attribute whose absence is implied where a query does not name it.
pub(crate) const NAMESPACE_DIVISION: &str = "TemporalNamespaceDivision";
pub(crate) const CLOSE_TIME: &str = "CloseTime";
pub(crate) const STATUS: &str = "ExecutionStatus";
pub(crate) const DURATION: &str = "ExecutionDuration";

const PREFIX: &str = "Temporal";

/// Where the values of a system attribute come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Only the server sets it, from what it knows of a run.
    Fixed,
    /// Runs can be given it.
    Given,
}

use Origin::{Fixed, Given};

/// The attributes of every namespace, as `temporal operator search-attribute list` shows them.
const SYSTEM: [(&str, Type, Origin); 33] = [
    ("BatcherNamespace", Type::Keyword, Given),
    ("BatcherUser", Type::Keyword, Given),
    ("BinaryChecksums", Type::KeywordList, Given),
    ("BuildIds", Type::KeywordList, Given),
    (CLOSE_TIME, Type::Datetime, Fixed),
    (DURATION, Type::Int, Fixed),
    (STATUS, Type::Keyword, Fixed),
    ("ExecutionTime", Type::Datetime, Fixed),
    ("HistoryLength", Type::Int, Fixed),
    ("HistorySizeBytes", Type::Int, Fixed),
    ("ParentRunId", Type::Keyword, Fixed),
    ("ParentWorkflowId", Type::Keyword, Fixed),
    ("RootRunId", Type::Keyword, Fixed),
    ("RootWorkflowId", Type::Keyword, Fixed),
    ("RunId", Type::Keyword, Fixed),
    ("StartTime", Type::Datetime, Fixed),
    ("StateTransitionCount", Type::Int, Fixed),
    ("TaskQueue", Type::Keyword, Fixed),
    ("TemporalChangeVersion", Type::KeywordList, Given),
    ("TemporalExternalPayloadCount", Type::Int, Fixed),
    ("TemporalExternalPayloadSizeBytes", Type::Int, Fixed),
    (NAMESPACE_DIVISION, Type::Keyword, Given),
    ("TemporalPauseInfo", Type::KeywordList, Given),
    ("TemporalReportedProblems", Type::KeywordList, Given),
    ("TemporalSchedulePaused", Type::Bool, Given),
    ("TemporalScheduledById", Type::Keyword, Given),
    ("TemporalScheduledStartTime", Type::Datetime, Given),
    ("TemporalUsedWorkerDeploymentVersions", Type::KeywordList, Fixed),
    ("TemporalWorkerDeployment", Type::Keyword, Fixed),
    ("TemporalWorkerDeploymentVersion", Type::Keyword, Fixed),
    ("TemporalWorkflowVersioningBehavior", Type::Keyword, Fixed),
    ("WorkflowId", Type::Keyword, Fixed),
    ("WorkflowType", Type::Keyword, Fixed),
];

/// The attributes of every namespace, with their types.
pub fn system() -> impl Iterator<Item = (&'static str, Type)> {
    SYSTEM.into_iter().map(|(name, kind, _)| (name, kind))
}

/// Whether it is an attribute of every namespace that only the server sets.
pub fn is_fixed(name: &str) -> bool {
    SYSTEM.iter().any(|(system, _, origin)| *system == name && *origin == Fixed)
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

/// The attributes that queries may name: of runs, those of every namespace, and the namespace's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    custom: BTreeMap<String, (String, Type)>,
    /// Whether there are no others.
    only_custom: bool,
}

impl Attributes {
    /// A namespace's own attributes: the name in queries, the field that records have, and the type.
    pub fn new(custom: impl IntoIterator<Item = (String, String, Type)>) -> Attributes {
        let custom = custom.into_iter().map(|(alias, field, kind)| (alias, (field, kind))).collect();
        Attributes { custom, only_custom: false }
    }

    /// The attributes of what is no run: these and no others, each known in records by the field that stands beside it.
    pub fn only(all: impl IntoIterator<Item = (String, String, Type)>) -> Attributes {
        Attributes { only_custom: true, ..Attributes::new(all) }
    }

    /// What a name stands for. A namespace's own attribute goes before the system's; those of the system are also known
    /// without their prefix `Temporal`, or with it; `ScheduleId` is the workflow id of a schedule.
    pub fn resolve(&self, alias: &str) -> Option<Attribute> {
        let (field, kind) = self.field_of(alias)?;
        Some(Attribute { alias: alias.to_owned(), field: field.to_owned(), kind })
    }

    fn field_of(&self, alias: &str) -> Option<(&str, Type)> {
        let custom = self.custom.get(alias).map(|(field, kind)| (field.as_str(), *kind));
        if self.only_custom {
            return custom;
        }
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

/// Running and Paused: the statuses of runs that are not closed.
pub(crate) const OPEN_STATUSES: [i64; 2] = [1, 8];

/// The name of a status in queries and in the groups of a count.
pub fn status_name(number: i64) -> Option<&'static str> {
    usize::try_from(number).ok().and_then(|n| STATUSES.get(n)).map(|(name, _)| *name)
}

pub(crate) fn status_number(name: &str) -> Option<i64> {
    let constant = name.strip_prefix("WORKFLOW_EXECUTION_STATUS_");
    let found = STATUSES.iter().position(|(short, long)| *short == name || constant == Some(*long))?;
    i64::try_from(found).ok()
}
