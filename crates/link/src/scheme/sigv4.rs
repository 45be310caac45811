//! AWS Signature Version 4 in the query string ("presigned URLs"), as the SDKs make them for S3.

use sha2::{Digest, Sha256};

use crate::MAX_CREDENTIAL_LEN;
use crate::MAX_KEY_ID_LEN;
use crate::algorithm::{Algorithm, Claimed, KeyedMac};
use crate::args::{self, ArgumentNames};
use crate::claims::{Claims, Found, Stated};
use crate::host::Host;
use crate::key::Key;
use crate::keys::Keys;
use crate::link::Link;
use crate::percent::{self, Decoded, Decoding, Escaping};
use crate::policy::{Policy, Validity};
use crate::request::{Arena, Request};
use crate::signed::SignedText;
use crate::time;
use crate::verdict::{Check, Verdict};

/// Seconds by which the clock of a signer may be ahead where the operator has not said so, as
/// AWS allows it.
const DEFAULT_LEEWAY: i64 = 15 * 60;

/// Longest lifetime of a link, in seconds.
const MAX_EXPIRES: i64 = 604_800;

/// Most headers that are signed.
const MAX_SIGNED_HEADERS: usize = 16;

const ALGORITHM: &[u8] = b"AWS4-HMAC-SHA256";

const TERMINATOR: &[u8] = b"aws4_request";

const UNSIGNED_PAYLOAD: &[u8] = b"UNSIGNED-PAYLOAD";

/// How the names of the scheme's own arguments begin, in lower case.
const PREFIX: &[u8] = b"x-amz-";

/// The settings of the scheme.
#[derive(Clone, Debug)]
pub struct SigV4Scheme {
    /// The keys; the id of one is an access key id.
    pub keys: Keys,
    /// The region for which links must be made, if only one is served.
    pub region: Option<Box<[u8]>>,
    /// The service for which links must be made, if only one is served.
    pub service: Option<Box<[u8]>>,
}

/// An argument of a query string. Sorted by name, then value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Argument<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

/// Splits a query string into names and values. There is no argument that could be left out: an
/// empty one has an empty name.
fn split(query: &[u8]) -> impl Iterator<Item = Argument<'_>> + Clone {
    args::split(query).map(|argument| {
        let (name, value) = args::name_and_value(argument);
        Argument { name, value: value.unwrap_or_default() }
    })
}

fn escaped<'a>(text: &'a [u8], arena: &'a dyn Arena) -> Result<&'a [u8], Verdict> {
    if Escaping::ARGUMENT.is_escaped(text) {
        return Ok(text);
    }
    Escaping::ARGUMENT.escape(Decoded::new(text, Decoding::QUERY), arena)
}

/// The scheme's own arguments, as they were sent.
#[derive(Default)]
struct Own<'a> {
    algorithm: Option<&'a [u8]>,
    credential: Option<&'a [u8]>,
    date: Option<&'a [u8]>,
    expires: Option<&'a [u8]>,
    signed_headers: Option<&'a [u8]>,
    signature: Option<&'a [u8]>,
    content_sha256: Option<&'a [u8]>,
}

impl<'a> Own<'a> {
    /// Finds the arguments: [`Verdict::Missing`] if there is none of them.
    fn find(query: &'a [u8]) -> Result<Self, Verdict> {
        let mut own = Own::default();
        let mut len = 0;
        let mut others = 0;
        for argument in split(query) {
            let Argument { name, value } = argument;
            if !begins_with_prefix(name)? {
                continue;
            }
            len += name.len() + value.len();
            let place = match name {
                b"X-Amz-Algorithm" => &mut own.algorithm,
                b"X-Amz-Credential" => &mut own.credential,
                b"X-Amz-Date" => &mut own.date,
                b"X-Amz-Expires" => &mut own.expires,
                b"X-Amz-SignedHeaders" => &mut own.signed_headers,
                b"X-Amz-Signature" => &mut own.signature,
                b"X-Amz-Content-Sha256" => &mut own.content_sha256,
                _ => {
                    // One of the SDK's, such as `x-amz-checksum-mode`; each may be there once.
                    let is_same = |other: &Argument<'_>| other.name.eq_ignore_ascii_case(name);
                    others += 1;
                    if is_reserved(name)
                        || others > MAX_SIGNED_HEADERS
                        || split(query).filter(is_same).count() > 1
                    {
                        return Err(Verdict::Malformed);
                    }
                    continue;
                }
            };
            if place.replace(value).is_some() {
                return Err(Verdict::Malformed);
            }
        }
        let is_missing = own.algorithm.is_none()
            && own.credential.is_none()
            && own.date.is_none()
            && own.expires.is_none()
            && own.signed_headers.is_none()
            && own.signature.is_none();
        match is_missing {
            true => Err(Verdict::Missing),
            false if len > MAX_CREDENTIAL_LEN => Err(Verdict::Malformed),
            false => Ok(own),
        }
    }
}

