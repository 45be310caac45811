//! What an authentic credential says.

/// The claims of a credential whose MAC was right.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claims<'a> {
    /// Id of the key that verified; empty for a secret without an id.
    pub key_id: &'a [u8],
    /// The position of that id in its [`Keyring`](crate::Keyring).
    pub key_place: Option<usize>,
    /// Whom the link was made for; empty if it does not say.
    pub subject: &'a [u8],
    /// What tells the link from all others: the first 32 bytes of its decoded MAC.
    pub link: [u64; 4],
    /// Last second of validity, unix time, without leeway; `None` if it does not expire.
    pub expires_at: Option<i64>,
}
