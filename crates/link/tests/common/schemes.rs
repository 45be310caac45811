//! What tests of the schemes jwt, edgeauth and sigv4 have in common.

use std::net::IpAddr;
use std::sync::Arc;

use secure_link::{
    Algorithm, Client, KeyDescription, KeyLife, Keyring, Keys, Mode, Policy, Request, Scheme,
    SchemeKind, Template, TokenPlace, Variables, Verdict, signed_texts, verify,
};

use super::Memory;

pub const NOW: i64 = 1_700_000_000;

/// A client and what it asks for.
#[derive(Clone, Copy)]
pub struct Offer<'a> {
    pub token: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    /// The target as sent, if it is not the path and the query.
    pub target: Option<&'a str>,
    pub query: &'a str,
    pub host: &'a str,
    pub server: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub scheme: &'a str,
    pub address: &'a str,
    pub now: i64,
}

pub const OFFER: Offer<'_> = Offer {
    token: "",
    method: "GET",
    path: "/videos/a.mp4",
    target: None,
    query: "",
    host: "files.example",
    server: "files.example",
    headers: &[],
    scheme: "http",
    address: "203.0.113.7",
    now: NOW,
};

impl Client for Offer<'_> {
    fn address(&self) -> Option<IpAddr> {
        self.address.parse().ok()
    }

    fn scheme(&self) -> &[u8] {
        self.scheme.as_bytes()
    }

    fn headers<'s>(&'s self, name: &[u8], each: &mut dyn FnMut(&'s [u8])) {
        let all = [("host", self.host)];
        for (header, value) in all.into_iter().chain(self.headers.iter().copied()) {
            if header.as_bytes() == name {
                each(value.as_bytes());
            }
        }
    }
}

/// The verdict, the key's id, the subject and the named claims of a check.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub verdict: Verdict,
    pub key_id: String,
    pub subject: String,
    pub claims: Vec<Option<String>>,
}

pub fn with_request<R>(offer: Offer<'_>, use_request: impl FnOnce(&Request<'_>) -> R) -> R {
    let arena = Memory::new(64 << 10);
    let target = match offer.target {
        Some(target) => target.to_owned(),
        None => format!("{}?{}", offer.path, offer.query),
    };
    let inputs = [offer.token.as_bytes()];
    use_request(&Request {
        inputs: &inputs,
        repeated_argument: false,
        method: offer.method.as_bytes(),
        path: offer.path.as_bytes(),
        target: target.as_bytes(),
        query: offer.query.as_bytes(),
        host: offer.server.as_bytes(),
        client: &offer,
        mode: Mode::Enforced,
        arena: &arena,
    })
}

pub fn check(policy: &Policy, offer: Offer<'_>, claims: &[&str]) -> Outcome {
    with_request(offer, |request| {
        let check = verify(policy, request, offer.now);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let stated = check.claims.unwrap_or_default();
        let named = |name: &&str| stated.named(name.as_bytes(), request.arena).map(text);
        Outcome {
            verdict: check.verdict,
            key_id: text(stated.key_id),
            subject: text(stated.subject),
            claims: claims.iter().map(named).collect(),
        }
    })
}

/// The names and texts of what is signed.
pub fn signed(policy: &Policy, offer: Offer<'_>) -> Result<Vec<(&'static str, String)>, Verdict> {
    let texts = with_request(offer, |request| signed_texts(policy, request))?;
    Ok(texts.into_iter().map(|t| (t.name, String::from_utf8(t.text).unwrap())).collect())
}

pub fn verdict(policy: &Policy, offer: Offer<'_>) -> Verdict {
    check(policy, offer, &[]).verdict
}

pub fn policy(scheme: Scheme) -> Policy {
    Policy {
        scheme,
        leeway: None,
        max_lifetime: 0,
        methods: ["GET", "HEAD", "PUT"].map(|method| method.as_bytes().into()).into(),
        requirements: Vec::new(),
    }
}

pub fn place(text: &str) -> TokenPlace {
    let mut variables = Variables::default();
    let value = Template::parse(text.as_bytes(), &mut variables).unwrap();
    TokenPlace::new(value, &variables)
}

/// A ring, and its id if one is written.
pub fn ring(kind: SchemeKind, keys: &[(&str, &[u8], Algorithm)], id: Option<&str>) -> Keys {
    let keys = keys.iter().map(|(id, secret, algorithm)| KeyDescription {
        id: id.as_bytes(),
        secret,
        algorithm: *algorithm,
        life: KeyLife::default(),
    });
    let ring = Keyring::prefixed(kind.key_prefix(), keys).unwrap();
    let mut variables = Variables::default();
    let id = id.map(|id| Template::parse(id.as_bytes(), &mut variables).unwrap());
    Keys::Ring { ring: Arc::new(ring), id }
}
