//! The verdict on a JSON Web Token, from what FORMATS and RFC 7519 say of it.

use data_encoding::BASE64URL_NOPAD;
use openssl::sha::sha256;
use secure_link::{MAX_CREDENTIAL_LEN, MAX_KEY_ID_LEN, Scope, Verdict};

use crate::json::Json;
use crate::keys::ModelKeys;
use crate::life::Life;
use crate::offer::{Offer, Outcome};
use crate::{network, oracle};

pub struct Rules<'k> {
    pub keys: &'k ModelKeys,
    pub scope: Scope,
    /// A claim that is demanded, and its value.
    pub requirement: Option<(&'static str, &'static str)>,
    pub leeway: Option<i64>,
    pub max_lifetime: i64,
}

/// The outcome of a check, and whether it is sure. It is not of a token that is good but for a `cdniuc`, where the
/// URI is not written in its normal form: this model does not look into that.
pub fn judge(rules: &Rules<'_>, token: &[u8], offer: &Offer<'_>, now: i64) -> (Outcome, bool) {
    read(rules, token, offer, now).unwrap_or_else(|verdict| (Outcome::denied(verdict), true))
}

type Members = Vec<(String, Json)>;

fn member<'m>(members: &'m Members, name: &str) -> Option<&'m Json> {
    members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn object(text: &[u8]) -> Result<Members, Verdict> {
    let text = BASE64URL_NOPAD.decode(text).ok();
    text.and_then(|text| Json::object(&text)).ok_or(Verdict::Malformed)
}

const UNDERSTOOD: &str = "iss,sub,aud,exp,nbf,iat,jti,path,ip,method,cdniv,cdniuc,cdniip";

/// Whether the claims that are checked have the types that they must have.
fn are_claims(members: &Members) -> bool {
    members.iter().all(|(name, value)| match name.as_str() {
        "iss" | "cdniuc" | "cdniip" => value.text().is_some(),
        "sub" => value.text().is_some_and(|text| !text.bytes().any(|byte| byte.is_ascii_control())),
        "exp" | "nbf" | "iat" => value.date().is_some(),
        "aud" | "path" | "method" => value.texts().is_some(),
        "ip" => value
            .text()
            .is_some_and(|text| network::contains(text.as_bytes(), [0, 0, 0, 0].into()).is_some()),
        "cdniv" => matches!(value, Json::Whole(_) | Json::Negative(_) | Json::Float(_)),
        "cdnicrit" => value.text().is_some_and(|text| {
            text.split(',').all(|name| UNDERSTOOD.split(',').any(|known| known == name.trim()))
        }),
        _ => true,
    })
}

fn claims(text: &[u8]) -> Result<Members, Verdict> {
    object(text).and_then(
        |members| if are_claims(&members) { Ok(members) } else { Err(Verdict::Malformed) },
    )
}

