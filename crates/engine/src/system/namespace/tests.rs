use super::*;
use crate::{
    FeatureLevel, Ids, Limits, Process, ProposalId, Stamp, Timestamp,
    key::RunKey,
    search_attributes::Registry,
    state::ExecutionState,
    system::{
        SystemCommand,
        cluster::{ClusterMap, NodeRow},
        transition,
    },
};
use std::{cell::RefCell, sync::Arc};
use tenure_api::history::v1::HistoryEvent;

#[derive(Default)]
struct Rows(RefCell<BTreeMap<RowKey, Bytes>>);

impl StateReader for Rows {
    fn execution(&self, _: &RunKey) -> Result<Option<Arc<ExecutionState>>, ReadError> {
        Ok(None)
    }
    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        Ok(self.0.borrow().get(key).cloned())
    }
    fn event(&self, _: &RunKey, _: i64) -> Result<Option<HistoryEvent>, ReadError> {
        Ok(None)
    }
    fn history_rows(&self, _: &RunKey, _: i64, _: usize) -> Result<Vec<(i64, Bytes)>, ReadError> {
        Ok(Vec::new())
    }
    fn system_rows(&self, wanted: SystemTable) -> Result<Vec<(Arc<str>, Bytes)>, ReadError> {
        let rows = self.0.borrow();
        let of_table = rows.iter().filter_map(|(key, value)| match key {
            RowKey::System { table, key } if *table == wanted => Some((key.clone(), value.clone())),
            _ => None,
        });
        Ok(of_table.collect())
    }
}

/// Runs a command and applies it; `Err` is the API's code and message.
fn run(rows: &Rows, proposal: u128, command: SystemCommand) -> Result<SystemReply, (Code, String)> {
    run_at(rows, Timestamp(1), proposal, command)
}

/// The same at a time.
fn run_at(rows: &Rows, now: Timestamp, proposal: u128, command: SystemCommand) -> Result<SystemReply, (Code, String)> {
    let mut ids = Ids::new(proposal, Stamp::default());
    let limits = Limits::default();
    let search_attributes = Registry::default();
    let mut cx = Context {
        now,
        ids: &mut ids,
        limits: &limits,
        level: FeatureLevel::KNOWN,
        retention: None,
        search_attributes: &search_attributes,
        origin: Process::default(),
    };
    let (reply, writes) =
        transition(rows, ProposalId(proposal), &command, &mut cx).map_err(|refused| match refused {
            Refused::Api(error) => (error.code, error.message),
            Refused::Read(error) => panic!("{error}"),
        })?;
    for op in writes.ops {
        match op {
            Op::Put(key, value) => rows.0.borrow_mut().insert(key, value),
            Op::Delete(key) => rows.0.borrow_mut().remove(&key),
        };
    }
    Ok(reply)
}

fn days(days: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds: days * 86_400, nanos: 0 })
}

fn registration(name: &str) -> SystemCommand {
    SystemCommand::RegisterNamespace(Arc::new(api::RegisterNamespaceRequest {
        namespace: name.into(),
        workflow_execution_retention_period: days(1),
        ..Default::default()
    }))
}

fn info(rows: &Rows, name: &str) -> ns::NamespaceInfo {
    by_name(rows, name).unwrap().unwrap().namespace_info.unwrap()
}

