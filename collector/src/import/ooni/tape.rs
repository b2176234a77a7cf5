//! How is a document read fast, whatever it holds? Into one list, in which a list or map is
//! followed by what it holds, and texts stay where they are in what was read (as in simdjson,
//! arXiv:1902.08318, section 3.2; without its instructions). The parser is serde's.
//!
//! ```text
//! {"a":[1,"x"],"b":null}   Map 6 | "a" List 2 | 1 "x" | "b" Null
//!                          how many nodes follow that belong to it
//! ```
//!
//! A [`Value`] tolerates every question: what is missing, or is something else, is null.

use serde::{
    Serialize,
    de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap as _, SerializeSeq as _, Serializer},
};
use serde_json::Number;
use std::{collections::BTreeMap, fmt};

/// A node of the list.
#[derive(Clone, Debug)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Number(Number),
    /// As it stands in what was read.
    Text(&'a str),
    /// One with escapes.
    Unescaped(Box<str>),
    List(usize),
    Map(usize),
}

impl Node<'_> {
    /// How many nodes it takes with all that it holds.
    const fn size(&self) -> usize {
        match self {
            Self::List(held) | Self::Map(held) => 1 + *held,
            _ => 1,
        }
    }
}

/// The nodes of one text.
pub(super) fn read(text: &str) -> Result<Vec<Node<'_>>, serde_json::Error> {
    // Of OONI's documents, about nine octets a node.
    let mut nodes = Vec::with_capacity(text.len().min(1 << 16) / 8);
    let mut parser = serde_json::Deserializer::from_str(text);
    Reader(&mut nodes).deserialize(&mut parser)?;
    parser.end()?;
    Ok(nodes)
}

/// The nodes of a tree.
pub(super) fn lay_out<'a>(tree: &'a serde_json::Value, nodes: &mut Vec<Node<'a>>) {
    let at = nodes.len();
    match tree {
        serde_json::Value::Null => nodes.push(Node::Null),
        serde_json::Value::Bool(is) => nodes.push(Node::Bool(*is)),
        serde_json::Value::Number(number) => nodes.push(Node::Number(number.clone())),
        serde_json::Value::String(text) => nodes.push(Node::Text(text)),
        serde_json::Value::Array(items) => {
            nodes.push(Node::List(0));
            for item in items {
                lay_out(item, nodes);
            }
            close(nodes, at, Node::List);
        }
        serde_json::Value::Object(map) => {
            nodes.push(Node::Map(0));
            for (name, value) in map {
                nodes.push(Node::Text(name));
                lay_out(value, nodes);
            }
            close(nodes, at, Node::Map);
        }
    }
}

/// Says of the node at `at` how many follow that belong to it.
fn close<'a>(nodes: &mut [Node<'a>], at: usize, node: fn(usize) -> Node<'a>) {
    let held = nodes.len().saturating_sub(at + 1);
    if let Some(open) = nodes.get_mut(at) {
        *open = node(held);
    }
}

struct Reader<'n, 'a>(&'n mut Vec<Node<'a>>);

impl<'a> DeserializeSeed<'a> for Reader<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Reader<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.push(Node::Null);
        Ok(())
    }
    fn visit_bool<E>(self, is: bool) -> Result<(), E> {
        self.0.push(Node::Bool(is));
        Ok(())
    }
    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.0.push(Node::Number(number.into()));
        Ok(())
    }
    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.0.push(Node::Number(number.into()));
        Ok(())
    }
    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        let number = Number::from_f64(number);
        self.0.push(number.map_or(Node::Null, Node::Number));
        Ok(())
    }
    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.0.push(Node::Text(text));
        Ok(())
    }
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push(Node::Unescaped(text.into()));
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<(), A::Error> {
        let at = self.0.len();
        self.0.push(Node::List(0));
        while items.next_element_seed(Reader(self.0))?.is_some() {}
        close(self.0, at, Node::List);
        Ok(())
    }
    fn visit_map<A: MapAccess<'a>>(self, mut entries: A) -> Result<(), A::Error> {
        let at = self.0.len();
        self.0.push(Node::Map(0));
        while entries.next_key_seed(Reader(self.0))?.is_some() {
            entries.next_value_seed(Reader(self.0))?;
        }
        close(self.0, at, Node::Map);
        Ok(())
    }
}

