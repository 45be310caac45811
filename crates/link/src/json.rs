//! JSON objects (RFC 8259), read strictly: each name once, also in objects inside, few levels, and
//! no text that could not be shown.

use core::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use crate::claims::Found;
use crate::request::Arena;

/// Most levels of objects and arrays, the outermost object included.
const MAX_LEVELS: u8 = 4;

/// Takes the members of an object.
pub(crate) trait Members<'a> {
    /// Takes the value of a member from `map`, and tells whether it did: else it is read only to
    /// see that it can be.
    fn take<A: MapAccess<'a>>(&mut self, name: &'a str, map: &mut A) -> Result<bool, A::Error>;
}

/// Reads an object; an error is one of its syntax, of a name that occurs twice, or of `members`.
pub(crate) fn read<'a>(
    text: &'a [u8],
    arena: &'a dyn Arena,
    members: &mut impl Members<'a>,
) -> Result<(), serde_json::Error> {
    // The library does not check strings that it skips.
    let text = str::from_utf8(text).map_err(serde_json::Error::custom)?;
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(Object { arena, members })?;
    json.end()
}

struct Object<'a, 'm, M> {
    arena: &'a dyn Arena,
    members: &'m mut M,
}

impl<'a, M: Members<'a>> Visitor<'a> for Object<'a, '_, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = Vec::new();
        while let Some(name) = map.next_key_seed(Text(self.arena))? {
            if !self.members.take(name, &mut map)? {
                map.next_value_seed(Value { arena: self.arena, levels: MAX_LEVELS - 1 })?;
            }
            names.push(name);
        }
        each_once(names)
    }
}

/// Fails if a name occurs twice. Sorts, since a stranger chooses how many names there are.
fn each_once<E: serde::de::Error>(mut names: Vec<&str>) -> Result<(), E> {
    names.sort_unstable();
    match names.iter().zip(names.iter().skip(1)).any(|(name, next)| name == next) {
        true => Err(E::custom("a name occurs twice")),
        false => Ok(()),
    }
}

/// A value of which nothing is kept.
#[derive(Clone, Copy)]
struct Value<'a> {
    arena: &'a dyn Arena,
    /// How many levels it may have.
    levels: u8,
}

impl<'a> Value<'a> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Value { levels, ..self }),
            None => Err(E::custom("too many levels")),
        }
    }
}

impl<'a> DeserializeSeed<'a> for Value<'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Value<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        let item = self.inner()?;
        while seq.next_element_seed(item)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let value = self.inner()?;
        let mut names = Vec::new();
        while let Some(name) = map.next_key_seed(Text(self.arena))? {
            map.next_value_seed(value)?;
            names.push(name);
        }
        each_once(names)
    }
}

/// A string, copied only if it has escapes.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a>(pub &'a dyn Arena);

impl<'a> DeserializeSeed<'a> for Text<'a> {
    type Value = &'a str;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<&'a str, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Text<'a> {
    type Value = &'a str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<&'a str, E> {
        Ok(text)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<&'a str, E> {
        let kept = self.0.alloc(text.len()).ok_or_else(|| E::custom("no memory"))?;
        kept.iter_mut().zip(text.as_bytes()).for_each(|(to, from)| *to = *from);
        str::from_utf8(kept).map_err(E::custom)
    }
}

/// A date in unix seconds: a number that is not negative and less than 2^53, without its
/// fraction (RFC 7519, section 2, "NumericDate").
pub(crate) struct Date(pub i64);

/// The first number that a reader of JSON may take for another one (RFC 8259, section 6).
const DATE_END: u64 = 1 << 53;

impl<'a> Deserialize<'a> for Date {
    fn deserialize<D: Deserializer<'a>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(DateVisitor)
    }
}

struct DateVisitor;

impl Visitor<'_> for DateVisitor {
    type Value = Date;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date")
    }

    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Date, E> {
        let seconds = i64::try_from(seconds).ok().filter(|_| seconds < DATE_END);
        seconds.map(Date).ok_or_else(|| E::custom("too large"))
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Date, E> {
        if (0.0..DATE_END as f64).contains(&seconds) {
            Ok(Date(seconds as i64))
        } else {
            Err(E::custom("out of range"))
        }
    }
}