#[test]
fn a_name_is_registered_once_and_a_retry_is_no_duplicate() {
    let rows = Rows::default();
    run(&rows, 1, registration("orders")).unwrap();
    let id = info(&rows, "orders").id;
    run(&rows, 1, registration("orders")).unwrap();
    let again = run(&rows, 2, registration("orders")).unwrap_err();
    assert_eq!(again, (Code::AlreadyExists, "Namespace \"orders\" already exists".into()));
    assert_eq!(info(&rows, "orders").id, id);
    assert_eq!(by_id(&rows, id.parse().unwrap()).unwrap(), by_name(&rows, "orders").unwrap());
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let refused = |change: fn(&mut api::RegisterNamespaceRequest)| {
        let SystemCommand::RegisterNamespace(mut request) = registration("n") else { unreachable!() };
        change(Arc::make_mut(&mut request));
        run(&Rows::default(), 1, SystemCommand::RegisterNamespace(request)).unwrap_err()
    };
    let retention = (Code::InvalidArgument, "A valid retention period is not set on request.".to_owned());
    assert_eq!(refused(|r| r.workflow_execution_retention_period = None), retention);
    assert_eq!(refused(|r| r.workflow_execution_retention_period = days(-1)), retention);
    assert_eq!(refused(|r| r.workflow_execution_retention_period.as_mut().unwrap().seconds = 1), retention);
    assert_eq!(refused(|r| r.is_global_namespace = true).0, Code::InvalidArgument);
    assert_eq!(refused(|r| r.history_archival_state = ArchivalState::Enabled as i32).0, Code::InvalidArgument);
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    let rows = Rows::default();
    run(&rows, 1, registration("orders")).unwrap();
    let update = |update_info, config| {
        let request =
            api::UpdateNamespaceRequest { namespace: "orders".into(), update_info, config, ..Default::default() };
        run(&rows, 0, SystemCommand::UpdateNamespace(Arc::new(request)))
    };
    let data = |key: &str| [(key.to_owned(), "v".to_owned())].into();
    let first = ns::UpdateNamespaceInfo { description: "d".into(), data: data("a"), ..Default::default() };
    update(Some(first), None).unwrap();
    let second = ns::UpdateNamespaceInfo { owner_email: "o".into(), data: data("b"), ..Default::default() };
    let SystemReply::Namespace(now) = update(Some(second), None).unwrap() else { panic!("no namespace") };
    let now = now.namespace_info.unwrap();
    assert_eq!((now.description.as_str(), now.owner_email.as_str(), now.data.len()), ("d", "o", 2));

    let short = ns::NamespaceConfig { workflow_execution_retention_ttl: days(0), ..Default::default() };
    assert_eq!(update(None, Some(short)).unwrap_err().0, Code::InvalidArgument);
    let longer = ns::NamespaceConfig { workflow_execution_retention_ttl: days(7), ..Default::default() };
    update(None, Some(longer)).unwrap();
    let kept = by_name(&rows, "orders").unwrap().unwrap().config.unwrap();
    assert_eq!(kept.workflow_execution_retention_ttl, days(7));
}

#[test]
fn deprecating_is_a_state_and_needs_the_namespace() {
    let rows = Rows::default();
    let deprecate = || {
        let request = api::DeprecateNamespaceRequest { namespace: "orders".into(), ..Default::default() };
        run(&rows, 0, SystemCommand::DeprecateNamespace(Arc::new(request)))
    };
    assert_eq!(deprecate().unwrap_err(), (Code::NotFound, "Namespace orders is not found.".into()));
    run(&rows, 1, registration("orders")).unwrap();
    deprecate().unwrap();
    assert_eq!(info(&rows, "orders").state, NamespaceState::Deprecated as i32);
}

#[test]
fn the_rows_tell_all_namespaces_in_the_order_of_their_ids() {
    let shard = Rows::default();
    for n in 0..5 {
        run(&shard, n, registration(&format!("n{n}"))).unwrap();
    }
    let all = rows(&shard).unwrap();
    assert!(all.is_sorted_by_key(|(id, _)| id.clone()));
    let name = |(id, row): (Arc<str>, Bytes)| {
        let info = description(id.clone(), &row).unwrap().namespace_info.unwrap();
        assert_eq!(info.id, *id);
        info.name
    };
    let mut names: Vec<_> = all.into_iter().map(name).collect();
    names.sort();
    assert_eq!(names, ["n0", "n1", "n2", "n3", "n4"]);
}

