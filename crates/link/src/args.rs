//! Arguments of a query string, found in one pass.

use crate::template::{Template, Variable, Variables};

/// Names of arguments, in lower case.
#[derive(Clone, Debug, Default)]
pub struct ArgumentNames {
    names: Vec<Name>,
    /// How further names begin, which are known without a position.
    prefixes: Vec<Box<[u8]>>,
}

/// A name in lower case.
#[derive(Clone, Debug)]
struct Name {
    text: Box<[u8]>,
    /// Its first eight bytes: most names have no more.
    head: u64,
}

impl ArgumentNames {
    /// The arguments whose values texts have in them, by the variables that the texts share.
    pub fn read_by<'t>(
        texts: impl IntoIterator<Item = &'t Template>,
        variables: &Variables,
    ) -> Self {
        let mut names = ArgumentNames::default();
        for at in texts.into_iter().flat_map(Template::inputs) {
            if let Some(name) = variables.as_slice().get(at).and_then(Variable::argument) {
                names.insert(name.as_bytes());
            }
        }
        names
    }

    /// Adds a name unless it is there, and returns its position.
    pub fn insert(&mut self, name: &[u8]) -> usize {
        self.position(name).unwrap_or_else(|| {
            let text = name.to_ascii_lowercase().into();
            self.names.push(Name { text, head: lower_case(word_at(name, 0)) });
            self.names.len() - 1
        })
    }

    /// Adds all names that begin so, without positions.
    pub fn insert_prefix(&mut self, prefix: &[u8]) {
        self.prefixes.push(prefix.into());
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.prefixes.is_empty()
    }

    /// Whether an argument has one of the names.
    pub fn contains(&self, name: &[u8]) -> bool {
        let begins = |prefix: &[u8]| {
            name.split_at_checked(prefix.len())
                .is_some_and(|(start, _)| start.eq_ignore_ascii_case(prefix))
        };
        self.position(name).is_some() || self.prefixes.iter().any(|prefix| begins(prefix))
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        match name.len() {
            len @ ..=WORD_LEN => self.position_of_short(word_at(name, 0), len),
            _ => self.names.iter().position(|known| known.text.eq_ignore_ascii_case(name)),
        }
    }

    /// Where a name ends that has no end in the eight bytes at its start, and which one it is.
    #[inline(never)]
    fn find_long(&self, query: &[u8], start: usize) -> (usize, Option<usize>) {
        let rest = query.get(start..).unwrap_or_default();
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b'&'));
        let len = end.unwrap_or(rest.len());
        (start + len, self.position(rest.get(..len).unwrap_or_default()))
    }

    /// Finds a name of at most eight bytes, which are those of the word, the others zero.
    #[inline]
    fn position_of_short(&self, word: u64, len: usize) -> Option<usize> {
        let find = |word| {
            let mut names = self.names.iter();
            names.position(|known| known.head == word && known.text.len() == len)
        };
        // Most clients send a name as the configuration has it.
        find(word).or_else(|| find(lower_case(word)))
    }
}

/// Calls `found` with the position of a name and the raw value of each argument that has one of
/// the names, also if it has occurred before. A value is not decoded, as nginx's `$arg_name` has
/// it; an argument without `=` has an empty one.
#[inline]
pub fn find_arguments<'a>(
    query: &'a [u8],
    names: &ArgumentNames,
    mut found: impl FnMut(usize, &'a [u8]),
) {
    if names.names.is_empty() {
        return;
    }
    let mut start = 0;
    while start < query.len() {
        let word = word_at(query, start);
        let ends = bytes_like(word, b'=') | bytes_like(word, b'&');
        let (name_end, position) = match ends {
            0 => names.find_long(query, start),
            ends => {
                // What comes after the name is cut off.
                let name = word & (ends ^ ends.wrapping_sub(1)) >> 8;
                let len = first_byte(ends);
                (start + len, names.position_of_short(name, len))
            }
        };
        let has_value = query.get(name_end) == Some(&b'=');
        let value_start = name_end + usize::from(has_value);
        let end = if has_value { find_byte(query, value_start, b'&') } else { name_end };
        if let Some(position) = position {
            found(position, query.get(value_start..end).unwrap_or_default());
        }
        start = end + 1;
    }
}