/// A value in a document. Nodes of others may follow its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'d>(&'d [Node<'d>]);

impl Default for Value<'_> {
    fn default() -> Self {
        Self(&[Node::Null])
    }
}

impl<'d> Value<'d> {
    pub(super) fn new(nodes: &'d [Node<'d>]) -> Self {
        Self(nodes)
    }
    /// What it holds.
    fn held(self) -> &'d [Node<'d>] {
        match self.0 {
            [first @ (Node::List(_) | Node::Map(_)), rest @ ..] => {
                rest.get(..first.size() - 1).unwrap_or_default()
            }
            _ => &[],
        }
    }
    pub(super) fn is_null(self) -> bool {
        matches!(self.0, [Node::Null, ..] | [])
    }
    pub(super) fn is_map(self) -> bool {
        matches!(self.0, [Node::Map(_), ..])
    }
    pub(super) fn is_list(self) -> bool {
        matches!(self.0, [Node::List(_), ..])
    }
    pub(super) fn is_true(self) -> bool {
        matches!(self.0, [Node::Bool(true), ..])
    }
    /// A field of a map, if it is one and has it; the last of that name.
    pub(super) fn given(self, name: &str) -> Option<Self> {
        let named = self.entries().filter(|(known, _)| *known == name);
        named.last().map(|(_, value)| value)
    }
    /// The same; null where there is none.
    pub(super) fn field(self, name: &str) -> Self {
        self.given(name).unwrap_or_default()
    }
    /// What a map holds, as it is written: names may come twice.
    pub(super) fn entries(self) -> Entries<'d> {
        Entries(Items(if self.is_map() { self.held() } else { &[] }))
    }
    /// The same by name, each once: the last counts.
    pub(super) fn sorted(self) -> BTreeMap<&'d str, Self> {
        self.entries().collect()
    }
    /// What a list holds; nothing where it is none.
    pub(super) fn items(self) -> Items<'d> {
        Items(if self.is_list() { self.held() } else { &[] })
    }
    pub(super) fn as_str(self) -> Option<&'d str> {
        match self.0 {
            [Node::Text(text), ..] => Some(text),
            [Node::Unescaped(text), ..] => Some(text),
            _ => None,
        }
    }
    fn as_number(self) -> Option<&'d Number> {
        match self.0 {
            [Node::Number(number), ..] => Some(number),
            _ => None,
        }
    }
    pub(super) fn as_i64(self) -> Option<i64> {
        self.as_number()?.as_i64()
    }
    pub(super) fn as_u64(self) -> Option<u64> {
        self.as_number()?.as_u64()
    }
    pub(super) fn as_f64(self) -> Option<f64> {
        self.as_number()?.as_f64()
    }
}

/// In what is said, not in how: the order of names does not count.
impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            ([Node::Bool(one), ..], [Node::Bool(other), ..]) => one == other,
            ([Node::Number(one), ..], [Node::Number(other), ..]) => one == other,
            ([Node::List(_), ..], [Node::List(_), ..]) => self.items().eq(other.items()),
            ([Node::Map(_), ..], [Node::Map(_), ..]) => self.sorted() == other.sorted(),
            _ => match (self.as_str(), other.as_str()) {
                (Some(one), Some(other)) => one == other,
                _ => self.is_null() && other.is_null(),
            },
        }
    }
}

/// Names in order, each once.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [Node::Null, ..] | [] => to.serialize_unit(),
            [Node::Bool(is), ..] => to.serialize_bool(*is),
            [Node::Number(number), ..] => number.serialize(to),
            [Node::Text(text), ..] => to.serialize_str(text),
            [Node::Unescaped(text), ..] => to.serialize_str(text),
            [Node::List(_), ..] => {
                let mut list = to.serialize_seq(None)?;
                for item in self.items() {
                    list.serialize_element(&item)?;
                }
                list.end()
            }
            [Node::Map(_), ..] => {
                let mut map = to.serialize_map(None)?;
                for (name, value) in self.sorted() {
                    map.serialize_entry(name, &value)?;
                }
                map.end()
            }
        }
    }
}