mod search_attributes {
    use super::*;
    use tenure_api::{enums::v1::IndexedValueType as Type, operatorservice::v1 as operator};

    fn add(rows: &Rows, wanted: &[(&str, i32)]) -> String {
        let search_attributes = wanted.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        let request = operator::AddSearchAttributesRequest { search_attributes, namespace: "orders".into() };
        outcome(run(rows, 0, SystemCommand::AddSearchAttributes(Arc::new(request))))
    }

    fn remove(rows: &Rows, names: &[&str]) -> String {
        let search_attributes = names.iter().map(|name| (*name).to_owned()).collect();
        let request = operator::RemoveSearchAttributesRequest { search_attributes, namespace: "orders".into() };
        outcome(run(rows, 0, SystemCommand::RemoveSearchAttributes(Arc::new(request))))
    }

    fn outcome(outcome: Result<SystemReply, (Code, String)>) -> String {
        outcome.err().map(|(_, message)| message).unwrap_or_default()
    }

    fn there(rows: &Rows) -> Vec<(String, Type)> {
        let description = by_name(rows, "orders").unwrap().unwrap();
        Registry::of(description.config.as_ref()).custom().clone().into_iter().collect()
    }

    fn orders() -> Rows {
        let rows = Rows::default();
        run(&rows, 1, registration("orders")).unwrap();
        rows
    }

    #[test]
    fn are_added_once_and_keep_their_type() {
        let rows = orders();
        let (city, size) = (("City".to_owned(), Type::Keyword), ("Size".to_owned(), Type::Int));
        assert_eq!(add(&rows, &[("City", 2), ("Size", 3)]), "");
        assert_eq!(add(&rows, &[("City", 1)]), "");
        assert_eq!(there(&rows), [city.clone(), size]);
        assert_eq!(remove(&rows, &["Size", "Size", "NoSuch"]), "");
        assert_eq!(there(&rows), [city]);
    }

    #[test]
    fn refused_as_a_whole() {
        let rows = orders();
        let check = |wanted: &[(&str, i32)], message: &str| assert_eq!(add(&rows, wanted), message);
        check(&[("A", 2), ("WorkflowId", 2)], "Search attribute WorkflowId is reserved by system.");
        check(&[("A", 2), ("TemporalFoo", 2)], "Search attribute TemporalFoo is reserved by system.");
        check(&[("A", 99)], "Unknown search attribute type: 99.");
        let over = |limit, kind| {
            format!(
                "Unable to create search attributes: cannot have more than {limit} search attribute of type {kind}."
            )
        };
        check(&[("A", 0)], &over(0, "Unspecified"));
        assert_eq!(there(&rows), []);
    }

    #[test]
    fn a_namespace_has_so_many_search_attributes_of_its_own() {
        let rows = orders();
        let names: Vec<_> = (0..=SEARCH_ATTRIBUTES).map(|n| (format!("A{n}"), 1 + n as i32 % 7)).collect();
        let wanted: Vec<_> = names.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        let refused = "Unable to create search attributes: a namespace cannot have more than 1000.";
        assert_eq!(add(&rows, &wanted), refused);
        assert_eq!(add(&rows, &wanted[1..]), "");
        assert_eq!(there(&rows).len(), SEARCH_ATTRIBUTES);
        assert_eq!(add(&rows, &wanted[..1]), refused);
    }

