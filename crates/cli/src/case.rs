//! A policy, a request and a time: all that a check depends on.

use bumpalo::Bump;
use secure_link::{
    Algorithm, Arena, Check, Encoding, Mode, Request, Scheme, SchemeKind, SignedText, Template,
    Variable, Variables, Verdict, signed_texts, verify, without_arguments,
};
use secure_link_directives::Rule;

use crate::args::{CheckArgs, PolicyArgs};
use crate::conf;
use crate::error::{Error, usage};
use crate::offer::{Inputs, Offer};
use crate::policy::Compiled;
use crate::settings::Settings;
use crate::url::Url;

/// All that a check depends on.
#[derive(Clone)]
pub struct Case {
    pub compiled: Compiled,
    pub offer: Offer,
    pub inputs: Inputs,
    pub now: i64,
    /// Whether the check is one that decides.
    pub mode: Mode,
    /// What withdraws an authentic link.
    revoke: Vec<Revoking>,
    limits: Vec<Rule>,
    /// The id that the configuration demands of the key, if it does.
    pub written_id: Option<Vec<u8>>,
    /// The algorithm of the key that has it, or of the first one.
    pub algorithm: Algorithm,
}

/// A value that withdraws an authentic link, in parts.
#[derive(Clone)]
struct Revoking {
    template: Template,
    values: Vec<RevokingInput>,
}

/// The value of a variable of it.
#[derive(Clone)]
enum RevokingInput {
    Known(Vec<u8>),
    /// What the check itself finds out, by its name.
    Own(String),
    /// Nobody has said it: the error.
    Unknown(String),
}

/// The memory of a check.
struct Memory(Bump);

impl Arena for Memory {
    fn alloc(&self, len: usize) -> Option<&mut [u8]> {
        Some(self.0.alloc_slice_fill_copy(len, 0))
    }
}

/// The time of the system, unix seconds.
pub fn system_time() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

/// The settings of a command line: those of its flags, or of the location that serves the URL on
/// a host.
pub fn settings(policy: &PolicyArgs, url: &Url, host: &str) -> Result<Settings, Error> {
    match &policy.conf.conf {
        Some(_) if policy.keys.key_format.is_some() && !policy.keys.are_given() => {
            Err(usage("--key-format: the configuration says how its secrets are written"))
        }
        Some(file) => conf::settings(file, policy, url, host),
        None => policy.settings(),
    }
}

impl Case {
    /// The case of a command line, and its settings.
    pub fn of(args: &CheckArgs) -> Result<(Self, Settings), Error> {
        let url = Url::parse(&args.url)?;
        let offer = Offer::new(&url, &args.request);
        let settings = settings(&args.policy, &url, &offer.host)?;
        let keys = &args.policy.keys;
        if args.policy.conf.conf.is_some() && keys.key_id.is_some() && !keys.are_given() {
            return Err(usage("--key-id: the configuration says which keys verify"));
        }
        let now = args.now.unwrap_or_else(system_time);
        let case = Case::new(&settings, offer, now)?;
        // A value that nobody knows matters where it would decide.
        let unknown = case.revoke.iter().flat_map(|value| &value.values).find_map(|value| {
            let RevokingInput::Unknown(error) = value else { return None };
            Some(error.clone())
        });
        match unknown.filter(|_| case.is_authentic()) {
            Some(error) => Err(usage(error)),
            None => Ok((case, settings)),
        }
    }

    pub fn new(settings: &Settings, offer: Offer, now: i64) -> Result<Self, Error> {
        let compiled = settings.compile()?;
        let inputs = offer.inputs(&compiled.variables, &settings.set, &settings.origin)?;
        let revoke = settings.revoke.iter().map(|text| Revoking::new(text, &offer, settings));
        let revoke = revoke.collect::<Result<_, _>>()?;
        let written_id = settings.keys.written_id().map(|id| {
            let mut variables = Variables::default();
            let id = Template::parse(id, &mut variables)?;
            let inputs = offer.inputs(&variables, &settings.set, &settings.origin)?.values;
            let inputs: Vec<_> = inputs.iter().map(Vec::as_slice).collect();
            Ok::<_, Error>(id.pieces(&inputs).collect::<Vec<_>>().concat())
        });
        let written_id = written_id.transpose()?;
        let algorithm = settings.algorithm_of(written_id.as_deref());
        let limits = settings.limits.clone();
        let mode = settings.mode;
        Ok(Case { compiled, offer, inputs, now, mode, revoke, limits, written_id, algorithm })
    }

