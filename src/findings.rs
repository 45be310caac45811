//! What `nginx -t` says of a policy.

use secure_link::{
    Ambiguity, Fields, MIN_SECRET_LEN, Misreading, SchemeKind, Template, TimeField, Variable,
    Variables, names_the_path, unsigned_variable,
};
use secure_link_directives::{Enforce, LimitSetting, Per, Rule};

use crate::ffi::{Conf, Position, VariableIndex, VariableOrigin};
use crate::settings::{Located, Settings};

/// Something to be said of the configuration.
pub struct Finding {
    /// Whether nginx may start.
    pub severity: Severity,
    /// The directive.
    pub at: Position,
    /// What is wrong and what to do.
    pub text: String,
}

/// Whether nginx may start with a mistake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It may.
    Warning,
    /// It may not.
    Error,
}

/// A mistake in a policy, whose weight depends on how the policy is used.
struct Fault {
    weight: Weight,
    at: Position,
    text: String,
}

#[derive(Clone, PartialEq, Eq)]
enum Weight {
    /// A warning in any case.
    Light,
    /// A warning, unless the regular expression of each location that uses the policy sets one of
    /// these variables.
    Pathless(Vec<VariableIndex>),
    /// An error where the policy is enforced, else a warning.
    Heavy,
    /// The same, but a block that is only inherited from need not be complete.
    Incomplete,
}

/// A block that has a policy.
pub struct Use {
    /// Whether the check decides there.
    pub enforce: Enforce,
    /// Whether it is a location.
    pub in_location: bool,
    /// The variables that its regular expression sets.
    pub captures: Vec<VariableIndex>,
}

/// Whether the path decides, by one of some groups, wherever a policy is used: where it is checked, or
/// else in all locations, of which any may read the variables.
fn names_path(groups: &[VariableIndex], uses: &[Use]) -> bool {
    let is_checked = |block: &&Use| block.enforce != Enforce::Off;
    let mut used: Vec<_> = uses.iter().filter(is_checked).collect();
    if used.is_empty() {
        used = uses.iter().filter(|block| block.in_location).collect();
    }
    let has_group = |block: &&Use| groups.iter().any(|group| block.captures.contains(group));
    !used.is_empty() && used.iter().all(has_group)
}

/// What to say of a secret that is too short for an enforced check.
pub fn too_short(subject: &str, len: usize) -> String {
    let fault = if len == 0 { "empty".into() } else { format!("only {len} bytes long") };
    format!(
        "{subject} is {fault}: use at least {MIN_SECRET_LEN} random bytes, such as \
         \"openssl rand -hex 32\" prints"
    )
}

