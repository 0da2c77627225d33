//! A leader's part of a list of batch jobs, in the order of their records: running ones first, then those closed last.

use crate::seam::{
    error::CommandError,
    question::{Budget, Item, Part, Step},
    replica::ListRows,
};
use bytes::Bytes;
use prost::Message;
use std::ops::ControlFlow;
use tenure_engine::{
    NamespaceId, RowKey, SubjectKind, batch,
    rows::{ListRange, ListTable, ReadError},
};

/// The jobs of a namespace strictly after a place, one step's worth.
pub(crate) fn page(
    rows: &dyn ListRows,
    namespace: NamespaceId,
    after: Option<&[u8]>,
    budget: Budget,
) -> Result<Step, CommandError> {
    let kind = SubjectKind::BATCH;
    let start = after.map(|after| [after, &[0]].concat()).unwrap_or_default();
    let (mut items, mut bytes, mut more): (Vec<Item>, _, _) = (Vec::new(), 0, false);
    let mut result = Ok(());
    let table = ListTable { kind, namespace, field: None };
    rows.rows(&table, &ListRange { start, ..ListRange::default() }, &mut |position, record| {
        let count = items.len() as u64;
        more = count > 0 && (count >= budget.items.min(budget.rows) || bytes >= budget.bytes);
        if more {
            return ControlFlow::Break(());
        }
        let place = Bytes::copy_from_slice(position);
        match batch::shown(record) {
            Ok(info) => {
                let item = Item { place, value: info.encode_to_vec().into() };
                bytes += item.size() as u64;
                items.push(item);
                ControlFlow::Continue(())
            }
            Err(error) => {
                result = Err(ReadError::corrupt(RowKey::Record { kind, namespace, position: place }, error));
                ControlFlow::Break(())
            }
        }
    })?;
    result?;
    let next = items.last().filter(|_| more).map(|item| item.place.clone());
    Ok(Step { part: Part::Items(items), next })
}
