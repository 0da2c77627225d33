//! The query of lists of workers: what it may name, and which workers it finds.

use minicbor::{Decode, Encode};
use tenure_api::{
    deployment::v1::WorkerDeploymentVersion,
    enums::v1::WorkerStatus,
    error::ApiError,
    worker::v1::{WorkerHeartbeat, WorkerHostInfo},
};
use tenure_engine::{NamespaceId, Timestamp};
use tenure_filter::{
    Attribute, Attributes, Comparison, Condition, Filter, Literal, Predicate, Record, Test, Type, Value,
};

const KEY: &str = "WorkerInstanceKey";
const QUEUE: &str = "TaskQueue";
const START_TIME: &str = "StartTime";
const HEARTBEAT_TIME: &str = "HeartbeatTime";
const STATUS: &str = "WorkerStatus";

/// How names of queues begin that a server polls itself. (The reference server's.)
const QUEUES_OF_SERVER: &str = "temporal-sys-";

/// Attributes that queries may name, and the fields that they stand for.
const ATTRIBUTES: [(&str, &str, Type); 13] = [
    (KEY, KEY, Type::Keyword),
    ("WorkerIdentity", "WorkerIdentity", Type::Keyword),
    ("HostName", "HostName", Type::Keyword),
    (QUEUE, QUEUE, Type::Keyword),
    ("DeploymentName", "DeploymentName", Type::Keyword),
    ("BuildId", "BuildId", Type::Keyword),
    ("SdkName", "SdkName", Type::Keyword),
    ("SdkVersion", "SdkVersion", Type::Keyword),
    (START_TIME, START_TIME, Type::Datetime),
    (HEARTBEAT_TIME, HEARTBEAT_TIME, Type::Datetime),
    (STATUS, STATUS, Type::Keyword),
    ("Status", STATUS, Type::Keyword),
    ("status", STATUS, Type::Keyword),
];

/// Workers of a namespace, those that fit a query.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WorkerQuery {
    #[n(0)]
    pub namespace: NamespaceId,
    #[n(1)]
    pub query: String,
    /// Whether workers of the server's own queues are to be found, too.
    #[n(2)]
    pub of_server: bool,
}

/// A query that was read.
pub(crate) struct WorkerFilter {
    filter: Filter,
    of_server: bool,
}

impl WorkerQuery {
    /// The query, checked.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with the reason.
    pub fn check(&self) -> Result<(), ApiError> {
        self.filter().map(|_| ())
    }

    pub(crate) fn filter(&self) -> Result<WorkerFilter, ApiError> {
        let attributes = ATTRIBUTES.map(|(name, field, kind)| (name.to_owned(), field.to_owned(), kind));
        let filter = Filter::parse(&self.query, &Attributes::only(attributes))
            .map_err(|error| ApiError::invalid_argument(error.to_string()))?;
        for (clause, is_there) in
            [("ORDER BY", !filter.order_by().is_empty()), ("GROUP BY", filter.group_by().is_some())]
        {
            if is_there {
                let message = format!("invalid query: operation is not supported: '{clause}' clause");
                return Err(ApiError::invalid_argument(message));
            }
        }
        let filter = match filter.condition() {
            Some(condition) => Filter::of(with_values(condition.clone())),
            None => filter,
        };
        Ok(WorkerFilter { filter, of_server: self.of_server })
    }
}

impl WorkerFilter {
    pub(crate) fn finds(&self, worker: &WorkerHeartbeat) -> bool {
        let is_wanted = self.of_server || !worker.task_queue.starts_with(QUEUES_OF_SERVER);
        is_wanted && self.filter.matches(&Worker { worker, status: status(worker.status) })
    }

    /// The queue of all workers that it can find; `None` where it may find those of several.
    pub(crate) fn queue(&self) -> Option<&str> {
        self.only(QUEUE)
    }

    /// The key of the only worker that it can find.
    pub(crate) fn key(&self) -> Option<&str> {
        self.only(KEY)
    }

    /// The text that a field has to be.
    fn only(&self, field: &str) -> Option<&str> {
        let parts = match self.filter.condition()? {
            Condition::All(parts) => parts.as_slice(),
            one => std::slice::from_ref(one),
        };
        parts.iter().find_map(|part| match part {
            Condition::Test(Test {
                attribute,
                predicate: Predicate::Compare(Comparison::Equal, Literal::Text(text)),
            }) if attribute.field == field => Some(text.as_str()),
            _ => None,
        })
    }
}

