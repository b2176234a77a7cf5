//! Does a value have the form that the published schema gives it?
//!
//! The part of CDDL (RFC 8610) that `docs/faultline.cddl` uses: rules, choices, maps with
//! keys that cut, arrays, tags, `.size` and `.cbor`. Ours and strict, since the validators at
//! hand let unknown keys and keys that stand twice pass.

use minicbor::{Decoder, data::Type as Kind};
use std::collections::BTreeMap;

/// A CBOR item of definite length.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Uint(u64),
    Negative(i64),
    Bytes(Vec<u8>),
    Text(String),
    Bool(bool),
    Null,
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Tag(u64, Box<Value>),
}

impl Value {
    /// The one item that fills these octets.
    pub(super) fn read(octets: &[u8]) -> Result<Self, String> {
        let mut decoder = Decoder::new(octets);
        let value = Self::item(&mut decoder)?;
        if decoder.position() == octets.len() {
            Ok(value)
        } else {
            Err(format!("octets follow at {}", decoder.position()))
        }
    }

    fn item(d: &mut Decoder<'_>) -> Result<Self, String> {
        let bad = |error: minicbor::decode::Error| error.to_string();
        let whole = |length: Option<u64>| length.ok_or("an indefinite length".to_owned());
        Ok(match d.datatype().map_err(bad)? {
            Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 => Self::Uint(d.u64().map_err(bad)?),
            Kind::I8 | Kind::I16 | Kind::I32 | Kind::I64 => {
                Self::Negative(d.i64().map_err(bad)?)
            }
            Kind::Bytes => Self::Bytes(d.bytes().map_err(bad)?.to_vec()),
            Kind::String => Self::Text(d.str().map_err(bad)?.to_owned()),
            Kind::Bool => Self::Bool(d.bool().map_err(bad)?),
            Kind::Null => {
                d.null().map_err(bad)?;
                Self::Null
            }
            Kind::Array => {
                let length = whole(d.array().map_err(bad)?)?;
                let items = (0..length).map(|_| Self::item(d));
                Self::Array(items.collect::<Result<_, _>>()?)
            }
            Kind::Map => {
                let length = whole(d.map().map_err(bad)?)?;
                let pairs = (0..length).map(|_| Ok((Self::item(d)?, Self::item(d)?)));
                Self::Map(pairs.collect::<Result<_, String>>()?)
            }
            Kind::Tag => {
                let tag = d.tag().map_err(bad)?.as_u64();
                Self::Tag(tag, Box::new(Self::item(d)?))
            }
            other => return Err(format!("{other} has no place in a message")),
        })
    }
}