/// The mistakes in a policy.
#[derive(Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// What is to be said of a policy that is used so.
    pub fn into_findings(self, uses: &[Use]) -> Vec<Finding> {
        let enforced = uses.iter().any(|block| block.enforce == Enforce::On);
        let in_location = uses.iter().any(|block| block.in_location);
        let matters = |fault: &Fault| match &fault.weight {
            Weight::Light | Weight::Heavy => true,
            Weight::Pathless(groups) => !names_path(groups, uses),
            Weight::Incomplete => enforced || in_location,
        };
        let faults = self.0.into_iter().filter(matters);
        faults
            .map(|fault| Finding {
                severity: match fault.weight {
                    Weight::Heavy | Weight::Incomplete if enforced => Severity::Error,
                    _ => Severity::Warning,
                },
                at: fault.at,
                text: fault.text,
            })
            .collect()
    }

    fn add(&mut self, weight: Weight, at: &Position, text: String) {
        self.0.push(Fault { weight, at: at.clone(), text });
    }

    /// Notes what is an error where the policy is enforced, else a warning.
    pub fn heavy(&mut self, at: &Position, text: String) {
        self.add(Weight::Heavy, at, text);
    }

    /// Notes what is a warning in any case.
    pub fn light(&mut self, at: &Position, text: String) {
        self.add(Weight::Light, at, text);
    }

    /// Notes a value of a credential that is empty; `example` is one that is not.
    pub fn empty_value(&mut self, at: &Position, example: &str) {
        self.heavy(
            at,
            format!(
                "\"secure_link_hmac\" has an empty value, which no link can match: write \
                 \"{example}\" or \"off\""
            ),
        );
    }

    /// Notes a secret that two schemes share.
    pub fn shared_secret(
        &mut self,
        subject: &str,
        at: &Position,
        kind: SchemeKind,
        other: SchemeKind,
    ) {
        self.light(
            at,
            format!(
                "{subject} has a secret that signs links of the scheme \"{}\" and of the scheme \
                 \"{}\", so that a message of one could be a credential of the other: use two \
                 secrets",
                kind.name(),
                other.name()
            ),
        );
    }

    /// Notes what is missing beside a credential.
    pub fn judge_completeness(&mut self, settings: &Settings, at: &Position) {
        if settings.message.is_none() && settings.kind() == SchemeKind::Template {
            self.add(
                Weight::Incomplete,
                at,
                "\"secure_link_hmac\" has no \"secure_link_hmac_message\": say what is signed, \
                 for example \"$uri|$arg_ts|$arg_e\""
                    .into(),
            );
        }
        if settings.secrets.is_none() && settings.keys.is_none() {
            self.add(
                Weight::Incomplete,
                at,
                match settings.kind() {
                    // It has no other directive.
                    SchemeKind::SigV4 => {
                        "\"secure_link_hmac_scheme\" has no key: add \"secure_link_hmac_keys\" or \
                         \"secure_link_hmac_secret file:...\""
                    }
                    _ => {
                        "\"secure_link_hmac\" has no key: add \"secure_link_hmac_secret file:...\""
                    }
                }
                .into(),
            );
        }
    }

    /// Notes what is wrong with the message.
    pub fn judge_message(
        &mut self,
        conf: &Conf<'_>,
        message: &Located<Template>,
        variables: &Variables,
        credentials: &[Fields],
        credential_at: &Position,
    ) {
        let Located { value: message, at } = message;
        if message.as_pieces().is_empty() {
            self.heavy(
                at,
                "\"secure_link_hmac_message\" is empty, so that one link is good for everything: \
                 say what is signed, for example \"$uri|$arg_ts|$arg_e\""
                    .into(),
            );
            return;
        }
        if let Some(variable) = unsigned_variable(message, variables, credentials) {
            self.heavy(
                credential_at,
                format!(
                    "\"secure_link_hmac\" takes a time or lifetime from \"{variable}\", which is \
                     not part of \"secure_link_hmac_message\", so that a client could change it: \
                     add it there"
                ),
            );
        }
        let is_defined = |variable: &Variable| match variable {
            Variable::Named(name) => conf.variable_origin(name) == VariableOrigin::Defined,
            Variable::Capture(_) => false,
        };
        if let Some(misreading) = Misreading::find(variables, credentials, is_defined) {
            self.heavy(
                credential_at,
                format!(
                    "\"secure_link_hmac\" lets a client choose how a link is read: {misreading}"
                ),
            );
        // Without a credential that can be read, what its fields contain is not known; nor where
        // they are read in several ways.
        } else if !credentials.is_empty()
            && let Some(ambiguity) = Ambiguity::find(message, variables, credentials, is_defined)
        {
            self.heavy(at, format!("\"secure_link_hmac_message\" is ambiguous: {ambiguity}"));
        }
        let signed = || message.inputs().filter_map(|at| variables.as_slice().get(at));
        // A numbered group will name it once it has a name.
        if !signed()
            .any(|variable| names_the_path(variable) || matches!(variable, Variable::Capture(_)))
        {
            let index = |variable: &Variable| match variable {
                Variable::Named(name) => conf.variable_index(name).ok(),
                Variable::Capture(_) => None,
            };
            self.add(
                Weight::Pathless(signed().filter_map(index).collect()),
                at,
                "\"secure_link_hmac_message\" has neither \"$uri\" nor \"$request_uri\" nor a \
                 named group of its location, so that a link is good for every path: add \"$uri\""
                    .into(),
            );
        }
    }

    /// Notes limits that the scheme's links cannot have.
    pub fn judge_limits(&mut self, settings: &Settings, credentials: &[Fields]) {
        for Located { value: LimitSetting { rule, .. }, at } in settings.limits.iter().flatten() {
            match rule {
                Rule::Token { .. } if credentials.iter().any(|fields| fields.time().is_none()) => {
                    self.heavy(
                        at,
                        "\"secure_link_hmac_limit\" counts uses of links that never expire, so \
                         that they would have to be kept for ever: add a time to \
                         \"secure_link_hmac\""
                            .into(),
                    );
                }
                Rule::Quota { per: Per::Subject, .. } if !settings.kind().names_subject() => {
                    self.heavy(
                        at,
                        format!(
                            "\"secure_link_hmac_limit\" has \"per=subject\", but links of the \
                             scheme \"{}\" name no subject: write \"per=key\"",
                            settings.kind().name()
                        ),
                    );
                }
                _ => {}
            }
        }
    }

    /// Notes fields that the kind of time leaves no place for.
    pub fn judge_time(&mut self, time: TimeField, credentials: &[Fields], at: &Position) {
        if time.is_expiry() && credentials.iter().any(|fields| fields.lifetime().is_some()) {
            self.heavy(
                at,
                format!(
                    "\"secure_link_hmac\" has a lifetime, for which \"time={}\" leaves no place: \
                     write \"token,time\"",
                    time.name()
                ),
            );
        }
    }
}
