//! The settings that make a policy, whether flags or the directives of a location say them.

use std::collections::HashMap;
use std::rc::Rc;

use secure_link::{
    Algorithm, Encoding, KeyLife, Mode, Scope, SecretFormat, Variable, Variables, Verdict,
    check_key_id,
};
use secure_link_directives::{RequiredClaim, Rule, SchemeSetting, Statuses};

use crate::conf::Place;
use crate::error::Error;
use crate::secret::{Reading, SecretText};

/// The settings.
#[derive(Clone)]
pub struct Settings {
    pub scheme: SchemeSetting,
    pub credential: Vec<Box<[u8]>>,
    pub message: Box<[u8]>,
    pub algorithm: Algorithm,
    pub encoding: Encoding,
    pub scope: Scope,
    pub leeway: Option<i64>,
    pub max_lifetime: i64,
    pub methods: Vec<Box<[u8]>>,
    pub require: Vec<RequiredClaim>,
    pub revoke: Vec<Box<[u8]>>,
    pub limits: Vec<Rule>,
    pub keys: KeySettings,
    pub mode: Mode,
    /// Values of variables that the URL does not give.
    pub set: Vec<(String, String)>,
    /// How all secrets are read, other than they say.
    pub reading: Option<Reading>,
    pub origin: Origin,
}

/// The keys.
#[derive(Clone)]
pub enum KeySettings {
    /// Secrets without ids: all verify, and the first one signs.
    Secrets(Vec<Rc<SecretText>>),
    /// Keys with ids.
    Ring {
        keys: Vec<RingKey>,
        /// The id that a key must have, with variables.
        id: Option<Box<[u8]>>,
    },
}

/// A key of a ring.
#[derive(Clone)]
pub struct RingKey {
    pub id: Box<[u8]>,
    pub secret: Rc<SecretText>,
    /// Its own, if it has one.
    pub algorithm: Option<Algorithm>,
    pub life: KeyLife,
}

/// Who says the settings.
#[derive(Clone)]
pub enum Origin {
    Flags,
    Conf(Rc<ConfOrigin>),
}

/// A location of a configuration.
pub struct ConfOrigin {
    /// As it is written.
    pub location: String,
    pub at: Place,
    /// The texts that may have variables, and the directives in which they are.
    pub texts: Vec<ConfText>,
    /// Variables that the configuration itself defines, and what does it.
    pub defined: HashMap<String, (String, Place)>,
    /// The statuses of denials.
    pub statuses: Statuses,
}

/// A text of a directive.
pub struct ConfText {
    pub directive: &'static str,
    pub at: Place,
    pub text: Box<[u8]>,
}

impl Origin {
    /// The name of a setting where it is said, for a message: `--max-lifetime`, or
    /// `secure_link_hmac_max_lifetime`.
    pub fn name(&self, flag: &str) -> String {
        match (self, flag) {
            (Origin::Flags, _) => format!("--{flag}"),
            (Origin::Conf(_), "credential") => "secure_link_hmac".to_owned(),
            (Origin::Conf(_), "key-format") => "format=".to_owned(),
            (Origin::Conf(_), "key-id") => "secure_link_hmac_keyring".to_owned(),
            (Origin::Conf(_), "time" | "region" | "service" | "escape-early") => {
                format!("{}=", flag.replace('-', "_"))
            }
            (Origin::Conf(_), _) => format!("secure_link_hmac_{}", flag.replace('-', "_")),
        }
    }

    /// The status of a verdict.
    pub fn status(&self, verdict: Verdict) -> Option<u16> {
        let default = verdict.default_status()?;
        Some(match self {
            Origin::Flags => default,
            Origin::Conf(conf) => conf.statuses.get(verdict),
        })
    }

    /// What defines a variable, if the configuration does.
    pub fn definition(&self, name: &str) -> Option<String> {
        let Origin::Conf(conf) = self else { return None };
        let (what, at) = conf.defined.get(&name.to_ascii_lowercase())?;
        Some(format!("is made by \"{what}\" ({at}), which is not evaluated here"))
    }

    /// The directive that uses a variable, and its place.
    pub fn user(&self, variable: &Variable) -> Option<String> {
        let Origin::Conf(conf) = self else { return None };
        let uses = |text: &&ConfText| {
            let mut variables = Variables::default();
            secure_link::Template::parse(&text.text, &mut variables).is_ok()
                && variables.as_slice().contains(variable)
        };
        let text = conf.texts.iter().find(uses)?;
        Some(format!("{}: \"{}\": ", text.at, text.directive))
    }
}

impl KeySettings {
    /// A ring of secrets that have one id.
    pub fn ring(
        key_id: &str,
        secrets: impl Iterator<Item = Rc<SecretText>>,
        id: Option<Box<[u8]>>,
    ) -> Result<Self, Error> {
        check_key_id(key_id.as_bytes())?;
        let key = |secret| RingKey {
            id: key_id.as_bytes().into(),
            secret,
            algorithm: None,
            life: KeyLife::default(),
        };
        Ok(KeySettings::Ring { keys: secrets.map(key).collect(), id })
    }

    /// The ids, each once.
    pub fn ids(&self) -> Vec<&[u8]> {
        let mut ids: Vec<&[u8]> = Vec::new();
        if let KeySettings::Ring { keys, .. } = self {
            for key in keys {
                if !ids.contains(&&*key.id) {
                    ids.push(&key.id);
                }
            }
        }
        ids
    }

    /// The keys of an id, or all.
    pub fn of(&self, id: Option<&[u8]>) -> Vec<&RingKey> {
        match self {
            KeySettings::Secrets(_) => Vec::new(),
            KeySettings::Ring { keys, .. } => {
                keys.iter().filter(|key| id.is_none_or(|id| *key.id == *id)).collect()
            }
        }
    }

    /// How the secrets are written, each way once.
    pub fn formats(&self) -> Vec<Option<SecretFormat>> {
        let secrets: Vec<_> = match self {
            KeySettings::Secrets(secrets) => secrets.iter().collect(),
            KeySettings::Ring { keys, .. } => keys.iter().map(|key| &key.secret).collect(),
        };
        let mut formats: Vec<_> = secrets.iter().map(|secret| secret.format()).collect();
        formats.dedup();
        formats
    }

    /// The same keys, without algorithms of their own.
    pub fn without_algorithms(&self) -> Self {
        let mut keys = self.clone();
        if let KeySettings::Ring { keys, .. } = &mut keys {
            keys.iter_mut().for_each(|key| key.algorithm = None);
        }
        keys
    }

    /// The written id, with variables.
    pub fn written_id(&self) -> Option<&[u8]> {
        match self {
            KeySettings::Ring { id, .. } => id.as_deref(),
            KeySettings::Secrets(_) => None,
        }
    }
}

impl Settings {
    /// The algorithm of the keys of an id; of several, of the first one.
    pub fn algorithm_of(&self, id: Option<&[u8]>) -> Algorithm {
        let keys = self.keys.of(id);
        let key = keys.first().or(self.keys.of(None).first()).copied();
        key.and_then(|key| key.algorithm).unwrap_or(self.algorithm)
    }
}
