//! Policies and requests of the template scheme, written in a line.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

pub mod schemes;

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use secure_link::{
    Algorithm, Arena, Check, Client, Encoding, Fields, Key, Keys, Mode, Policy, Request, Scheme,
    Secret, Signing, Template, TemplateScheme, TimeField, Variables, Verdict, verify,
};

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Of the message `/a` with [`SECRET`].
pub const TOKEN: &str = "BOVF2qyo7HGsPhIXJ3z39rPQyeOtqlknulxoxaPe560";
/// Of the same message with `fedcba9876543210fedcba9876543210`.
pub const FORGED: &str = "1X1yLsx_te47hucnxgWcc7lhoeI9UB9X5n0v4u0FQk4";

/// What is set differently from [`Rules::default`].
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    pub credentials: &'a [&'a str],
    pub message: &'a str,
    pub secrets: &'a [&'a str],
    pub algorithm: &'a str,
    pub encoding: Encoding,
    pub time: TimeField,
    pub leeway: i64,
    pub max_lifetime: i64,
}

impl Default for Rules<'_> {
    /// The message has no time, so that one token serves for every time and lifetime.
    fn default() -> Self {
        Rules {
            credentials: &["$arg_st,$arg_ts,$arg_e"],
            message: "$uri",
            secrets: &[SECRET],
            algorithm: "sha256",
            encoding: Encoding::Base64Url,
            time: TimeField::Issued,
            leeway: 0,
            max_lifetime: 0,
        }
    }
}

impl Rules<'_> {
    pub fn compile(&self) -> Checker {
        let mut variables = Variables::default();
        let algorithm = Algorithm::from_name(self.algorithm.as_bytes()).unwrap();
        let mut parse = |text: &str| Fields::parse(text.as_bytes(), &mut variables).unwrap();
        let credentials = self.credentials.iter().map(|text| parse(text)).collect();
        let message = Template::parse(self.message.as_bytes(), &mut variables).unwrap();
        let secrets = self.secrets.iter().map(|text| {
            let template = Template::parse(text.as_bytes(), &mut variables).unwrap();
            match template.literal() {
                Some(secret) => Secret::Fixed(Box::new(Key::new(algorithm, secret))),
                None => Secret::PerRequest { template, algorithm, prefix: b"" },
            }
        });
        let signing = Signing { message, keys: Keys::Secrets(secrets.collect()) };
        let scheme = TemplateScheme {
            credentials,
            signing: Arc::new(signing),
            encoding: self.encoding,
            time: self.time,
        };
        let policy = Policy {
            scheme: Scheme::Template(scheme),
            leeway: Some(self.leeway),
            max_lifetime: self.max_lifetime,
            methods: vec![(*b"GET").into(), (*b"HEAD").into()],
            requirements: Vec::new(),
        };
        Checker { policy, variables }
    }
}

pub struct Checker {
    pub policy: Policy,
    pub variables: Variables,
}

/// What a client offers.
#[derive(Clone, Copy)]
pub struct Offer<'a> {
    /// Values of variables, by their names with the dollar sign.
    pub values: &'a [(&'a str, &'a str)],
    pub repeated_argument: bool,
    pub method: &'a str,
    pub mode: Mode,
    pub now: i64,
}

pub const ENFORCED: Offer<'_> = Offer {
    values: &[],
    repeated_argument: false,
    method: "GET",
    mode: Mode::Enforced,
    now: 1_700_000_000,
};
pub const ADVISORY: Offer<'_> = Offer { mode: Mode::Advisory, ..ENFORCED };

/// What is looked at of a check.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub verdict: Verdict,
    pub authentic: bool,
    pub expires_at: Option<i64>,
    pub lifetime: String,
}

impl Outcome {
    pub fn of(check: Check<'_>) -> Self {
        Outcome {
            verdict: check.verdict,
            authentic: check.claims.is_some(),
            expires_at: check.claims.and_then(|claims| claims.expires_at),
            lifetime: String::from_utf8(check.lifetime.to_vec()).unwrap(),
        }
    }
}

/// Memory that a test can run out of.
pub struct Memory {
    pub allocated: Cell<usize>,
    pub limit: usize,
}

impl Memory {
    pub fn new(limit: usize) -> Self {
        Memory { allocated: Cell::new(0), limit }
    }
}

impl Arena for Memory {
    fn alloc(&self, len: usize) -> Option<&mut [u8]> {
        let allocated = self.allocated.get() + len;
        if allocated > self.limit {
            return None;
        }
        self.allocated.set(allocated);
        Some(Box::leak(vec![0; len].into_boxed_slice()))
    }
}

/// A client of which nothing is known.
pub struct Nobody;

impl Client for Nobody {
    fn address(&self) -> Option<IpAddr> {
        None
    }

    fn scheme(&self) -> &[u8] {
        b"http"
    }

    fn headers<'s>(&'s self, _: &[u8], _: &mut dyn FnMut(&'s [u8])) {}
}

impl Checker {
    pub fn with_request<R>(
        &self,
        offer: Offer<'_>,
        arena: &dyn Arena,
        use_request: impl FnOnce(&Request<'_>) -> R,
    ) -> R {
        let value = |name: &str| {
            let found = offer.values.iter().find(|(known, _)| *known == name);
            found.map_or("", |(_, value)| value).as_bytes()
        };
        let variables = self.variables.as_slice();
        let inputs: Vec<_> =
            variables.iter().map(|variable| value(&variable.to_string())).collect();
        use_request(&Request {
            inputs: &inputs,
            repeated_argument: offer.repeated_argument,
            method: offer.method.as_bytes(),
            path: b"",
            target: b"",
            query: b"",
            host: b"",
            client: &Nobody,
            mode: offer.mode,
            arena,
        })
    }

    pub fn check_in(&self, offer: Offer<'_>, arena: &dyn Arena) -> Outcome {
        self.with_request(offer, arena, |request| {
            Outcome::of(verify(&self.policy, request, offer.now))
        })
    }

    pub fn check(&self, offer: Offer<'_>) -> Outcome {
        self.check_in(offer, &Memory::new(usize::MAX))
    }

    pub fn verdict(&self, offer: Offer<'_>) -> Verdict {
        self.check(offer).verdict
    }

    /// The verdict on a link of `/a` with the right token, looked at in both modes.
    pub fn link(&self, time: &str, lifetime: &str, now: i64) -> Verdict {
        let values = [("$uri", "/a"), ("$arg_st", TOKEN), ("$arg_ts", time), ("$arg_e", lifetime)];
        let offer = Offer { values: &values, now, ..ENFORCED };
        let verdict = self.verdict(offer);
        assert_eq!(self.verdict(Offer { mode: Mode::Advisory, ..offer }), verdict);
        verdict
    }
}