/// Whether a name, once it is decoded, is one of those that the scheme has for itself. These are
/// malformed unless they are written in full: two spellings of one name could be read as two.
fn begins_with_prefix(name: &[u8]) -> Result<bool, Verdict> {
    let mut decoded = Decoded::new(name, Decoding::QUERY);
    for &expected in PREFIX {
        match decoded.next().transpose()? {
            Some(byte) if byte.eq_ignore_ascii_case(&expected) => {}
            _ => return Ok(false),
        }
    }
    if name.contains(&b'%') || name.contains(&b'+') {
        return Err(Verdict::Malformed);
    }
    Ok(true)
}

/// Whether a name is another spelling of one of the scheme's, or the token of a temporary
/// credential, which nobody here could check.
fn is_reserved(name: &[u8]) -> bool {
    [
        b"algorithm".as_slice(),
        b"credential",
        b"date",
        b"expires",
        b"signedheaders",
        b"signature",
        b"content-sha256",
        b"security-token",
    ]
    .iter()
    .any(|known| name.get(PREFIX.len()..).is_some_and(|name| name.eq_ignore_ascii_case(known)))
}

/// `KEYID/YYYYMMDD/REGION/SERVICE/aws4_request`.
struct Credential<'a> {
    key_id: &'a [u8],
    /// All behind the key's id.
    scope: &'a [u8],
    date: &'a [u8],
    region: &'a [u8],
    service: &'a [u8],
}

impl<'a> Credential<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let mut parts = text.split(|&byte| byte == b'/');
        let mut next = || parts.next();
        let (key_id, date, region, service) = (next()?, next()?, next()?, next()?);
        let is_whole = next() == Some(TERMINATOR) && next().is_none();
        let scope = text.get(key_id.len() + 1..)?;
        (is_whole && key_id.len() <= MAX_KEY_ID_LEN).then_some(Credential {
            key_id,
            scope,
            date,
            region,
            service,
        })
    }
}

/// Whether a text is a list of signed headers: lower-case names, sorted, each once, `host` among
/// them.
fn are_signed_headers(text: &[u8]) -> bool {
    let names = || text.split(|&byte| byte == b';');
    let is_token = |byte: &u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(byte)
    };
    names().count() <= MAX_SIGNED_HEADERS
        && names().all(|name| !name.is_empty() && name.iter().all(is_token))
        && names().zip(names().skip(1)).all(|(name, next)| name < next)
        && names().any(|name| name == b"host")
}

/// A presigned URL, ready to be tried with keys.
struct Presigned<'a> {
    credential: &'a Credential<'a>,
    date_time: &'a [u8],
    /// The digests of the canonical request, in hexadecimal: with the host as it came, and
    /// perhaps without its port.
    digests: [Option<[u8; 64]>; 2],
    tag: &'a Claimed,
}

impl Presigned<'_> {
    fn is_signed_with(&self, mac: &KeyedMac) -> bool {
        // The string to sign.
        self.digests.iter().flatten().any(|digest| {
            let lines = [
                ALGORITHM,
                b"\n",
                self.date_time,
                b"\n",
                self.credential.scope,
                b"\n",
                digest.as_slice(),
            ];
            mac.verify(lines.into_iter(), self.tag.as_bytes())
        })
    }
}

