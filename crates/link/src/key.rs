//! Secrets, and the ways they are written.

use core::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::algorithm::{Algorithm, KeyedMac, Tag};
use crate::derived::DerivedKeys;
use crate::request::{JoinError, Mode, Request};
use crate::template::Template;
use crate::{MAX_CREDENTIAL_LEN, MIN_SECRET_LEN};

/// A secret that an algorithm has taken in. The secret itself is not kept.
#[derive(Clone, Debug)]
pub struct Key {
    mac: KeyedMac,
    /// Keys derived from it, for schemes that sign with those.
    derived: DerivedKeys,
}

impl Key {
    /// Keys an algorithm with a secret.
    pub fn new(algorithm: Algorithm, secret: &[u8]) -> Self {
        Key::prefixed(algorithm, b"", secret)
    }

    /// Keys an algorithm with a secret, before which a scheme puts a text of its own.
    pub fn prefixed(algorithm: Algorithm, prefix: &[u8], secret: &[u8]) -> Self {
        let mac = if prefix.is_empty() {
            KeyedMac::new(algorithm, secret)
        } else {
            KeyedMac::new(algorithm, &Zeroizing::new([prefix, secret].concat()))
        };
        Key { mac, derived: DerivedKeys::default() }
    }

    /// The keyed state.
    pub(crate) fn mac(&self) -> &KeyedMac {
        &self.mac
    }

    /// The keys derived from it.
    pub(crate) fn derived(&self) -> &DerivedKeys {
        &self.derived
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.mac.algorithm()
    }

    /// The MAC of a message given in pieces.
    pub fn sign<'p>(&self, message: impl Iterator<Item = &'p [u8]>) -> Tag {
        self.mac.sign(message)
    }

    /// Whether `tag` is the MAC of a message given in pieces, in constant time.
    pub fn verify<'p>(&self, message: impl Iterator<Item = &'p [u8]>, tag: &[u8]) -> bool {
        self.mac.verify(message, tag)
    }
}

/// A secret of a policy.
#[derive(Clone)]
pub enum Secret {
    /// Known when the configuration is read.
    Fixed(Box<Key>),
    /// Made of variables, and keyed for each request.
    PerRequest {
        /// The secret.
        template: Template,
        /// The algorithm.
        algorithm: Algorithm,
        /// What the scheme puts before the secret.
        prefix: &'static [u8],
    },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Fixed(key) => f.debug_tuple("Fixed").field(key).finish(),
            Secret::PerRequest { algorithm, .. } => {
                write!(f, "PerRequest({}, redacted)", algorithm.name())
            }
        }
    }
}

/// Why a secret has no key for a request.
pub(crate) enum NoKey {
    Unusable,
    NoMemory,
}

impl Secret {
    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Secret::Fixed(key) => key.algorithm(),
            Secret::PerRequest { algorithm, .. } => *algorithm,
        }
    }

    /// Calls `use_key` with the key for a request. A secret of variables has none if it comes out
    /// empty, or, where the check is enforced, shorter than [`MIN_SECRET_LEN`].
    pub(crate) fn with_key<'a, R>(
        &'a self,
        request: &Request<'a>,
        use_key: impl FnOnce(&Key) -> R,
    ) -> Result<R, NoKey> {
        match self {
            Secret::Fixed(key) => Ok(use_key(key)),
            Secret::PerRequest { template, algorithm, prefix } => {
                let secret = template
                    .join(request.inputs, request.arena, MAX_CREDENTIAL_LEN)
                    .map_err(|error| match error {
                        JoinError::TooLong => NoKey::Unusable,
                        JoinError::NoMemory => NoKey::NoMemory,
                    })?;
                let least = match request.mode {
                    Mode::Enforced => MIN_SECRET_LEN,
                    Mode::Advisory => 1,
                };
                if secret.len() < least {
                    return Err(NoKey::Unusable);
                }
                Ok(use_key(&Key::prefixed(*algorithm, prefix, secret)))
            }
        }
    }
}

/// How a secret is written in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretFormat {
    /// The bytes of the file without one line end.
    #[default]
    Raw,
    /// Hexadecimal digits in either case, and one line end.
    Hex,
    /// RFC 4648, section 4, padded or not, and one line end.
    Base64,
}

/// Why a text is not a secret in the given format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretFormatError(SecretFormat);