#[derive(Clone, Debug)]
enum Type {
    Number(u64),
    Name(String),
    Map(Vec<Entry>),
    Array(Vec<Entry>),
    Tagged(u64, Box<Type>),
    Choice(Vec<Type>),
    Sized(Box<Type>, u64),
    Cbor(Box<Type>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Occurs {
    Once,
    Optional,
    Often,
}

#[derive(Clone, Debug)]
struct Entry {
    occurs: Occurs,
    key: Option<Type>,
    value: Type,
}

/// The rules of a schema by name.
pub(super) struct Schema(BTreeMap<String, Type>);

impl Schema {
    /// Reads the rules; names that no rule defines are refused.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Tokens(tokens(text), 0);
        let mut rules = BTreeMap::new();
        while let Some(name) = tokens.next() {
            tokens.expect("=")?;
            let rule = tokens.alternatives()?;
            if rules.insert(name.clone(), rule).is_some() {
                return Err(format!("{name} is defined twice"));
            }
        }
        let schema = Self(rules);
        schema.0.values().try_for_each(|rule| schema.known(rule))?;
        Ok(schema)
    }

    /// The names of all rules.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether the octets are one item of the form of this rule; if not, where not.
    pub(super) fn check(&self, rule: &str, octets: &[u8]) -> Result<(), String> {
        let rule = Type::Name(rule.to_owned());
        self.matches(&rule, &Value::read(octets)?, "")
    }

    fn known(&self, rule: &Type) -> Result<(), String> {
        match rule {
            Type::Number(_) => Ok(()),
            Type::Name(name) => {
                let basic = matches!(
                    name.as_str(),
                    "any" | "uint" | "int" | "bstr" | "tstr" | "bool"
                );
                if basic || self.0.contains_key(name) {
                    Ok(())
                } else {
                    Err(format!("no rule defines {name}"))
                }
            }
            Type::Map(entries) | Type::Array(entries) => entries.iter().try_for_each(|entry| {
                // Keys of arrays are names for people.
                if let (Type::Map(_), Some(key)) = (rule, &entry.key) {
                    self.known(key)?;
                }
                self.known(&entry.value)
            }),
            Type::Choice(types) => types.iter().try_for_each(|rule| self.known(rule)),
            Type::Tagged(_, inner) | Type::Sized(inner, _) | Type::Cbor(inner) => {
                self.known(inner)
            }
        }
    }

    fn matches(&self, rule: &Type, value: &Value, at: &str) -> Result<(), String> {
        let wrong = || Err(format!("at {at:?}: {value:?} is no {rule:?}"));
        match (rule, value) {
            (Type::Name(name), _) => match (self.0.get(name), name.as_str(), value) {
                (Some(rule), _, _) => self.matches(rule, value, at),
                (None, "any", _)
                | (None, "uint" | "int", Value::Uint(_))
                | (None, "int", Value::Negative(_))
                | (None, "bstr", Value::Bytes(_))
                | (None, "tstr", Value::Text(_))
                | (None, "bool", Value::Bool(_)) => Ok(()),
                _ => wrong(),
            },
            (Type::Number(wanted), Value::Uint(number)) if wanted == number => Ok(()),
            (Type::Tagged(wanted, rule), Value::Tag(tag, value)) if wanted == tag => {
                self.matches(rule, value, at)
            }
            (Type::Sized(rule, size), _) => {
                self.matches(rule, value, at)?;
                let fits = match value {
                    Value::Uint(number) => *size >= 8 || number >> (8 * size) == 0,
                    Value::Bytes(octets) => octets.len() as u64 == *size,
                    Value::Text(text) => text.len() as u64 == *size,
                    _ => false,
                };
                if fits { Ok(()) } else { wrong() }
            }
            (Type::Cbor(rule), Value::Bytes(octets)) => {
                let inner = Value::read(octets).map_err(|error| format!("at {at}: {error}"))?;
                self.matches(rule, &inner, &format!("{at}/<cbor>"))
            }
            (Type::Choice(types), _) => {
                let any = types
                    .iter()
                    .any(|rule| self.matches(rule, value, at).is_ok());
                if any { Ok(()) } else { wrong() }
            }
            (Type::Array(entries), Value::Array(items)) => self.array(entries, items, at),
            (Type::Map(entries), Value::Map(pairs)) => self.map(entries, pairs, at),
            _ => wrong(),
        }
    }

    fn array(&self, entries: &[Entry], items: &[Value], at: &str) -> Result<(), String> {
        let mut items = items.iter().enumerate().peekable();
        for entry in entries {
            if entry.occurs == Occurs::Often {
                for (place, item) in items.by_ref() {
                    self.matches(&entry.value, item, &format!("{at}/{place}"))?;
                }
            } else if let Some((place, item)) = items.next() {
                self.matches(&entry.value, item, &format!("{at}/{place}"))?;
            } else if entry.occurs == Occurs::Once {
                return Err(format!("at {at:?}: the array ends too early"));
            }
        }
        match items.next() {
            None => Ok(()),
            Some((place, _)) => Err(format!("at {at:?}: the array goes on at {place}")),
        }
    }

    fn map(&self, entries: &[Entry], pairs: &[(Value, Value)], at: &str) -> Result<(), String> {
        for (place, (key, value)) in pairs.iter().enumerate() {
            let (before, _) = pairs.split_at(place);
            if before.iter().any(|(other, _)| other == key) {
                return Err(format!("at {at:?}: {key:?} stands twice"));
            }
            let fits = |entry: &&Entry| {
                let rule = entry.key.as_ref();
                rule.is_some_and(|rule| self.matches(rule, key, at).is_ok())
            };
            // Numbered keys come first in the schema, and cut.
            let Some(entry) = entries.iter().find(fits) else {
                return Err(format!("at {at:?}: {key:?} has no place"));
            };
            self.matches(&entry.value, value, &format!("{at}/{key:?}"))?;
        }
        let missing = entries
            .iter()
            .find(|entry| match (&entry.key, entry.occurs) {
                (Some(rule), Occurs::Once) => !pairs
                    .iter()
                    .any(|(key, _)| self.matches(rule, key, at).is_ok()),
                _ => false,
            });
        match missing {
            None => Ok(()),
            Some(entry) => Err(format!("at {at:?}: {:?} is missing", entry.key)),
        }
    }
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for line in text.lines() {
        let code = line.split(';').next().unwrap_or_default();
        let mut rest = code.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            let length = match first {
                '#' | '.' => 1 + rest[1..].find(|c| !is_word(c) && c != '.').unwrap_or(0),
                c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                '=' if rest.starts_with("=>") => 2,
                c => c.len_utf8(),
            };
            let (token, behind) = rest.split_at(length);
            tokens.push(token.to_owned());
            rest = behind.trim_start();
        }
    }
    tokens
}