/// Reads the raw values of named arguments in one pass, and tells whether any of them occurs
/// twice, with or without a value.
///
/// `values` has a place for each name, which stays `None` where the argument is absent. A value is
/// that of the first occurrence, as [`find_arguments`] tells it.
pub fn read_arguments<'a>(
    query: &'a [u8],
    names: &ArgumentNames,
    values: &mut [Option<&'a [u8]>],
) -> bool {
    let mut repeated = false;
    find_arguments(query, names, |position, value| {
        if let Some(place) = values.get_mut(position) {
            repeated |= place.is_some();
            place.get_or_insert(value);
        }
    });
    repeated
}

/// The arguments of a query string whose names are not among `names`, in order.
pub fn without_arguments<'a>(
    query: &'a [u8],
    names: &ArgumentNames,
) -> impl Iterator<Item = &'a [u8]> + Clone {
    split(query).filter(move |argument| !names.contains(name_of(argument)))
}

/// The arguments of a query string, empty ones included.
pub(crate) fn split(query: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = Some(query);
    core::iter::from_fn(move || {
        let text = rest?;
        let (argument, later) = split_at_byte(text, b'&');
        rest = later;
        Some(argument)
    })
}

/// Splits an argument at its first `=`; without one it has no value.
#[inline]
pub(crate) fn name_and_value(argument: &[u8]) -> (&[u8], Option<&[u8]>) {
    // Names are short.
    match argument.iter().position(|&byte| byte == b'=') {
        Some(at) => (argument.get(..at).unwrap_or_default(), argument.get(at + 1..)),
        None => (argument, None),
    }
}

/// Splits a text at the first such byte.
#[inline]
fn split_at_byte(text: &[u8], byte: u8) -> (&[u8], Option<&[u8]>) {
    let at = find_byte(text, 0, byte);
    (text.get(..at).unwrap_or_default(), text.get(at + 1..))
}

// Eight bytes are looked at in one step. Vector instructions would take more, but arguments are too
// short to repay the set-up.

const WORD_LEN: usize = size_of::<u64>();
const HIGH: u64 = repeated(0x80);

const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; WORD_LEN])
}