/// A string, or an array of strings, not yet read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strings<'a>(&'a str);

impl<'a> Strings<'a> {
    /// Takes the value of a member.
    pub(crate) fn take<A: MapAccess<'a>>(
        map: &mut A,
        arena: &'a dyn Arena,
    ) -> Result<Self, A::Error> {
        let strings = Strings(map.next_value::<&'a RawValue>()?.get());
        strings.visit(arena, |_| ()).map_err(A::Error::custom)?;
        Ok(strings)
    }

    /// Whether any of the strings is wanted.
    pub(crate) fn any(
        &self,
        arena: &'a dyn Arena,
        mut is_wanted: impl FnMut(&str) -> bool,
    ) -> bool {
        let mut found = false;
        self.visit(arena, |text| found = found || is_wanted(text)).is_ok() && found
    }

    fn visit(
        &self,
        arena: &'a dyn Arena,
        each: impl FnMut(&'a str),
    ) -> Result<(), serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(self.0);
        json.deserialize_any(EachString { arena, each })
    }
}

struct EachString<'a, F> {
    arena: &'a dyn Arena,
    each: F,
}

impl<'a, F: FnMut(&'a str)> Visitor<'a> for EachString<'a, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_borrowed_str<E>(mut self, text: &'a str) -> Result<(), E> {
        (self.each)(text);
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(mut self, text: &str) -> Result<(), E> {
        (self.each)(Text(self.arena).visit_str(text)?);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(text) = seq.next_element_seed(Text(self.arena))? {
            (self.each)(text);
        }
        Ok(())
    }
}

/// Looks for the members of an object that was read before. What is found is JSON.
pub(crate) fn find<'a>(
    object: &'a [u8],
    arena: &'a dyn Arena,
    is_wanted: &dyn Fn(&[u8]) -> bool,
) -> Found<'a> {
    let mut finder = Finder { is_wanted, found: Found::Nothing };
    match read(object, arena, &mut finder) {
        Ok(()) => finder.found,
        Err(_) => Found::Nothing,
    }
}

struct Finder<'a, 'w> {
    is_wanted: &'w dyn Fn(&[u8]) -> bool,
    found: Found<'a>,
}

impl<'a> Members<'a> for Finder<'a, '_> {
    fn take<A: MapAccess<'a>>(&mut self, name: &'a str, map: &mut A) -> Result<bool, A::Error> {
        let is_wanted = (self.is_wanted)(name.as_bytes());
        if is_wanted {
            self.found.add(map.next_value::<&'a RawValue>()?.get().as_bytes());
        }
        Ok(is_wanted)
    }
}

/// What a value says: the text of a string, nothing for `null`, and of anything else its JSON.
pub(crate) fn text_of<'a>(json: &'a [u8], arena: &'a dyn Arena) -> &'a [u8] {
    match json {
        b"null" => b"",
        [b'"', ..] => {
            let text = Text(arena).deserialize(&mut serde_json::Deserializer::from_slice(json));
            text.map(str::as_bytes).unwrap_or_default()
        }
        _ => json,
    }
}

