#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod algorithm;
mod args;
mod audit;
mod claims;
mod client_variables;
mod derived;
mod encoding;
mod fields;
mod glob;
mod hmac_sha256;
mod host;
#[cfg(fuzzing)]
pub mod internals;
mod json;
mod key;
mod keyed_hash;
mod keyring;
mod keys;
mod link;
mod misreading;
mod network;
mod percent;
mod policy;
mod request;
mod scheme;
mod signed;
mod template;
mod time;
mod verdict;

pub use algorithm::{Algorithm, MAX_TAG_LEN, Tag, digest};
pub use args::{ArgumentNames, find_arguments, read_arguments, without_arguments};
pub use audit::{Ambiguity, unsigned_variable};
pub use claims::Claims;
pub use client_variables::{client_sets, names_the_path};
pub use encoding::Encoding;
pub use fields::{Fields, FieldsError};
pub use key::{Key, Secret, SecretFormat, SecretFormatError};
pub use keyring::{KeyDescription, KeyLife, Keyring, KeyringError, check_key_id};
pub use keys::Keys;
pub use misreading::Misreading;
pub use policy::{Policy, Requirement, verify};
pub use request::{Arena, Client, Mode, Request};
pub use scheme::edgeauth::{self, EdgeAuthScheme, Escape};
pub use scheme::jwt::{self, JwtScheme, Scope};
pub use scheme::sigv4::{self, SigV4Scheme};
pub use scheme::template::{Signing, TemplateScheme, TimeField};
pub use scheme::{Scheme, SchemeKind, TokenPlace};
pub use signed::{SignedText, signed_texts};
pub use template::{Piece, Template, TemplateError, Variable, Variables};
pub use time::parse_date;
pub use verdict::{Check, Verdict};

/// Longest credential, in bytes; a longer one is [`Verdict::Malformed`].
pub const MAX_CREDENTIAL_LEN: usize = 4096;

/// Most keys that are tried for a link that does not say which one signed it.
pub const MAX_KEYS_TRIED: usize = 16;

/// Longest id of a key, in bytes.
pub const MAX_KEY_ID_LEN: usize = 64;

/// Shortest secret that an enforced check accepts, in bytes.
pub const MIN_SECRET_LEN: usize = 16;