    #[test]
    fn a_name_that_is_free_again_leaves_its_column_to_another() {
        let rows = orders();
        assert_eq!(add(&rows, &[("A", 1), ("B", 1), ("C", 1)]), "");
        assert_eq!(remove(&rows, &["B"]), "");
        assert_eq!(add(&rows, &[("D", 1)]), "");
        let names: Vec<_> = there(&rows).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["A", "C", "D"]);
    }

    #[test]
    fn those_of_every_namespace_stay() {
        let rows = orders();
        for name in ["WorkflowId", "BuildIds", "Int01"] {
            let message = format!("Unable to remove non-custom search attributes: {name}.");
            assert_eq!(remove(&rows, &[name]), message);
        }
    }

    #[test]
    fn columns_are_named_by_updates_of_the_namespace() {
        let rows = orders();
        let name = |column: &str, name: &str| {
            let custom_search_attribute_aliases = [(column.to_owned(), name.to_owned())].into();
            let config = ns::NamespaceConfig { custom_search_attribute_aliases, ..Default::default() };
            let request =
                api::UpdateNamespaceRequest { namespace: "orders".into(), config: Some(config), ..Default::default() };
            outcome(run(&rows, 0, SystemCommand::UpdateNamespace(Arc::new(request))))
        };
        assert_eq!(name("Keyword03", "City"), "");
        assert_eq!(name("Keyword03", "Town"), "Custom search attribute field name already allocated.");
        assert_eq!(there(&rows), [("City".to_owned(), Type::Keyword)]);
        assert_eq!(name("Keyword03", ""), "");
        assert_eq!(there(&rows), []);
    }
}

/// F33: one command of each kind, each of which changes something.
#[test]
fn every_system_command_that_is_tried_again_gets_its_answer_and_does_nothing() {
    use crate::system::token_secret::TokenSecret;
    use tenure_api::{enums::v1::IndexedValueType, operatorservice::v1 as operator};
    let namespace = || "orders".to_owned();
    let first = registration("orders");
    // The first that is drawn for the first proposal.
    let id = Ids::new(1, Stamp::default()).uuid();
    // The next kind, and a command of it.
    let next = |command: &SystemCommand| match command {
        SystemCommand::RegisterNamespace(_) => {
            let aliases = [("Keyword01".to_owned(), "Customer".to_owned())].into();
            let config = ns::NamespaceConfig { custom_search_attribute_aliases: aliases, ..Default::default() };
            let request =
                api::UpdateNamespaceRequest { namespace: namespace(), config: Some(config), ..Default::default() };
            Some(SystemCommand::UpdateNamespace(Arc::new(request)))
        }
        SystemCommand::UpdateNamespace(_) => {
            let request = api::DeprecateNamespaceRequest { namespace: namespace(), ..Default::default() };
            Some(SystemCommand::DeprecateNamespace(Arc::new(request)))
        }
        SystemCommand::DeprecateNamespace(_) => {
            let search_attributes = [("Colour".to_owned(), IndexedValueType::Keyword as i32)].into();
            let request = operator::AddSearchAttributesRequest { namespace: namespace(), search_attributes };
            Some(SystemCommand::AddSearchAttributes(Arc::new(request)))
        }
        SystemCommand::AddSearchAttributes(_) => {
            let search_attributes = vec!["Colour".to_owned()];
            let request = operator::RemoveSearchAttributesRequest { namespace: namespace(), search_attributes };
            Some(SystemCommand::RemoveSearchAttributes(Arc::new(request)))
        }
        SystemCommand::RemoveSearchAttributes(_) => Some(SystemCommand::CreateTokenSecret(TokenSecret([1; 32]))),
        SystemCommand::CreateTokenSecret(_) => Some(SystemCommand::RaiseFeatureLevel(FeatureLevel::KNOWN)),
        SystemCommand::RaiseFeatureLevel(_) => {
            let request = operator::DeleteNamespaceRequest { namespace: namespace(), ..Default::default() };
            Some(SystemCommand::DeleteNamespace(Arc::new(request)))
        }
        SystemCommand::DeleteNamespace(_) => Some(SystemCommand::ForgetNamespace(id)),
        SystemCommand::ForgetNamespace(_) => None,
    };
    let rows = Rows::default();
    let node = NodeRow::new(Uuid::nil(), String::new(), String::new());
    let map = ClusterMap::found(Uuid::nil(), FeatureLevel::FIRST, [(1, node)].into(), 1).unwrap();
    for op in map.writes().ops {
        let Op::Put(key, value) = op else { unreachable!("a cluster is founded from nothing") };
        rows.0.borrow_mut().insert(key, value);
    }
    for (proposal, command) in (1..).zip(std::iter::successors(Some(first), next)) {
        let before = rows.0.borrow().clone();
        let answer = format!("{:?}", run(&rows, proposal, command.clone()).unwrap());
        let applied = rows.0.borrow().clone();
        assert_ne!(before, applied, "{command:?}");
        assert_eq!(format!("{:?}", run(&rows, proposal, command).unwrap()), answer);
        assert_eq!(*rows.0.borrow(), applied, "a retry writes nothing");
    }
}

