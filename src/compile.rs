//! From the settings of a block to the engine's policy.

use std::sync::Arc;

use secure_link::{
    Algorithm, ArgumentNames, EdgeAuthScheme, Fields, FieldsError, JwtScheme, Key, Keyring, Keys,
    MAX_KEYS_TRIED, MIN_SECRET_LEN, Requirement, Scheme, SchemeKind, Secret, SigV4Scheme, Signing,
    Template, TemplateScheme, TimeField, TokenPlace, Variable, Variables, client_sets, digest,
};
use secure_link_directives::{
    Algorithms, Credential, LimitSetting, Measure, RingKeys, Rule, SchemeSetting, misfit,
    numbered_group,
};

use crate::config::find_zone;
use crate::ffi::{Conf, Failed, Position, VariableOrigin};
use crate::findings::{Faults, too_short};
use crate::limit::Limit;
use crate::settings::{Located, SecretSource, Settings};

/// Makes the parts of a policy of settings, and notes what is to be said of them.
pub struct Compiler<'s, 'c, 'p> {
    conf: &'p mut Conf<'c>,
    settings: &'s Settings,
    /// The variables of all that was compiled.
    variables: Variables,
    faults: Faults,
}

/// The engine's scheme, if nothing that it needs is missing, and what goes with it.
pub struct Compiled {
    pub scheme: Option<Scheme>,
    /// How tokens are made over the message, if the scheme has one.
    pub signing: Option<Arc<Signing>>,
    /// The ring of the keys, if they are of one.
    pub ring: Option<Arc<Keyring>>,
    /// The arguments that are the credential.
    pub credential_arguments: ArgumentNames,
}

impl<'s, 'c, 'p> Compiler<'s, 'c, 'p> {
    pub fn new(conf: &'p mut Conf<'c>, settings: &'s Settings) -> Self {
        let (variables, faults) = (Variables::default(), Faults::default());
        Compiler { conf, settings, variables, faults }
    }

    /// The variables of what was compiled so far; what follows has its own.
    pub fn take_variables(&mut self) -> (Variables, &Conf<'c>) {
        (std::mem::take(&mut self.variables), self.conf)
    }

    /// What is to be said of the settings.
    pub fn finish(self) -> Faults {
        self.faults
    }

    /// Compiles the scheme.
    pub fn scheme(&mut self) -> Result<Compiled, Failed> {
        let setting = self.settings.scheme.as_ref().map(|scheme| scheme.value.clone());
        match setting.unwrap_or_default() {
            SchemeSetting::Template(time) => self.template(time),
            SchemeSetting::Jwt => {
                let scope = self.settings.scope.as_ref().map(|scope| scope.value);
                self.with_token(SchemeKind::Jwt, |places, keys, own_arguments| {
                    let scope = scope.unwrap_or_default();
                    Scheme::Jwt(JwtScheme { places, keys, scope, own_arguments })
                })
            }
            SchemeSetting::EdgeAuth { salt, escape } => self
                .with_token(SchemeKind::EdgeAuth, |places, keys, _| {
                    Scheme::EdgeAuth(EdgeAuthScheme { places, keys, salt, escape })
                }),
            SchemeSetting::SigV4 { region, service } => self.sigv4(region, service),
        }
    }

    fn template(&mut self, time: TimeField) -> Result<Compiled, Failed> {
        let credentials = self.fields();
        let message = self.message();
        let keys = self.keys(SchemeKind::Template, message.is_some())?;
        let values = credentials.iter().map(Fields::value);
        let credential_arguments =
            ArgumentNames::read_by(values.chain(written_id(&keys)), &self.variables);

        if let Some(at) = self.settings.credential_at() {
            self.judge_completeness(at);
            if let Some(message) = &message {
                self.faults.judge_message(self.conf, message, &self.variables, &credentials, at);
            }
            self.faults.judge_time(time, &credentials, at);
            self.faults.judge_limits(self.settings, &credentials);
        }
        let encoding = self.settings.encoding.as_ref().map(|encoding| encoding.value);
        let ring = ring_of(&keys);
        let signing = message
            .zip(keys)
            .map(|(message, keys)| Arc::new(Signing { message: message.value, keys }));
        let scheme = signing.as_ref().filter(|_| !credentials.is_empty()).map(|signing| {
            Scheme::Template(TemplateScheme {
                credentials,
                signing: Arc::clone(signing),
                encoding: encoding.unwrap_or(secure_link::Encoding::Base64Url),
                time,
            })
        });
        Ok(Compiled { scheme, signing, ring, credential_arguments })
    }

