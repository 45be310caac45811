//! Limits: how often a link is used, and how much a key or subject takes in a period.

use secure_link::Claims;

use crate::policy::Reading;
use crate::refusal::{Refusal, refuse};
use crate::words::{parameter, quote};

/// A limit as it is written.
#[derive(Clone)]
pub struct LimitSetting {
    /// The zone's name.
    pub zone: Box<[u8]>,
    /// What is limited.
    pub rule: Rule,
}

/// What a limit limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The uses of a link.
    Token {
        /// How often it may be used.
        uses: u64,
        /// Further requests of a client within so many seconds of its first counted use are not
        /// counted.
        window: i64,
    },
    /// What a key or subject takes in a period.
    Quota {
        /// What is measured.
        measure: Measure,
        /// How much of it.
        amount: u64,
        /// Whose quota it is.
        per: Per,
        /// The period, in seconds.
        period: i64,
    },
}

/// What a quota measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Requests.
    Uses,
    /// Bytes sent.
    Bytes,
}

/// Whose quota it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// A key's.
    Key,
    /// A subject's: always the pair of key and subject.
    Subject,
}

impl Rule {
    /// The uses, or bytes, that it lets pass.
    pub fn amount(self) -> u64 {
        match self {
            Rule::Token { uses: amount, .. } | Rule::Quota { amount, .. } => amount,
        }
    }

    /// Whether an authentic link says what is needed to count it.
    pub fn can_limit(self, claims: &Claims<'_>) -> bool {
        match self {
            Rule::Token { .. } => claims.expires_at.is_some(),
            Rule::Quota { per, .. } => per == Per::Key || !claims.subject.is_empty(),
        }
    }
}

impl LimitSetting {
    /// Whether two limits count the same thing.
    pub(crate) fn is_like(&self, other: &LimitSetting) -> bool {
        self.zone == other.zone
            && match (self.rule, other.rule) {
                (Rule::Token { .. }, Rule::Token { .. }) => true,
                (
                    Rule::Quota { measure, per, period, .. },
                    Rule::Quota {
                        measure: other_measure,
                        per: other_per,
                        period: other_period,
                        ..
                    },
                ) => measure == other_measure && per == other_per && period == other_period,
                _ => false,
            }
    }
}

/// Reads `zone uses=n|bytes=size [per=...] [window=...|period=...]`.
pub(crate) fn read_limit<'w>(reading: &impl Reading<'w>) -> Result<LimitSetting, Refusal> {
    const FORMS: &str = "write \"uses=1\", \"uses=100 per=key period=1d\" or \
                         \"bytes=10g per=subject period=1d\"";
    let mut uses = None;
    let mut bytes = None;
    let mut per = None;
    let mut window = None;
    let mut period = None;
    let [zone, parameters @ ..] = reading.arguments() else {
        return refuse("has a wrong number of arguments");
    };
    for word in parameters {
        let (name, value) = parameter(word);
        let wrong = || refuse(format!("has an invalid parameter {}: {FORMS}", quote(word)));
        // Digits only: what `parse` accepts beside them is a sign.
        let is_number = value.iter().all(u8::is_ascii_digit);
        let number = || {
            let text = str::from_utf8(value).ok().filter(|_| is_number);
            text.and_then(|text| text.parse::<u64>().ok())
        };
        let is_new = match name {
            b"uses=" => match number() {
                Some(number) if number > 0 => uses.replace(number).is_none(),
                _ => return wrong(),
            },
            b"bytes=" => match reading.bytes(value) {
                Some(number) if number > 0 => bytes.replace(number).is_none(),
                _ => return wrong(),
            },
            b"per=" => match value {
                b"token" => per.replace(None).is_none(),
                b"key" => per.replace(Some(Per::Key)).is_none(),
                b"subject" => per.replace(Some(Per::Subject)).is_none(),
                _ => return wrong(),
            },
            b"window=" | b"period=" => {
                let place = if name == b"window=" { &mut window } else { &mut period };
                match reading.seconds(value) {
                    Some(seconds) if seconds > 0 => place.replace(seconds).is_none(),
                    _ => return wrong(),
                }
            }
            _ => return wrong(),
        };
        if !is_new {
            return refuse(format!("has the parameter {} twice: write it once", quote(name)));
        }
    }
    let rule = match (uses, bytes, per.flatten(), window, period) {
        (Some(uses), None, None, window, None) => Rule::Token { uses, window: window.unwrap_or(0) },
        (Some(amount), None, Some(per), None, Some(period)) => {
            Rule::Quota { measure: Measure::Uses, amount, per, period }
        }
        (None, Some(amount), Some(per), None, Some(period)) => {
            Rule::Quota { measure: Measure::Bytes, amount, per, period }
        }
        _ => return refuse(format!("does not say what is limited: {FORMS}")),
    };
    Ok(LimitSetting { zone: (*zone).into(), rule })
}
