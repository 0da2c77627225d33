//! What a query's names and values mean: sqlparser's expressions become conditions, or are refused.

use crate::{
    Attribute, Attributes, Comparison, Condition, FilterError, Literal, Predicate, Test, Type, Words, names, syntax,
    times,
};
use sqlparser::{
    ast::{BinaryOperator, Expr, InTarget, Spanned, UnaryOperator, Value},
    tokenizer::Location,
};

pub(crate) fn condition(expr: &Expr, attributes: &Attributes) -> Result<Condition, FilterError> {
    match expr {
        Expr::Nested(inner) => condition(inner, attributes),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(!condition(expr, attributes)?),
        Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => chain(expr, op, attributes),
        Expr::BinaryOp { left, op, right } => {
            let attribute = attribute(left, attributes)?;
            let position = right.span().start;
            let predicate =
                comparison(&attribute, op, right).map_err(|error| error.at(position).of(&attribute.alias))?;
            Ok(Condition::Test(Test { attribute, predicate }))
        }
        Expr::In { expr, target: InTarget::List(list), negated, .. } => {
            test(expr, attributes, |attribute| one_of(attribute, list, *negated))
        }
        Expr::Between { expr, negated, low, high } => {
            test(expr, attributes, |attribute| between(attribute, low, high, *negated))
        }
        Expr::IsNull(expr) => test(expr, attributes, |_| Ok(Predicate::IsNull { negated: false })),
        Expr::IsNotNull(expr) => test(expr, attributes, |_| Ok(Predicate::IsNull { negated: true })),
        Expr::IsTrue(expr) => test(expr, attributes, |_| {
            Err(FilterError::invalid("'IS' operator can only be used as 'IS NULL' or 'IS NOT NULL'"))
        }),
        Expr::Identifier(name) => {
            Err(FilterError::invalid("incomplete expression").at(name.span.start).of(&name.value))
        }
        Expr::Value(value) => {
            Err(FilterError::unsupported(format_args!("expression of type {}", shown_kind(expr))).at(value.span.start))
        }
        other => Err(FilterError::unsupported("expression of this kind").at(other.span().start)),
    }
}

/// A chain of `AND`s or `OR`s, which is deep to the left.
fn chain(expr: &Expr, op: &BinaryOperator, attributes: &Attributes) -> Result<Condition, FilterError> {
    let (mut first, mut others) = (expr, Vec::new());
    while let Expr::BinaryOp { left, op: of, right } = first {
        if of != op {
            break;
        }
        others.push(right);
        first = left;
    }
    let mut parts = vec![condition(first, attributes)?];
    for other in others.into_iter().rev() {
        parts.push(condition(other, attributes)?);
    }
    let all = *op == BinaryOperator::And;
    let flat = parts.into_iter().flat_map(|part| match part {
        Condition::All(parts) if all => parts,
        Condition::Any(parts) if !all => parts,
        other => vec![other],
    });
    Ok(if all { Condition::All(flat.collect()) } else { Condition::Any(flat.collect()) })
}

fn test(
    left: &Expr,
    attributes: &Attributes,
    predicate: impl FnOnce(&Attribute) -> Result<Predicate, FilterError>,
) -> Result<Condition, FilterError> {
    let attribute = attribute(left, attributes)?;
    let predicate = predicate(&attribute).map_err(|error| error.at(left.span().start).of(&attribute.alias))?;
    Ok(Condition::Test(Test { attribute, predicate }))
}

/// What a name stands for.
pub(crate) fn attribute(expr: &Expr, attributes: &Attributes) -> Result<Attribute, FilterError> {
    let Expr::Identifier(name) = expr else {
        let kind = shown_kind(expr);
        return Err(FilterError::invalid(format_args!("must be a column name but was {kind}")).at(expr.span().start));
    };
    attributes.resolve(&name.value).ok_or_else(|| {
        let message = format!("invalid search attribute: {}", name.value);
        FilterError::new(message).at(name.span.start).of(&name.value)
    })
}

/// The reference server's word for an expression that stands in the wrong place.
fn shown_kind(expr: &Expr) -> &'static str {
    match expr {
        Expr::Value(value) => match value.value {
            Value::Boolean(_) => "sqlparser.BoolVal",
            Value::Null => "*sqlparser.NullVal",
            _ => "*sqlparser.SQLVal",
        },
        Expr::Nested(_) => "*sqlparser.ParenExpr",
        Expr::UnaryOp { .. } => "*sqlparser.UnaryExpr",
        Expr::Identifier(_) => "*sqlparser.ColName",
        _ => "*sqlparser.BinaryExpr",
    }
}

