//! A client, what it asks for, and memory for the check of it.

use std::cell::Cell;
use std::net::IpAddr;

use bumpalo::Bump;
use secure_link::{Arena, Check, Client, Mode, Policy, Request, Verdict, signed_texts, verify};

/// Memory that may come to an end.
pub struct Memory {
    bump: Bump,
    allocations_left: Cell<usize>,
}

impl Memory {
    pub fn new(allocations: usize) -> Self {
        Memory { bump: Bump::new(), allocations_left: Cell::new(allocations) }
    }
}

impl Arena for Memory {
    fn alloc(&self, len: usize) -> Option<&mut [u8]> {
        self.allocations_left.set(self.allocations_left.get().checked_sub(1)?);
        // What the engine must fill is not 0 before.
        Some(self.bump.alloc_slice_fill_copy(len, 0xa5))
    }
}

#[derive(Clone, Copy)]
pub struct Offer<'a> {
    pub inputs: &'a [&'a [u8]],
    pub method: &'a [u8],
    pub path: &'a [u8],
    pub target: &'a [u8],
    pub query: &'a [u8],
    pub server: &'a [u8],
    pub headers: &'a [(&'a [u8], &'a [u8])],
    pub scheme: &'a [u8],
    pub address: Option<IpAddr>,
    pub mode: Mode,
}

pub const OFFER: Offer<'_> = Offer {
    inputs: &[],
    method: b"GET",
    path: b"/",
    target: b"/",
    query: b"",
    server: b"files.example",
    headers: &[(b"host", b"files.example")],
    scheme: b"http",
    address: None,
    mode: Mode::Enforced,
};

impl Client for Offer<'_> {
    fn address(&self) -> Option<IpAddr> {
        self.address
    }

    fn scheme(&self) -> &[u8] {
        self.scheme
    }

    fn headers<'s>(&'s self, name: &[u8], each: &mut dyn FnMut(&'s [u8])) {
        self.headers.iter().filter(|(known, _)| *known == name).for_each(|(_, value)| each(value));
    }
}

/// What is compared of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub verdict: Verdict,
    /// What an authentic link is known by.
    pub link: Option<[u64; 4]>,
    pub key_id: Vec<u8>,
    pub subject: Vec<u8>,
    pub expires_at: Option<i64>,
}

impl Outcome {
    pub fn denied(verdict: Verdict) -> Self {
        Outcome { verdict, link: None, key_id: Vec::new(), subject: Vec::new(), expires_at: None }
    }

    fn of(check: &Check<'_>) -> Self {
        let claims = check.claims.unwrap_or_default();
        Outcome {
            verdict: check.verdict,
            link: check.claims.map(|claims| claims.link),
            key_id: claims.key_id.to_vec(),
            subject: claims.subject.to_vec(),
            expires_at: claims.expires_at,
        }
    }
}

impl Offer<'_> {
    /// Checks a link, also with memory that comes to an end, which may refuse it but not grant it.
    pub fn check(&self, policy: &Policy, now: i64) -> Outcome {
        let outcome = self.check_with(policy, now, usize::MAX);
        for allocations in 0..3 {
            let short = self.check_with(policy, now, allocations);
            let is_refusal = matches!(
                short.verdict,
                Verdict::Unavailable | Verdict::Malformed | Verdict::OutOfScope
            );
            assert!(
                short == outcome || is_refusal,
                "{short:?} for want of memory, else {outcome:?}"
            );
        }
        outcome
    }

    fn check_with(&self, policy: &Policy, now: i64, allocations: usize) -> Outcome {
        let arena = Memory::new(allocations);
        let request = Request {
            inputs: self.inputs,
            repeated_argument: false,
            method: self.method,
            path: self.path,
            target: self.target,
            query: self.query,
            host: self.server,
            client: self,
            mode: self.mode,
            arena: &arena,
        };
        let check = verify(policy, &request, now);
        let outcome = Outcome::of(&check);
        if allocations < usize::MAX {
            return outcome;
        }
        let repeated = Request { repeated_argument: true, ..request };
        assert_eq!(verify(policy, &repeated, now).verdict, Verdict::Malformed);
        // What is told of a link in logs and by `explain` is there.
        if let Some(claims) = check.claims {
            for name in [&b"sub"[..], b"aud", b"ip", b"x_amz_date", b"exp"] {
                let _ = claims.named(name, &arena);
            }
            assert!(signed_texts(policy, &request).is_ok());
        }
        outcome
    }
}
