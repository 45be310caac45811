//! Percent-encoding (RFC 3986, section 2.1).

use crate::request::Arena;
use crate::verdict::Verdict;

/// For each byte whether it stands for itself.
pub(crate) type Literals = [bool; 256];

/// The unreserved characters (RFC 3986, section 2.3), with some more and without some.
#[expect(clippy::indexing_slicing, reason = "a byte is an index of 256 places")]
pub(crate) const fn unreserved(more: &[u8], without: &[u8]) -> Literals {
    let mut literals = [false; 256];
    let mut byte = 0u8;
    loop {
        let is_unreserved =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        literals[byte as usize] =
            (is_unreserved || contains(more, byte)) && !contains(without, byte);
        match byte.checked_add(1) {
            Some(next) => byte = next,
            None => return literals,
        }
    }
}

const fn contains(bytes: &[u8], byte: u8) -> bool {
    match bytes {
        [] => false,
        [first, rest @ ..] => *first == byte || contains(rest, byte),
    }
}

/// How a text is decoded.
#[derive(Clone, Copy)]
pub(crate) struct Decoding {
    /// Whether `+` is a space.
    pub plus_is_space: bool,
    /// Whether a `%` without two hexadecimal digits stands for itself.
    pub lenient: bool,
}

impl Decoding {
    /// As in a path: `+` is itself.
    pub(crate) const PATH: Decoding = Decoding { plus_is_space: false, lenient: false };
    /// As in a query string: `+` is a space.
    pub(crate) const QUERY: Decoding = Decoding { plus_is_space: true, lenient: false };
}

/// The decoded bytes of a text; an error for an invalid escape.
#[derive(Clone)]
pub(crate) struct Decoded<'t> {
    rest: &'t [u8],
    decoding: Decoding,
}

impl<'t> Decoded<'t> {
    pub(crate) fn new(text: &'t [u8], decoding: Decoding) -> Self {
        Decoded { rest: text, decoding }
    }
}

impl Iterator for Decoded<'_> {
    type Item = Result<u8, Verdict>;

    fn next(&mut self) -> Option<Self::Item> {
        let (byte, rest) = match self.rest {
            [b'%', high, low, rest @ ..] if is_hex(*high) && is_hex(*low) => {
                (value(*high) << 4 | value(*low), rest)
            }
            [b'%', ..] if !self.decoding.lenient => {
                self.rest = &[];
                return Some(Err(Verdict::Malformed));
            }
            [b'+', rest @ ..] if self.decoding.plus_is_space => (b' ', rest),
            [byte, rest @ ..] => (*byte, rest),
            [] => return None,
        };
        self.rest = rest;
        Some(Ok(byte))
    }
}

const fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// The value of a hexadecimal digit.
const fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

/// Decodes a text: itself if nothing in it is encoded, else a copy of exactly the length needed.
pub(crate) fn decode<'a>(
    text: &'a [u8],
    decoding: Decoding,
    arena: &'a dyn Arena,
) -> Result<&'a [u8], Verdict> {
    let plus = if decoding.plus_is_space { b'+' } else { b'%' };
    if memchr::memchr2(b'%', plus, text).is_none() {
        return Ok(text);
    }
    let decoded = Decoded::new(text, decoding);
    let len = decoded.clone().try_fold(0, |len, byte| byte.map(|_| len + 1))?;
    let kept = arena.alloc(len).ok_or(Verdict::Unavailable)?;
    for (to, from) in kept.iter_mut().zip(decoded) {
        *to = from?;
    }
    Ok(kept)
}

/// How bytes are encoded.
#[derive(Clone, Copy)]
pub(crate) struct Escaping {
    /// Which bytes stand for themselves.
    pub literals: &'static Literals,
    /// Whether a space becomes `+`.
    pub space_is_plus: bool,
    /// Whether hexadecimal digits are those of the lower case.
    pub lower_case: bool,
}

impl Escaping {
    /// As AWS signs the names and values of arguments.
    pub(crate) const ARGUMENT: Escaping =
        Escaping { literals: &unreserved(b"", b""), space_is_plus: false, lower_case: false };
    /// As AWS signs paths.
    pub(crate) const PATH: Escaping =
        Escaping { literals: &unreserved(b"/", b""), ..Self::ARGUMENT };

    /// Encodes bytes: a copy of exactly the length needed.
    pub(crate) fn escape(
        self,
        bytes: impl Iterator<Item = Result<u8, Verdict>> + Clone,
        arena: &dyn Arena,
    ) -> Result<&[u8], Verdict> {
        let len_of = |byte| if self.is_single(byte) { 1 } else { 3 };
        let len = bytes.clone().try_fold(0, |len, byte| byte.map(|byte| len + len_of(byte)))?;
        let escaped = arena.alloc(len).ok_or(Verdict::Unavailable)?;
        let mut room = escaped.iter_mut();
        for byte in bytes {
            self.each(byte?, |byte| room.by_ref().take(1).for_each(|to| *to = byte));
        }
        Ok(escaped)
    }