impl core::error::Error for SecretFormatError {}

impl fmt::Display for SecretFormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is not {}", self.0.name())
    }
}

impl SecretFormat {
    /// All formats.
    pub const ALL: &[SecretFormat] = &[SecretFormat::Raw, SecretFormat::Hex, SecretFormat::Base64];

    /// The name used in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            SecretFormat::Raw => "raw",
            SecretFormat::Hex => "hex",
            SecretFormat::Base64 => "base64",
        }
    }

    /// Finds a format by its name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| f.name().as_bytes() == name)
    }

    /// Reads a secret.
    pub fn decode(self, text: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretFormatError> {
        const ENGINE: GeneralPurpose = GeneralPurpose::new(
            &STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let text = text.strip_suffix(b"\n").map_or(text, |t| t.strip_suffix(b"\r").unwrap_or(t));
        let mut secret = Zeroizing::new(vec![0; text.len()]);
        let len = match self {
            SecretFormat::Raw => {
                secret.copy_from_slice(text);
                Some(text.len())
            }
            SecretFormat::Hex => {
                let len = text.len() / 2;
                secret
                    .get_mut(..len)
                    .and_then(|bytes| hex::decode_to_slice(text, bytes).ok().map(|()| len))
            }
            // The decoder takes half of the padding (`AA=`) too, not only all or none of it; and it wants
            // room for whole groups of three bytes.
            SecretFormat::Base64 => {
                secret.resize(text.len() + 3, 0);
                let padding_is_whole = !text.ends_with(b"=") || text.len().is_multiple_of(4);
                padding_is_whole.then(|| ENGINE.decode_slice(text, &mut secret).ok()).flatten()
            }
        };
        secret.truncate(len.ok_or(SecretFormatError(self))?);
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Variables;

    fn decode(format: SecretFormat, text: &[u8]) -> Option<Vec<u8>> {
        format.decode(text).ok().map(|secret| secret.to_vec())
    }

    #[test]
    fn raw_drops_one_line_end() {
        let decode = |text| decode(SecretFormat::Raw, text).unwrap();
        assert_eq!(decode(b"secret"), b"secret");
        assert_eq!(decode(b"secret\n"), b"secret");
        assert_eq!(decode(b"secret\r\n"), b"secret");
        assert_eq!(decode(b"secret\n\n"), b"secret\n");
        assert_eq!(decode(b"secret\r"), b"secret\r");
        assert_eq!(decode(b"a\0\xff\n"), b"a\0\xff");
    }

    #[test]
    fn hex_and_base64_are_strict() {
        assert_eq!(decode(SecretFormat::Hex, b"00fF\n"), Some(vec![0, 0xff]));
        for text in ["0", "0g", "00 ff", "0x00", "00\n\n"] {
            assert_eq!(decode(SecretFormat::Hex, text.as_bytes()), None, "{text}");
        }
        assert_eq!(decode(SecretFormat::Base64, b"/+8=\n"), Some(vec![0xff, 0xef]));
        assert_eq!(decode(SecretFormat::Base64, b"/+8"), Some(vec![0xff, 0xef]));
        for text in ["_-8=", "/+9=", "/+8==", "/w=", "/ +8=", "a"] {
            assert_eq!(decode(SecretFormat::Base64, text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn long_secrets_are_decoded_whole() {
        let secret: Vec<u8> = (0..=255).collect();
        let text = base64::engine::general_purpose::STANDARD_NO_PAD;
        let mut encoded = [0; 400];
        let len = text.encode_slice(&secret, &mut encoded).unwrap();
        assert_eq!(decode(SecretFormat::Base64, &encoded[..len]), Some(secret));
    }

    #[test]
    fn debug_output_has_no_secret() {
        let secret = Secret::Fixed(Box::new(Key::new(Algorithm::Sha256, b"0123456789abcdef")));
        assert_eq!(
            format!("{secret:?}"),
            "Fixed(Key { mac: KeyedMac(sha256, redacted), derived: DerivedKeys(redacted) })"
        );
        let template = Template::parse(b"0123$host", &mut Variables::default()).unwrap();
        let secret = Secret::PerRequest { template, algorithm: Algorithm::Sha256, prefix: b"" };
        assert_eq!(format!("{secret:?}"), "PerRequest(sha256, redacted)");
    }
}
