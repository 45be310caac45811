//! The keys of a location.

use std::rc::Rc;

use secure_link::{MAX_KEYS_TRIED, SchemeKind};
use secure_link_directives::{KeyLine, KeySource, Refusal, RingKeys, misfit};
use zeroize::Zeroizing;

use crate::args::KeyArgs;
use crate::conf::block::{Located, SecretSource, Settings};
use crate::conf::tree::{Directive, Place, Reader};
use crate::error::Error;
use crate::secret::{self, SecretText};
use crate::settings::{KeySettings, RingKey};

impl SecretSource {
    fn read(&self, at: &Place) -> Result<SecretText, Error> {
        match self {
            SecretSource::File { path, format } => {
                SecretText::of_file(path, *format).map_err(|error| match error {
                    Error::File { path, error } => Error::Secret(format!(
                        "{at}: {}: {error}; --secret-file or --secret-env give it in place of it",
                        path.display()
                    )),
                    error => error,
                })
            }
            SecretSource::Text { text, format } => {
                SecretText::new(text.clone(), *format, at.to_string())
            }
        }
    }
}

/// The keys: those that flags give in their place, a ring's, or secrets.
pub fn keys(
    settings: &Settings,
    tree: &[Directive],
    reader: &Reader,
    args: &KeyArgs,
    kind: SchemeKind,
) -> Result<KeySettings, Error> {
    if args.are_given() {
        let secrets = secret::secrets(args)?.into_iter().map(Rc::new);
        let Some(Located { value: RingKeys { id, .. }, at }) = &settings.keys else {
            return Ok(KeySettings::Secrets(secrets.collect()));
        };
        let Some(key_id) = &args.key_id else {
            return Err(Error::conf(at, "\"secure_link_hmac_keys\": say the secret's --key-id"));
        };
        return KeySettings::ring(key_id, secrets, id.clone());
    }
    let Some(Located { value: RingKeys { ring, id }, at }) = &settings.keys else {
        let secrets = settings.secrets.iter().flatten();
        let secrets = secrets.map(|secret| secret.value.read(&secret.at).map(Rc::new));
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

/// Reads a line of a ring.
fn ring_key(line: &Directive, reader: &Reader, kind: SchemeKind) -> Result<RingKey, Error> {
    let in_ring =
        |refusal: Refusal| Error::conf(&line.at, format!("\"secure_link_hmac_keyring\" {refusal}"));
    let KeyLine { id, source, algorithm, life } = KeyLine::read(&line.words()).map_err(in_ring)?;
    if let Some(algorithm) = algorithm.filter(|algorithm| !kind.algorithms().contains(algorithm)) {
        return Err(in_ring(misfit(id, algorithm, kind)));
    }
    let source = match source {
        KeySource::File { path, format } => {
            SecretSource::File { path: reader.full_name(path), format }
        }
        KeySource::Text { text, format } => {
            SecretSource::Text { text: Zeroizing::new(text.to_vec()), format: Some(format) }
        }
    };
    let secret = Rc::new(source.read(&line.at)?);
    Ok(RingKey { id: id.into(), secret, algorithm, life })
}
