//! The keys of a location.

use std::path::PathBuf;
use std::rc::Rc;

use secure_link::{
    Algorithm, KeyLife, MAX_KEYS_TRIED, SchemeKind, SecretFormat, check_key_id, parse_date,
};
use zeroize::Zeroizing;

use crate::args::KeyArgs;
use crate::conf::block::Block;
use crate::conf::setting::{Located, Setting};
use crate::conf::tree::{Directive, Place, Reader};
use crate::error::Error;
use crate::secret::{self, SecretText};
use crate::settings::{KeySettings, RingKey};

/// Where a secret is.
#[derive(Clone)]
pub enum SecretSource {
    File { path: PathBuf, format: SecretFormat, at: Place },
    Text { text: Zeroizing<Vec<u8>>, format: Option<SecretFormat>, at: Place },
}

impl SecretSource {
    fn read(&self) -> Result<SecretText, Error> {
        match self {
            SecretSource::File { path, format, at } => {
                SecretText::of_file(path, *format).map_err(|error| match error {
                    Error::File { path, error } => Error::Secret(format!(
                        "{at}: {}: {error}; --secret-file or --secret-env give it in place of it",
                        path.display()
                    )),
                    error => error,
                })
            }
            SecretSource::Text { text, format, at } => {
                SecretText::new(text.clone(), *format, at.to_string())
            }
        }
    }
}

/// The keys: those that flags give in their place, a ring's, or secrets.
pub fn keys(
    block: &Block,
    tree: &[Directive],
    reader: &Reader,
    args: &KeyArgs,
    kind: SchemeKind,
) -> Result<KeySettings, Error> {
    if args.are_given() {
        let secrets = secret::secrets(args)?.into_iter().map(Rc::new);
        let Some(Located { value: (_, id), at }) = &block.keys else {
            return Ok(KeySettings::Secrets(secrets.collect()));
        };
        let Some(key_id) = &args.key_id else {
            return Err(Error::conf(at, "\"secure_link_hmac_keys\": say the secret's --key-id"));
        };
        return KeySettings::ring(key_id, secrets, id.clone());
    }
    let Some(Located { value: (ring, id), at }) = &block.keys else {
        let secrets = block.secrets.iter().flat_map(|secrets| &secrets.value);
        let secrets = secrets.map(|secret| secret.read().map(Rc::new));
        return Ok(KeySettings::Secrets(secrets.collect::<Result<_, _>>()?));
    };
    let rings = tree.iter().filter(|directive| directive.name() == b"http");
    let mut rings = rings.flat_map(Directive::inside).filter(|directive| {
        directive.name() == b"secure_link_hmac_keyring" && directive.arguments().eq([&**ring])
    });
    let Some(ring) = rings.next() else {
        return Err(Error::conf(at, "\"secure_link_hmac_keys\" names an unknown ring"));
    };
    let keys = ring.inside().iter().map(|line| ring_key(line, reader, kind));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(Error::conf(&ring.at, "\"secure_link_hmac_keyring\" has no key"));
    }
    if id.is_none() && !kind.names_key() && keys.len() > MAX_KEYS_TRIED {
        return Err(Error::conf(at, "\"secure_link_hmac_keys\" has a ring that needs an id"));
    }
    Ok(KeySettings::Ring { keys, id: id.clone() })
}

/// Reads a line of a ring: `id source [parameter ...]`.
fn ring_key(line: &Directive, reader: &Reader, kind: SchemeKind) -> Result<RingKey, Error> {
    let (name, words) = ("secure_link_hmac_keyring".to_owned(), line.words());
    let setting = Setting { directive: line, name, words, reader };
    let [id, source, parameters @ ..] = setting.words.as_slice() else {
        return setting.refuse("has a line without a secret: write \"id file:path\"");
    };
    if let Err(error) = check_key_id(id) {
        return setting.refuse(format!("has an id that is none: {error}"));
    }
    let (mut format, mut algorithm, mut life) = (None, None, KeyLife::default());
    for word in parameters {
        let at = word.iter().position(|byte| *byte == b'=').map_or(word.len(), |at| at + 1);
        let (name, value) = word.split_at_checked(at).unwrap_or((word, b""));
        let date = || match parse_date(value) {
            Some(date) => Ok(date),
            None => setting.refuse("has an invalid date"),
        };
        match name {
            b"format=" => format = Some(setting.format(word)?),
            b"algorithm=" => match Algorithm::from_name(value) {
                Some(value) if kind.algorithms().contains(&value) => algorithm = Some(value),
                _ => return setting.refuse("has an algorithm that the scheme does not have"),
            },
            b"not_before=" => life.not_before = Some(date()?),
            b"not_after=" => life.not_after = Some(date()?),
            b"issued_after=" => life.issued_after = Some(date()?),
            b"revoked" => life.revoked = true,
            _ => return setting.refuse("has an unknown parameter"),
        }
    }
    let at = line.at.clone();
    let inline = |text: &[u8], format| SecretSource::Text {
        text: Zeroizing::new(text.to_vec()),
        format: Some(format),
        at: at.clone(),
    };
    let source = if let Some(path) = source.strip_prefix(b"file:") {
        let path = reader.full_name(path);
        SecretSource::File { path, format: format.unwrap_or_default(), at: at.clone() }
    } else if let Some(text) = source.strip_prefix(b"hex:") {
        inline(text, SecretFormat::Hex)
    } else if let Some(text) = source.strip_prefix(b"base64:") {
        inline(text, SecretFormat::Base64)
    } else {
        return setting
            .refuse("has a line whose second word is not \"file:\", \"hex:\" or \"base64:\"");
    };
    let secret = Rc::new(source.read()?);
    Ok(RingKey { id: (*id).into(), secret, algorithm, life })
}
