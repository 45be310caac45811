//! A policy as the module uses it: the engine's, and where its inputs come from.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use secure_link::{
    Algorithm, ArgumentNames, Encoding, Fields, FieldsError, Key, Keys, MAX_KEYS_TRIED,
    MIN_SECRET_LEN, Policy, Scheme, Secret, Signing, Template, TemplateScheme, Variable, Variables,
    client_sets, names_the_path, read_arguments,
};

use crate::config::{Algorithms, Credential, Located, SecretSource, Settings, find_zone};
use crate::ffi::{
    Block, Complex, Conf, Failed, NotEvaluated, Position, Request, VariableIndex, VariableOrigin,
};
use crate::findings::{Faults, Finding, too_short};
use crate::limit::{Limit, LimitSetting, Measure, Rule};

/// What one place of the configuration demands of a link. Blocks that set nothing of it share
/// their parent's, and are told apart from others by its address.
pub struct LinkPolicy {
    has_credential: bool,
    /// The engine's policy; `None` if something that it needs is not configured.
    policy: Option<Policy>,
    /// How tokens are made, if there is a message and a secret.
    signing: Option<Arc<Signing>>,
    encoding: Encoding,
    /// Where the value of each variable comes from.
    sources: Vec<Source>,
    /// The arguments that are read, by their position in [`Source::Argument`].
    arguments: ArgumentNames,
    /// The arguments that are the credential.
    credential_arguments: ArgumentNames,
    revoke: Rc<[Complex]>,
    limits: Vec<Limit>,
    faults: Cell<Faults>,
    is_enforced: Cell<bool>,
    is_in_location: Cell<bool>,
}

/// Where the value of a variable comes from.
enum Source {
    /// `$uri`, which nothing can replace.
    Path,
    /// `$host`, in which nginx itself accepts what separates the parts of a message.
    Host(VariableIndex),
    /// `$request_uri`, which has no path in an absolute-form request without one.
    Target(VariableIndex),
    /// `$arg_name`, unless `set` or `map` has put a variable of its own in that place.
    Argument { position: usize, index: VariableIndex },
    /// Any other variable.
    Variable(VariableIndex),
    /// A group of the last regular expression.
    Capture(Complex),
}

impl LinkPolicy {
    /// Makes a policy of settings, together with what is to be said of it.
    pub fn new(conf: &mut Conf<'_>, settings: &Settings, block: &Block) -> Result<Self, Failed> {
        let mut variables = Variables::default();
        let mut faults = Faults::default();

        let (credentials, credential_at) =
            compile_credentials(settings, &mut variables, &mut faults);
        let has_credential = credential_at.is_some();
        let message = settings.message.as_ref().map(|message| Located {
            // The setter has compiled it once, so that it cannot fail.
            value: Template::parse(&message.value, &mut variables).unwrap_or_default(),
            at: message.at.clone(),
        });
        let algorithm = compile_algorithm(settings, &mut faults);
        // Secrets are looked at even if nothing can be keyed with them.
        let keys = compile_keys(
            conf,
            settings,
            algorithm.unwrap_or(Algorithm::Sha256),
            &mut variables,
            &mut faults,
        )?;
        let keys = keys.filter(|_| algorithm.is_some());

        let mut sources = Vec::new();
        let mut arguments = ArgumentNames::default();
        for variable in variables.as_slice() {
            sources.push(Source::new(conf, variable, &mut arguments)?);
        }
        let mut credential_arguments = ArgumentNames::default();
        let id = match &keys {
            Some(Keys::Ring { id, .. }) => id.as_ref(),
            _ => None,
        };
        let fields = credentials.iter().map(Fields::value);
        for at in fields.chain(id).flat_map(Template::inputs) {
            let variable = variables.as_slice().get(at);
            if let Some(name) = variable.and_then(Variable::argument) {
                credential_arguments.insert(name.as_bytes());
            }
        }

        if let Some(at) = &credential_at {
            faults.judge_completeness(settings, at);
            if let Some(message) = &message {
                let names_path = message.value.inputs().any(|at| {
                    variables.as_slice().get(at).is_some_and(names_the_path)
                        || sources.get(at).is_some_and(|source| source.is_one_of(&block.captures))
                });
                faults.judge_message(conf, message, names_path, &variables, &credentials, at);
            }
        }

        let time = settings.scheme.as_ref().map(|scheme| scheme.value).unwrap_or_default();
        if let Some(at) = &credential_at {
            faults.judge_time(time, &credentials, at);
            faults.judge_limits(settings, &credentials);
        }
        let encoding = settings.encoding.as_ref().map_or(Encoding::Base64Url, |e| e.value);
        let signing = message
            .zip(keys)
            .map(|(message, keys)| Arc::new(Signing { message: message.value, keys }));
        let policy = signing.as_ref().filter(|_| !credentials.is_empty()).map(|signing| Policy {
            scheme: Scheme::Template(TemplateScheme {
                credentials,
                signing: Arc::clone(signing),
                encoding,
                time,
            }),
            leeway: settings.leeway.as_ref().map_or(0, |leeway| leeway.value),
            max_lifetime: settings.max_lifetime.as_ref().map_or(0, |lifetime| lifetime.value),
            methods: match &settings.methods {
                Some(methods) => methods.value.clone(),
                None => vec![b"GET".as_slice().into(), b"HEAD".as_slice().into()],
            },
        });

        Ok(LinkPolicy {
            has_credential,
            policy,
            signing,
            encoding,
            sources,
            arguments,
            credential_arguments,
            revoke: settings.revoke.as_ref().map(|revoke| revoke.value.clone()).unwrap_or_default(),
            limits: compile_limits(conf, settings)?,
            faults: Cell::new(faults),
            is_enforced: Cell::new(false),
            is_in_location: Cell::new(false),
        })
    }