/// F33.
#[test]
fn no_more_answers_are_remembered_than_there_is_room_for() {
    let rows = Rows::default();
    for n in 1..=2 * tenure_limits::REMEMBERED_SYSTEM_PROPOSALS as u128 {
        run(&rows, n, registration(&format!("n{n}"))).unwrap();
    }
    let key = RowKey::System { table: SystemTable::Proposals, key: "recent".into() };
    let bytes = rows.0.borrow()[&key].len();
    assert!(bytes < 40 * tenure_limits::REMEMBERED_SYSTEM_PROPOSALS, "{bytes} bytes");
}

mod deletion {
    use super::*;
    use expect_test::{Expect, expect};
    use tenure_api::operatorservice::v1::DeleteNamespaceRequest;

    const HOUR: i64 = 3_600_000_000_000;

    fn deletion(namespace: &str, delay: i64) -> SystemCommand {
        let namespace_delete_delay = Some(prost_types::Duration { seconds: delay, nanos: 0 });
        let namespace = namespace.to_owned();
        SystemCommand::DeleteNamespace(Arc::new(DeleteNamespaceRequest {
            namespace,
            namespace_delete_delay,
            ..Default::default()
        }))
    }

    fn by_id(id: &str) -> SystemCommand {
        let namespace_id = id.to_owned();
        SystemCommand::DeleteNamespace(Arc::new(DeleteNamespaceRequest { namespace_id, ..Default::default() }))
    }

    fn named(reply: Result<SystemReply, (Code, String)>) -> String {
        match reply {
            Ok(SystemReply::Namespace(namespace)) => namespace.namespace_info.unwrap().name,
            other => panic!("{other:?}"),
        }
    }

    fn check(result: Result<SystemReply, (Code, String)>, expected: Expect) {
        let (code, message) = result.unwrap_err();
        expected.assert_eq(&format!("{code:?}: {message}"));
    }

    /// Two namespaces that had the same name, the first of which was deleted; the first one's id and new name.
    fn renamed() -> (Rows, Uuid, String) {
        let rows = Rows::default();
        run(&rows, 1, registration("orders")).unwrap();
        let id = id_of(&rows, "orders").unwrap().unwrap();
        let name = named(run(&rows, 2, deletion("orders", 3600)));
        assert_eq!(name, format!("orders-deleted-{}", &id.to_string()[..5]));
        run(&rows, 3, registration("orders")).unwrap();
        (rows, id, name)
    }

    #[test]
    fn a_deleted_namespace_gives_its_name_away_at_once_and_keeps_its_id() {
        let (rows, id, name) = renamed();
        assert_ne!(id_of(&rows, "orders").unwrap(), Some(id));
        assert_eq!(info(&rows, "orders").state(), NamespaceState::Registered);
        assert_eq!(info(&rows, &name).state(), NamespaceState::Deleted);
        assert_eq!(info(&rows, &name).id, id.to_string());
    }

