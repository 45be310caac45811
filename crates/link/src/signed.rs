//! What a MAC covers, for people who want to know why two MACs differ.

use crate::policy::Policy;
use crate::request::Request;
use crate::scheme::Scheme;
use crate::verdict::Verdict;

/// A text that a MAC covers, by itself or by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedText {
    /// What the scheme calls it.
    pub name: &'static str,
    /// The text.
    pub text: Vec<u8>,
}

/// The texts that the MAC of a request's link should be of; the last one is what is signed.
///
/// In `sigv4` they are the canonical request, with the host as it came, and the string to sign. A
/// salt of `edgeauth` is left out behind its name: it is a secret.
///
/// # Errors
///
/// The verdict of a credential that cannot be read so far.
pub fn signed_texts(policy: &Policy, request: &Request<'_>) -> Result<Vec<SignedText>, Verdict> {
    match &policy.scheme {
        Scheme::Template(scheme) => {
            let pieces: Vec<_> = scheme.signing.message.pieces(request.inputs).collect();
            Ok(vec![SignedText { name: "message", text: pieces.concat() }])
        }
        Scheme::Jwt(scheme) => scheme.signed_texts(request),
        Scheme::EdgeAuth(scheme) => scheme.signed_texts(request),
        Scheme::SigV4(scheme) => scheme.signed_texts(request),
    }
}
