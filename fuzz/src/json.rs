//! JSON with all members of its objects, in order.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Whole(u64),
    Negative(i64),
    Float(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The members of an object as the schemes want it: in UTF-8, each name once, four levels. `None` for all else.
    pub fn object(text: &[u8]) -> Option<Vec<(String, Json)>> {
        let json: Json = serde_json::from_str(str::from_utf8(text).ok()?).ok()?;
        match json {
            Json::Object(members) if is_strict(&Json::Object(members.clone()), 4) => Some(members),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A string, or strings in an array.
    pub fn texts(&self) -> Option<Vec<&str>> {
        match self {
            Json::Text(text) => Some(vec![text]),
            Json::Array(items) => items.iter().map(Json::text).collect(),
            _ => None,
        }
    }

    /// A date of RFC 7519 that every reader understands alike.
    pub fn date(&self) -> Option<i64> {
        const END: f64 = 9_007_199_254_740_992.0;
        match *self {
            Json::Whole(seconds) => {
                i64::try_from(seconds).ok().filter(|seconds| *seconds < 1 << 53)
            }
            Json::Float(seconds) if (0.0..END).contains(&seconds) => Some(seconds.floor() as i64),
            _ => None,
        }
    }
}

fn is_strict(json: &Json, levels: usize) -> bool {
    match json {
        Json::Array(items) => levels > 0 && items.iter().all(|item| is_strict(item, levels - 1)),
        Json::Object(members) => {
            let is_new = |at: usize| members[..at].iter().all(|(name, _)| *name != members[at].0);
            levels > 0
                && (0..members.len()).all(is_new)
                && members.iter().all(|(_, value)| is_strict(value, levels - 1))
        }
        _ => true,
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Whole(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Negative(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}