    #[test]
    fn it_is_changed_no_more() {
        let (rows, _, name) = renamed();
        let update = api::UpdateNamespaceRequest { namespace: name.clone(), ..Default::default() };
        check(
            run(&rows, 4, SystemCommand::UpdateNamespace(Arc::new(update))),
            expect!["FailedPrecondition: Namespace has invalid state: Deleted. Must be Registered or Deprecated."],
        );
        let deprecate = api::DeprecateNamespaceRequest { namespace: name.clone(), ..Default::default() };
        check(
            run(&rows, 5, SystemCommand::DeprecateNamespace(Arc::new(deprecate))),
            expect!["FailedPrecondition: Namespace has invalid state: Deleted. Must be Registered or Deprecated."],
        );
        let (code, _) = run(&rows, 6, registration(&name)).unwrap_err();
        assert_eq!(code, Code::AlreadyExists);
    }

    #[test]
    fn it_is_forgotten_when_its_delay_is_over() {
        let (rows, id, name) = renamed();
        run_at(&rows, Timestamp(HOUR), 4, SystemCommand::ForgetNamespace(id)).unwrap();
        assert_eq!(id_of(&rows, &name).unwrap(), Some(id), "an hour after the first nanosecond is later");
        run_at(&rows, Timestamp(HOUR + 1), 5, SystemCommand::ForgetNamespace(id)).unwrap();
        assert_eq!(super::super::by_id(&rows, id).unwrap(), None);
        assert_eq!(id_of(&rows, &name).unwrap(), None);
        assert_eq!(info(&rows, "orders").state(), NamespaceState::Registered);
    }

    #[test]
    fn deleted_again_it_keeps_its_name_and_goes_after_the_last_delay() {
        let (rows, id, name) = renamed();
        assert_eq!(named(run(&rows, 4, deletion(&name, 7200))), name);
        assert_eq!(named(run(&rows, 5, by_id(&id.to_string()))), name);
        run(&rows, 6, SystemCommand::ForgetNamespace(id)).unwrap();
        assert_eq!(super::super::by_id(&rows, id).unwrap(), None);
    }

    #[test]
    fn odd_delays_are_none_or_for_ever() {
        for (delay, goes) in [(-1, true), (i64::MAX, false)] {
            let (rows, id, name) = renamed();
            run(&rows, 4, deletion(&name, delay)).unwrap();
            run_at(&rows, Timestamp(i64::MAX - 1), 5, SystemCommand::ForgetNamespace(id)).unwrap();
            assert_eq!(super::super::by_id(&rows, id).unwrap().is_none(), goes);
        }
    }

    #[test]
    fn a_namespace_that_is_not_deleted_is_never_forgotten() {
        let (rows, ..) = renamed();
        let id = id_of(&rows, "orders").unwrap().unwrap();
        run_at(&rows, Timestamp::MAX, 4, SystemCommand::ForgetNamespace(id)).unwrap();
        assert_eq!(id_of(&rows, "orders").unwrap(), Some(id));
    }

    #[test]
    fn one_that_is_not_there_is_not_found_by_what_was_asked_for() {
        let rows = Rows::default();
        check(run(&rows, 1, deletion("none", 0)), expect!["NotFound: Namespace none is not found."]);
        check(run(&rows, 2, by_id("nonsense")), expect!["NotFound: Namespace nonsense is not found."]);
        let id = "00000000-0000-0000-0000-000000000001";
        check(
            run(&rows, 3, by_id(id)),
            expect!["NotFound: Namespace 00000000-0000-0000-0000-000000000001 is not found."],
        );
    }

    #[test]
    fn of_two_whose_new_names_would_be_the_same_one_gets_a_longer_one() {
        let (rows, id, name) = renamed();
        let other = Uuid::from_u128(id.as_u128() ^ 1);
        for op in
            [put_name("orders", other), put_row(other, &super::super::by_name(&rows, "orders").unwrap().unwrap(), None)]
        {
            let Op::Put(key, value) = op else { unreachable!() };
            rows.0.borrow_mut().insert(key, value);
        }
        assert_eq!(named(run(&rows, 4, deletion("orders", 0))), format!("{name}{}", &id.to_string()[5..6]));
    }
}
