//! JSON Web Tokens: RFC 7515 (compact serialisation), RFC 7519, and the path claims of RFC 9246.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fluent_uri::Uri;
use fluent_uri::normalize::Normalizer;
use serde::de::{Error as _, MapAccess};
use sha2::{Digest, Sha256};

use super::{TokenPlace, find_token, has_control};
use crate::MAX_KEY_ID_LEN;
use crate::algorithm::{Algorithm, Claimed};
use crate::args::{ArgumentNames, without_arguments};
use crate::claims::{Claims, Stated};
use crate::encoding::{decode_base64url, decoded_len};
use crate::glob;
use crate::host::Host;
use crate::json::{self, Date, Members, Strings, Text};
use crate::key::Key;
use crate::keys::Keys;
use crate::link::{Link, SignedMessage};
use crate::network::Network;
use crate::percent::{self, Decoding};
use crate::policy::{Policy, Validity};
use crate::request::{Arena, Request};
use crate::signed::SignedText;
use crate::verdict::{Check, Verdict};

/// Seconds by which the clock of a signer may be ahead where the operator has not said so: signers
/// write when a token was issued, and clocks differ.
const DEFAULT_LEEWAY: i64 = 60;

/// The settings of the scheme.
#[derive(Clone, Debug)]
pub struct JwtScheme {
    /// Where a client may bring its token; the first one that is not empty counts.
    pub places: Vec<TokenPlace>,
    /// The keys.
    pub keys: Keys,
    /// What a token has to say of paths.
    pub scope: Scope,
    /// The arguments in which tokens come, which the claim `cdniuc` does not cover.
    pub own_arguments: ArgumentNames,
}

/// What a token has to say of paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// It names those it is good for.
    #[default]
    Path,
    /// It need not: one that names none is good for all.
    Any,
}

impl Scope {
    /// All values.
    pub const ALL: &[Scope] = &[Scope::Path, Scope::Any];

    /// The name used in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Scope::Path => "path",
            Scope::Any => "any",
        }
    }
}

/// The parts of a token.
struct Token<'a> {
    /// The bytes that are signed.
    signed: &'a [u8],
    header: &'a [u8],
    payload: &'a [u8],
    tag: Claimed,
}

impl<'a> Token<'a> {
    fn split(token: &'a [u8]) -> Option<Self> {
        let mut parts = token.rsplitn(2, |&byte| byte == b'.');
        let (signature, signed) = (parts.next()?, parts.next()?);
        let mut parts = signed.splitn(2, |&byte| byte == b'.');
        let (header, payload) = (parts.next()?, parts.next()?);
        // A further dot is no digit of base64url.
        let mut tag = Claimed::default();
        tag.fill(|bytes| decode_base64url(signature, bytes))?;
        Some(Token { signed, header, payload, tag })
    }
}

fn decode<'a>(text: &[u8], arena: &'a dyn Arena) -> Result<&'a [u8], Verdict> {
    let len = decoded_len(text.len());
    let bytes = arena.alloc(len).ok_or(Verdict::Unavailable)?;
    match decode_base64url(text, bytes) {
        Some(decoded) if decoded == len => Ok(bytes),
        _ => Err(Verdict::Malformed),
    }
}

/// What a header says.
struct Header<'a> {
    arena: &'a dyn Arena,
    algorithm: Option<Algorithm>,
    key_id: Option<&'a str>,
}

impl<'a> Members<'a> for Header<'a> {
    fn take<A: MapAccess<'a>>(&mut self, name: &'a str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "alg" => self.algorithm = algorithm(map.next_value_seed(Text(self.arena))?),
            "kid" => self.key_id = Some(map.next_value_seed(Text(self.arena))?),
            // No critical extension is understood (RFC 7515, section 4.1.11).
            "crit" => return Err(A::Error::custom("a critical header")),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The algorithms of RFC 7518, section 3.2.
fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "HS256" => Some(Algorithm::Sha256),
        "HS384" => Some(Algorithm::Sha384),
        "HS512" => Some(Algorithm::Sha512),
        _ => None,
    }
}

/// What a payload says.
#[derive(Clone, Copy)]
struct Payload<'a> {
    arena: &'a dyn Arena,
    text: &'a [u8],
    issuer: Option<&'a str>,
    subject: &'a str,
    expires_at: Option<i64>,
    not_before: Option<i64>,
    issued_at: Option<i64>,
    audience: Option<Strings<'a>>,
    path: Option<Strings<'a>>,
    container: Option<&'a str>,
    client: Option<Network>,
    method: Option<Strings<'a>>,
    /// Whether it has a claim that cannot be checked.
    is_restricted: bool,
}

/// The claims that a payload may call critical, because they are checked.
const CLAIMS: [&str; 13] = [
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "path", "ip", "method", "cdniv", "cdniuc",
    "cdniip",
];

