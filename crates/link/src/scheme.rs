//! The schemes: how a credential is written and what its MAC covers. One module each.

pub mod edgeauth;
pub mod jwt;
pub mod sigv4;
pub mod template;

use crate::MAX_CREDENTIAL_LEN;
use crate::algorithm::Algorithm;
use crate::request::Request;
use crate::template::{Piece, Template, Variable, Variables};
use crate::verdict::Verdict;

/// A scheme and its settings.
#[derive(Clone, Debug)]
pub enum Scheme {
    /// A token over a message of the operator's choice.
    Template(template::TemplateScheme),
    /// JSON Web Tokens.
    Jwt(jwt::JwtScheme),
    /// Akamai's EdgeAuth tokens.
    EdgeAuth(edgeauth::EdgeAuthScheme),
    /// AWS Signature Version 4 in the query string.
    SigV4(sigv4::SigV4Scheme),
}

/// A scheme without its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemeKind {
    /// A token over a message of the operator's choice.
    Template,
    /// JSON Web Tokens.
    Jwt,
    /// Akamai's EdgeAuth tokens.
    EdgeAuth,
    /// AWS Signature Version 4 in the query string.
    SigV4,
}

impl SchemeKind {
    /// All schemes.
    pub const ALL: &[SchemeKind] =
        &[SchemeKind::Template, SchemeKind::Jwt, SchemeKind::EdgeAuth, SchemeKind::SigV4];

    /// The name used in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            SchemeKind::Template => "template",
            SchemeKind::Jwt => "jwt",
            SchemeKind::EdgeAuth => "edgeauth",
            SchemeKind::SigV4 => "sigv4",
        }
    }

    /// Finds a scheme by its name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|scheme| scheme.name().as_bytes() == name)
    }

    /// The algorithms of its keys.
    pub const fn algorithms(self) -> &'static [Algorithm] {
        match self {
            SchemeKind::Template => Algorithm::ALL,
            SchemeKind::Jwt => &[Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512],
            SchemeKind::EdgeAuth => &[Algorithm::Sha256, Algorithm::Sha1, Algorithm::Md5],
            SchemeKind::SigV4 => &[Algorithm::Sha256],
        }
    }

    /// The text that stands before each secret where it is a key; see
    /// [`Key::prefixed`](crate::Key::prefixed).
    pub const fn key_prefix(self) -> &'static [u8] {
        match self {
            SchemeKind::SigV4 => b"AWS4",
            SchemeKind::Template | SchemeKind::Jwt | SchemeKind::EdgeAuth => b"",
        }
    }

    /// Whether its credentials may name the key that signed them.
    pub const fn names_key(self) -> bool {
        matches!(self, SchemeKind::Jwt | SchemeKind::SigV4)
    }

    /// Whether its credentials may say whom they were made for.
    pub const fn names_subject(self) -> bool {
        matches!(self, SchemeKind::Jwt | SchemeKind::EdgeAuth)
    }
}

/// A value in which a client may bring a token.
#[derive(Clone, Debug)]
pub struct TokenPlace {
    value: Template,
    /// Whether it is the header `Authorization`, of which only `Bearer` brings a token (RFC 6750,
    /// section 2.1).
    is_authorization: bool,
}

impl TokenPlace {
    /// Makes a place of a text.
    pub fn new(value: Template, variables: &Variables) -> Self {
        let variable = match value.as_pieces() {
            [Piece::Input(at)] => variables.as_slice().get(*at),
            _ => None,
        };
        let is_authorization = matches!(
            variable,
            Some(Variable::Named(name)) if **name == *"http_authorization"
        );
        TokenPlace { value, is_authorization }
    }

    /// The text.
    pub fn value(&self) -> &Template {
        &self.value
    }

    fn token<'a>(&'a self, request: &Request<'a>) -> Result<&'a [u8], Verdict> {
        if self.value.is_empty(request.inputs) {
            return Ok(&[]);
        }
        let token = match self.is_authorization {
            // A header of another kind may be longer, and is none of ours.
            true => bearer(request.join(&self.value, usize::MAX)?),
            false => request.join(&self.value, MAX_CREDENTIAL_LEN)?,
        };
        if token.len() > MAX_CREDENTIAL_LEN { Err(Verdict::Malformed) } else { Ok(token) }
    }
}

/// The token of an `Authorization` header; empty if it is of another scheme.
fn bearer(value: &[u8]) -> &[u8] {
    match value.split_at_checked(b"Bearer".len()) {
        Some((scheme, [b' ', token @ ..])) if scheme.eq_ignore_ascii_case(b"Bearer") => {
            token.trim_ascii_start()
        }
        _ => &[],
    }
}

/// The first token that a client brings.
fn find_token<'a>(places: &'a [TokenPlace], request: &Request<'a>) -> Result<&'a [u8], Verdict> {
    for place in places {
        let token = place.token(request)?;
        if !token.is_empty() {
            return Ok(token);
        }
    }
    Err(Verdict::Missing)
}

/// Whether a text has a control byte, which could forge a header or a line of a log.
fn has_control(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_control)
}