fn comparison(attribute: &Attribute, op: &BinaryOperator, right: &Expr) -> Result<Predicate, FilterError> {
    let value = literal(attribute, right)?;
    let name = match op {
        BinaryOperator::NotEq => "!=".to_owned(),
        BinaryOperator::Custom(name) => name.clone(),
        op => op.to_string(),
    };
    let predicate = match (name.as_str(), value) {
        ("=", value) => Predicate::Compare(Comparison::Equal, value),
        ("!=", value) => Predicate::Compare(Comparison::NotEqual, value),
        ("<", value) => Predicate::Compare(Comparison::Less, value),
        ("<=", value) => Predicate::Compare(Comparison::LessOrEqual, value),
        (">", value) => Predicate::Compare(Comparison::Greater, value),
        (">=", value) => Predicate::Compare(Comparison::GreaterOrEqual, value),
        (syntax::STARTS_WITH, Literal::Text(prefix)) => Predicate::StartsWith { prefix, negated: false },
        ("NOT STARTS_WITH", Literal::Text(prefix)) => Predicate::StartsWith { prefix, negated: true },
        _ => return Err(unsupported(attribute, &name)),
    };
    let fits = match (attribute.kind, &predicate) {
        (Type::Text | Type::KeywordList, Predicate::Compare(comparison, _)) => {
            matches!(comparison, Comparison::Equal | Comparison::NotEqual)
        }
        (kind, Predicate::StartsWith { .. }) => kind == Type::Keyword,
        _ => true,
    };
    if fits { Ok(predicate) } else { Err(unsupported(attribute, &name)) }
}

fn unsupported(attribute: &Attribute, operator: &str) -> FilterError {
    let Attribute { alias, kind, .. } = attribute;
    FilterError::unsupported(format_args!(
        "operator '{operator}' not supported for {kind} type search attribute '{alias}'"
    ))
}

fn one_of(attribute: &Attribute, list: &[Expr], negated: bool) -> Result<Predicate, FilterError> {
    let values = list.iter().map(|expr| literal(attribute, expr).map_err(|error| error.at(expr.span().start)));
    let values = values.collect::<Result<_, _>>()?;
    match attribute.kind {
        Type::Text => Err(unsupported(attribute, if negated { "NOT IN" } else { "IN" })),
        _ => Ok(Predicate::In { values, negated }),
    }
}

fn between(attribute: &Attribute, low: &Expr, high: &Expr, negated: bool) -> Result<Predicate, FilterError> {
    let Attribute { alias, kind, .. } = attribute;
    if matches!(kind, Type::Text | Type::KeywordList | Type::Bool) {
        let reason = format_args!("cannot do range condition on search attribute '{alias}' of type {kind}");
        return Err(FilterError::invalid(reason));
    }
    let value = |expr: &Expr| literal(attribute, expr).map_err(|error| error.at(expr.span().start));
    Ok(Predicate::Between { low: value(low)?, high: value(high)?, negated })
}

/// A value as it stands in a query.
enum Raw {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
}

fn literal(attribute: &Attribute, expr: &Expr) -> Result<Literal, FilterError> {
    let raw = raw(expr)?;
    let is_system = |name| attribute.field == name;
    if is_system(names::STATUS) {
        return status(raw);
    }
    if is_system(names::DURATION) {
        return duration(raw);
    }
    match (attribute.kind, raw) {
        (Type::Int | Type::Double, Raw::Int(number)) => Ok(Literal::Int(number)),
        (Type::Int | Type::Double, Raw::Double(number)) => Ok(Literal::Double(number)),
        (Type::Bool, Raw::Bool(value)) => Ok(Literal::Bool(value)),
        (Type::Datetime, Raw::Int(nanoseconds)) => Ok(Literal::Datetime(nanoseconds)),
        (Type::Datetime, Raw::Text(text)) => match times::time(&text) {
            Some(nanoseconds) => Ok(Literal::Datetime(nanoseconds)),
            None => Err(FilterError::invalid(format_args!("unable to parse datetime '{text}'"))),
        },
        (Type::Keyword | Type::KeywordList, Raw::Text(text)) => Ok(Literal::Text(text)),
        (Type::Text, Raw::Text(text)) if text.trim().is_empty() => {
            let alias = &attribute.alias;
            Err(FilterError::invalid(format_args!("no tokens found filtering on Text type search attribute {alias}")))
        }
        (Type::Text, Raw::Text(text)) => Ok(Literal::Words(Words::new(text))),
        (kind, raw) => {
            let (alias, shown, of) = (&attribute.alias, raw.shown(), raw.kind());
            Err(FilterError::invalid(format_args!(
                "invalid value type for search attribute {alias} of type {kind}: {shown} (type: {of})"
            )))
        }
    }
}

