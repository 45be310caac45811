//! The words of a directive, with the meaning that the module gives them.

use secure_link::{Escape, SchemeKind, SecretFormat, Template, TimeField, Variables, Verdict};
use zeroize::Zeroizing;

use crate::conf::keys::SecretSource;
use crate::conf::tree::{Directive, Place, Reader};
use crate::error::Error;
use crate::settings::{Limited, RequiredClaim};
use crate::text::seconds;

/// A word that is no secret.
pub type Bytes = Box<[u8]>;

/// A setting, and its directive's place.
#[derive(Clone)]
pub struct Located<T> {
    pub value: T,
    pub at: Place,
}

/// Where a credential is.
#[derive(Clone)]
pub enum Credential {
    Off,
    Values(Vec<Bytes>),
}

/// A scheme and its parameters.
#[derive(Clone, Default)]
pub struct SchemeSetting {
    pub kind: Option<SchemeKind>,
    pub time: TimeField,
    pub salt: Option<Bytes>,
    pub escape: Option<Escape>,
    pub region: Option<Bytes>,
    pub service: Option<Bytes>,
}

/// The value of a table that has a name.
fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, word: &[u8]) -> Option<T> {
    all.iter().copied().find(|value| name(*value).as_bytes() == word)
}

/// A directive that is being read.
pub struct Setting<'s, 't> {
    pub directive: &'t Directive,
    pub name: String,
    pub words: Vec<&'t [u8]>,
    pub reader: &'s Reader,
}

