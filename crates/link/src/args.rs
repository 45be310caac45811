//! Arguments of a query string, found in one pass.

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
    /// Its last eight bytes, as a number: most names have no more.
    tail: u64,
}

/// How many bytes of a name its tail has.
const TAIL_LEN: usize = size_of::<u64>();

/// The tail of a name, followed by one more byte.
#[inline]
fn push(tail: u64, byte: u8) -> u64 {
    tail << 8 | u64::from(byte.to_ascii_lowercase())
}

impl ArgumentNames {
    /// Adds a name unless it is there, and returns its position.
    pub fn insert(&mut self, name: &[u8]) -> usize {
        self.position(name).unwrap_or_else(|| {
            let text = name.to_ascii_lowercase().into();
            self.names.push(Name { text, tail: tail_of(name) });
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
        self.position_by_tail(name, tail_of(name))
    }

    #[inline]
    fn position_by_tail(&self, name: &[u8], tail: u64) -> Option<usize> {
        self.names.iter().position(|known| {
            known.tail == tail
                && known.text.len() == name.len()
                && (name.len() <= TAIL_LEN || known.text.eq_ignore_ascii_case(name))
        })
    }
}

fn tail_of(name: &[u8]) -> u64 {
    name.iter().fold(0, |tail, byte| push(tail, *byte))
}

/// Reads the raw values of named arguments in one pass, and tells whether any of them occurs
/// twice, with or without a value.
///
/// `values` has a place for each name, which stays `None` where the argument is absent. A value is
/// that of the first occurrence, not decoded, as nginx's `$arg_name` has it.
pub fn read_arguments<'a>(
    query: &'a [u8],
    names: &ArgumentNames,
    values: &mut [Option<&'a [u8]>],
) -> bool {
    let mut repeated = false;
    if names.names.is_empty() {
        return repeated;
    }
    let mut rest = Some(query);
    while let Some(text) = rest {
        let mut tail = 0;
        let mut end = None;
        for (at, &byte) in text.iter().enumerate() {
            if byte == b'=' || byte == b'&' {
                end = Some(at);
                break;
            }
            tail = push(tail, byte);
        }
        let (name, value) = match end.and_then(|at| text.split_at_checked(at)) {
            Some(parts) => parts,
            None => (text, [].as_slice()),
        };
        let (value, later) = match value {
            [b'=', value @ ..] => split_at_byte(value, b'&'),
            [_, later @ ..] => ([].as_slice(), Some(later)),
            [] => ([].as_slice(), None),
        };
        rest = later;
        if let Some(place) = names.position_by_tail(name, tail).and_then(|at| values.get_mut(at)) {
            repeated |= place.is_some();
            place.get_or_insert(value);
        }
    }
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

/// Splits a text at the first such byte. Eight bytes are looked at in one step: arguments are too
/// short for what finding out how to use longer ones costs.
#[inline]
fn split_at_byte(text: &[u8], byte: u8) -> (&[u8], Option<&[u8]>) {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, rest) = text.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        // Zero where the byte is. The lowest bit that is left marks the first zero.
        let word = u64::from_le_bytes(*word) ^ LOW.wrapping_mul(u64::from(byte));
        let zeros = word.wrapping_sub(LOW) & !word & HIGH;
        if zeros != 0 {
            at += (zeros.trailing_zeros() / 8) as usize;
            return (text.get(..at).unwrap_or_default(), text.get(at + 1..));
        }
        at += 8;
    }
    match rest.iter().position(|&found| found == byte) {
        Some(more) => (text.get(..at + more).unwrap_or_default(), text.get(at + more + 1..)),
        None => (text, None),
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
        // A name of zeros has the tail of none.
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
