//! The grammar: from text to sqlparser's expressions. What a name or a value means is not here.
//!
//! The parser's own grammar of SQL is large. The dialect takes over what begins an expression and what goes on after one,
//! so that nothing else is ever tried, and a text takes time in proportion to its length.

use crate::FilterError;
use sqlparser::{
    ast::{BinaryOperator, Expr, Ident, InTarget, UnaryOperator, Value, ValueWithSpan},
    dialect::Dialect,
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan, Tokenizer, Word},
};
use tenure_limits::{FILTER, FILTER_DEPTH, FILTER_WORDS};

/// The operator of a prefix, which is no keyword of SQL.
pub(crate) const STARTS_WITH: &str = "STARTS_WITH";

/// How tightly operators bind.
const OR: u8 = 5;
const AND: u8 = 10;
const NOT: u8 = 15;
const COMPARISON: u8 = 20;
const SIGN: u8 = 30;

/// Words that are no names, unless they stand in backquotes.
const RESERVED: &[&str] = &[
    "AND",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "DESC",
    "DISTINCT",
    "EXISTS",
    "FROM",
    "GROUP",
    "HAVING",
    "IN",
    "IS",
    "LIKE",
    "LIMIT",
    "NOT",
    "OR",
    "ORDER",
    "REGEXP",
    "SELECT",
    "STARTS_WITH",
    "UNION",
    "WHERE",
];

/// A query's clauses.
pub(crate) struct Query {
    pub(crate) condition: Option<Expr>,
    /// What to sort by, and whether it is descending.
    pub(crate) order_by: Vec<(Expr, bool)>,
    pub(crate) group_by: Vec<Expr>,
}

pub(crate) fn parse(text: &str) -> Result<Query, FilterError> {
    if text.len() > FILTER {
        let size = text.len();
        return Err(FilterError::malformed(format_args!("a query of {size} bytes is longer than {FILTER} bytes")));
    }
    let mut tokens = Tokenizer::new(&Language, text)
        .tokenize_with_location()
        .map_err(|error| FilterError::malformed(format_args!("syntax error: {}", error.message)).at(error.location))?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    check_size(&tokens)?;
    for token in &mut tokens {
        match token.token {
            Token::Overlap => token.token = Token::make_keyword("AND"),
            Token::StringConcat => token.token = Token::make_keyword("OR"),
            _ => {}
        }
    }
    let mut parser = Parser::new(&Language).with_recursion_limit(2 * FILTER_DEPTH).with_tokens_with_locations(tokens);
    clauses(&mut parser)
}