impl Link for Presigned<'_> {
    fn fits(&self, algorithm: Algorithm) -> bool {
        algorithm == Algorithm::Sha256
    }

    fn is_signed_by(&self, key: &Key, is_live: bool) -> bool {
        let Credential { scope, date, region, service, .. } = *self.credential;
        // Looked for with any key, and where there is no kept one, as for an unknown id, a MAC is
        // made all the same.
        match key.derived().with(scope, |mac| self.is_signed_with(mac)) {
            Some(true) => return true,
            Some(false) => {}
            None => {
                let _ = self.is_signed_with(key.mac());
            }
        }
        let derived = derive(key, [date, region, service]);
        let is_signed = self.is_signed_with(&derived);
        if is_signed && is_live {
            key.derived().keep(scope, derived);
        }
        is_signed
    }
}

/// The signing key: HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), service),
/// "aws4_request"). The key is made with the prefix.
fn derive(key: &Key, [date, region, service]: [&[u8]; 3]) -> KeyedMac {
    let first = key.sign([date].into_iter());
    [region, service, TERMINATOR].into_iter().fold(
        KeyedMac::new(Algorithm::Sha256, first.as_bytes()),
        |mac, part| {
            let next = mac.sign([part].into_iter());
            KeyedMac::new(Algorithm::Sha256, next.as_bytes())
        },
    )
}

impl SigV4Scheme {
    /// Adds the arguments of a presigned URL, which no configuration names: `X-Amz-*`, and `x-id`
    /// that the SDKs put beside them.
    pub fn add_arguments(names: &mut ArgumentNames) {
        names.insert(b"x-id");
        names.insert_prefix(PREFIX);
    }

    #[inline(never)]
    pub(crate) fn verify<'a>(
        &'a self,
        policy: &'a Policy,
        request: &Request<'a>,
        now: i64,
    ) -> Result<Check<'a>, Verdict> {
        const MALFORMED: Verdict = Verdict::Malformed;
        let arena = request.arena;
        let own = Own::find(request.query)?;
        let decoded = |value: Option<&'a [u8]>| {
            percent::decode(value.ok_or(MALFORMED)?, Decoding::QUERY, arena)
        };
        if decoded(own.algorithm)? != ALGORITHM {
            return Err(MALFORMED);
        }
        let credential = Credential::parse(decoded(own.credential)?).ok_or(MALFORMED)?;
        let date_time = decoded(own.date)?;
        let signed_at = time::basic_date_time(date_time).ok_or(MALFORMED)?;
        if date_time.get(..8) != Some(credential.date) {
            return Err(MALFORMED);
        }
        let expires = time::seconds(decoded(own.expires)?).ok_or(MALFORMED)?;
        if !(1..=MAX_EXPIRES).contains(&expires) {
            return Err(MALFORMED);
        }
        let names = decoded(own.signed_headers)?;
        if !are_signed_headers(names) {
            return Err(MALFORMED);
        }
        if own.content_sha256.is_some() && decoded(own.content_sha256)? != UNSIGNED_PAYLOAD {
            return Err(MALFORMED);
        }
        let signature = own.signature.ok_or(MALFORMED)?;
        let mut tag = Claimed::default();
        tag.fill(|bytes| hex::decode_to_slice(signature, bytes.get_mut(..32)?).ok().map(|()| 32))
            .ok_or(MALFORMED)?;

        let path = request.sent_path().ok_or(MALFORMED)?;
        let decoded_path = percent::decode(path, Decoding::PATH, arena)?;
        let path = Escaping::PATH.escape(decoded_path.iter().map(|byte| Ok(*byte)), arena)?;
        let host = Host::of(request);
        let canonical = Canonical::new(request, path, names)?;
        let as_sent = canonical.digest(None)?;
        let without_port = match host.without_default_port(request.client.scheme()) {
            Some(name) => Some(canonical.digest(Some(name))?),
            None => None,
        };
        let link = Presigned {
            credential: &credential,
            date_time,
            digests: [Some(as_sent), without_port],
            tag: &tag,
        };
        let claimed = (!self.keys.have_no_ids()).then_some(credential.key_id);
        let key = self.keys.verify(request, claimed, &link, now)?;

        let expires_at = signed_at + expires;
        let validity = Validity {
            issued_at: Some(signed_at),
            begins_at: Some(signed_at),
            default_leeway: DEFAULT_LEEWAY,
            last_second: Some(expires_at),
            lifetime: Some(expires),
        };
        let claims = Claims {
            key_id: key.id,
            key_place: key.place,
            subject: &[],
            link: tag.words(),
            expires_at: Some(expires_at),
            stated: Stated::Arguments(request.query),
        };
        let is = |wanted: &Option<Box<[u8]>>, said: &[u8]| {
            wanted.as_ref().is_none_or(|wanted| **wanted == *said)
        };
        let is_in_scope = || {
            decoded_path == request.path
                && host.is_of_server(request)
                && is(&self.region, credential.region)
                && is(&self.service, credential.service)
        };
        let verdict = policy.judge(request, validity, key.life, &claims, is_in_scope, now);
        Ok(Check::of(verdict, claims))
    }

    /// The canonical request, with the host as it came, and the string to sign.
    pub(crate) fn signed_texts(&self, request: &Request<'_>) -> Result<Vec<SignedText>, Verdict> {
        let arena = request.arena;
        let own = Own::find(request.query)?;
        let decoded = |value: Option<&[u8]>| {
            let value = value.ok_or(Verdict::Malformed)?;
            percent::decode(value, Decoding::QUERY, arena).map(<[u8]>::to_vec)
        };
        let credential = decoded(own.credential)?;
        let scope = Credential::parse(&credential).ok_or(Verdict::Malformed)?.scope;
        let date_time = decoded(own.date)?;
        let names = decoded(own.signed_headers)?;
        let path = request.sent_path().ok_or(Verdict::Malformed)?;
        let path = percent::decode(path, Decoding::PATH, arena)?;
        let path = Escaping::PATH.escape(path.iter().map(|byte| Ok(*byte)), arena)?;
        let canonical = Canonical::new(request, path, &names)?;
        let mut text = Vec::new();
        canonical.each_part(None, |part| text.extend_from_slice(part))?;
        let digest = canonical.digest(None)?;
        let lines = [ALGORITHM, &date_time, scope, &digest].join(&b'\n');
        Ok(vec![
            SignedText { name: "canonical request", text },
            SignedText { name: "string to sign", text: lines },
        ])
    }
}