    /// Notes that a block uses the policy.
    pub fn note_use(&self, enforced: bool, in_location: bool) {
        self.is_enforced.set(self.is_enforced.get() || enforced);
        self.is_in_location.set(self.is_in_location.get() || in_location);
    }

    /// What is to be said of the policy, once all its uses are noted.
    pub fn take_findings(&self) -> Vec<Finding> {
        self.faults.take().into_findings(self.is_enforced.get(), self.is_in_location.get())
    }

    /// Whether it says where a credential is.
    pub fn has_credential(&self) -> bool {
        self.has_credential
    }

    /// The engine's policy, unless something that it needs is not configured.
    pub fn engine(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    /// How tokens are made, unless there is no message or no secret.
    pub fn signing(&self) -> Option<&Signing> {
        self.signing.as_deref()
    }

    /// The ids of the keys, by their place in the ring; one empty id for secrets without.
    pub fn key_ids(&self) -> Vec<Box<[u8]>> {
        match self.signing().map(|signing| &signing.keys) {
            Some(Keys::Ring { ring, .. }) => ring.ids().map(Box::from).collect(),
            _ => vec![Box::default()],
        }
    }

    /// How tokens are written.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The arguments that are the credential.
    pub fn credential_arguments(&self) -> &ArgumentNames {
        &self.credential_arguments
    }

    /// The values of which any that is not empty and not `0` withdraws an authentic link.
    pub fn revoke(&self) -> &[Complex] {
        &self.revoke
    }

    /// The limits of a granted link.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// The values of the policy's variables for a request, and whether an argument among them
    /// occurs twice.
    pub fn inputs<'r>(&self, request: Request<'r>) -> Result<(&'r [&'r [u8]], bool), NotEvaluated> {
        let no_memory = NotEvaluated;
        let arguments = request.alloc(self.arguments.len(), None).ok_or(no_memory)?;
        let mut unreadable = read_arguments(request.args(), &self.arguments, arguments);
        let inputs = request.alloc(self.sources.len(), [].as_slice()).ok_or(no_memory)?;
        for (input, source) in inputs.iter_mut().zip(&self.sources) {
            *input = match source {
                Source::Path => request.uri(),
                Source::Argument { position, index } if request.is_argument(*index) => {
                    arguments.get(*position).copied().flatten().unwrap_or_default()
                }
                Source::Argument { index, .. } | Source::Variable(index) => {
                    request.variable(*index)?.unwrap_or_default()
                }
                Source::Host(index) => {
                    let host = request.variable(*index)?.unwrap_or_default();
                    unreadable |= host.iter().any(|byte| b"/|&".contains(byte));
                    host
                }
                Source::Target(index) => {
                    let target = request.variable(*index)?.unwrap_or_default();
                    unreadable |= !target.starts_with(b"/");
                    target
                }
                Source::Capture(value) => request.complex(value)?,
            };
        }
        Ok((inputs, unreadable))
    }
}