    /// Compiles a scheme whose credential is a token that a client brings as a whole.
    fn with_token(
        &mut self,
        kind: SchemeKind,
        scheme: impl FnOnce(Vec<TokenPlace>, Keys, ArgumentNames) -> Scheme,
    ) -> Result<Compiled, Failed> {
        let places = self.token_places(kind);
        let at = self.settings.credential_at();
        let keys = self.keys(kind, at.is_some())?;
        let own_arguments =
            ArgumentNames::read_by(places.iter().map(TokenPlace::value), &self.variables);
        let values = places.iter().map(TokenPlace::value);
        let credential_arguments =
            ArgumentNames::read_by(values.chain(written_id(&keys)), &self.variables);
        if let Some(at) = at {
            self.judge_completeness(at);
            self.faults.judge_limits(self.settings, &[]);
        }
        let ring = ring_of(&keys);
        let keys = keys.filter(|_| !places.is_empty());
        let scheme = keys.map(|keys| scheme(places, keys, own_arguments));
        Ok(Compiled { scheme, signing: None, ring, credential_arguments })
    }

    fn sigv4(
        &mut self,
        region: Option<Box<[u8]>>,
        service: Option<Box<[u8]>>,
    ) -> Result<Compiled, Failed> {
        let at = self.settings.credential_at();
        let keys = self.keys(SchemeKind::SigV4, at.is_some())?;
        let mut credential_arguments = ArgumentNames::read_by(written_id(&keys), &self.variables);
        SigV4Scheme::add_arguments(&mut credential_arguments);
        if let Some(at) = at {
            self.judge_completeness(at);
            self.faults.judge_limits(self.settings, &[]);
        }
        let ring = ring_of(&keys);
        let scheme = keys
            .filter(|_| at.is_some())
            .map(|keys| Scheme::SigV4(SigV4Scheme { keys, region, service }));
        Ok(Compiled { scheme, signing: None, ring, credential_arguments })
    }

    /// Compiles a message that stands beside another scheme than its own, and serves only to make
    /// tokens. The keys of a ring do not: its scheme is the other one. Nor do secrets that are
    /// meant for the other scheme, since the message was written elsewhere.
    pub fn signing_beside(&mut self) -> Result<Option<Arc<Signing>>, Failed> {
        if self.settings.keys.is_some() || self.settings.message_is_foreign {
            return Ok(None);
        }
        let message = self.message();
        let keys = self.keys(SchemeKind::Template, true)?;
        let signing = message.zip(keys);
        Ok(signing.map(|(message, keys)| Arc::new(Signing { message: message.value, keys })))
    }