/// Holds words, values and nesting to the limits before anything is built of them.
fn check_size(tokens: &[TokenWithSpan]) -> Result<(), FilterError> {
    let (mut words, mut depth) = (0, 0_usize);
    for token in tokens {
        match &token.token {
            Token::Comma => continue,
            Token::LParen => depth += 1,
            // Each of these may be a word of a text that is asked for.
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => words += text.matches(' ').count(),
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        words += 1;
        if words > FILTER_WORDS {
            let reason = format_args!("more than {FILTER_WORDS} words, values and operators");
            return Err(FilterError::malformed(reason).at(token.span.start));
        }
        if depth > FILTER_DEPTH {
            return Err(too_deep().at(token.span.start));
        }
    }
    Ok(())
}

fn too_deep() -> FilterError {
    FilterError::malformed(format_args!("more than {FILTER_DEPTH} levels of parentheses and negations"))
}

fn clauses(parser: &mut Parser<'_>) -> Result<Query, FilterError> {
    let mut query = Query { condition: None, order_by: Vec::new(), group_by: Vec::new() };
    let first = parser.peek_token();
    let is_clause = |word: &Word| ["ORDER", "GROUP", "LIMIT"].iter().any(|clause| is_word(word, clause));
    match &first.token {
        Token::EOF | Token::SemiColon => {}
        Token::Word(word) if is_clause(word) => {}
        _ => query.condition = Some(guarded(parser, |parser| parser.parse_subexpr(0))?),
    }
    loop {
        let token = parser.next_token();
        match &token.token {
            Token::EOF => return Ok(query),
            Token::SemiColon if parser.peek_token().token == Token::EOF => return Ok(query),
            Token::Word(word) if is_word(word, "GROUP") && query.group_by.is_empty() && query.order_by.is_empty() => {
                expect_by(parser)?;
                query.group_by = list(parser, |parser| guarded(parser, |parser| parser.parse_subexpr(SIGN)))?;
            }
            Token::Word(word) if is_word(word, "ORDER") && query.order_by.is_empty() => {
                expect_by(parser)?;
                query.order_by = list(parser, sort_key)?;
            }
            Token::Word(word) if is_word(word, "LIMIT") => {
                return Err(FilterError::unsupported("'LIMIT' clause").at(token.span.start));
            }
            _ => return Err(near(&token)),
        }
    }
}

fn list<T>(
    parser: &mut Parser<'_>,
    mut item: impl FnMut(&mut Parser<'_>) -> Result<T, FilterError>,
) -> Result<Vec<T>, FilterError> {
    let mut items = vec![item(parser)?];
    while parser.consume_token(&Token::Comma) {
        items.push(item(parser)?);
    }
    Ok(items)
}

fn sort_key(parser: &mut Parser<'_>) -> Result<(Expr, bool), FilterError> {
    let key = guarded(parser, |parser| parser.parse_subexpr(SIGN))?;
    let direction = parser.parse_one_of_keywords(&[Keyword::ASC, Keyword::DESC]);
    Ok((key, direction == Some(Keyword::DESC)))
}

fn expect_by(parser: &mut Parser<'_>) -> Result<(), FilterError> {
    let token = parser.next_token();
    match &token.token {
        Token::Word(word) if is_word(word, "BY") => Ok(()),
        _ => Err(near(&token)),
    }
}

/// Runs a part of sqlparser's; what it stumbles over is the token that it took last.
fn guarded<T>(
    parser: &mut Parser<'_>,
    part: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Result<T, FilterError> {
    part(parser).map_err(|error| match error {
        ParserError::RecursionLimitExceeded => too_deep().at(parser.get_current_token().span.start),
        ParserError::ParserError(_) | ParserError::TokenizerError(_) => near(parser.get_current_token()),
    })
}

fn near(token: &TokenWithSpan) -> FilterError {
    match &token.token {
        Token::EOF => FilterError::malformed("syntax error at the end"),
        other => FilterError::malformed(format_args!("syntax error near '{other}'")).at(token.span.start),
    }
}

fn is_word(word: &Word, name: &str) -> bool {
    word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name)
}

/// A name for an operator that is a word.
fn operator_word(token: &Token) -> Option<&'static str> {
    let Token::Word(word) = token else { return None };
    [STARTS_WITH, "LIKE", "REGEXP"].into_iter().find(|name| is_word(word, name))
}

fn comparison(token: &Token) -> Option<BinaryOperator> {
    Some(match token {
        Token::Eq => BinaryOperator::Eq,
        Token::Neq => BinaryOperator::NotEq,
        Token::Lt => BinaryOperator::Lt,
        Token::LtEq => BinaryOperator::LtEq,
        Token::Gt => BinaryOperator::Gt,
        Token::GtEq => BinaryOperator::GtEq,
        Token::Spaceship => BinaryOperator::Spaceship,
        _ => return None,
    })
}

/// Letters, quotes and operators of the language: MySQL's, as the reference server's is.
#[derive(Debug)]
struct Language;

impl Dialect for Language {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '.'
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        Some(prefix(parser))
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, left: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        // These can be long chains, which sqlparser moves.
        let is_chain =
            matches!(&parser.peek_token_ref().token, Token::Word(word) if is_word(word, "AND") || is_word(word, "OR"));
        if is_chain { None } else { Some(infix(parser, left)) }
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        Some(Ok(precedence(&parser.peek_token_ref().token, &parser.peek_nth_token_ref(1).token)))
    }
}

fn precedence(token: &Token, next: &Token) -> u8 {
    let is_test = |token: &Token| match token {
        Token::Word(word) => is_word(word, "IN") || is_word(word, "BETWEEN") || operator_word(token).is_some(),
        _ => false,
    };
    match token {
        Token::Word(word) if is_word(word, "OR") => OR,
        Token::Word(word) if is_word(word, "AND") => AND,
        Token::Word(word) if is_word(word, "IS") => COMPARISON,
        Token::Word(word) if is_word(word, "NOT") && is_test(next) => COMPARISON,
        token if is_test(token) || comparison(token).is_some() => COMPARISON,
        _ => 0,
    }
}

fn stop<T>() -> Result<T, ParserError> {
    // Where it is and what stands there is told by `guarded`.
    Err(ParserError::ParserError(String::new()))
}