impl Source {
    fn new(
        conf: &Conf<'_>,
        variable: &Variable,
        arguments: &mut ArgumentNames,
    ) -> Result<Self, Failed> {
        Ok(match variable {
            Variable::Capture(_) => Source::Capture(conf.compile(variable.to_string().as_bytes())?),
            Variable::Named(name) if matches!(&**name, "uri" | "document_uri") => Source::Path,
            Variable::Named(name) => {
                let index = conf.variable_index(name)?;
                match &**name {
                    "host" => return Ok(Source::Host(index)),
                    "request_uri" => return Ok(Source::Target(index)),
                    _ => {}
                }
                match variable.argument() {
                    Some(name) => {
                        Source::Argument { position: arguments.insert(name.as_bytes()), index }
                    }
                    None => Source::Variable(index),
                }
            }
        })
    }

    fn is_one_of(&self, variables: &[VariableIndex]) -> bool {
        matches!(self, Source::Variable(index) if variables.contains(index))
    }
}

/// Compiles the values of a credential; the position is `None` if there is none.
fn compile_credentials(
    settings: &Settings,
    variables: &mut Variables,
    faults: &mut Faults,
) -> (Vec<Fields>, Option<Position>) {
    let Some(Located { value: Credential::Values(texts), at }) = &settings.credential else {
        return (Vec::new(), None);
    };
    let mut credentials = Vec::new();
    for text in texts {
        match Fields::parse(text, variables) {
            Ok(_) if text.is_empty() => faults.heavy(
                at,
                "\"secure_link_hmac\" has an empty value, which no link can match: write \
                 \"$arg_st,$arg_ts,$arg_e\" or \"off\""
                    .into(),
            ),
            Ok(fields) => credentials.push(fields),
            Err(error @ (FieldsError::TooMany | FieldsError::Template(_))) => faults.heavy(
                at,
                format!("\"secure_link_hmac\" cannot read \"{}\": {error}", text.escape_ascii()),
            ),
        }
    }
    (credentials, Some(at.clone()))
}

/// The algorithm; `None` if its name is unknown.
fn compile_algorithm(settings: &Settings, faults: &mut Faults) -> Option<Algorithm> {
    match &settings.algorithm {
        None => Some(Algorithm::Sha256),
        Some(Located { value: Algorithms::Known(algorithm), .. }) => Some(*algorithm),
        Some(Located { value: Algorithms::Unknown(name), at }) => {
            let known: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
            faults.heavy(
                at,
                format!(
                    "\"secure_link_hmac_algorithm\" has an unknown algorithm {name}: write one \
                     of {}",
                    known.join(", ")
                ),
            );
            None
        }
    }
}

