//! What the fuzz targets have in common: how they read what the fuzzer makes up, a client, memory, and
//! oracles that share no code with the engine.
#![forbid(unsafe_code)]

pub mod json;
pub mod jwt;
pub mod keys;
pub mod life;
pub mod network;
pub mod offer;
pub mod oracle;
pub mod time;

/// What the fuzzer makes up: first bytes that choose, one each, then texts separated by NUL, the one byte that
/// nginx lets into no value.
pub struct Input<'d> {
    choices: &'d [u8],
    texts: Option<&'d [u8]>,
}

impl<'d> Input<'d> {
    pub fn new(data: &'d [u8], choices: usize) -> Option<Self> {
        let (choices, texts) = data.split_at_checked(choices)?;
        Some(Input { choices, texts: Some(texts) })
    }

    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.choices.split_first().expect("as many choices as were asked for");
        self.choices = rest;
        *first
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }

    /// A number near 0.
    pub fn small(&mut self) -> i64 {
        i64::from(self.byte().cast_signed())
    }

    pub fn text(&mut self) -> &'d [u8] {
        let Some(texts) = self.texts else { return b"" };
        let mut parts = texts.splitn(2, |byte| *byte == 0);
        let text = parts.next().unwrap_or_default();
        self.texts = parts.next();
        text
    }

    /// All texts that are left, as one.
    pub fn rest(&mut self) -> &'d [u8] {
        self.texts.take().unwrap_or_default()
    }
}

/// Times of a check; around them lie those of links.
pub const CLOCKS: [i64; 6] = [1_700_000_000, 1_700_000_000, 1_700_000_000, 0, 1, 253_402_300_799];

/// One change of a text, as a client would try it: a byte replaced, removed, doubled or put in, the end cut
/// off, a letter in the other case, a byte percent-encoded.
pub fn mutate(text: &[u8], kind: u8, at: u8, with: u8) -> Vec<u8> {
    let mut text = text.to_vec();
    if text.is_empty() {
        return vec![with.max(1)];
    }
    let at = usize::from(at) % text.len();
    match kind % 8 {
        0 => text[at] ^= with.max(1),
        1 => drop(text.remove(at)),
        2 => text.insert(at, text[at]),
        3 => text.insert(at, with.max(1)),
        4 => text.truncate(text.len() - 1 - at),
        5 => text[at] ^= 0x20,
        6 => drop(text.splice(at..=at, format!("%{:02X}", text[at]).into_bytes())),
        _ => text.push(with.max(1)),
    }
    text.retain(|byte| *byte != 0);
    text
}