/// A name, a value, a sign or a negation, or something in parentheses.
fn prefix(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let TokenWithSpan { token, span } = parser.next_token();
    let value = |value| Ok(Expr::Value(ValueWithSpan { value, span }));
    let unary = |op, expr| Ok(Expr::UnaryOp { op, expr: Box::new(expr) });
    match token {
        Token::LParen => {
            let inner = parser.parse_subexpr(0)?;
            if parser.next_token().token != Token::RParen {
                return stop();
            }
            Ok(Expr::Nested(Box::new(inner)))
        }
        Token::Word(word) if is_word(&word, "NOT") => unary(UnaryOperator::Not, parser.parse_subexpr(NOT)?),
        Token::Word(word) if is_word(&word, "TRUE") => value(Value::Boolean(true)),
        Token::Word(word) if is_word(&word, "FALSE") => value(Value::Boolean(false)),
        Token::Word(word) if is_word(&word, "NULL") => value(Value::Null),
        Token::Word(word) if RESERVED.iter().any(|reserved| is_word(&word, reserved)) => stop(),
        Token::Word(word) => Ok(Expr::Identifier(Ident { value: word.value, quote_style: word.quote_style, span })),
        Token::Number(digits, long) => value(Value::Number(digits, long)),
        Token::SingleQuotedString(text) => value(Value::SingleQuotedString(text)),
        Token::DoubleQuotedString(text) => value(Value::DoubleQuotedString(text)),
        Token::Minus => unary(UnaryOperator::Minus, parser.parse_subexpr(SIGN)?),
        Token::Plus => unary(UnaryOperator::Plus, parser.parse_subexpr(SIGN)?),
        Token::Tilde => unary(UnaryOperator::BitwiseNot, parser.parse_subexpr(SIGN)?),
        _ => stop(),
    }
}

fn operand(parser: &mut Parser<'_>) -> Result<Box<Expr>, ParserError> {
    parser.parse_subexpr(COMPARISON).map(Box::new)
}

/// What goes on after an expression, other than `AND` and `OR`.
fn infix(parser: &mut Parser<'_>, left: &Expr) -> Result<Expr, ParserError> {
    let token = parser.next_token().token;
    // A comparison is compared with nothing.
    if !matches!(left, Expr::Identifier(_) | Expr::Value(_) | Expr::UnaryOp { .. } | Expr::Nested(_)) {
        return stop();
    }
    let left = Box::new(left.clone());
    if let Some(op) = comparison(&token) {
        return Ok(Expr::BinaryOp { left, op, right: operand(parser)? });
    }
    if matches!(&token, Token::Word(word) if is_word(word, "IS")) {
        return is(parser, left);
    }
    let negated = matches!(&token, Token::Word(word) if is_word(word, "NOT"));
    let token = if negated { parser.next_token().token } else { token };
    match (&token, operator_word(&token)) {
        (_, Some(name)) => {
            let name = if negated { format!("NOT {name}") } else { name.to_owned() };
            Ok(Expr::BinaryOp { left, op: BinaryOperator::Custom(name), right: operand(parser)? })
        }
        (Token::Word(word), None) if is_word(word, "IN") => one_of(parser, left, negated),
        (Token::Word(word), None) if is_word(word, "BETWEEN") => {
            let low = operand(parser)?;
            if !matches!(parser.next_token().token, Token::Word(word) if is_word(&word, "AND")) {
                return stop();
            }
            Ok(Expr::Between { expr: left, negated, low, high: operand(parser)? })
        }
        _ => stop(),
    }
}

fn one_of(parser: &mut Parser<'_>, expr: Box<Expr>, negated: bool) -> Result<Expr, ParserError> {
    if parser.next_token().token != Token::LParen {
        return stop();
    }
    let mut list = vec![*operand(parser)?];
    loop {
        match parser.next_token().token {
            Token::Comma => list.push(*operand(parser)?),
            Token::RParen => {
                let target = InTarget::List(list);
                return Ok(Expr::In { expr, target, negated, global: false });
            }
            _ => return stop(),
        }
    }
}

fn is(parser: &mut Parser<'_>, left: Box<Expr>) -> Result<Expr, ParserError> {
    let negated = parser.parse_keyword(Keyword::NOT);
    match parser.next_token().token {
        Token::Word(word) if is_word(&word, "NULL") && negated => Ok(Expr::IsNotNull(left)),
        Token::Word(word) if is_word(&word, "NULL") => Ok(Expr::IsNull(left)),
        Token::Word(word) if is_word(&word, "TRUE") || is_word(&word, "FALSE") => Ok(Expr::IsTrue(left)),
        _ => stop(),
    }
}