/// The parts of a canonical request that need be made once.
struct Canonical<'r, 'a> {
    request: &'r Request<'a>,
    path: &'a [u8],
    /// All arguments but the signature, sorted.
    arguments: Vec<Argument<'a>>,
    /// The names of the signed headers as they are listed.
    names: &'a [u8],
}

impl<'r, 'a> Canonical<'r, 'a> {
    fn new(request: &'r Request<'a>, path: &'a [u8], names: &'a [u8]) -> Result<Self, Verdict> {
        let mut arguments = Vec::new();
        for Argument { name, value } in split(request.query) {
            if name != b"X-Amz-Signature" {
                let name = escaped(name, request.arena)?;
                arguments.push(Argument { name, value: escaped(value, request.arena)? });
            }
        }
        arguments.sort_unstable();
        Ok(Canonical { request, path, arguments, names })
    }

    /// The digest in hexadecimal, for the host as it came or for another.
    fn digest(&self, host: Option<&[u8]>) -> Result<[u8; 64], Verdict> {
        let mut hash = Sha256::new();
        self.each_part(host, |part| hash.update(part))?;
        let mut digest = [0; 64];
        // The text of a digest of 32 bytes is as long as that.
        hex::encode_to_slice(hash.finalize(), &mut digest).map_err(|_| Verdict::Unavailable)?;
        Ok(digest)
    }

    /// Calls `add` with the parts of the request, in order.
    #[inline]
    fn each_part(&self, host: Option<&[u8]>, mut add: impl FnMut(&[u8])) -> Result<(), Verdict> {
        for part in [self.request.method, b"\n", self.path, b"\n"] {
            add(part);
        }
        for (at, argument) in self.arguments.iter().enumerate() {
            let separator: &[u8] = if at > 0 { b"&" } else { b"" };
            for part in [separator, argument.name, b"=", argument.value] {
                add(part);
            }
        }
        for name in self.names.split(|&byte| byte == b';') {
            add(b"\n");
            add(name);
            add(b":");
            match host {
                Some(host) if name == b"host" => add(host),
                _ => self.each_header_part(name, &mut add)?,
            }
        }
        for part in [b"\n\n", self.names, b"\n", UNSIGNED_PAYLOAD] {
            add(part);
        }
        Ok(())
    }

