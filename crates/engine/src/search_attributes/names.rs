//! The names and types of search attributes: those of every namespace, and the columns that a namespace can name.

use tenure_api::enums::v1::IndexedValueType as Type;

/// The prefix of names that belong to the server.
const RESERVED_PREFIX: &str = "Temporal";

/// The attributes that only the server sets.
const FIXED: [(&str, Type); 22] = [
    ("CloseTime", Type::Datetime),
    ("ExecutionDuration", Type::Int),
    ("ExecutionStatus", Type::Keyword),
    ("ExecutionTime", Type::Datetime),
    ("HistoryLength", Type::Int),
    ("HistorySizeBytes", Type::Int),
    ("ParentRunId", Type::Keyword),
    ("ParentWorkflowId", Type::Keyword),
    ("RootRunId", Type::Keyword),
    ("RootWorkflowId", Type::Keyword),
    ("RunId", Type::Keyword),
    ("StartTime", Type::Datetime),
    ("StateTransitionCount", Type::Int),
    ("TaskQueue", Type::Keyword),
    ("TemporalExternalPayloadCount", Type::Int),
    ("TemporalExternalPayloadSizeBytes", Type::Int),
    ("TemporalUsedWorkerDeploymentVersions", Type::KeywordList),
    ("TemporalWorkerDeployment", Type::Keyword),
    ("TemporalWorkerDeploymentVersion", Type::Keyword),
    ("TemporalWorkflowVersioningBehavior", Type::Keyword),
    ("WorkflowId", Type::Keyword),
    ("WorkflowType", Type::Keyword),
];

/// The attributes that every namespace has and workflows can be given.
const COMMON: [(&str, Type); 11] = [
    ("BatcherNamespace", Type::Keyword),
    ("BatcherUser", Type::Keyword),
    ("BinaryChecksums", Type::KeywordList),
    ("BuildIds", Type::KeywordList),
    ("TemporalChangeVersion", Type::KeywordList),
    ("TemporalNamespaceDivision", Type::Keyword),
    ("TemporalPauseInfo", Type::KeywordList),
    ("TemporalReportedProblems", Type::KeywordList),
    ("TemporalScheduledById", Type::Keyword),
    ("TemporalScheduledStartTime", Type::Datetime),
    ("TemporalSchedulePaused", Type::Bool),
];

/// The number of columns that a namespace has of each type.
const COLUMNS: [(Type, u8); 7] = [
    (Type::Bool, 3),
    (Type::Datetime, 3),
    (Type::Double, 3),
    (Type::Int, 3),
    (Type::Keyword, 10),
    (Type::KeywordList, 3),
    (Type::Text, 3),
];

/// The search attributes of every namespace.
pub fn system() -> impl Iterator<Item = (&'static str, Type)> {
    FIXED.into_iter().chain(COMMON)
}

/// The columns of every namespace, by the names that aliases are given to: `Keyword01`.
pub fn columns() -> impl Iterator<Item = (String, Type)> {
    COLUMNS.into_iter().flat_map(|(kind, count)| (1..=count).map(move |n| (column(kind, n), kind)))
}

/// Whether a namespace's own attribute may not have this name.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED_PREFIX) || system_type(name).is_some()
}

pub(super) fn is_fixed(name: &str) -> bool {
    FIXED.iter().any(|(fixed, _)| *fixed == name)
}

pub(super) fn system_type(name: &str) -> Option<Type> {
    system().find(|(system, _)| *system == name).map(|(_, kind)| kind)
}

pub(crate) fn column_type(name: &str) -> Option<Type> {
    columns().find(|(column, _)| column == name).map(|(_, kind)| kind)
}

/// The first column of a type that is not taken.
///
/// # Errors
///
/// The number of columns of that type, all of which are taken.
pub(crate) fn free_column(kind: Type, is_taken: impl Fn(&str) -> bool) -> Result<String, u8> {
    let count = COLUMNS.iter().find(|(of, _)| *of == kind).map_or(0, |(_, count)| *count);
    (1..=count).map(|n| column(kind, n)).find(|name| !is_taken(name)).ok_or(count)
}

fn column(kind: Type, n: u8) -> String {
    format!("{}{n:02}", type_name(kind))
}

/// The name of a type in values and columns: `KeywordList`.
pub(crate) fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Unspecified => "Unspecified",
        Type::Text => "Text",
        Type::Keyword => "Keyword",
        Type::Int => "Int",
        Type::Double => "Double",
        Type::Bool => "Bool",
        Type::Datetime => "Datetime",
        Type::KeywordList => "KeywordList",
    }
}
