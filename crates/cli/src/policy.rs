//! The engine's policy, made of flags.

use std::sync::Arc;

use secure_link::{
    Algorithm, Ambiguity, ArgumentNames, EdgeAuthScheme, Encoding, Fields, JwtScheme, Key,
    KeyDescription, KeyLife, Keyring, Keys, Piece, Policy, Requirement, Scheme, SchemeKind, Secret,
    SigV4Scheme, Signing, Template, TemplateScheme, TokenPlace, Variable, Variables,
    unsigned_variable,
};

use crate::args::PolicyArgs;
use crate::error::{Error, usage};
use crate::secret::{self, Reading, SecretText};

/// A policy and the variables of its texts.
#[derive(Clone)]
pub struct Compiled {
    pub policy: Policy,
    pub variables: Variables,
    /// The key that signs.
    pub key: Key,
    /// The salt of EdgeAuth.
    pub salt: Option<Box<[u8]>>,
}

impl PolicyArgs {
    /// The scheme.
    pub fn kind(&self) -> SchemeKind {
        self.scheme.unwrap_or(SchemeKind::Template)
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::Sha256)
    }

    /// How the token of a template is written.
    pub fn encoding(&self) -> Encoding {
        self.encoding.unwrap_or(Encoding::Base64Url)
    }

    /// How the secret is read.
    pub fn reading(&self) -> Reading {
        Reading::Format(self.keys.key_format.unwrap_or_default())
    }

    /// The text that a template signs.
    pub fn message(&self) -> &str {
        let is_expiry = self.time.unwrap_or_default().is_expiry();
        let default = if is_expiry { "$uri|$arg_e" } else { "$uri|$arg_ts|$arg_e" };
        self.message.as_deref().unwrap_or(default)
    }

    fn credentials(&self) -> Vec<&str> {
        if !self.credential.is_empty() {
            return self.credential.iter().map(String::as_str).collect();
        }
        match self.kind() {
            SchemeKind::Template if self.time.unwrap_or_default().is_expiry() => {
                vec!["$arg_st,$arg_e"]
            }
            SchemeKind::Template => vec!["$arg_st,$arg_ts,$arg_e"],
            SchemeKind::Jwt => vec!["$arg_token"],
            SchemeKind::EdgeAuth => vec!["$arg_hdnts"],
            SchemeKind::SigV4 => vec![],
        }
    }

    /// Refuses flags that the scheme does not use, as nginx does it with directives.
    fn check(&self) -> Result<(), Error> {
        use SchemeKind::{EdgeAuth, Jwt, SigV4, Template};
        let kind = self.kind();
        let flags: [(&str, bool, &[SchemeKind]); 11] = [
            ("--credential", !self.credential.is_empty(), &[Template, Jwt, EdgeAuth]),
            ("--message", self.message.is_some(), &[Template]),
            ("--time", self.time.is_some(), &[Template]),
            ("--encoding", self.encoding.is_some(), &[Template]),
            ("--algorithm", self.algorithm.is_some(), &[Template, Jwt, EdgeAuth]),
            ("--salt-file", self.salt_file.is_some(), &[EdgeAuth]),
            ("--escape-early", self.escape_early.is_some(), &[EdgeAuth]),
            ("--region", self.region.is_some(), &[SigV4]),
            ("--service", self.service.is_some(), &[SigV4]),
            ("--scope", self.scope.is_some(), &[Jwt]),
            ("--require", !self.require.is_empty(), &[Jwt, EdgeAuth, SigV4]),
        ];
        let unused = flags.iter().find(|(_, is_given, kinds)| *is_given && !kinds.contains(&kind));
        if let Some((flag, ..)) = unused {
            return Err(usage(format!("the scheme {} has no {flag}", kind.name())));
        }
        if !kind.algorithms().contains(&self.algorithm()) {
            let name = self.algorithm().name();
            return Err(usage(format!("the scheme {} has no algorithm {name}", kind.name())));
        }
        Ok(())
    }

    /// Compiles the policy for secrets that are read as it is said.
    pub fn compile(&self, secrets: &[SecretText]) -> Result<Compiled, Error> {
        self.compile_with(secrets, self.reading())
    }

    /// Compiles the policy for secrets that are read in this way.
    pub fn compile_with(
        &self,
        secrets: &[SecretText],
        reading: Reading,
    ) -> Result<Compiled, Error> {
        self.check()?;
        let kind = self.kind();
        let algorithm = self.algorithm();
        let secrets =
            secrets.iter().map(|text| text.read(reading)).collect::<Result<Vec<_>, _>>()?;
        let key = |secret: &[u8]| Key::prefixed(algorithm, kind.key_prefix(), secret);
        let first =
            secrets.first().ok_or_else(|| Error::Secret("there is no secret".to_owned()))?;
        let first = key(first);
        let keys = match &self.keys.key_id {
            Some(id) => {
                let keys = secrets.iter().map(|secret| KeyDescription {
                    id: id.as_bytes(),
                    secret,
                    algorithm,
                    life: KeyLife::default(),
                });
                let ring = Keyring::prefixed(kind.key_prefix(), keys)?;
                Keys::Ring { ring: Arc::new(ring), id: None }
            }
            None => {
                Keys::Secrets(secrets.iter().map(|s| Secret::Fixed(Box::new(key(s)))).collect())
            }
        };

        let mut variables = Variables::default();
        let mut salt = None;
        let scheme = match kind {
            SchemeKind::Template => {
                let credentials = self.credentials().into_iter();
                let credentials =
                    credentials.map(|text| Fields::parse(text.as_bytes(), &mut variables));
                Scheme::Template(TemplateScheme {
                    credentials: credentials.collect::<Result<_, _>>()?,
                    signing: Arc::new(Signing {
                        message: Template::parse(self.message().as_bytes(), &mut variables)?,
                        keys,
                    }),
                    encoding: self.encoding(),
                    time: self.time.unwrap_or_default(),
                })
            }
            SchemeKind::Jwt => {
                let places = self.places(&mut variables)?;
                let mut own_arguments = ArgumentNames::default();
                for variable in variables.as_slice() {
                    if let Some(name) = variable.argument() {
                        own_arguments.insert(name.as_bytes());
                    }
                }
                let scope = self.scope.unwrap_or_default();
                Scheme::Jwt(JwtScheme { places, keys, scope, own_arguments })
            }
            SchemeKind::EdgeAuth => {
                salt = secret::salt(self.salt_file.as_deref())?;
                Scheme::EdgeAuth(EdgeAuthScheme {
                    places: self.places(&mut variables)?,
                    keys,
                    salt: salt.clone(),
                    escape: self.escape_early,
                })
            }
            SchemeKind::SigV4 => {
                let bytes = |text: &Option<String>| text.as_ref().map(|t| t.as_bytes().into());
                Scheme::SigV4(SigV4Scheme {
                    keys,
                    region: bytes(&self.region),
                    service: bytes(&self.service),
                })
            }
        };
        let requirements = self.require.iter().map(|(name, value)| {
            let value = Template::parse(value.as_bytes(), &mut variables)?;
            Ok::<_, Error>(Requirement { name: name.as_bytes().into(), value })
        });
        let requirements = requirements.collect::<Result<_, _>>()?;
        let methods = match self.methods.as_slice() {
            [] => vec![b"GET".as_slice().into(), b"HEAD".as_slice().into()],
            methods => methods.iter().map(|method| method.as_bytes().into()).collect(),
        };
        let policy = Policy {
            scheme,
            leeway: self.leeway,
            max_lifetime: self.max_lifetime.unwrap_or(0),
            methods,
            requirements,
        };
        Ok(Compiled { policy, variables, key: first, salt })
    }

    fn places(&self, variables: &mut Variables) -> Result<Vec<TokenPlace>, Error> {
        let mut values = Vec::new();
        for text in self.credentials() {
            values.push(Template::parse(text.as_bytes(), variables)?);
        }
        Ok(values.into_iter().map(|value| TokenPlace::new(value, variables)).collect())
    }
}

impl Compiled {
    /// What nginx says of a message where links are enforced.
    pub fn findings(&self) -> Vec<String> {
        let Scheme::Template(scheme) = &self.policy.scheme else { return Vec::new() };
        let (message, fields) = (&scheme.signing.message, &scheme.credentials);
        let unsigned = unsigned_variable(message, &self.variables, fields).map(|variable| {
            format!("\"{variable}\" is not part of the message: clients can change it")
        });
        let ambiguity = Ambiguity::find(message, &self.variables, fields, |_| false)
            .map(|ambiguity| ambiguity.to_string());
        unsigned.into_iter().chain(ambiguity).collect()
    }

    /// The variables of a text.
    pub fn variables_of(&self, text: &Template) -> impl Iterator<Item = &Variable> {
        text.inputs().filter_map(|at| self.variables.as_slice().get(at))
    }

    /// The variable that a text consists of.
    pub fn only_variable(&self, text: &Template) -> Option<&Variable> {
        match text.as_pieces() {
            [Piece::Input(at)] => self.variables.as_slice().get(*at),
            _ => None,
        }
    }
}