/// Whether a string, number or boolean has this text, or, if `is_audience`, whether an array of
/// strings has one of this text.
pub(crate) fn is_value<'a>(
    json: &'a [u8],
    value: &[u8],
    is_audience: bool,
    arena: &'a dyn Arena,
) -> bool {
    match json {
        [b'{', ..] => false,
        [b'[', ..] => {
            let strings = str::from_utf8(json).map(Strings);
            is_audience && strings.is_ok_and(|all| all.any(arena, |one| one.as_bytes() == value))
        }
        _ => text_of(json, arena) == value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::LeakingArena;

    struct Nobody;

    impl<'a> Members<'a> for Nobody {
        fn take<A: MapAccess<'a>>(&mut self, _: &'a str, _: &mut A) -> Result<bool, A::Error> {
            Ok(false)
        }
    }

    fn is_read(text: &[u8]) -> bool {
        let arena: &'static LeakingArena = Box::leak(Box::default());
        read(Box::leak(text.to_vec().into_boxed_slice()), arena, &mut Nobody).is_ok()
    }

    fn found(object: &'static str, name: &'static str) -> Option<String> {
        let arena: &'static LeakingArena = Box::leak(Box::default());
        let is_wanted = move |found: &[u8]| found == name.as_bytes();
        match find(object.as_bytes(), arena, &is_wanted) {
            Found::One(json) => Some(String::from_utf8(text_of(json, arena).to_vec()).unwrap()),
            _ => None,
        }
    }

    #[test]
    fn an_object_is_read_to_its_end() {
        for text in ["{}", " { } ", r#"{"a":1,"b":[{"c":null}],"d":"\u00e4"}"#] {
            assert!(is_read(text.as_bytes()), "{text}");
        }
        for text in ["", "1", "[]", "null", "{} 1", "{", "{]", "{\"a\"}", "{'a':1}", "{\"a\":1,}"] {
            assert!(!is_read(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_name_occurs_once_at_every_level() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":1,"b":{"c":1,"c":1}}"#,
            r#"{"a":[{"c":1,"d":2,"c":1}]}"#,
        ] {
            assert!(!is_read(text.as_bytes()), "{text}");
        }
        assert!(is_read(br#"{"a":{"a":1},"A":1}"#));
    }

    #[test]
    fn four_levels_are_read_and_five_are_not() {
        assert!(is_read(br#"{"a":[[[1]]]}"#));
        assert!(is_read(br#"{"a":{"b":{"c":{}}}}"#));
        assert!(!is_read(br#"{"a":[[[[1]]]]}"#));
        assert!(!is_read(br#"{"a":{"b":{"c":{"d":{}}}}}"#));
        assert!(!is_read(&b"{\"a\":".repeat(680)));
        assert!(!is_read(&[b"{\"a\":".as_slice(), &b"[".repeat(4000)].concat()));
    }

    #[test]
    fn text_is_utf_8_everywhere() {
        assert!(!is_read(b"{\"a\":\"\xff\"}"));
        assert!(!is_read(b"{\"a\":[\"\xc3\"]}"));
        assert!(!is_read(br#"{"a":"\ud800"}"#));
        assert!(!is_read(b"{\"a\":\"\n\"}"));
        assert!(!is_read(b"{\"a\":1e400}"));
    }

    #[test]
    fn a_claim_is_shown_as_text() {
        const OBJECT: &str =
            r#"{"s":"a\u00e4\n","n":1.50,"t":true,"x":null,"l":[1, "a"],"o":{"a":1}}"#;
        for (name, text) in [
            ("s", "a\u{e4}\n"),
            ("n", "1.50"),
            ("t", "true"),
            ("x", ""),
            ("l", "[1, \"a\"]"),
            ("o", "{\"a\":1}"),
        ] {
            assert_eq!(found(OBJECT, name).as_deref(), Some(text));
        }
        assert_eq!(found(OBJECT, "S"), None);
    }

    #[test]
    fn dates_are_numbers_that_every_reader_agrees_on() {
        let date = |text: &str| serde_json::from_str::<Date>(text).ok().map(|date| date.0);
        for (text, seconds) in [
            ("0", 0),
            ("-0", 0),
            ("1700000000", 1_700_000_000),
            ("1700000000.9", 1_700_000_000),
            ("1.7e9", 1_700_000_000),
            ("9007199254740991", (1 << 53) - 1),
        ] {
            assert_eq!(date(text), Some(seconds), "{text}");
        }
        for text in [
            "-1",
            "-0.5",
            "9007199254740992",
            "1e300",
            "99999999999999999999999",
            "18446744073709551616",
            "\"1\"",
            "null",
            "true",
            "[1]",
            "{}",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
