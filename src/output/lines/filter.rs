//! `--output-filter`, in zmap's language: comparisons of a field with a literal, `&&`, `||`, parentheses.
//!
//! ```text
//! filter     = term { "||" term }
//! term       = factor { "&&" factor }
//! factor     = "(" filter ")" | field operator literal
//! operator   = "=" | "!=" | "<" | "<=" | ">" | ">="
//! literal    = digits | word | '"' text '"'
//! ```
//! Texts are compared by `=` and `!=` only. A field without a value in an answer is equal to nothing, so only `!=`
//! holds for it.

use super::fields::{Field, Type, Value, classification};
use crate::record::answer::{Answer, Kind};
use std::fmt;

/// Parentheses within parentheses: bounds the recursion.
const DEPTH_MAX: usize = 64;

/// A filter over answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Both hold.
    And(Box<Self>, Box<Self>),
    /// One of them holds.
    Or(Box<Self>, Box<Self>),
    /// A comparison.
    Compare(Field, Operator, Literal),
}

/// What is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A number.
    Int(u64),
    /// A text.
    Text(String),
}

/// How it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Operator {
    /// Longer spellings first, so that none is taken for the beginning of another.
    const ALL: [(&'static str, Self); 6] = [
        ("!=", Self::NotEqual),
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    fn holds<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// Why a filter was refused: one line, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at character {at} of `{text}`")]
pub struct FilterError {
    what: String,
    at: usize,
    text: String,
}

/// What zmap filters by if nothing else is asked for: successes, each once.
pub const DEFAULT: &str = "success = 1 && repeat = 0";

impl Filter {
    /// Reads a filter.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut parser = Parser { text, at: 0 };
        let refuse = |(what, at): Refusal| FilterError { what, at: at + 1, text: text.to_owned() };
        let filter = parser.filter(0).map_err(refuse)?;
        match parser.peek() {
            None => Ok(filter),
            Some(_) => Err(refuse(parser.wants("`&&`, `||` or the end"))),
        }
    }

    /// Whether it lets `answer` through.
    pub fn holds(&self, answer: &Answer) -> bool {
        self.evaluate(&|field| Some(field.of(answer))) == Some(true)
    }

    /// Whether it may let a first or a repeated answer of this kind through.
    pub fn may_hold(&self, kind: Kind, repeat: bool) -> bool {
        let known = |field| match field {
            Field::Success => Some(Value::Bool(kind == Kind::SynAck)),
            Field::Classification => Some(Value::Text(classification(kind).into())),
            // Only of a SYN-ACK is known which one it is: `repeat` is about SYN-ACKs.
            Field::Repeat if kind == Kind::SynAck => Some(Value::Bool(repeat)),
            _ => None,
        };
        self.evaluate(&known) != Some(false)
    }

    /// By Kleene's logic: `None` if it depends on fields whose value is not known.
    fn evaluate(&self, known: &dyn Fn(Field) -> Option<Value>) -> Option<bool> {
        match self {
            Self::And(left, right) => match (left.evaluate(known), right.evaluate(known)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.evaluate(known), right.evaluate(known)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Compare(field, operator, literal) => {
                let value = known(*field)?;
                Some(match (&value, literal) {
                    (Value::Int(value), Literal::Int(literal)) => operator.holds(value, literal),
                    (Value::Bool(value), Literal::Int(literal)) => operator.holds(&u64::from(*value), literal),
                    (Value::Text(value), Literal::Text(literal)) => operator.holds(value.as_ref(), literal.as_str()),
                    _ => *operator == Operator::NotEqual,
                })
            }
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(left, right) => write!(f, "({left} && {right})"),
            Self::Or(left, right) => write!(f, "({left} || {right})"),
            Self::Compare(field, operator, literal) => {
                let spelling = Operator::ALL.iter().find(|(_, known)| known == operator).map_or("", |(text, _)| text);
                match literal {
                    Literal::Int(number) => write!(f, "{} {spelling} {number}", field.name()),
                    Literal::Text(text) => write!(f, "{} {spelling} \"{text}\"", field.name()),
                }
            }
        }
    }
}

/// What is wrong, and at which byte.
type Refusal = (String, usize);

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn filter(&mut self, depth: usize) -> Result<Filter, Refusal> {
        let mut filter = self.term(depth)?;
        while self.take("||") {
            filter = Filter::Or(Box::new(filter), Box::new(self.term(depth)?));
        }
        Ok(filter)
    }

    fn term(&mut self, depth: usize) -> Result<Filter, Refusal> {
        let mut term = self.factor(depth)?;
        while self.take("&&") {
            term = Filter::And(Box::new(term), Box::new(self.factor(depth)?));
        }
        Ok(term)
    }

    fn factor(&mut self, depth: usize) -> Result<Filter, Refusal> {
        if !self.take("(") {
            return self.comparison();
        }
        if depth == DEPTH_MAX {
            return Err((format!("more than {DEPTH_MAX} parentheses within each other"), self.at));
        }
        let filter = self.filter(depth + 1)?;
        if self.take(")") { Ok(filter) } else { Err(self.wants("`)`")) }
    }

    fn comparison(&mut self) -> Result<Filter, Refusal> {
        self.skip_space();
        let begin = self.at;
        let name = self.word();
        if name.is_empty() {
            return Err(self.wants("a field or `(`"));
        }
        let field = Field::named(name)
            .ok_or_else(|| (format!("unknown field `{name}` (--list-output-fields names them)"), begin))?;
        let (_, operator) = Operator::ALL
            .into_iter()
            .find(|(spelling, _)| self.take(spelling))
            .ok_or_else(|| self.wants("one of = != < <= > >="))?;
        self.skip_space();
        let begin = self.at;
        let literal = self.literal()?;
        match (field.value_type(), &literal) {
            (Type::Int | Type::Bool, Literal::Int(_)) => {}
            (Type::String, Literal::Text(_)) if matches!(operator, Operator::Equal | Operator::NotEqual) => {}
            (Type::String, Literal::Text(_)) => {
                return Err((format!("{name} is a text, which is compared by = and != only,"), begin));
            }
            (Type::String, _) => return Err((format!("{name} is a text: `\"...\"` or a word is wanted"), begin)),
            (_, _) => return Err((format!("{name} is a number: digits are wanted"), begin)),
        }
        Ok(Filter::Compare(field, operator, literal))
    }

    fn literal(&mut self) -> Result<Literal, Refusal> {
        let begin = self.at;
        if self.take("\"") {
            let text = self.text.get(self.at..).and_then(|rest| rest.split_once('"'));
            let (text, _) = text.ok_or_else(|| ("a text without its closing quote".to_owned(), begin))?;
            self.at += text.len() + 1;
            return Ok(Literal::Text(text.to_owned()));
        }
        let word = self.word();
        match word.parse() {
            Ok(number) => Ok(Literal::Int(number)),
            Err(_) if word.is_empty() => Err(self.wants("a number or a text")),
            Err(_) if word.bytes().all(|byte| byte.is_ascii_digit()) => Err((format!("{word} is too large"), begin)),
            Err(_) => Ok(Literal::Text(word.to_owned())),
        }
    }

    /// Letters, digits and what else names and addresses have.
    fn word(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or("");
        let length = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || "_-.:".contains(letter)));
        let word = &rest[..length.unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn skip_space(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or("");
        self.at += rest.len() - rest.trim_start().len();
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_space();
        self.text.get(self.at..)?.chars().next()
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let taken = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(token));
        self.at += if taken { token.len() } else { 0 };
        taken
    }

    fn wants(&self, what: &str) -> Refusal {
        (format!("{what} is wanted"), self.at)
    }
}

#[cfg(test)]
mod tests;