struct Tokens(Vec<String>, usize);

impl Tokens {
    fn peek(&self) -> &str {
        self.0.get(self.1).map_or("", String::as_str)
    }

    fn next(&mut self) -> Option<String> {
        let token = self.0.get(self.1).cloned();
        self.1 += 1;
        token
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        self.1 += usize::from(found);
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) {
            Ok(())
        } else {
            Err(format!("{token} expected, {} found", self.peek()))
        }
    }

    fn alternatives(&mut self) -> Result<Type, String> {
        let mut types = vec![self.single()?];
        while self.take("/") {
            types.push(self.single()?);
        }
        match types.len() {
            1 => Ok(types.remove(0)),
            _ => Ok(Type::Choice(types)),
        }
    }

    fn single(&mut self) -> Result<Type, String> {
        let first = self.next().ok_or("the schema ends too early")?;
        let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number"));
        let plain = match first.as_str() {
            "{" => Type::Map(self.entries("}")?),
            "[" => Type::Array(self.entries("]")?),
            tag if tag.starts_with("#6.") => {
                let tag = number(&tag[3..])?;
                self.expect("(")?;
                let inner = self.alternatives()?;
                self.expect(")")?;
                Type::Tagged(tag, Box::new(inner))
            }
            word if word.starts_with(|c: char| c.is_ascii_digit()) => {
                Type::Number(number(word)?)
            }
            word if word.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                Type::Name(word.to_owned())
            }
            other => return Err(format!("{other} is no type")),
        };
        if self.take(".size") {
            let size = number(&self.next().unwrap_or_default())?;
            return Ok(Type::Sized(Box::new(plain), size));
        }
        if self.take(".cbor") {
            return Ok(Type::Cbor(Box::new(self.single()?)));
        }
        Ok(plain)
    }

    fn entries(&mut self, end: &str) -> Result<Vec<Entry>, String> {
        let mut entries = Vec::new();
        while !self.take(end) {
            let occurs = match self.peek() {
                "?" => Occurs::Optional,
                "*" => Occurs::Often,
                _ => Occurs::Once,
            };
            self.1 += usize::from(occurs != Occurs::Once);
            let first = self.alternatives()?;
            let (key, value) = if self.take(":") || self.take("=>") {
                (Some(first), self.alternatives()?)
            } else {
                (None, first)
            };
            entries.push(Entry { occurs, key, value });
            self.take(",");
        }
        Ok(entries)
    }
}