    /// Notes the first of several texts that has `$1` to `$9`.
    fn judge_groups<'t>(
        &mut self,
        directive: &str,
        at: &Position,
        mut texts: impl Iterator<Item = &'t [u8]>,
    ) {
        if let Some(text) = texts.find_map(numbered_group) {
            self.faults.heavy(at, format!("\"{directive}\" {text}"));
        }
    }

    /// The claims that links must have.
    pub fn requirements(&mut self) -> Vec<Requirement> {
        if let Some(Located { value: claims, at }) = &self.settings.require {
            let texts = claims.iter().map(|(_, text)| &**text);
            self.judge_groups("secure_link_hmac_require", at, texts);
        }
        let claims = self.settings.require.iter().flat_map(|require| &require.value);
        let variables = &mut self.variables;
        claims
            .map(|(name, value)| Requirement {
                name: name.clone(),
                // The setter has compiled it once, so that it cannot fail; an empty value is
                // that of no link.
                value: Template::parse(value, variables).unwrap_or_default(),
            })
            .collect()
    }

    /// Finds the zones of the limits.
    pub fn limits(&mut self) -> Result<Vec<Limit>, Failed> {
        let leeway = self.settings.leeway.as_ref().map_or(0, |leeway| leeway.value);
        let limits = self.settings.limits.iter().flatten();
        limits
            .map(|Located { value: LimitSetting { zone, rule }, at }| {
                let zone = find_zone(self.conf, "secure_link_hmac_limit", zone, at)?;
                zone.limit(leeway);
                if let Rule::Quota { measure: Measure::Bytes, .. } = rule {
                    self.conf.main()?.used.logs = true;
                }
                Ok(Limit { zone, rule: *rule })
            })
            .collect()
    }

    fn judge_completeness(&mut self, at: &Position) {
        self.faults.judge_completeness(self.settings, at);
    }

    /// The texts in which a credential is, if there is one.
    fn values(&self) -> (&'s [Box<[u8]>], Option<&'s Position>) {
        match &self.settings.credential {
            Some(Located { value: Credential::Values(texts), at }) => (texts, Some(at)),
            _ => (&[], None),
        }
    }

    /// Compiles the values of a credential that has fields.
    fn fields(&mut self) -> Vec<Fields> {
        let (texts, Some(at)) = self.values() else { return Vec::new() };
        self.judge_groups("secure_link_hmac", at, texts.iter().map(|text| &**text));
        let mut credentials = Vec::new();
        for text in texts {
            match Fields::parse(text, &mut self.variables) {
                Ok(_) if text.is_empty() => {
                    self.faults.empty_value(at, "$arg_st,$arg_ts,$arg_e");
                }
                Ok(fields) => credentials.push(fields),
                Err(error @ (FieldsError::TooMany | FieldsError::Template(_))) => {
                    self.faults.heavy(
                        at,
                        format!(
                            "\"secure_link_hmac\" cannot read \"{}\": {error}",
                            text.escape_ascii()
                        ),
                    );
                }
            }
        }
        credentials
    }

    /// Compiles the values of a credential that is one token.
    fn token_places(&mut self, kind: SchemeKind) -> Vec<TokenPlace> {
        let (texts, Some(at)) = self.values() else { return Vec::new() };
        self.judge_groups("secure_link_hmac", at, texts.iter().map(|text| &**text));
        let mut places = Vec::new();
        for text in texts {
            if text.is_empty() {
                self.faults.empty_value(at, "$arg_token");
            } else if text.contains(&b',') {
                self.faults.heavy(
                    at,
                    format!(
                        "\"secure_link_hmac\" has the fields \"{}\", but a credential of the \
                         scheme \"{}\" is one token: write only where that is",
                        text.escape_ascii(),
                        kind.name()
                    ),
                );
            } else if let Ok(value) = Template::parse(text, &mut self.variables) {
                places.push(TokenPlace::new(value, &self.variables));
            }
        }
        places
    }

    fn message(&mut self) -> Option<Located<Template>> {
        let Located { value: text, at } = self.settings.message.as_ref()?;
        self.judge_groups("secure_link_hmac_message", at, [&**text].into_iter());
        // The setter has compiled it once, so that it cannot fail; if it did there would be no message.
        let value = Template::parse(text, &mut self.variables).ok()?;
        Some(Located { value, at: at.clone() })
    }

    /// The algorithm; `None` if its name is unknown.
    fn algorithm(&mut self, kind: SchemeKind) -> Result<Option<Algorithm>, Failed> {
        let Some(Located { value, at }) = &self.settings.algorithm else {
            return Ok(Some(Algorithm::Sha256));
        };
        match value.of(kind) {
            Ok(algorithm) => Ok(Some(algorithm)),
            Err(text) if matches!(value, Algorithms::Unknown(_)) => {
                self.faults.heavy(at, text);
                Ok(None)
            }
            Err(text) => Err(self.conf.error(at, text)),
        }
    }

    /// The keys of a scheme, which are for nothing unless they are `used`; `None` if there is
    /// none.
    fn keys(&mut self, kind: SchemeKind, used: bool) -> Result<Option<Keys>, Failed> {
        let algorithm = self.algorithm(kind)?;
        let is_known = algorithm.is_some();
        // Secrets are looked at even if nothing can be keyed with them.
        let algorithm = algorithm.unwrap_or(Algorithm::Sha256);
        let keys = match &self.settings.keys {
            Some(keys) => Some(self.ring_keys(keys, kind, algorithm, used)?),
            None => {
                let secrets = self.secrets(kind, algorithm, used)?;
                (!secrets.is_empty()).then_some(Keys::Secrets(secrets))
            }
        };
        Ok(keys.filter(|_| is_known))
    }

    fn ring_keys(
        &mut self,
        Located { value: keys, at }: &Located<RingKeys>,
        kind: SchemeKind,
        algorithm: Algorithm,
        used: bool,
    ) -> Result<Keys, Failed> {
        let name = keys.ring.escape_ascii();
        let main = self.conf.main()?;
        let Some(ring) = main.rings.iter_mut().find(|ring| ring.name == keys.ring) else {
            return Err(self.conf.error(
                at,
                format_args!(
                    "\"secure_link_hmac_keys\" names an unknown ring \"{name}\": add a \
                     \"secure_link_hmac_keyring\" of that name to \"http\""
                ),
            ));
        };
        for (at, len) in ring.short_secrets() {
            self.faults.heavy(at, too_short("\"secure_link_hmac_keyring\" has a secret that", len));
        }
        if used {
            let is_new = match ring.serve(kind, at) {
                Ok(is_new) => is_new,
                Err((served, served_at)) => {
                    let text = format!(
                        "\"secure_link_hmac_keys\" uses the ring \"{name}\" for the scheme \
                         \"{}\", but it serves \"{}\" (in {served_at}), whose messages could be \
                         credentials here: give each scheme a ring of its own",
                        kind.name(),
                        served.name()
                    );
                    return Err(self.conf.error(at, text));
                }
            };
            if let Some((at, id, algorithm)) = ring.misfit(kind) {
                let text = misfit(id, algorithm, kind);
                let text = format!("\"secure_link_hmac_keyring\" {text}");
                let at = at.clone();
                return Err(self.conf.error(&at, text));
            }
            if is_new {
                for (at, digest) in ring.digests() {
                    let served = *main.secret_uses.entry(digest).or_insert(kind);
                    if served != kind {
                        self.faults.shared_secret("\"secure_link_hmac_keyring\"", at, kind, served);
                    }
                }
            }
        }
        let ring = match ring.keyring(kind, algorithm) {
            Ok(ring) => ring,
            Err(error) => {
                return Err(self
                    .conf
                    .error(at, format_args!("\"secure_link_hmac_keys\": {error}")));
            }
        };
        if keys.id.is_none() && !kind.names_key() && ring.len() > MAX_KEYS_TRIED {
            return Err(self.conf.error(
                at,
                format_args!(
                    "\"secure_link_hmac_keys\" has a ring of {} keys and no id, but at most \
                     {MAX_KEYS_TRIED} keys are tried in turn: write where the id is, for example \
                     \"secure_link_hmac_keys {name} $arg_key\"",
                    ring.len(),
                ),
            ));
        }
        self.judge_groups("secure_link_hmac_keys", at, keys.id.iter().map(|id| &**id));
        // The setter has compiled it once, so that it cannot fail.
        let id = keys.id.as_ref();
        let id = id.map(|id| Template::parse(id, &mut self.variables).unwrap_or_default());
        Ok(Keys::Ring { ring, id })
    }

    /// Keys the secrets. An empty one is left out: it would verify what anyone can sign.
    fn secrets(
        &mut self,
        kind: SchemeKind,
        algorithm: Algorithm,
        used: bool,
    ) -> Result<Vec<Secret>, Failed> {
        let prefix = kind.key_prefix();
        let mut secrets = Vec::new();
        for Located { value, at } in self.settings.secrets.iter().flatten() {
            match value {
                SecretSource::Kept(kept) => {
                    let main = self.conf.main()?;
                    let secret = main.secrets.get(*kept).ok_or(Failed)?;
                    let len = secret.len();
                    if len > 0 {
                        let key = Key::prefixed(algorithm, prefix, secret);
                        secrets.push(Secret::Fixed(Box::new(key)));
                    }
                    if len < MIN_SECRET_LEN {
                        self.faults.heavy(at, too_short("\"secure_link_hmac_secret\"", len));
                    }
                    if used {
                        let digest = digest([secret.as_slice()].into_iter());
                        let served = *main.secret_uses.entry(digest).or_insert(kind);
                        if served != kind {
                            let subject = "\"secure_link_hmac_secret\"";
                            self.faults.shared_secret(subject, at, kind, served);
                        }
                    }
                }
                SecretSource::Variables(text) => {
                    self.judge_variables_of_secret(text, at)?;
                    let template = Template::parse(text, &mut self.variables).unwrap_or_default();
                    secrets.push(Secret::PerRequest { template, algorithm, prefix });
                }
            }
        }
        Ok(secrets)
    }

    fn judge_variables_of_secret(&mut self, text: &[u8], at: &Position) -> Result<(), Failed> {
        let mut own = Variables::default();
        let _ = Template::parse(text, &mut own);
        // nginx would name it in its error, and it may be a part of a secret.
        let is_unknown = |variable: &Variable| match variable {
            Variable::Named(name) => self.conf.variable_origin(name) == VariableOrigin::Unknown,
            Variable::Capture(_) => false,
        };
        if own.as_slice().iter().any(is_unknown) {
            return Err(self.conf.error(
                at,
                "\"secure_link_hmac_secret\" has a \"$\" that begins no variable: put a secret \
                 with that character into a file, and write \"file:\"",
            ));
        }
        match own.as_slice().iter().find(|variable| client_sets(variable)) {
            Some(variable) => self.faults.heavy(
                at,
                format!(
                    "\"secure_link_hmac_secret\" uses \"{variable}\", which a client sets: choose \
                     the secret by \"map\", or use \"file:\""
                ),
            ),
            None if numbered_group(text).is_some() => {
                self.judge_groups("secure_link_hmac_secret", at, [text].into_iter());
            }
            None => self.faults.light(
                at,
                "\"secure_link_hmac_secret\" has variables, which nginx's debug log shows: use \
                 \"file:\" where a secret need not differ by request"
                    .into(),
            ),
        }
        Ok(())
    }
}

/// The id that keys must have, if it is written.
fn written_id(keys: &Option<Keys>) -> impl Iterator<Item = &Template> {
    let id = match keys {
        Some(Keys::Ring { id, .. }) => id.as_ref(),
        _ => None,
    };
    id.into_iter()
}

fn ring_of(keys: &Option<Keys>) -> Option<Arc<Keyring>> {
    match keys {
        Some(Keys::Ring { ring, .. }) => Some(Arc::clone(ring)),
        _ => None,
    }
}