/// A worker has all attributes: texts that it does not tell are empty, and times are those of 1970. So what is compared is
/// never undecided, as in the reference server; but a time that is not told is between no others.
fn with_values(condition: Condition) -> Condition {
    match condition {
        Condition::All(parts) => joined(parts, Condition::and),
        Condition::Any(parts) => joined(parts, Condition::or),
        Condition::Not(inner) => Condition::Not(Box::new(with_values(*inner))),
        Condition::Test(Test { attribute, predicate: Predicate::IsNull { negated } }) => is_told(attribute, negated),
        Condition::Test(test @ Test { predicate: Predicate::Between { .. }, .. }) => {
            is_told(test.attribute.clone(), true).and(Condition::Test(test))
        }
        test @ Condition::Test(_) => test,
    }
}

fn joined(parts: Vec<Condition>, join: fn(Condition, Condition) -> Condition) -> Condition {
    parts.into_iter().map(with_values).reduce(join).expect("a list of conditions has at least two")
}

fn is_told(attribute: Attribute, told: bool) -> Condition {
    let comparison = if told { Comparison::NotEqual } else { Comparison::Equal };
    let nothing = match attribute.kind {
        Type::Datetime => Literal::Datetime(0),
        _ => Literal::Text(String::new()),
    };
    Condition::Test(Test { attribute, predicate: Predicate::Compare(comparison, nothing) })
}

/// A status in queries: the name that the reference server's language has for it.
fn status(number: i32) -> String {
    match WorkerStatus::try_from(number) {
        Ok(WorkerStatus::Unspecified) => "Unspecified".into(),
        Ok(WorkerStatus::Running) => "Running".into(),
        Ok(WorkerStatus::ShuttingDown) => "ShuttingDown".into(),
        Ok(WorkerStatus::Shutdown) => "Shutdown".into(),
        Err(_) => number.to_string(),
    }
}

/// A worker as a filter sees it.
struct Worker<'a> {
    worker: &'a WorkerHeartbeat,
    status: String,
}