    /// Encodes bytes behind a text.
    pub(crate) fn escape_to(self, bytes: impl Iterator<Item = u8>, text: &mut String) {
        bytes.for_each(|byte| self.each(byte, |byte| text.push(char::from(byte))));
    }

    /// Calls `push` with the bytes that one becomes.
    fn each(self, byte: u8, mut push: impl FnMut(u8)) {
        if self.is_literal(byte) {
            push(byte);
        } else if self.is_single(byte) {
            push(b'+');
        } else {
            push(b'%');
            push(self.digit(byte >> 4));
            push(self.digit(byte & 15));
        }
    }

    /// Whether a text is what encoding the bytes it decodes to would make, so that it need not be
    /// done.
    pub(crate) fn is_escaped(self, text: &[u8]) -> bool {
        let mut rest = text;
        loop {
            rest = match rest {
                [] => return true,
                [b'%', high, low, rest @ ..] if is_hex(*high) && is_hex(*low) => {
                    let byte = value(*high) << 4 | value(*low);
                    let is_canonical =
                        *high == self.digit(byte >> 4) && *low == self.digit(byte & 15);
                    if self.is_single(byte) || !is_canonical {
                        return false;
                    }
                    rest
                }
                [byte, rest @ ..] if self.is_literal(*byte) => rest,
                _ => return false,
            }
        }
    }

    #[inline]
    fn is_literal(self, byte: u8) -> bool {
        self.literals.get(usize::from(byte)).copied().unwrap_or(false)
    }

    fn is_single(self, byte: u8) -> bool {
        self.is_literal(byte) || self.space_is_plus && byte == b' '
    }

    fn digit(self, value: u8) -> u8 {
        match value {
            0..=9 => b'0' + value,
            _ if self.lower_case => b'a' + value - 10,
            _ => b'A' + value - 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::LeakingArena;

    const LENIENT: Decoding = Decoding { lenient: true, ..Decoding::PATH };

    fn decoded(text: &str, decoding: Decoding) -> Result<Vec<u8>, Verdict> {
        let arena = LeakingArena::default();
        decode(text.as_bytes(), decoding, &arena).map(<[u8]>::to_vec)
    }

    #[test]
    fn escapes_are_decoded_once_in_either_case() {
        assert_eq!(decoded("a%2Fb%2fc%25%32f", Decoding::PATH).unwrap(), b"a/b/c%2f");
        assert_eq!(decoded("a+b%2B", Decoding::PATH).unwrap(), b"a+b+");
        assert_eq!(decoded("a+b%2B", Decoding::QUERY).unwrap(), b"a b+");
    }

    #[test]
    fn an_invalid_escape_is_malformed_or_literal() {
        for text in ["%", "%1", "%g0", "%0g", "a%", "%%41", "%+1", "% 1"] {
            assert_eq!(decoded(text, Decoding::QUERY), Err(Verdict::Malformed), "{text}");
        }
        assert_eq!(decoded("%%41%g0%4", LENIENT).unwrap(), b"%A%g0%4");
    }

    #[test]
    fn what_is_plain_is_not_copied() {
        let arena = LeakingArena::default();
        assert_eq!(decode(b"a+b", Decoding::PATH, &arena), Ok(b"a+b".as_slice()));
        assert_eq!(arena.allocated(), 0);
        assert_eq!(decode(b"a+b%20", Decoding::QUERY, &arena), Ok(b"a b ".as_slice()));
        assert_eq!(arena.allocated(), 4);
    }

    #[test]
    fn escaping_is_recognised() {
        for (text, canonical) in [
            ("a-._~Z9", true),
            ("%2F%C3%A4", true),
            ("%2f", false),
            ("%41", false),
            ("+", false),
            ("\u{e4}", false),
            ("/", false),
            ("%", false),
            ("%2", false),
            ("%7e", false),
            ("", true),
        ] {
            assert_eq!(Escaping::ARGUMENT.is_escaped(text.as_bytes()), canonical, "{text}");
        }
        assert!(Escaping::PATH.is_escaped(b"/a"));
        assert!(!Escaping::PATH.is_escaped(b"/a%2Fb"));
    }

    #[test]
    fn what_is_escaped_decodes_to_itself() {
        let arena = LeakingArena::default();
        let bytes: Vec<u8> = (0..=255).collect();
        for escaping in [Escaping::ARGUMENT, Escaping::PATH] {
            let text = escaping.escape(bytes.iter().map(|byte| Ok(*byte)), &arena).unwrap();
            assert!(escaping.is_escaped(text));
            assert_eq!(decode(text, Decoding::PATH, &arena).unwrap(), bytes);
        }
    }
}
