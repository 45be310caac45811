//! The directives of schemes: which one it is, and what it demands of claims.

use secure_link::{Escape, SchemeKind, TimeField};

use crate::policy::check_template;
use crate::refusal::{Outcome, Refusal, refuse};
use crate::words::{alternatives, parameter, quote};

/// How credentials are written, and what their MAC covers.
#[derive(Clone)]
pub enum SchemeSetting {
    /// A token over a message; what its second field says.
    Template(TimeField),
    /// JSON Web Tokens.
    Jwt,
    /// Akamai's EdgeAuth tokens.
    EdgeAuth {
        /// What is put behind each message.
        salt: Option<Box<[u8]>>,
        /// How a path or URL is percent-encoded before it is signed, if it is.
        escape: Option<Escape>,
    },
    /// AWS Signature Version 4.
    SigV4 {
        /// The only region that links may name.
        region: Option<Box<[u8]>>,
        /// The only service that links may name.
        service: Option<Box<[u8]>>,
    },
}

impl Default for SchemeSetting {
    fn default() -> Self {
        SchemeSetting::Template(TimeField::default())
    }
}

impl SchemeSetting {
    /// The scheme without its parameters.
    pub fn kind(&self) -> SchemeKind {
        match self {
            SchemeSetting::Template(_) => SchemeKind::Template,
            SchemeSetting::Jwt => SchemeKind::Jwt,
            SchemeSetting::EdgeAuth { .. } => SchemeKind::EdgeAuth,
            SchemeSetting::SigV4 { .. } => SchemeKind::SigV4,
        }
    }
}

/// A claim that links must have, and its value with variables.
pub type RequiredClaim = (Box<[u8]>, Box<[u8]>);

/// Reads `name [parameter ...]`.
pub(crate) fn read_scheme(words: &[&[u8]]) -> Result<SchemeSetting, Refusal> {
    let [name, parameters @ ..] = words else {
        return refuse("has a wrong number of arguments");
    };
    let Some(kind) = SchemeKind::from_name(name) else {
        return refuse(format!(
            "has an unknown scheme {}: write {}",
            quote(name),
            alternatives(SchemeKind::ALL.iter().map(|kind| kind.name()))
        ));
    };
    let mut parameters = Parameters { kind, words: parameters.to_vec(), names: Vec::new() };
    let scheme = match kind {
        SchemeKind::Template => {
            let time = parameters.named("time", TimeField::ALL, TimeField::name)?;
            SchemeSetting::Template(time.unwrap_or_default())
        }
        SchemeKind::Jwt => SchemeSetting::Jwt,
        SchemeKind::EdgeAuth => {
            let salt = parameters.text("salt")?;
            let is_early = parameters.flag("escape_early")?;
            let escape = parameters.named("escape_early", Escape::ALL, Escape::name)?;
            if is_early && escape.is_some() {
                return refuse("has \"escape_early\" twice: write it once");
            }
            let escape = escape.or(is_early.then(Escape::default));
            SchemeSetting::EdgeAuth { salt, escape }
        }
        SchemeKind::SigV4 => SchemeSetting::SigV4 {
            region: parameters.text("region")?,
            service: parameters.text("service")?,
        },
    };
    parameters.finish()?;
    Ok(scheme)
}

/// The parameters of a scheme, of which each reader takes its own.
struct Parameters<'c> {
    kind: SchemeKind,
    words: Vec<&'c [u8]>,
    names: Vec<&'static str>,
}

impl<'c> Parameters<'c> {
    /// Takes the value of `name=value`.
    fn value(&mut self, name: &'static str) -> Result<Option<&'c [u8]>, Refusal> {
        if !self.names.contains(&name) {
            self.names.push(name);
        }
        let value = |word: &'c [u8]| word.strip_prefix(name.as_bytes())?.strip_prefix(b"=");
        let mut values = self.words.iter().filter_map(|word| value(word));
        let (first, second) = (values.next(), values.next());
        if second.is_some() {
            return refuse(format!("has \"{name}=\" twice: write it once"));
        }
        self.words.retain(|word| value(word).is_none());
        Ok(first)
    }

    /// Takes the word `name`.
    fn flag(&mut self, name: &'static str) -> Result<bool, Refusal> {
        let count = self.words.len();
        self.words.retain(|word| *word != name.as_bytes());
        match count - self.words.len() {
            0 => Ok(false),
            1 => Ok(true),
            _ => refuse(format!("has \"{name}\" twice: write it once")),
        }
    }

    fn named<T: Copy>(
        &mut self,
        name: &'static str,
        all: &[T],
        name_of: fn(T) -> &'static str,
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        match all.iter().find(|one| name_of(**one).as_bytes() == value) {
            Some(one) => Ok(Some(*one)),
            None => refuse(format!(
                "has an unknown \"{name}=\" {}: write {}",
                quote(value),
                alternatives(all.iter().map(|one| name_of(*one)))
            )),
        }
    }

    fn text(&mut self, name: &'static str) -> Result<Option<Box<[u8]>>, Refusal> {
        match self.value(name)? {
            Some(b"") => refuse(format!("has an empty \"{name}=\": write a value or remove it")),
            value => Ok(value.map(Box::from)),
        }
    }

    /// Refuses what nobody took.
    fn finish(self) -> Outcome {
        let Some(word) = self.words.first() else { return Ok(()) };
        // The value may be a salt, in a word whose name is misspelt.
        let (name, _) = parameter(word);
        let takes = match &*self.names {
            [] => "nothing".to_owned(),
            names => names.iter().map(|name| format!("\"{name}=\"")).collect::<Vec<_>>().join(", "),
        };
        refuse(format!(
            "has an unknown parameter {}: \"{}\" takes {takes}",
            quote(name),
            self.kind.name()
        ))
    }
}

/// Reads `name=value ...`.
pub(crate) fn read_require(words: &[&[u8]]) -> Result<Vec<RequiredClaim>, Refusal> {
    let mut claims: Vec<RequiredClaim> = Vec::new();
    for word in words {
        let mut parts = word.splitn(2, |&byte| byte == b'=');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if name.is_empty() || value.is_empty() {
            return refuse(format!(
                "has {}: write a claim and its value, as in \"aud=$host\"",
                quote(word)
            ));
        }
        if claims.iter().any(|(known, _)| **known == *name) {
            return refuse(format!("has the claim {} twice: write it once", quote(name)));
        }
        check_template(value)?;
        claims.push((name.into(), value.into()));
    }
    Ok(claims)
}
