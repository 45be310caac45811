//! The engine's policy, made of settings.

use std::sync::Arc;

use secure_link::{
    Algorithm, Ambiguity, ArgumentNames, EdgeAuthScheme, Fields, JwtScheme, Key, KeyDescription,
    Keyring, Keys, Misreading, Mode, Piece, Policy, Requirement, Scheme, Secret, SigV4Scheme,
    Signing, Template, TemplateScheme, TokenPlace, Variable, Variables, unsigned_variable,
};
use secure_link_directives::{SchemeSetting, numbered_group};
use zeroize::Zeroizing;

use crate::error::{Error, usage};
use crate::secret::SecretText;
use crate::settings::{KeySettings, RingKey, Settings};

/// A policy and the variables of its texts.
#[derive(Clone)]
pub struct Compiled {
    pub policy: Policy,
    pub variables: Variables,
}

impl Settings {
    /// Compiles the policy.
    pub fn compile(&self) -> Result<Compiled, Error> {
        let keys = self.engine_keys()?;
        let mut variables = Variables::default();
        let with_id = |variables: &mut Variables| -> Result<Keys, Error> {
            let id = self.keys.written_id().map(|id| Template::parse(id, variables)).transpose()?;
            Ok(match keys {
                Keys::Ring { ring, .. } => Keys::Ring { ring, id },
                keys => keys,
            })
        };
        let scheme = match &self.scheme {
            SchemeSetting::Template(time) => {
                let credentials = self.credential.iter();
                let credentials = credentials.map(|text| Fields::parse(text, &mut variables));
                let credentials = credentials.collect::<Result<_, _>>()?;
                let message = Template::parse(&self.message, &mut variables)?;
                let keys = with_id(&mut variables)?;
                Scheme::Template(TemplateScheme {
                    credentials,
                    signing: Arc::new(Signing { message, keys }),
                    encoding: self.encoding,
                    time: *time,
                })
            }
            SchemeSetting::Jwt => {
                let places = self.places(&mut variables)?;
                let own_arguments =
                    ArgumentNames::read_by(places.iter().map(TokenPlace::value), &variables);
                let keys = with_id(&mut variables)?;
                Scheme::Jwt(JwtScheme { places, keys, scope: self.scope, own_arguments })
            }
            SchemeSetting::EdgeAuth { salt, escape } => {
                let places = self.places(&mut variables)?;
                let keys = with_id(&mut variables)?;
                let (salt, escape) = (salt.clone(), *escape);
                Scheme::EdgeAuth(EdgeAuthScheme { places, keys, salt, escape })
            }
            SchemeSetting::SigV4 { region, service } => Scheme::SigV4(SigV4Scheme {
                keys: with_id(&mut variables)?,
                region: region.clone(),
                service: service.clone(),
            }),
        };
        let requirements = self.require.iter().map(|(name, value)| {
            let value = Template::parse(value, &mut variables)?;
            Ok::<_, Error>(Requirement { name: name.clone(), value })
        });
        let policy = Policy {
            scheme,
            leeway: self.leeway,
            max_lifetime: self.max_lifetime,
            methods: self.methods.clone(),
            requirements: requirements.collect::<Result<_, _>>()?,
        };
        Ok(Compiled { policy, variables })
    }

    fn places(&self, variables: &mut Variables) -> Result<Vec<TokenPlace>, Error> {
        let mut values = Vec::new();
        for text in &self.credential {
            values.push(Template::parse(text, variables)?);
        }
        Ok(values.into_iter().map(|value| TokenPlace::new(value, variables)).collect())
    }

    fn engine_keys(&self) -> Result<Keys, Error> {
        match &self.keys {
            KeySettings::Secrets(secrets) => {
                let keys = secrets.iter().map(|secret| {
                    Ok::<_, Error>(Secret::Fixed(Box::new(self.key(secret, self.algorithm)?)))
                });
                Ok(Keys::Secrets(keys.collect::<Result<_, _>>()?))
            }
            KeySettings::Ring { keys, .. } => {
                let secrets = keys.iter().map(|key| self.read(&key.secret));
                let secrets = secrets.collect::<Result<Vec<_>, _>>()?;
                let keys = keys.iter().zip(&secrets).map(|(key, secret)| KeyDescription {
                    id: &key.id,
                    secret,
                    algorithm: self.own_algorithm(key),
                    life: key.life,
                });
                let ring = Arc::new(Keyring::prefixed(self.key_prefix(), keys)?);
                Ok(Keys::Ring { ring, id: None })
            }
        }
    }