fn status(raw: Raw) -> Result<Literal, FilterError> {
    let (number, shown) = match raw {
        Raw::Int(number) => (names::status_name(number).map(|_| number), number.to_string()),
        Raw::Text(name) => (names::status_number(&name), format!("'{name}'")),
        raw => return Err(unexpected(&raw, names::STATUS)),
    };
    number
        .map(Literal::Int)
        .ok_or_else(|| FilterError::invalid(format_args!("invalid {} value {shown}", names::STATUS)))
}

fn duration(raw: Raw) -> Result<Literal, FilterError> {
    match raw {
        Raw::Int(nanoseconds) => Ok(Literal::Int(nanoseconds)),
        Raw::Text(text) => times::duration(&text).map(Literal::Int).ok_or_else(|| {
            let name = names::DURATION;
            FilterError::invalid(format_args!("invalid duration value for search attribute {name}: {text}"))
        }),
        raw => Err(unexpected(&raw, names::DURATION)),
    }
}

fn unexpected(raw: &Raw, name: &str) -> FilterError {
    FilterError::invalid(format_args!("unexpected value type {} for search attribute {name}", raw.kind()))
}

fn raw(expr: &Expr) -> Result<Raw, FilterError> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, false) => number(digits, false, value.span.start),
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Ok(Raw::Text(text.clone())),
            Value::Boolean(value) => Ok(Raw::Bool(*value)),
            Value::Null => Err(FilterError::invalid("unexpected value type *sqlparser.NullVal")),
            other => Err(FilterError::invalid(format_args!("unable to parse value \"{other}\""))),
        },
        Expr::UnaryOp { op: op @ (UnaryOperator::Minus | UnaryOperator::Plus), expr: inner } => match &**inner {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, false) => number(digits, *op == UnaryOperator::Minus, value.span.start),
                _ => Err(FilterError::invalid(format_args!("unary operator not supported in \"{expr}\""))),
            },
            _ => Err(FilterError::invalid(format_args!("unary operator not supported in \"{expr}\""))),
        },
        Expr::UnaryOp { op, .. } => Err(FilterError::unsupported(format_args!("unary operator \"{op}\""))),
        Expr::Identifier(name) => Err(FilterError::unsupported(format_args!(
            "column name on the right side of comparison expression (did you forget to quote \"{name}\"?)"
        ))
        .at(name.span.start)),
        other => Err(FilterError::invalid(format_args!("unexpected value type {}", shown_kind(other)))),
    }
}

fn number(digits: &str, negative: bool, position: Location) -> Result<Raw, FilterError> {
    let signed = if negative { format!("-{digits}") } else { digits.to_owned() };
    if let Ok(number) = signed.parse() {
        return Ok(Raw::Int(number));
    }
    match signed.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Raw::Double(number)),
        _ => Err(FilterError::invalid(format_args!("unable to parse value \"{signed}\"")).at(position)),
    }
}

impl Raw {
    /// As the reference server shows a value.
    fn shown(&self) -> String {
        match self {
            Raw::Bool(value) => value.to_string(),
            Raw::Int(number) => number.to_string(),
            Raw::Double(number) => shown_double(*number),
            Raw::Text(text) => format!("{text:?}"),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Raw::Bool(_) => "bool",
            Raw::Int(_) => "int64",
            Raw::Double(_) => "float64",
            Raw::Text(_) => "string",
        }
    }
}

/// With an exponent of two digits where it is large or small.
fn shown_double(number: f64) -> String {
    let shown = format!("{number:e}");
    let Some((digits, exponent)) = shown.split_once('e') else { return shown };
    let Ok(exponent) = exponent.parse::<i32>() else { return shown };
    if (-4..21).contains(&exponent) && (exponent < 6 || digits.len() > usize::try_from(exponent).unwrap_or(0) + 1) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