/// Values one after the other.
#[derive(Clone, Debug)]
pub(super) struct Items<'d>(&'d [Node<'d>]);

impl<'d> Iterator for Items<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Value<'d>> {
        let value = Value(self.0);
        self.0 = self.0.get(self.0.first()?.size()..).unwrap_or_default();
        Some(value)
    }
}

/// Names with their values.
#[derive(Clone, Debug)]
pub(super) struct Entries<'d>(Items<'d>);

impl<'d> Iterator for Entries<'d> {
    type Item = (&'d str, Value<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.0.next()?;
        Some((name.as_str().unwrap_or_default(), self.0.next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value<'d>(nodes: &'d [Node<'d>]) -> Value<'d> {
        Value::new(nodes)
    }

    #[test]
    fn every_question_has_an_answer() {
        let nodes = read(r#"{"a":[1,{"b":"\u0078"}],"c":true,"n":-2.5,"a2":"y"}"#).unwrap();
        let all = value(&nodes);
        assert_eq!(nodes.len(), 13);
        let mut list = all.field("a").items();
        assert_eq!(list.next().and_then(Value::as_u64), Some(1));
        assert_eq!(list.next().unwrap().field("b").as_str(), Some("x"));
        assert_eq!(list.next(), None);
        assert!(all.field("c").is_true() && all.is_map() && !all.is_list());
        assert_eq!(
            (all.field("n").as_f64(), all.field("n").as_i64()),
            (Some(-2.5), None)
        );
        // What follows a value is not its own.
        assert_eq!(
            all.field("c").items().count() + all.field("c").entries().count(),
            0
        );
        assert!(all.field("x").is_null() && all.field("a2").field("b").is_null());
        assert_eq!((all.given("x"), all.field("n").as_str()), (None, None));
        assert!(value(&[]).is_null() && Value::default().is_null());
    }

    #[test]
    fn the_last_of_a_name_counts() {
        let nodes = read(r#"{"b":2,"a":1,"b":{"c":3}}"#).unwrap();
        let all = value(&nodes);
        assert_eq!(all.field("b").field("c").as_i64(), Some(3));
        let names: Vec<_> = all.sorted().into_keys().collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(
            serde_json::to_string(&all).unwrap(),
            r#"{"a":1,"b":{"c":3}}"#
        );
    }

    fn trees() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "[a-c\"\\\\\n\u{e9}]{0,4}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::vec(("[a-c\n]{0,2}", inner), 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// The list says what the tree says.
        #[test]
        fn what_is_read_is_what_was_written(one in trees(), other in trees()) {
            let text = format!("{one:#}");
            // Floats need not read back to the bit (serde_json without `float_roundtrip`).
            let one: serde_json::Value = serde_json::from_str(&text).unwrap();
            let nodes = read(&text).unwrap();
            prop_assert_eq!(serde_json::to_value(value(&nodes)).unwrap(), one.clone());
            let mut laid = Vec::new();
            lay_out(&one, &mut laid);
            prop_assert!(value(&nodes) == value(&laid));
            let mut laid = Vec::new();
            lay_out(&other, &mut laid);
            prop_assert_eq!(value(&nodes) == value(&laid), one == other);
        }

        #[test]
        fn whatever_is_no_json_is_refused_alike(text in "[\\[\\]{}:,\"0-9e.a\\\\-]{0,24}") {
            let tree: Result<serde_json::Value, _> = serde_json::from_str(&text);
            match (read(&text), tree) {
                (Ok(nodes), Ok(tree)) => {
                    prop_assert_eq!(serde_json::to_value(value(&nodes)).unwrap(), tree);
                }
                (Err(one), Err(other)) => prop_assert_eq!(one.to_string(), other.to_string()),
                (one, other) => prop_assert!(false, "{:?} {:?}", one, other),
            }
        }
    }
}