    /// Calls `add` with the values of a header, joined by commas, without spaces around and runs
    /// of them inside.
    #[inline]
    fn each_header_part(&self, name: &[u8], add: &mut impl FnMut(&[u8])) -> Result<(), Verdict> {
        let mut count = 0;
        self.request.client.headers(name, &mut |value| {
            if count > 0 {
                add(b",");
            }
            count += 1;
            let words = value.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
            for (at, word) in words.enumerate() {
                if at > 0 {
                    add(b" ");
                }
                add(word);
            }
        });
        // What was signed is not what came.
        if count == 0 { Err(Verdict::Forged) } else { Ok(()) }
    }
}

/// Looks for a signed argument by its decoded name.
pub(crate) fn find_argument<'a>(
    query: &'a [u8],
    arena: &'a dyn Arena,
    is_wanted: &dyn Fn(&[u8]) -> bool,
) -> Found<'a> {
    let mut found = Found::Nothing;
    for Argument { name, value } in split(query) {
        match percent::decode(name, Decoding::QUERY, arena) {
            Ok(name) if name != b"X-Amz-Signature" && is_wanted(name) => {
                let value = percent::decode(value, Decoding::QUERY, arena);
                found.add(value.unwrap_or_default());
            }
            _ => {}
        }
    }
    found
}

/// What is signed of a link that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Presign<'p> {
    /// The method for which the link is good.
    pub method: &'p str,
    /// The authority of the URL, as clients send it in `Host`.
    pub host: &'p str,
    /// The path, not encoded.
    pub path: &'p str,
    /// Further arguments, not encoded.
    pub arguments: &'p [(&'p str, &'p str)],
    /// The access key id.
    pub key_id: &'p str,
    /// The region.
    pub region: &'p str,
    /// The service.
    pub service: &'p str,
    /// The seconds for which the link is good, 1 to 604 800.
    pub expires: u32,
}

/// Signs a link at a time in unix seconds; the result is path and query string. The key is made
/// with [`SchemeKind::key_prefix`](crate::SchemeKind::key_prefix).
///
/// Returns `None` for a time that has no date.
pub fn sign(link: &Presign<'_>, key: &Key, now: i64) -> Option<String> {
    let escape = |escaping: Escaping, text: &str| {
        let mut escaped = String::new();
        escaping.escape_to(text.bytes(), &mut escaped);
        escaped
    };
    let argument = |text: &str| escape(Escaping::ARGUMENT, text);
    let date_time = time::to_basic_date_time(now)?;
    let date = date_time.get(..8)?;
    let scope = format!("{date}/{}/{}/aws4_request", link.region, link.service);
    let credential = format!("{}/{scope}", link.key_id);
    let expires = link.expires.to_string();
    let own = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &date_time),
        ("X-Amz-Expires", &expires),
        ("X-Amz-SignedHeaders", "host"),
    ];
    let all = own.iter().chain(link.arguments);
    let mut all: Vec<_> = all.map(|(name, value)| (argument(name), argument(value))).collect();
    all.sort_unstable();
    let query: Vec<_> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = query.join("&");
    let path = escape(Escaping::PATH, link.path);
    let canonical =
        format!("{}\n{path}\n{query}\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD", link.method, link.host);
    let digest = hex::encode(Sha256::digest(canonical));
    let text = format!("AWS4-HMAC-SHA256\n{date_time}\n{scope}\n{digest}");
    let [region, service] = [link.region, link.service].map(str::as_bytes);
    let tag = derive(key, [date.as_bytes(), region, service]).sign([text.as_bytes()].into_iter());
    Some(format!("{path}?{query}&X-Amz-Signature={}", hex::encode(tag.as_bytes())))
}