impl Record for Worker<'_> {
    fn value(&self, field: &str) -> Value<'_> {
        let worker = self.worker;
        let of_host = |text: fn(&WorkerHostInfo) -> &str| worker.host_info.as_ref().map_or("", text);
        let of_version =
            |text: fn(&WorkerDeploymentVersion) -> &str| worker.deployment_version.as_ref().map_or("", text);
        let time = |time: Option<&_>| time.map_or(0, |time| Timestamp::from_proto(time).0);
        match field {
            KEY => Value::Keyword(&worker.worker_instance_key),
            "WorkerIdentity" => Value::Keyword(&worker.worker_identity),
            "HostName" => Value::Keyword(of_host(|host| &host.host_name)),
            QUEUE => Value::Keyword(&worker.task_queue),
            "DeploymentName" => Value::Keyword(of_version(|version| &version.deployment_name)),
            "BuildId" => Value::Keyword(of_version(|version| &version.build_id)),
            "SdkName" => Value::Keyword(&worker.sdk_name),
            "SdkVersion" => Value::Keyword(&worker.sdk_version),
            START_TIME => Value::Datetime(time(worker.start_time.as_ref())),
            HEARTBEAT_TIME => Value::Datetime(time(worker.heartbeat_time.as_ref())),
            STATUS => Value::Keyword(&self.status),
            _ => Value::Null,
        }
    }

    fn position(&self) -> Vec<u8> {
        self.worker.worker_instance_key.clone().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn query(query: &str) -> WorkerQuery {
        WorkerQuery { namespace: NamespaceId(Uuid::from_u128(1)), query: query.into(), of_server: false }
    }

    fn workers() -> [WorkerHeartbeat; 3] {
        let version = WorkerDeploymentVersion { build_id: "b1".into(), deployment_name: "d".into() };
        let full = WorkerHeartbeat {
            worker_instance_key: "full".into(),
            worker_identity: "me".into(),
            host_info: Some(WorkerHostInfo { host_name: "h".into(), ..Default::default() }),
            task_queue: "q".into(),
            deployment_version: Some(version),
            sdk_name: "temporal-go".into(),
            sdk_version: "1.2".into(),
            status: WorkerStatus::Running.into(),
            start_time: Some(Timestamp(1_700_000_000_000_000_000).to_proto()),
            heartbeat_time: Some(Timestamp(1_700_000_100_000_000_000).to_proto()),
            ..Default::default()
        };
        let bare = WorkerHeartbeat { worker_instance_key: "bare".into(), status: 77, ..Default::default() };
        let of_server = WorkerHeartbeat {
            worker_instance_key: "server".into(),
            task_queue: "temporal-sys-per-ns-tq".into(),
            status: WorkerStatus::ShuttingDown.into(),
            ..Default::default()
        };
        [full, bare, of_server]
    }

    fn found(query: &WorkerQuery) -> String {
        let filter = query.filter().unwrap();
        let workers = workers();
        let found = workers.iter().filter(|worker| filter.finds(worker));
        found.map(|worker| worker.worker_instance_key.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_query_finds_the_workers_that_the_reference_server_finds() {
        for (text, expected) in [
            ("", "full bare"),
            ("TaskQueue = 'q'", "full"),
            (r#"TaskQueue = "q""#, "full"),
            ("TaskQueue != 'q'", "bare"),
            ("TaskQueue STARTS_WITH 'q'", "full"),
            ("TaskQueue NOT STARTS_WITH 'q'", "bare"),
            ("TaskQueue IS NULL", "bare"),
            ("TaskQueue IS NOT NULL", "full"),
            ("Status = 'Running'", "full"),
            ("status = 'Running' AND WorkerStatus = 'Running'", "full"),
            ("WorkerStatus = '77'", "bare"),
            ("HostName = 'h' AND WorkerIdentity = 'me' AND SdkName = 'temporal-go' AND SdkVersion = '1.2'", "full"),
            ("DeploymentName = 'd' AND BuildId = 'b1'", "full"),
            ("BuildId != 'x'", "full bare"),
            ("WorkerInstanceKey = 'bare' OR HostName = 'h'", "full bare"),
            ("StartTime > '2020-01-01T00:00:00Z'", "full"),
            ("StartTime < '2020-01-01T00:00:00Z'", "bare"),
            ("StartTime IS NULL", "bare"),
            ("HeartbeatTime IS NOT NULL", "full"),
            ("StartTime BETWEEN '1960-01-01T00:00:00Z' AND '2030-01-01T00:00:00Z'", "full"),
            ("StartTime NOT BETWEEN '2020-01-01T00:00:00Z' AND '2030-01-01T00:00:00Z'", ""),
            ("TaskQueue = 'temporal-sys-per-ns-tq'", ""),
        ] {
            assert_eq!(found(&query(text)), expected, "{text}");
        }
        assert_eq!(found(&WorkerQuery { of_server: true, ..query("") }), "full bare server");
    }

    #[test]
    fn what_is_no_query_for_workers_is_refused_with_the_reason() {
        for (text, reason) in [
            ("WorkflowId = 'x'", "invalid search attribute: WorkflowId"),
            ("Foo = 'x' OR TaskQueue = 'q'", "invalid search attribute: Foo"),
            ("taskqueue = 'q'", "invalid search attribute: taskqueue"),
            ("TaskQueue = 'q' ORDER BY StartTime", "'ORDER BY' clause"),
            ("GROUP BY TaskQueue", "'GROUP BY' clause"),
            ("StartTime > 'x'", "unable to parse datetime 'x'"),
            ("WorkerStatus = 1", "invalid value type for search attribute WorkerStatus"),
            ("garbage ((", "syntax error near '('"),
        ] {
            let error = query(text).check().unwrap_err().message;
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_query_for_one_queue_names_it() {
        for (text, queue) in [
            ("TaskQueue = 'q'", Some("q")),
            ("TaskQueue = 'q' AND Status = 'Running'", Some("q")),
            ("Status = 'Running' AND (HostName = 'h' AND TaskQueue = 'q')", Some("q")),
            ("TaskQueue = 'q' OR Status = 'Running'", None),
            ("TaskQueue != 'q'", None),
            ("NOT TaskQueue = 'q'", None),
            ("TaskQueue IS NULL", Some("")),
            ("", None),
        ] {
            assert_eq!(query(text).filter().unwrap().queue(), queue, "{text}");
        }
    }
}