/// The eight bytes at a position, the first one lowest; zero beyond the end.
#[inline]
fn word_at(text: &[u8], at: usize) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    match (rest.first_chunk(), text.last_chunk()) {
        (Some(word), _) => u64::from_le_bytes(*word),
        (None, _) if rest.is_empty() => 0,
        (None, Some(last)) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
        (None, None) => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// The high bit of each byte that is this one, and perhaps of some above the first of them.
#[inline]
fn bytes_like(word: u64, byte: u8) -> u64 {
    // Zero where the byte is.
    let word = word ^ repeated(byte);
    word.wrapping_sub(repeated(0x01)) & !word & HIGH
}

/// The position of the lowest byte whose high bit is set.
#[inline]
fn first_byte(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// Lowers the ASCII capitals.
#[inline]
fn lower_case(word: u64) -> u64 {
    let low = word & !HIGH;
    let from_a = low + repeated(0x80 - b'A');
    let after_z = low + repeated(0x80 - (b'Z' + 1));
    word | (from_a & !after_z & !word & HIGH) >> 2
}

/// The position of the first such byte from `start` on, or else the length of the text.
#[inline]
fn find_byte(text: &[u8], start: usize, byte: u8) -> usize {
    let mut at = start;
    while let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        let marks = bytes_like(u64::from_le_bytes(*word), byte);
        if marks != 0 {
            return at + first_byte(marks);
        }
        at += WORD_LEN;
    }
    match bytes_like(word_at(text, at), byte) {
        0 => text.len(),
        marks => at + first_byte(marks),
    }
}

fn name_of(argument: &[u8]) -> &[u8] {
    name_and_value(argument).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> ArgumentNames {
        let mut set = ArgumentNames::default();
        for name in names {
            set.insert(name.as_bytes());
        }
        set
    }

    fn read(query: &str) -> ([Option<&str>; 2], bool) {
        let mut values = [None; 2];
        let repeated = read_arguments(query.as_bytes(), &names(&["st", "e"]), &mut values);
        (values.map(|value| value.map(|value| str::from_utf8(value).unwrap())), repeated)
    }

    #[test]
    fn a_text_is_split_at_the_first_byte() {
        let text: Vec<u8> = b"%\x25\xa6\x27\x00\xff'(abcdefgh".repeat(3);
        for len in 0..text.len() {
            for at in 0..=len {
                for second in [at + 1, at + 3, at + 9] {
                    let mut text = text[..len].to_vec();
                    for at in [at, second] {
                        if let Some(byte) = text.get_mut(at) {
                            *byte = b'&';
                        }
                    }
                    let mut parts = text.splitn(2, |&byte| byte == b'&');
                    let expected = (parts.next().unwrap_or_default(), parts.next());
                    assert_eq!(split_at_byte(&text, b'&'), expected);
                }
            }
        }
    }

    #[test]
    fn values_are_raw_and_names_ignore_case() {
        assert_eq!(read("ST=a%20b&x=1&e=2"), ([Some("a%20b"), Some("2")], false));
        assert_eq!(read("st=a=b"), ([Some("a=b"), None], false));
        assert_eq!(read("xst=a&st2=b&ste&=st"), ([None, None], false));
        assert_eq!(read(""), ([None, None], false));
        assert_eq!(read("st"), ([Some(""), None], false));
    }

    #[test]
    fn any_query_is_read_as_by_splitting_it() {
        let names = names(&["s", "st", "longname", "alongername"]);
        let words = ["s", "S", "st", "=", "&", "LongName", "alongername", "x", "\0", "\u{e9}@[`{"];
        // Each sequence of six.
        for number in 0..words.len().pow(6) {
            let digits = (0..6).map(|place| number / words.len().pow(place) % words.len());
            let query = digits.map(|digit| words[digit]).collect::<String>();
            let mut read = Vec::new();
            find_arguments(query.as_bytes(), &names, |at, value| read.push((at, value)));
            let expected: Vec<_> = query
                .split('&')
                .filter_map(|argument| {
                    let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
                    let mut known = names.names.iter();
                    let at = known.position(|k| k.text.eq_ignore_ascii_case(name.as_bytes()))?;
                    Some((at, value.as_bytes()))
                })
                .collect();
            assert_eq!(read, expected, "{query:?}");
        }
    }

    #[test]
    fn any_second_occurrence_is_noticed() {
        for query in ["st=a&st=a", "st=a&St=b", "st=a&st", "st&st=a", "e=&x=1&e="] {
            assert!(read(query).1, "{query}");
        }
        for query in ["x=1&x=2&st=a", "st=a&s%74=b", "st=a&e=a"] {
            assert!(!read(query).1, "{query}");
        }
    }

    #[test]
    fn removal_keeps_the_order_of_the_rest() {
        let set = names(&["st", "e"]);
        let rest = |query: &'static str| {
            without_arguments(query.as_bytes(), &set).collect::<Vec<_>>().join(&b'&')
        };
        assert_eq!(rest("b=2&ST=x&a=1&e&a=3"), b"b=2&a=1&a=3");
        assert_eq!(rest("st=x"), b"");
        assert_eq!(rest("a"), b"a");
    }

    #[test]
    fn names_of_a_prefix_are_removed() {
        let mut set = names(&["x-id"]);
        set.insert_prefix(b"x-amz-");
        let query = b"a=1&X-Amz-Date=1&x-amz-foo&X-ID=2&x-amzn=3&x-id2=4";
        let rest: Vec<_> = without_arguments(query, &set).collect();
        assert_eq!(rest.join(&b'&'), b"a=1&x-amzn=3&x-id2=4");
    }

    #[test]
    fn long_names_are_compared_whole() {
        let set = names(&["a_credential", "b_credential", "credential"]);
        let mut values = [None; 3];
        let query = b"A_Credential=1&xcredential=2&credential=3&c_credential=4&redential=5";
        assert!(!read_arguments(query, &set, &mut values));
        assert_eq!(values, [Some(b"1".as_slice()), None, Some(b"3".as_slice())]);
        // A name of zeros has the head of none.
        assert!(!set.contains(b"\0") && !set.contains(b""));
        assert!(read_arguments(b"credential=1&CREDENTIAL", &set, &mut [None; 3]));
    }

    #[test]
    fn a_name_is_kept_once() {
        let mut set = names(&["st", "e"]);
        assert_eq!(set.insert(b"E"), 1);
        assert_eq!(set.len(), 2);
    }
}