    /// Calls `use_request` with the request.
    pub fn with_request<R>(&self, use_request: impl FnOnce(&Request<'_>) -> R) -> R {
        let memory = Memory(Bump::new());
        let inputs: Vec<_> = self.inputs.values.iter().map(Vec::as_slice).collect();
        use_request(&Request {
            inputs: &inputs,
            repeated_argument: self.inputs.is_unreadable,
            method: self.offer.method.as_bytes(),
            path: &self.offer.path,
            target: self.offer.target.as_bytes(),
            query: self.offer.query.as_bytes(),
            host: self.offer.host.as_bytes(),
            client: &self.offer,
            mode: self.mode,
            arena: &memory,
        })
    }

    /// Calls `use_check` with the check, and a way to look up claims.
    pub fn check<R>(
        &self,
        use_check: impl FnOnce(&Check<'_>, &dyn Fn(&str) -> Option<Vec<u8>>) -> R,
    ) -> R {
        self.with_request(|request| {
            let mut check = verify(&self.compiled.policy, request, self.now);
            let is_revoked = self.revoking_value(&check, request).is_some();
            if is_revoked {
                check.revoke();
            } else if check.verdict == Verdict::Granted && !self.can_be_limited(&check) {
                check.verdict = Verdict::Malformed;
            }
            let claim = |name: &str| {
                check.claims?.named(name.as_bytes(), request.arena).map(<[u8]>::to_vec)
            };
            use_check(&check, &claim)
        })
    }

    /// The value of `secure_link_hmac_revoke` that withdraws an authentic link, and its position.
    fn revoking_value(&self, check: &Check<'_>, request: &Request<'_>) -> Option<(usize, Vec<u8>)> {
        check.claims?;
        let own = |name: &str| self.own_value(check, request, name);
        let mut values = self.revoke.iter().map(|value| value.join(&own)).enumerate();
        values.find(|(_, value)| is_set(value))
    }

    /// The value of a variable of the module inside of a check; empty for one that has none there.
    fn own_value(&self, check: &Check<'_>, request: &Request<'_>, name: &str) -> Vec<u8> {
        let claims = check.claims.unwrap_or_default();
        let seconds = |at: Option<i64>| at.map(|at| at.to_string().into_bytes());
        let value = match name {
            "secure_link_hmac" => match check.verdict {
                Verdict::Granted => b"1".into(),
                Verdict::Expired => b"0".into(),
                _ => Vec::new(),
            },
            "secure_link_hmac_status" => check.verdict.word().into(),
            "secure_link_hmac_key_id" => claims.key_id.into(),
            "secure_link_hmac_subject" => claims.subject.into(),
            "secure_link_hmac_expires" => check.lifetime.into(),
            "secure_link_hmac_expires_at" => seconds(claims.expires_at).unwrap_or_default(),
            "secure_link_hmac_remaining" => {
                let remaining = claims.expires_at.map(|at| at.saturating_sub(self.now));
                seconds(remaining).unwrap_or_default()
            }
            "secure_link_hmac_args" => {
                let names = self.compiled.credential_arguments();
                without_arguments(request.query, &names).collect::<Vec<_>>().join(&b'&')
            }
            "secure_link_hmac_token" => self.new_token(request),
            _ => {
                let name = name.strip_prefix("secure_link_hmac_claim_");
                let claim = name.and_then(|name| claims.named(name.as_bytes(), request.arena));
                claim.unwrap_or_default().into()
            }
        };
        // None of the module's variables has a control byte.
        if value.iter().any(u8::is_ascii_control) { Vec::new() } else { value }
    }

    /// The token that nginx makes of the message.
    fn new_token(&self, request: &Request<'_>) -> Vec<u8> {
        let Scheme::Template(scheme) = &self.compiled.policy.scheme else { return Vec::new() };
        let request = Request { mode: Mode::Advisory, ..*request };
        let tag = scheme.signing.sign(&request, self.now);
        let mut text = [0; Encoding::MAX_LEN];
        tag.map(|tag| scheme.encoding.encode(&tag, &mut text).to_vec()).unwrap_or_default()
    }

    /// Whether a link says what its limits need.
    fn can_be_limited(&self, check: &Check<'_>) -> bool {
        let claims = check.claims.unwrap_or_default();
        self.mode != Mode::Enforced || self.limits.iter().all(|rule| rule.can_limit(&claims))
    }

    /// The value that withdraws the link, and its position in `secure_link_hmac_revoke`.
    pub fn revoked_by(&self) -> Option<(usize, Vec<u8>)> {
        self.with_request(|request| {
            let check = verify(&self.compiled.policy, request, self.now);
            self.revoking_value(&check, request)
        })
    }

    /// The same case in which nothing is limited.
    pub fn unlimited(&self) -> Self {
        Case { limits: Vec::new(), ..self.clone() }
    }

    pub fn verdict(&self) -> Verdict {
        self.check(|check, _| check.verdict)
    }

    pub fn is_authentic(&self) -> bool {
        self.check(|check, _| check.claims.is_some())
    }

    /// The texts that the MAC should be of.
    pub fn signed_texts(&self) -> Result<Vec<SignedText>, Verdict> {
        self.with_request(|request| signed_texts(&self.compiled.policy, request))
    }

    /// What is known of a check.
    pub fn summary(&self, settings: &Settings) -> Summary {
        self.check(|check, _| {
            let claims = check.claims.unwrap_or_default();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Summary {
                verdict: check.verdict,
                status: settings.origin.status(check.verdict),
                is_authentic: check.claims.is_some(),
                key_id: text(claims.key_id),
                subject: text(claims.subject),
                expires_at: claims.expires_at,
                remaining: claims.expires_at.map(|at| at.saturating_sub(self.now)),
            }
        })
    }
}

impl Revoking {
    fn new(text: &[u8], offer: &Offer, settings: &Settings) -> Result<Self, Error> {
        let mut variables = Variables::default();
        let template = Template::parse(text, &mut variables)?;
        // Of a message beside another scheme, nginx makes a token that is not made here.
        let makes_token =
            !settings.message.is_empty() && settings.scheme.kind() != SchemeKind::Template;
        let is_own = |name: &str| {
            let is_said = settings.set.iter().any(|(set, _)| set.eq_ignore_ascii_case(name));
            let is_unknown = name == "secure_link_hmac_token" && makes_token;
            name.starts_with("secure_link_hmac")
                && !is_said
                && !is_unknown
                && settings.origin.definition(name).is_none()
        };
        let value = |variable: &Variable| match variable {
            Variable::Named(name) if is_own(name) => RevokingInput::Own(name.to_string()),
            _ => match offer.input(variable, &settings.set, &settings.origin) {
                Ok(value) => RevokingInput::Known(value),
                Err(error) => RevokingInput::Unknown(error.to_string()),
            },
        };
        Ok(Revoking { template, values: variables.as_slice().iter().map(value).collect() })
    }

    /// The value, with what the check itself says.
    fn join(&self, own: &dyn Fn(&str) -> Vec<u8>) -> Vec<u8> {
        let values = self.values.iter().map(|value| match value {
            RevokingInput::Known(value) => value.clone(),
            RevokingInput::Own(name) => own(name),
            RevokingInput::Unknown(_) => Vec::new(),
        });
        let values: Vec<_> = values.collect();
        let inputs: Vec<_> = values.iter().map(Vec::as_slice).collect();
        self.template.pieces(&inputs).collect::<Vec<_>>().concat()
    }
}

/// Whether a value is one that nginx takes for true.
fn is_set(value: &[u8]) -> bool {
    !value.is_empty() && value != b"0"
}

/// What is known of a check.
pub struct Summary {
    pub verdict: Verdict,
    /// The status with which nginx refuses it.
    pub status: Option<u16>,
    pub is_authentic: bool,
    pub key_id: String,
    pub subject: String,
    pub expires_at: Option<i64>,
    pub remaining: Option<i64>,
}

impl Summary {
    /// The same as JSON.
    pub fn json(&self) -> serde_json::Map<String, serde_json::Value> {
        let fields = serde_json::json!({
            "verdict": self.verdict.word(),
            "status": self.status,
            "authentic": self.is_authentic,
            "key_id": self.key_id,
            "subject": self.subject,
            "expires_at": self.expires_at,
            "remaining": self.remaining,
        });
        match fields {
            serde_json::Value::Object(map) => map,
            _ => serde_json::Map::new(),
        }
    }
}
