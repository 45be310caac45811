//! A policy, a request and a time: all that a check depends on.

use bumpalo::Bump;
use secure_link::{Arena, Check, Mode, Request, SignedText, Verdict, signed_texts, verify};

use crate::args::{CheckArgs, PolicyArgs};
use crate::error::Error;
use crate::offer::{Inputs, Offer};
use crate::policy::Compiled;
use crate::secret::{self, Reading, SecretText};
use crate::url::Url;

/// All that a check depends on.
#[derive(Clone)]
pub struct Case {
    pub compiled: Compiled,
    pub offer: Offer,
    pub inputs: Inputs,
    pub now: i64,
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

impl Case {
    /// The case of a command line, and the secrets that it names.
    pub fn of(args: &CheckArgs) -> Result<(Self, Vec<SecretText>), Error> {
        let secrets = secret::secrets(&args.policy.keys)?;
        let offer = Offer::new(&Url::parse(&args.url)?, &args.request);
        let now = args.now.unwrap_or_else(system_time);
        let case = Case::new(&args.policy, &secrets, args.policy.reading(), offer, now)?;
        Ok((case, secrets))
    }

    pub fn new(
        policy: &PolicyArgs,
        secrets: &[SecretText],
        reading: Reading,
        offer: Offer,
        now: i64,
    ) -> Result<Self, Error> {
        let compiled = policy.compile_with(secrets, reading)?;
        let inputs = offer.inputs(&compiled.variables, &policy.set)?;
        Ok(Case { compiled, offer, inputs, now })
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
            mode: Mode::Enforced,
            arena: &memory,
        })
    }

    /// Calls `use_check` with the check, and a way to look up claims.
    pub fn check<R>(
        &self,
        use_check: impl FnOnce(&Check<'_>, &dyn Fn(&str) -> Option<Vec<u8>>) -> R,
    ) -> R {
        self.with_request(|request| {
            let check = verify(&self.compiled.policy, request, self.now);
            let claim = |name: &str| {
                check.claims?.named(name.as_bytes(), request.arena).map(<[u8]>::to_vec)
            };
            use_check(&check, &claim)
        })
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
    pub fn summary(&self) -> Summary {
        self.check(|check, _| {
            let claims = check.claims.unwrap_or_default();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Summary {
                verdict: check.verdict,
                is_authentic: check.claims.is_some(),
                key_id: text(claims.key_id),
                subject: text(claims.subject),
                expires_at: claims.expires_at,
                remaining: claims.expires_at.map(|at| at.saturating_sub(self.now)),
            }
        })
    }
}

/// What is known of a check.
pub struct Summary {
    pub verdict: Verdict,
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
            "status": self.verdict.default_status(),
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
