//! What a filter says, once names and values are known; and how it is written.

use crate::{Attribute, Type, names, times, words};
use std::fmt;

/// A condition on a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of at least two, none of which is an `All`.
    All(Vec<Condition>),
    /// Any of at least two, none of which is an `Any`.
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Test(Test),
}

/// What is asked of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    pub attribute: Attribute,
    pub predicate: Predicate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// Of keyword lists and texts: whether they contain it.
    Compare(Comparison, Literal),
    In {
        values: Vec<Literal>,
        negated: bool,
    },
    Between {
        low: Literal,
        high: Literal,
        negated: bool,
    },
    StartsWith {
        prefix: String,
        negated: bool,
    },
    IsNull {
        negated: bool,
    },
}

/// A value of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Bool(bool),
    /// Also a status, and nanoseconds of a duration.
    Int(i64),
    Double(f64),
    /// Nanoseconds since 1970.
    Datetime(i64),
    /// Of keywords and keyword lists.
    Text(String),
    /// Of texts.
    Words(Words),
}

/// What a text is asked for: one of these phrases, each of words that follow each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    text: String,
    phrases: Vec<Vec<String>>,
}

impl Words {
    pub fn new(text: String) -> Words {
        Words { phrases: words::phrases(&text), text }
    }

    pub fn phrases(&self) -> &[Vec<String>] {
        &self.phrases
    }
}

impl Condition {
    /// Both of two; what each is made of stands in one list.
    pub fn and(self, other: Condition) -> Condition {
        let mut all = self.into_all();
        all.extend(other.into_all());
        Condition::All(all)
    }

    /// Either of two; what each is made of stands in one list.
    pub fn or(self, other: Condition) -> Condition {
        let parts = |condition| match condition {
            Condition::Any(parts) => parts,
            other => vec![other],
        };
        let mut any = parts(self);
        any.extend(parts(other));
        Condition::Any(any)
    }

    /// What all has to hold.
    pub(crate) fn into_all(self) -> Vec<Condition> {
        match self {
            Condition::All(parts) => parts,
            other => vec![other],
        }
    }

    /// The same without `Not`: each comparison has an opposite that is as undecided about what is missing.
    pub(crate) fn without_not(&self, negated: bool) -> Condition {
        let each = |parts: &[Condition]| parts.iter().map(|part| part.without_not(negated)).collect();
        match self {
            Condition::Not(inner) => inner.without_not(!negated),
            Condition::Test(test) if negated => Condition::Test(test.opposite()),
            Condition::Test(test) => Condition::Test(test.clone()),
            Condition::All(parts) if negated => Condition::Any(each(parts)),
            Condition::All(parts) => Condition::All(each(parts)),
            Condition::Any(parts) if negated => Condition::All(each(parts)),
            Condition::Any(parts) => Condition::Any(each(parts)),
        }
    }

    pub(crate) fn tests<'a>(&'a self, into: &mut Vec<&'a Test>) {
        match self {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| part.tests(into)),
            Condition::Not(inner) => inner.tests(into),
            Condition::Test(test) => into.push(test),
        }
    }
}

impl std::ops::Not for Condition {
    type Output = Condition;

    fn not(self) -> Condition {
        Condition::Not(Box::new(self))
    }
}

impl Test {
    fn opposite(&self) -> Test {
        let predicate = match self.predicate.clone() {
            Predicate::Compare(comparison, literal) => Predicate::Compare(comparison.opposite(), literal),
            Predicate::In { values, negated } => Predicate::In { values, negated: !negated },
            Predicate::Between { low, high, negated } => Predicate::Between { low, high, negated: !negated },
            Predicate::StartsWith { prefix, negated } => Predicate::StartsWith { prefix, negated: !negated },
            Predicate::IsNull { negated } => Predicate::IsNull { negated: !negated },
        };
        Test { attribute: self.attribute.clone(), predicate }
    }
}

impl Comparison {
    pub(crate) fn opposite(self) -> Comparison {
        match self {
            Comparison::Equal => Comparison::NotEqual,
            Comparison::NotEqual => Comparison::Equal,
            Comparison::Less => Comparison::GreaterOrEqual,
            Comparison::LessOrEqual => Comparison::Greater,
            Comparison::Greater => Comparison::LessOrEqual,
            Comparison::GreaterOrEqual => Comparison::Less,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::All(parts) => joined(f, parts, " AND "),
            Condition::Any(parts) => joined(f, parts, " OR "),
            Condition::Not(inner) => match **inner {
                Condition::All(_) | Condition::Any(_) => write!(f, "NOT ({inner})"),
                _ => write!(f, "NOT {inner}"),
            },
            Condition::Test(test) => write!(f, "{test}"),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Condition], word: &str) -> fmt::Result {
    for (n, part) in parts.iter().enumerate() {
        f.write_str(if n == 0 { "" } else { word })?;
        match part {
            Condition::All(_) | Condition::Any(_) => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}

/// A name as queries write it.
pub(crate) fn quoted_name(name: &str) -> String {
    let is_plain =
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric());
    if is_plain { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

struct Shown<'a>(&'a Attribute, &'a Literal);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Literal::Bool(value) => write!(f, "{value}"),
            Literal::Int(number) if self.0.field == names::STATUS && self.0.kind == Type::Keyword => {
                write!(f, "'{}'", names::status_name(*number).unwrap_or_default())
            }
            Literal::Int(number) => write!(f, "{number}"),
            Literal::Double(number) => write!(f, "{number:?}"),
            Literal::Datetime(time) => match times::show_time(*time) {
                shown if shown.ends_with('Z') => f.write_str(&quoted(&shown)),
                number => f.write_str(&number),
            },
            Literal::Text(text) | Literal::Words(Words { text, .. }) => f.write_str(&quoted(text)),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = quoted_name(&self.attribute.alias);
        let shown = |literal| Shown(&self.attribute, literal);
        let not = |negated: bool| if negated { "NOT " } else { "" };
        match &self.predicate {
            Predicate::Compare(comparison, value) => write!(f, "{name} {comparison} {}", shown(value)),
            Predicate::In { values, negated } => {
                let values: Vec<String> = values.iter().map(|value| shown(value).to_string()).collect();
                write!(f, "{name} {}IN ({})", not(*negated), values.join(", "))
            }
            Predicate::Between { low, high, negated } => {
                write!(f, "{name} {}BETWEEN {} AND {}", not(*negated), shown(low), shown(high))
            }
            Predicate::StartsWith { prefix, negated } => {
                write!(f, "{name} {}STARTS_WITH {}", not(*negated), quoted(prefix))
            }
            Predicate::IsNull { negated } => write!(f, "{name} IS {}NULL", not(*negated)),
        }
    }
}
