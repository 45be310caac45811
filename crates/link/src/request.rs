//! What a request offers.

use std::net::IpAddr;

use crate::template::Template;
use crate::verdict::Verdict;

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

/// What a check asks of a client's connection and headers, if its credential calls for it.
pub trait Client {
    /// The address of the client; `None` if its connection has none.
    fn address(&self) -> Option<IpAddr>;

    /// The scheme of the connection, `http` or `https`.
    fn scheme(&self) -> &[u8];

    /// Calls `each` with the value of each header of a lower-case name, in order of arrival.
    fn headers<'s>(&'s self, name: &[u8], each: &mut dyn FnMut(&'s [u8]));
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
    /// The path that is served: decoded and normalised.
    pub path: &'a [u8],
    /// The target as the client sent it, without scheme and authority.
    pub target: &'a [u8],
    /// The query string, not decoded.
    pub query: &'a [u8],
    /// The name of the server that the client asked for: lower case, without port and trailing dot.
    pub host: &'a [u8],
    /// The connection and the headers.
    pub client: &'a dyn Client,
    /// How the credential is read.
    pub mode: Mode,
    /// Memory for what has to be put together.
    pub arena: &'a dyn Arena,
}

impl<'a> Request<'a> {
    /// The path of the target as it was sent; `None` if it has none.
    pub(crate) fn sent_path(&self) -> Option<&'a [u8]> {
        let path = self.target.split(|byte| matches!(byte, b'?' | b'#')).next();
        path.filter(|path| path.starts_with(b"/"))
    }

    /// Puts a text together, which is malformed beyond `limit` bytes.
    #[inline]
    pub(crate) fn join(&self, text: &'a Template, limit: usize) -> Result<&'a [u8], Verdict> {
        text.join(self.inputs, self.arena, limit).map_err(|error| match error {
            JoinError::TooLong => Verdict::Malformed,
            JoinError::NoMemory => Verdict::Unavailable,
        })
    }
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