    fn key_prefix(&self) -> &'static [u8] {
        self.scheme.kind().key_prefix()
    }

    fn own_algorithm(&self, key: &RingKey) -> Algorithm {
        key.algorithm.unwrap_or(self.algorithm)
    }

    fn read(&self, secret: &SecretText) -> Result<Zeroizing<Vec<u8>>, Error> {
        secret.read(self.reading)
    }

    fn key(&self, secret: &SecretText, algorithm: Algorithm) -> Result<Key, Error> {
        Ok(Key::prefixed(algorithm, self.key_prefix(), &self.read(secret)?))
    }

    /// The key that signs: of an id the first one that is alive, of secrets the first one.
    pub fn signing_key(&self, id: Option<&str>, now: i64) -> Result<Key, Error> {
        if let KeySettings::Secrets(secrets) = &self.keys {
            let first = secrets.first();
            let first = first.ok_or_else(|| Error::Secret("there is no secret".to_owned()))?;
            return self.key(first, self.algorithm);
        }
        let keys = self.keys.of(id.map(str::as_bytes));
        let is_alive = |key: &&&RingKey| {
            let first = key.life.not_before.unwrap_or(i64::MIN);
            let last = key.life.not_after.unwrap_or(i64::MAX);
            !key.life.revoked && (first..=last).contains(&now)
        };
        let id = id.unwrap_or_default();
        match keys.iter().find(is_alive) {
            Some(key) => self.key(&key.secret, self.own_algorithm(key)),
            None if keys.is_empty() => Err(usage(format!("there is no key with the id \"{id}\""))),
            None => Err(usage(format!("the key \"{id}\" is revoked, or outside of its life"))),
        }
    }

    /// What nginx says of a message where links are enforced.
    pub fn findings(&self, compiled: &Compiled) -> Vec<String> {
        if self.mode != Mode::Enforced {
            return Vec::new();
        }
        let mut findings = self.numbered_groups();
        let Scheme::Template(scheme) = &compiled.policy.scheme else { return findings };
        let (message, fields) = (&scheme.signing.message, &scheme.credentials);
        let is_defined = |variable: &Variable| match variable {
            Variable::Named(name) => self.origin.definition(name).is_some(),
            Variable::Capture(_) => false,
        };
        let unsigned = unsigned_variable(message, &compiled.variables, fields).map(|variable| {
            format!("\"{variable}\" is not part of the message: clients can change it")
        });
        findings.extend(unsigned);
        findings.extend(match Misreading::find(&compiled.variables, fields, is_defined) {
            Some(misreading) => Some(misreading.to_string()),
            None => Ambiguity::find(message, &compiled.variables, fields, is_defined)
                .map(|ambiguity| ambiguity.to_string()),
        });
        findings
    }

    /// What nginx says of `$1` to `$9`, once for each setting.
    fn numbered_groups(&self) -> Vec<String> {
        let settings: [(&str, Vec<&[u8]>); 4] = [
            ("credential", self.credential.iter().map(|text| &**text).collect()),
            ("message", vec![&self.message]),
            ("keys", self.keys.written_id().into_iter().collect()),
            ("require", self.require.iter().map(|(_, text)| &**text).collect()),
        ];
        let groups = settings.into_iter().filter_map(|(name, texts)| {
            let text = texts.into_iter().find_map(numbered_group)?;
            Some(format!("\"{}\" {text}", self.origin.name(name)))
        });
        groups.collect()
    }
}

impl Compiled {
    /// The variables of a text.
    pub fn variables_of(&self, text: &Template) -> impl Iterator<Item = &Variable> {
        text.inputs().filter_map(|at| self.variables.as_slice().get(at))
    }

    /// The arguments that are the credential.
    pub fn credential_arguments(&self) -> ArgumentNames {
        let (mut texts, keys): (Vec<_>, _) = match &self.policy.scheme {
            Scheme::Template(scheme) => {
                (scheme.credentials.iter().map(Fields::value).collect(), &scheme.signing.keys)
            }
            Scheme::Jwt(scheme) => (values(&scheme.places), &scheme.keys),
            Scheme::EdgeAuth(scheme) => (values(&scheme.places), &scheme.keys),
            Scheme::SigV4(scheme) => (Vec::new(), &scheme.keys),
        };
        if let Keys::Ring { id: Some(id), .. } = keys {
            texts.push(id);
        }
        let mut names = ArgumentNames::read_by(texts, &self.variables);
        if let Scheme::SigV4(_) = &self.policy.scheme {
            SigV4Scheme::add_arguments(&mut names);
        }
        names
    }

    /// The variable that a text consists of.
    pub fn only_variable(&self, text: &Template) -> Option<&Variable> {
        match text.as_pieces() {
            [Piece::Input(at)] => self.variables.as_slice().get(*at),
            _ => None,
        }
    }
}

fn values(places: &[TokenPlace]) -> Vec<&Template> {
    places.iter().map(TokenPlace::value).collect()
}
