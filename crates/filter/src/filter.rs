//! A query as a whole: what is asked for, in which order, and how it is counted.

use crate::{
    Attribute, Attributes, Condition, FilterError, Indexes, Plan, Record, Type, check, condition::quoted_name, encode,
    evaluate, names, plan, syntax,
};
use sqlparser::ast::{Expr, Spanned};
use std::fmt;

/// What a query asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    condition: Option<Condition>,
    order_by: Vec<(Attribute, bool)>,
    group_by: Option<Attribute>,
    /// Whether the query names the namespace division, so that runs of any may fit.
    any_division: bool,
}

impl Filter {
    /// Reads a query. Its length, its depth and its words are limited (`tenure-limits`); no text makes it panic.
    pub fn parse(text: &str, attributes: &Attributes) -> Result<Filter, FilterError> {
        let query = syntax::parse(text)?;
        let condition = query.condition.as_ref().map(|expr| check::condition(expr, attributes)).transpose()?;
        if let Some(second) = query.group_by.get(1) {
            let error = FilterError::unsupported("'GROUP BY' clause supports only a single field");
            return Err(error.at(second.span().start));
        }
        let group_by = query.group_by.first().map(|expr| group_key(expr, attributes)).transpose()?;
        let order_by = query.order_by.iter().map(|(expr, descending)| Ok((sort_key(expr, attributes)?, *descending)));
        let order_by = order_by.collect::<Result<_, _>>()?;
        Ok(Filter::new(condition, order_by, group_by))
    }

    /// A filter of a condition alone.
    pub fn of(condition: Condition) -> Filter {
        Filter::new(Some(condition), Vec::new(), None)
    }

    fn new(condition: Option<Condition>, order_by: Vec<(Attribute, bool)>, group_by: Option<Attribute>) -> Filter {
        let mut filter = Filter { condition, order_by, group_by, any_division: false };
        filter.any_division = filter.attributes().iter().any(|named| named.field == names::NAMESPACE_DIVISION);
        filter
    }

    /// What the query says; none if it leaves out nothing.
    pub fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }

    /// The attributes that the query names, each as often as it does.
    pub fn attributes(&self) -> Vec<&Attribute> {
        let mut tests = Vec::new();
        self.condition.iter().for_each(|condition| condition.tests(&mut tests));
        let named = tests.into_iter().map(|test| &test.attribute);
        named.chain(&self.group_by).chain(self.order_by.iter().map(|(by, _)| by)).collect()
    }

    /// What to sort by, the first first, and whether descending. Without any, it is the order of
    /// [`position`](encode::position).
    pub fn order_by(&self) -> &[(Attribute, bool)] {
        &self.order_by
    }

    /// The same without an order, of which a count makes nothing.
    #[must_use]
    pub fn unordered(self) -> Filter {
        Filter { order_by: Vec::new(), ..self }
    }

    /// The attribute whose values a count tells apart.
    pub fn group_by(&self) -> Option<&Attribute> {
        self.group_by.as_ref()
    }

    /// Whether the query names the namespace division anywhere; else it finds only runs without one.
    pub fn names_division(&self) -> bool {
        self.any_division
    }

    /// Whether a record fits.
    pub fn matches(&self, record: &dyn Record) -> bool {
        let fits = |condition| evaluate::holds(condition, record) == Some(true);
        let is_divided = || !evaluate::is_null(record.value(names::NAMESPACE_DIVISION));
        (self.any_division || !is_divided()) && self.condition.as_ref().is_none_or(fits)
    }

    /// How the records that fit are found best.
    pub fn plan(&self, indexes: &dyn Indexes) -> Plan {
        plan::plan(self, indexes)
    }

    /// Bytes that compare as the records do in the order asked for. What is missing comes last, or first where it is
    /// descending; what is equal goes by its position, backwards if the first attribute is descending.
    pub fn sort_key(&self, record: &dyn Record) -> Vec<u8> {
        let parts = self.order_by.iter().map(|(by, descending)| (encode::key(record.value(&by.field)), *descending));
        let backwards = self.order_by.first().is_some_and(|(_, descending)| *descending);
        let parts = parts.chain([(record.position(), backwards)]);
        parts
            .flat_map(|(bytes, flipped)| bytes.into_iter().map(move |byte| if flipped { !byte } else { byte }))
            .collect()
    }
}

fn group_key(expr: &Expr, attributes: &Attributes) -> Result<Attribute, FilterError> {
    let by = check::attribute(expr, attributes)?;
    if matches!(by.kind, Type::Keyword | Type::Bool) {
        return Ok(by);
    }
    let reason = format_args!("'GROUP BY' clause is not supported for search attribute {}", by.alias);
    Err(FilterError::unsupported(reason).at(expr.span().start).of(&by.alias))
}

fn sort_key(expr: &Expr, attributes: &Attributes) -> Result<Attribute, FilterError> {
    let by = check::attribute(expr, attributes)?;
    if by.kind != Type::Text {
        return Ok(by);
    }
    let reason = format_args!("unable to sort by search attribute type {}", by.kind);
    Err(FilterError::unsupported(reason).at(expr.span().start).of(&by.alias))
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let condition = self.condition.iter().map(ToString::to_string);
        let group = self.group_by.iter().map(|by| format!("GROUP BY {}", quoted_name(&by.alias)));
        let keys = self
            .order_by
            .iter()
            .map(|(by, descending)| format!("{}{}", quoted_name(&by.alias), if *descending { " DESC" } else { "" }));
        let order = (!self.order_by.is_empty()).then(|| format!("ORDER BY {}", keys.collect::<Vec<_>>().join(", ")));
        f.write_str(&condition.chain(group).chain(order).collect::<Vec<_>>().join(" "))
    }
}