/// The keys that may verify; `None` if there is none.
fn compile_keys(
    conf: &mut Conf<'_>,
    settings: &Settings,
    algorithm: Algorithm,
    variables: &mut Variables,
    faults: &mut Faults,
) -> Result<Option<Keys>, Failed> {
    let Some(Located { value: keys, at }) = &settings.keys else {
        let secrets = compile_secrets(conf, settings, algorithm, variables, faults)?;
        return Ok((!secrets.is_empty()).then_some(Keys::Secrets(secrets)));
    };
    let Some(ring) = conf.main()?.rings.iter_mut().find(|ring| ring.name == keys.ring) else {
        return Err(conf.error(
            at,
            format_args!(
                "\"secure_link_hmac_keys\" names an unknown ring \"{}\": add a \
                 \"secure_link_hmac_keyring\" of that name to \"http\"",
                keys.ring.escape_ascii()
            ),
        ));
    };
    for (at, len) in ring.short_secrets() {
        faults.heavy(at, too_short("\"secure_link_hmac_keyring\" has a secret that", len));
    }
    let made = ring.keyring(algorithm);
    let ring = match made {
        Ok(ring) => ring,
        Err(error) => {
            return Err(conf.error(at, format_args!("\"secure_link_hmac_keys\": {error}")));
        }
    };
    if keys.id.is_none() && ring.len() > MAX_KEYS_TRIED {
        return Err(conf.error(
            at,
            format_args!(
                "\"secure_link_hmac_keys\" has a ring of {} keys and no id, but at most \
                 {MAX_KEYS_TRIED} keys are tried in turn: write where the id is, for example \
                 \"secure_link_hmac_keys {} $arg_key\"",
                ring.len(),
                keys.ring.escape_ascii()
            ),
        ));
    }
    // The setter has compiled it once, so that it cannot fail.
    let id = keys.id.as_ref().map(|id| Template::parse(id, variables).unwrap_or_default());
    Ok(Some(Keys::Ring { ring, id }))
}

/// Finds the zones of the limits.
fn compile_limits(conf: &mut Conf<'_>, settings: &Settings) -> Result<Vec<Limit>, Failed> {
    let leeway = settings.leeway.as_ref().map_or(0, |leeway| leeway.value);
    let limits = settings.limits.iter().flatten();
    limits
        .map(|Located { value: LimitSetting { zone, rule }, at }| {
            let zone = find_zone(conf, "secure_link_hmac_limit", zone, at)?;
            zone.limit(leeway);
            if let Rule::Quota { measure: Measure::Bytes, .. } = rule {
                conf.main()?.used.logs = true;
            }
            Ok(Limit { zone, rule: *rule })
        })
        .collect()
}

/// Keys the secrets. An empty one is left out: it would verify what anyone can sign.
fn compile_secrets(
    conf: &mut Conf<'_>,
    settings: &Settings,
    algorithm: Algorithm,
    variables: &mut Variables,
    faults: &mut Faults,
) -> Result<Vec<Secret>, Failed> {
    let mut secrets = Vec::new();
    for Located { value, at } in settings.secrets.iter().flatten() {
        match value {
            SecretSource::Kept(kept) => {
                let secret = conf.main()?.secrets.get(*kept).ok_or(Failed)?;
                let len = secret.len();
                if len > 0 {
                    secrets.push(Secret::Fixed(Box::new(Key::new(algorithm, secret))));
                }
                if len < MIN_SECRET_LEN {
                    faults.heavy(at, too_short("\"secure_link_hmac_secret\"", len));
                }
            }
            SecretSource::Variables(text) => {
                let mut own = Variables::default();
                let _ = Template::parse(text, &mut own);
                // nginx would name it in its error, and it may be a part of a secret.
                let is_unknown = |variable: &Variable| match variable {
                    Variable::Named(name) => conf.variable_origin(name) == VariableOrigin::Unknown,
                    Variable::Capture(_) => false,
                };
                if own.as_slice().iter().any(is_unknown) {
                    return Err(conf.error(
                        at,
                        "\"secure_link_hmac_secret\" has a \"$\" that begins no variable: put a \
                         secret with that character into a file, and write \"file:\"",
                    ));
                }
                match own.as_slice().iter().find(|variable| client_sets(variable)) {
                    Some(variable) => faults.heavy(
                        at,
                        format!(
                            "\"secure_link_hmac_secret\" uses \"{variable}\", which a client \
                             sets: choose the secret by \"map\", or use \"file:\""
                        ),
                    ),
                    None => faults.light(
                        at,
                        "\"secure_link_hmac_secret\" has variables, which nginx's debug log \
                         shows: use \"file:\" where a secret need not differ by request"
                            .into(),
                    ),
                }
                let template = Template::parse(text, variables).unwrap_or_default();
                secrets.push(Secret::PerRequest(template, algorithm));
            }
        }
    }
    Ok(secrets)
}
