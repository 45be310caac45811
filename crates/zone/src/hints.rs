//! Where keys were found, for finding them again.

use std::cell::Cell;

use crate::words::{NIL, bytes_as_words};

const PLACES: usize = 1024;

/// Where a process found keys of a meter, so that it need not search for those that it counts again
/// and again.
///
/// It belongs to one process and one zone. What it says is looked at before it is believed: an
/// entry that was given to another key meanwhile is searched for.
pub struct Hints([Cell<u32>; PLACES]);

impl Default for Hints {
    fn default() -> Self {
        Hints([const { Cell::new(NIL) }; PLACES])
    }
}

impl Hints {
    /// The place of a key, by how it begins and ends. Others that share it cost a search.
    #[inline]
    pub(crate) fn of(&self, key: &[u8]) -> Option<&Cell<u32>> {
        let (whole, last) = bytes_as_words(key);
        let first = whole.first().map_or(0, |word| u64::from_le_bytes(*word));
        let mixed = (first.rotate_left(32) ^ last).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0.get((mixed >> (64 - PLACES.ilog2())) as usize)
    }
}