impl<'t> Setting<'_, 't> {
    /// The error of a directive that nginx would not accept.
    pub fn refuse<T>(&self, text: impl AsRef<str>) -> Result<T, Error> {
        Err(Error::conf(&self.directive.at, format!("\"{}\" {}", self.name, text.as_ref())))
    }

    /// Its only argument.
    pub fn one(&self) -> Result<&'t [u8], Error> {
        match self.words.as_slice() {
            [word] => Ok(word),
            _ => self.refuse("has a wrong number of arguments"),
        }
    }

    /// Stores a value in a place that is empty.
    pub fn store<T>(&self, place: &mut Option<Located<T>>, value: T) -> Result<(), Error> {
        if place.is_some() {
            return self.refuse("directive is duplicate");
        }
        *place = Some(Located { value, at: self.directive.at.clone() });
        Ok(())
    }

    /// Stores the value of a name.
    pub fn store_named<T: Copy>(
        &self,
        place: &mut Option<Located<T>>,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<(), Error> {
        match named(all, name, self.one()?) {
            Some(value) => self.store(place, value),
            None => self.refuse("has an unknown value"),
        }
    }

    pub fn store_seconds(&self, place: &mut Option<Located<i64>>) -> Result<(), Error> {
        match seconds(self.one()?) {
            Some(value) => self.store(place, value),
            None => self.refuse("has an invalid time"),
        }
    }

    pub fn store_all(&self, place: &mut Option<Located<Vec<Bytes>>>) -> Result<(), Error> {
        if self.words.is_empty() {
            return self.refuse("has a wrong number of arguments");
        }
        self.store(place, self.words.iter().map(|word| Bytes::from(*word)).collect())
    }

    pub fn template(&self, text: &[u8]) -> Result<Variables, Error> {
        let mut variables = Variables::default();
        match Template::parse(text, &mut variables) {
            Ok(_) => Ok(variables),
            Err(error) => self.refuse(format!("has an invalid value: {error}")),
        }
    }

    pub fn format(&self, word: &[u8]) -> Result<SecretFormat, Error> {
        match word.strip_prefix(b"format=").and_then(SecretFormat::from_name) {
            Some(format) => Ok(format),
            None => self.refuse("has an unknown parameter"),
        }
    }

    pub fn secret(&self) -> Result<SecretSource, Error> {
        let at = self.directive.at.clone();
        let (word, parameter) = match self.words.as_slice() {
            [word] => (word, None),
            [word, parameter] => (word, Some(parameter)),
            _ => return self.refuse("has a wrong number of arguments"),
        };
        match (word.strip_prefix(b"file:"), parameter) {
            (Some(path), parameter) => Ok(SecretSource::File {
                path: self.reader.full_name(path),
                format: parameter.map(|word| self.format(word)).transpose()?.unwrap_or_default(),
                at,
            }),
            (None, Some(_)) => self.refuse("has a second argument, which only \"file:\" takes"),
            (None, None) if !self.template(word)?.as_slice().is_empty() => self.refuse(
                "has variables, which are not evaluated here: give the secret by --secret-file or \
                 --secret-env",
            ),
            (None, None) => {
                Ok(SecretSource::Text { text: Zeroizing::new(word.to_vec()), format: None, at })
            }
        }
    }

    pub fn scheme(&self) -> Result<SchemeSetting, Error> {
        let Some((name, parameters)) = self.words.split_first() else {
            return self.refuse("has a wrong number of arguments");
        };
        let Some(kind) = SchemeKind::from_name(name) else {
            return self.refuse("has an unknown scheme");
        };
        let mut scheme = SchemeSetting { kind: Some(kind), ..SchemeSetting::default() };
        let mut seen = Vec::new();
        for word in parameters {
            let (name, value) = match word.iter().position(|byte| *byte == b'=') {
                Some(at) => (word.get(..at), word.get(at + 1..)),
                None => (Some(*word), None),
            };
            let name = name.unwrap_or_default();
            let text = value.filter(|value| !value.is_empty()).map(Bytes::from);
            match (kind, name, value) {
                _ if seen.contains(&name) => return self.refuse("has a parameter twice"),
                (SchemeKind::Template, b"time", Some(value)) => {
                    match named(TimeField::ALL, TimeField::name, value) {
                        Some(time) => scheme.time = time,
                        None => return self.refuse("has an unknown \"time=\""),
                    }
                }
                (SchemeKind::EdgeAuth, b"escape_early", None) => {
                    scheme.escape = Some(Escape::default());
                }
                (SchemeKind::EdgeAuth, b"escape_early", Some(value)) => {
                    match named(Escape::ALL, Escape::name, value) {
                        Some(escape) => scheme.escape = Some(escape),
                        None => return self.refuse("has an unknown \"escape_early=\""),
                    }
                }
                (SchemeKind::EdgeAuth, b"salt", Some(_)) if text.is_some() => scheme.salt = text,
                (SchemeKind::SigV4, b"region", Some(_)) if text.is_some() => scheme.region = text,
                (SchemeKind::SigV4, b"service", Some(_)) if text.is_some() => scheme.service = text,
                _ => return self.refuse("has an unknown or empty parameter"),
            }
            seen.push(name);
        }
        Ok(scheme)
    }

    /// What a limit demands of a link.
    pub fn limit(&self) -> Option<Limited> {
        let per = self.words.iter().find_map(|word| word.strip_prefix(b"per="));
        match per {
            Some(b"key") => None,
            Some(b"subject") => Some(Limited::Subject),
            _ => Some(Limited::Expiry),
        }
    }

    pub fn require(&self) -> Result<Vec<RequiredClaim>, Error> {
        let pairs = self.words.iter().map(|word| {
            let at = word.iter().position(|byte| *byte == b'=').unwrap_or(word.len());
            let (name, value) = (word.get(..at), word.get(at + 1..));
            match (name.unwrap_or_default(), value.unwrap_or_default()) {
                (b"", _) | (_, b"") => self.refuse("is a claim and its value, as in \"aud=$host\""),
                (name, value) => {
                    self.template(value)?;
                    Ok((name.into(), value.into()))
                }
            }
        });
        pairs.collect()
    }

    pub fn statuses(&self) -> Result<Vec<(Verdict, u16)>, Error> {
        let pairs = self.words.iter().map(|word| {
            let text = String::from_utf8_lossy(word);
            let pair = text.split_once('=').and_then(|(verdict, status)| {
                Some((Verdict::from_word(verdict.as_bytes())?, status.parse().ok()?))
            });
            match pair {
                Some(pair) => Ok(pair),
                None => self.refuse("has an unknown verdict or status"),
            }
        });
        pairs.collect()
    }
}