fn read(
    rules: &Rules<'_>,
    token: &[u8],
    offer: &Offer<'_>,
    now: i64,
) -> Result<(Outcome, bool), Verdict> {
    if token.is_empty() {
        return Err(Verdict::Missing);
    }
    let parts: Vec<_> = token.split(|byte| *byte == b'.').collect();
    if token.len() > MAX_CREDENTIAL_LEN || parts.len() < 3 {
        return Err(Verdict::Malformed);
    }
    let (header, signature) = (parts[0], parts[parts.len() - 1]);
    let payload = parts[1..parts.len() - 1].join(&b'.');
    let signed = &token[..token.len() - signature.len() - 1];
    let tag = BASE64URL_NOPAD.decode(signature).map_err(|_| Verdict::Malformed)?;

    let header = object(header)?;
    if member(&header, "crit").is_some() {
        return Err(Verdict::Malformed);
    }
    let algorithm = match member(&header, "alg").and_then(Json::text) {
        Some("HS256") => "sha256",
        Some("HS384") => "sha384",
        Some("HS512") => "sha512",
        _ => return Err(Verdict::Malformed),
    };
    let kid = match member(&header, "kid") {
        Some(kid) => Some(kid.text().ok_or(Verdict::Malformed)?),
        None => None,
    };
    let len = match algorithm {
        "sha256" => 32,
        "sha384" => 48,
        _ => 64,
    };
    if tag.len() != len {
        return Err(Verdict::Malformed);
    }

    // Only to choose a key are claims read before the MAC is right.
    let chooses = rules.keys.is_ring && rules.keys.written.is_none();
    let issuer = match (kid, chooses) {
        (None, true) => member(&claims(&payload)?, "iss").and_then(Json::text).map(str::to_owned),
        _ => None,
    };
    let claimed = kid.or(issuer.as_deref()).filter(|_| rules.keys.is_ring);
    if claimed.is_some_and(|id| id.len() > MAX_KEY_ID_LEN) {
        return Err(Verdict::Malformed);
    }
    let fits = |found: secure_link::Algorithm| found.name() == algorithm;
    let key = rules.keys.verify(claimed, fits, |key| key.mac(signed) == tag, now)?;

    let claims = claims(&payload)?;
    let text = |name| member(&claims, name).and_then(Json::text);
    let date = |name| member(&claims, name).and_then(Json::date);
    let texts = |name| member(&claims, name).and_then(Json::texts);
    if rules.keys.written.is_some() && text("iss").is_some_and(|issuer| issuer != key.id) {
        return Err(Verdict::UnknownKey);
    }
    let expires_at = date("exp").ok_or(Verdict::Malformed)?;
    let (issued, not_before) = (date("iat"), date("nbf"));
    let outcome = |verdict| Outcome {
        verdict,
        link: Some(oracle::identity(&tag)),
        key_id: key.id.into(),
        subject: text("sub").unwrap_or_default().into(),
        expires_at: Some(expires_at),
    };

    let life = Life {
        issued,
        begins: issued.max(not_before),
        last: Some(expires_at - 1),
        lifetime: issued.or(not_before).map(|from| expires_at - from),
        leeway: rules.leeway,
        default_leeway: 60,
        max_lifetime: rules.max_lifetime,
    };
    if let Some(verdict) = life.denies(key, now) {
        return Ok((outcome(verdict), true));
    }

    let paths = texts("path");
    let container = text("cdniuc");
    let required = rules.requirement.is_none_or(|(name, value)| match name {
        "aud" => texts(name).is_some_and(|all| all.contains(&value)),
        _ => text(name) == Some(value),
    });
    let audience = member(&claims, "aud").is_none()
        || rules.requirement.is_some_and(|(name, _)| name == "aud");
    let client = text("ip").is_none_or(|network| {
        offer
            .address
            .is_some_and(|address| network::contains(network.as_bytes(), address) == Some(true))
    });
    let method = texts("method").is_none_or(|all| {
        all.iter().any(|said| {
            said.as_bytes() == offer.method || *said == "GET" && offer.method == b"HEAD"
        })
    });
    let admitted = [b"GET".as_slice(), b"HEAD"].contains(&offer.method);
    let in_path = paths
        .as_ref()
        .is_none_or(|globs| globs.iter().any(|glob| oracle::glob(glob.as_bytes(), offer.path)));
    let names_path = paths.is_some() || container.is_some() || rules.scope == Scope::Any;
    let version = match member(&claims, "cdniv") {
        Some(Json::Whole(version)) => *version == 1,
        Some(Json::Float(version)) => *version == 1.0,
        Some(_) => false,
        None => true,
    };
    let all = required
        && audience
        && client
        && method
        && admitted
        && in_path
        && names_path
        && version
        && member(&claims, "cdniip").is_none();
    let verdict = |holds| if holds { Verdict::Granted } else { Verdict::OutOfScope };
    let contains = match container.filter(|_| all) {
        Some(container) => holds(container, offer),
        None => Some(all),
    };
    Ok((outcome(verdict(contains.unwrap_or(false))), contains.is_some()))
}

/// Whether a URI container has the URI of a request; `None` if that is not in its normal form.
fn holds(container: &str, offer: &Offer<'_>) -> Option<bool> {
    let Some(hash) = container.strip_prefix("hash:sha-256;") else { return Some(false) };
    if !offer.target.starts_with(b"/") || offer.server != b"files.example" {
        return Some(false);
    }
    let Ok(digest) = BASE64URL_NOPAD.decode(hash.as_bytes()) else { return Some(false) };
    let plain =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/-_?=&".contains(byte);
    let target = offer.target;
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let question_mark: &[u8] = if offer.query.is_empty() { b"" } else { b"?" };
    // Without dots, what is served is the path of the URI decoded.
    let decoded = oracle::percent_decode(path, false, false);
    let has_dots = decoded.as_ref().is_some_and(|decoded| decoded.contains(&b'.'));
    if !has_dots && decoded.is_none_or(|decoded| decoded != offer.path) {
        return Some(false);
    }
    let is_whole = [path, question_mark, offer.query].concat() == target;
    // Arguments in which tokens come are not covered.
    let has_own = offer.query.windows(5).any(|window| window == b"token");
    if !is_whole || !target.iter().all(plain) || has_own || target.starts_with(b"//") {
        return None;
    }
    let uri = [b"http://files.example", target].concat();
    Some(sha256(&uri)[..] == digest[..] && path == offer.path)
}
