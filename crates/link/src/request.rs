//! What a request offers.

/// How a credential is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The outcome decides about the request (or would, in a dry run): the fields of a credential
    /// are those written in the configuration, whatever commas a variable brings, and methods and
    /// the least length of a secret count.
    Enforced,
    /// The outcome is a variable's value only, as with `ngx_http_hmac_secure_link_module`: the
    /// value is put together first and split at its commas.
    Advisory,
}

/// Memory that lives as long as the request.
pub trait Arena {
    /// `len` bytes, or `None` if there is no memory.
    #[expect(clippy::mut_from_ref, reason = "each call hands out other bytes")]
    fn alloc(&self, len: usize) -> Option<&mut [u8]>;
}

/// What a request offers to a check.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Values of the variables of the policy's templates, by their position in
    /// [`Variables`](crate::Variables).
    pub inputs: &'a [&'a [u8]],
    /// Whether an argument that the policy reads occurs twice.
    pub repeated_argument: bool,
    /// The method, as sent.
    pub method: &'a [u8],
    /// How the credential is read.
    pub mode: Mode,
    /// Memory for what has to be put together.
    pub arena: &'a dyn Arena,
}

/// Why a text could not be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinError {
    TooLong,
    NoMemory,
}

#[cfg(test)]
pub(crate) mod testing {
    use core::cell::Cell;

    use super::Arena;

    /// An arena that counts what it hands out.
    #[derive(Default)]
    pub(crate) struct LeakingArena(Cell<usize>);

    impl LeakingArena {
        pub(crate) fn allocated(&self) -> usize {
            self.0.get()
        }
    }

    impl Arena for LeakingArena {
        fn alloc(&self, len: usize) -> Option<&mut [u8]> {
            self.0.set(self.0.get() + len);
            Some(Box::leak(vec![0; len].into_boxed_slice()))
        }
    }
}
