//! Base64 (RFC 4648, sections 4 and 5) of MACs: strict, and without a copy.
//!
//! It is here because it is a sixth of what the check of a link costs with the crate `base64`.

/// The two alphabets, by the value of each byte; what is no digit has [`INVALID`] set.
pub(crate) struct Alphabet([u8; 256]);

const INVALID: u8 = 0x80;

/// The alphabet of RFC 4648, section 4.
pub(crate) const STANDARD: Alphabet = Alphabet::new(b'+', b'/');

/// That of section 5, for URLs and file names.
pub(crate) const URL_SAFE: Alphabet = Alphabet::new(b'-', b'_');

impl Alphabet {
    #[expect(clippy::indexing_slicing, reason = "a byte is an index of 256 places")]
    const fn new(last_but_one: u8, last: u8) -> Self {
        let mut values = [INVALID; 256];
        let mut value = 0;
        while value < 64 {
            let digit = match value {
                0..26 => b'A' + value,
                26..52 => b'a' + value - 26,
                52..62 => b'0' + value - 52,
                62 => last_but_one,
                _ => last,
            };
            values[digit as usize] = value;
            value += 1;
        }
        Alphabet(values)
    }

    #[inline]
    fn value(&self, digit: u8) -> u8 {
        self.0.get(usize::from(digit)).copied().unwrap_or(INVALID)
    }

    /// Decodes digits without padding, whose last bits beyond whole bytes must be zero; the number
    /// of bytes. `None` also for more bytes than there is room for.
    #[inline]
    pub(crate) fn decode(&self, digits: &[u8], bytes: &mut [u8]) -> Option<usize> {
        let (groups, rest) = digits.as_chunks::<4>();
        let len = groups.len() * 3 + rest.len().saturating_sub(1);
        let (whole, end) = bytes.get_mut(..len)?.split_at_mut_checked(groups.len() * 3)?;
        let mut seen = 0;
        for (to, [a, b, c, d]) in whole.as_chunks_mut::<3>().0.iter_mut().zip(groups) {
            let value = |digit: &u8| u32::from(self.value(*digit));
            let (a, b, c, d) = (value(a), value(b), value(c), value(d));
            seen |= a | b | c | d;
            let [_, bytes @ ..] = (a << 18 | b << 12 | c << 6 | d).to_be_bytes();
            *to = bytes;
        }
        let mut seen = seen as u8;
        // The bits that are left over, which tell two spellings of one text apart.
        let spare = match (rest, end) {
            ([], []) => 0,
            ([a, b], [first]) => {
                let [a, b] = [a, b].map(|digit| self.value(*digit));
                seen |= a | b;
                *first = a << 2 | b >> 4;
                b << 4
            }
            ([a, b, c], [first, second]) => {
                let [a, b, c] = [a, b, c].map(|digit| self.value(*digit));
                seen |= a | b | c;
                *first = a << 2 | b >> 4;
                *second = b << 4 | c >> 2;
                c << 6
            }
            _ => return None,
        };
        (seen & INVALID == 0 && spare == 0).then_some(len)
    }
}

#[cfg(test)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::engine::GeneralPurpose;
    use ::base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

    use super::*;

    fn both(
        ours: &Alphabet,
        theirs: &GeneralPurpose,
        digits: &[u8],
    ) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let mut bytes = [0; 64];
        let ours = ours.decode(digits, &mut bytes).map(|len| bytes[..len].to_vec());
        (ours, theirs.decode(digits).ok())
    }

    #[test]
    fn what_is_read_is_what_the_crate_base64_reads() {
        let bytes: Vec<u8> = (0..=255).map(|byte: u8| byte.wrapping_mul(181)).collect();
        for (ours, theirs) in [(&STANDARD, &STANDARD_NO_PAD), (&URL_SAFE, &URL_SAFE_NO_PAD)] {
            for len in 0..=64 {
                for start in [0, 7, 100] {
                    let digits = theirs.encode(&bytes[start..start + len]).into_bytes();
                    let (ours, theirs) = both(ours, theirs, &digits);
                    assert_eq!(ours, theirs);
                    assert!(ours.is_some());
                }
            }
            // Every byte in every place of the last group, whole and cut.
            for len in [2, 3, 4, 6, 7, 8] {
                for at in 0..len {
                    for byte in 0..=255 {
                        let mut digits = vec![b'A'; len];
                        digits[at] = byte;
                        let (ours, theirs) = both(ours, theirs, &digits);
                        assert_eq!(ours, theirs, "{}", digits.escape_ascii());
                    }
                }
            }
            for len in [1, 5, 9] {
                assert_eq!(both(ours, theirs, &vec![b'A'; len]), (None, None));
            }
        }
    }

    #[test]
    fn there_is_no_more_than_there_is_room_for() {
        let mut bytes = [0; 64];
        assert_eq!(URL_SAFE.decode(&[b'A'; 86], &mut bytes), Some(64));
        assert_eq!(URL_SAFE.decode(&[b'A'; 87], &mut bytes), None);
        assert_eq!(URL_SAFE.decode(&[b'A'; 4096], &mut bytes), None);
    }
}