impl<'a> Payload<'a> {
    fn read(text: &'a [u8], arena: &'a dyn Arena) -> Result<Self, Verdict> {
        let text = decode(text, arena)?;
        let mut payload = Payload {
            arena,
            text,
            issuer: None,
            subject: "",
            expires_at: None,
            not_before: None,
            issued_at: None,
            audience: None,
            path: None,
            container: None,
            client: None,
            method: None,
            is_restricted: false,
        };
        json::read(text, arena, &mut payload).map_err(|_| Verdict::Malformed)?;
        Ok(payload)
    }
}

impl<'a> Members<'a> for Payload<'a> {
    fn take<A: MapAccess<'a>>(&mut self, name: &'a str, map: &mut A) -> Result<bool, A::Error> {
        let arena = self.arena;
        let text = |map: &mut A| map.next_value_seed(Text(arena));
        let date = |map: &mut A| map.next_value::<Date>().map(|date| Some(date.0));
        match name {
            "iss" => self.issuer = Some(text(map)?),
            "sub" => {
                self.subject = text(map)?;
                if has_control(self.subject.as_bytes()) {
                    return Err(A::Error::custom("a control byte"));
                }
            }
            "exp" => self.expires_at = date(map)?,
            "nbf" => self.not_before = date(map)?,
            "iat" => self.issued_at = date(map)?,
            "aud" => self.audience = Some(Strings::take(map, arena)?),
            "path" => self.path = Some(Strings::take(map, arena)?),
            "method" => self.method = Some(Strings::take(map, arena)?),
            "ip" => {
                let network = Network::parse(text(map)?.as_bytes());
                self.client = Some(network.ok_or_else(|| A::Error::custom("not an address"))?);
            }
            "cdniuc" => self.container = Some(text(map)?),
            "cdniv" => self.is_restricted |= map.next_value::<f64>()? != 1.0,
            "cdniip" => {
                self.is_restricted = true;
                text(map)?;
            }
            "cdnicrit" => {
                let mut names = text(map)?.split(',').map(str::trim);
                if !names.all(|name| CLAIMS.contains(&name)) {
                    return Err(A::Error::custom("a critical claim"));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The MAC of a token, which a key of one algorithm makes.
struct JwtLink<'t, M> {
    algorithm: Algorithm,
    signed: SignedMessage<'t, M>,
}

impl<'p, M: Iterator<Item = &'p [u8]> + Clone> Link for JwtLink<'_, M> {
    fn fits(&self, algorithm: Algorithm) -> bool {
        algorithm == self.algorithm
    }

    fn is_signed_by(&self, key: &Key, is_live: bool) -> bool {
        self.signed.is_signed_by(key, is_live)
    }
}

impl JwtScheme {
    #[inline(never)]
    pub(crate) fn verify<'a>(
        &'a self,
        policy: &'a Policy,
        request: &Request<'a>,
        now: i64,
    ) -> Result<Check<'a>, Verdict> {
        let arena = request.arena;
        let token = find_token(&self.places, request)?;
        let token = Token::split(token).ok_or(Verdict::Malformed)?;
        let mut header = Header { arena, algorithm: None, key_id: None };
        let text = decode(token.header, arena)?;
        json::read(text, arena, &mut header).map_err(|_| Verdict::Malformed)?;
        let algorithm = header.algorithm.ok_or(Verdict::Malformed)?;
        if token.tag.as_bytes().len() != algorithm.tag_len() {
            return Err(Verdict::Malformed);
        }

        // Before the MAC is right, the payload is looked at only if it alone names the key.
        let mut payload = None;
        if header.key_id.is_none() && self.keys.are_chosen_by_credential() {
            payload = Some(Payload::read(token.payload, arena)?);
        }
        let claimed = header.key_id.or(payload.and_then(|payload| payload.issuer));
        let claimed = claimed.filter(|_| !self.keys.have_no_ids()).map(str::as_bytes);
        if claimed.is_some_and(|id| id.len() > MAX_KEY_ID_LEN) {
            return Err(Verdict::Malformed);
        }
        let message = [token.signed].into_iter();
        let signed = SignedMessage { message, padded: None, tag: &token.tag };
        let link = JwtLink { algorithm, signed };
        let key = self.keys.verify(request, claimed, &link, now)?;

        let payload = match payload {
            Some(payload) => payload,
            None => Payload::read(token.payload, arena)?,
        };
        if self.keys.have_written_id()
            && payload.issuer.is_some_and(|issuer| issuer.as_bytes() != key.id)
        {
            return Err(Verdict::UnknownKey);
        }
        let expires_at = payload.expires_at.ok_or(Verdict::Malformed)?;
        let validity = Validity {
            issued_at: payload.issued_at,
            begins_at: payload.issued_at.max(payload.not_before),
            default_leeway: DEFAULT_LEEWAY,
            // On the second of its expiry a token is no longer accepted (RFC 7519, section 4.1.4).
            last_second: Some(expires_at - 1),
            lifetime: payload.issued_at.or(payload.not_before).map(|from| expires_at - from),
        };
        let claims = Claims {
            key_id: key.id,
            key_place: key.place,
            subject: payload.subject.as_bytes(),
            link: token.tag.words(),
            expires_at: Some(expires_at),
            stated: Stated::Json(payload.text),
        };
        let is_in_scope = || self.is_in_scope(policy, request, &payload);
        let verdict = policy.judge(request, validity, key.life, &claims, is_in_scope, now);
        Ok(Check::of(verdict, claims))
    }

    /// The header and the payload, as they are encoded.
    pub(crate) fn signed_texts(&self, request: &Request<'_>) -> Result<Vec<SignedText>, Verdict> {
        let token = Token::split(find_token(&self.places, request)?).ok_or(Verdict::Malformed)?;
        Ok(vec![SignedText { name: "signing input", text: token.signed.to_vec() }])
    }

    fn is_in_scope(&self, policy: &Policy, request: &Request<'_>, payload: &Payload<'_>) -> bool {
        let has_path = payload.path.is_some() || payload.container.is_some();
        // The audience itself is compared with all that is required.
        !payload.is_restricted
            && (payload.audience.is_none() || policy.requires(b"aud"))
            && payload.client.is_none_or(|client| client.contains(request.client.address()))
            && payload.method.is_none_or(|methods| {
                methods.any(request.arena, |method| admits(method.as_bytes(), request.method))
            })
            && (has_path || self.scope == Scope::Any)
            && payload.path.is_none_or(|globs| {
                globs.any(request.arena, |glob| glob::matches(glob.as_bytes(), request.path))
            })
            && payload.container.is_none_or(|container| self.contains(container, request))
    }

    /// Whether a URI Container (RFC 9246, section 2.1.14) has the URI of a request.
    fn contains(&self, container: &str, request: &Request<'_>) -> bool {
        let Some(hash) = container.strip_prefix("hash:sha-256;") else { return false };
        let mut digest = [0; 32];
        decode_base64url(hash.as_bytes(), &mut digest) == Some(32)
            && self.uri(request).is_some_and(|uri| *Sha256::digest(uri) == digest)
    }

    /// The URI of a request without its token, normalised (RFC 3986, section 6.2.2); `None` if
    /// what the client sent is no URI, or none of what is served.
    fn uri(&self, request: &Request<'_>) -> Option<String> {
        let host = Host::of(request);
        if !host.is_of_server(request) {
            return None;
        }
        let host = str::from_utf8(host.text()).ok()?;
        let scheme = str::from_utf8(request.client.scheme()).ok()?;
        let path = str::from_utf8(request.sent_path()?).ok()?;
        let query: Vec<_> = without_arguments(request.query, &self.own_arguments).collect();
        let query = String::from_utf8(query.join(&b'&')).ok()?;
        let question_mark = if query.is_empty() { "" } else { "?" };
        let uri = format!("{scheme}://{host}{path}{question_mark}{query}");
        // By syntax alone: the scheme's default port is not left out.
        let normalizer = Normalizer::new().default_port_with(|_| None);
        let uri = normalizer.normalize(&Uri::parse(uri).ok()?).ok()?;
        // nginx resolves dots after it has decoded a path and has taken slashes together, so that
        // what it serves can be another path than that of the URI.
        let path = percent::decode(uri.path().as_str().as_bytes(), Decoding::PATH, request.arena);
        (path.ok()? == request.path).then(|| uri.into_string())
    }
}

/// Whether a method that a token names admits a request's: `GET` admits `HEAD`.
fn admits(said: &[u8], method: &[u8]) -> bool {
    said == method || said == b"GET" && method == b"HEAD"
}

/// Signs a payload, the JSON text of its claims. The header has the key's id, if there is one.
///
/// Returns `None` if the key's algorithm is none of [`SchemeKind::algorithms`].
///
/// [`SchemeKind::algorithms`]: crate::SchemeKind::algorithms
pub fn sign(payload: &str, key_id: Option<&str>, key: &Key) -> Option<String> {
    let name = match key.algorithm() {
        Algorithm::Sha256 => "HS256",
        Algorithm::Sha384 => "HS384",
        Algorithm::Sha512 => "HS512",
        _ => return None,
    };
    let key_id = match key_id {
        Some(id) => format!(r#","kid":{}"#, serde_json::to_string(id).ok()?),
        None => String::new(),
    };
    let header = format!(r#"{{"alg":"{name}"{key_id},"typ":"JWT"}}"#);
    let mut token = URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let tag = key.sign([token.as_bytes()].into_iter());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(tag.as_bytes(), &mut token);
    Some(token)
}
