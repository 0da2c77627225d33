//! Tests of this crate.

mod encodings;
mod limits;
mod properties;
mod reference;

use crate::{
    Attributes, Type, system,
    testing::{CUSTOM, DIVISION, Owned, Run, attributes},
};

#[test]
fn names_of_the_system_are_known_with_and_without_their_prefix() {
    let attributes = attributes();
    for (name, kind) in system() {
        let found = attributes.resolve(name).unwrap();
        assert_eq!((found.field.as_str(), found.kind), (name, kind));
        let other = name.strip_prefix("Temporal").map_or_else(|| format!("Temporal{name}"), str::to_owned);
        assert_eq!(attributes.resolve(&other).unwrap().field, name, "{other}");
    }
    assert_eq!(attributes.resolve("ScheduleId").unwrap().field, "WorkflowId");
    assert_eq!(attributes.resolve("CustomInt").unwrap().field, "Int01");
    let own = Attributes::new([("ScheduleId".to_owned(), "Int01".to_owned(), Type::Int)]);
    assert_eq!(own.resolve("ScheduleId").unwrap().field, "Int01");
    for name in ["", "Temporal", "NamespaceId", "workflowid", "TemporalTemporalBuildIds"] {
        assert_eq!(attributes.resolve(name), None, "{name}");
    }
}

#[test]
fn what_is_no_run_has_its_own_attributes_only() {
    let attributes = Attributes::only([("HostName".to_owned(), "Host".to_owned(), Type::Keyword)]);
    assert_eq!(attributes.resolve("HostName").unwrap().field, "Host");
    for name in ["WorkflowId", "TaskQueue", "BuildIds", "TemporalHostName", "ScheduleId"] {
        assert_eq!(attributes.resolve(name), None, "{name}");
    }
}
