//! The directives: one setter each, from words to a typed setting.

use std::fs::{Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::rc::Rc;

use secure_link::{
    Algorithm, Encoding, Fields, FieldsError, MAX_KEYS_TRIED, SecretFormat, Template, Variable,
    Variables, Verdict, client_sets,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::config::{Enforce, LocConf, MeterSetting, MetricsSetting, PassTarget, Statuses};
use crate::ffi::{Conf, DirectiveFlags, Failed, Level, Position};
use crate::keyring;
use crate::limit;
use crate::scheme;
use crate::settings::{Algorithms, Credential, Located, RingKeys, SecretSource};
use crate::statsd;
use crate::zone;

/// A directive of the module.
pub struct Directive {
    /// Its name.
    pub name: &'static std::ffi::CStr,
    /// Where it may stand and how many arguments it takes.
    pub flags: DirectiveFlags,
    /// Whether its first argument must not stay in memory.
    pub confidential: bool,
    /// Takes its arguments.
    pub set: fn(&mut Setting<'_, '_>) -> Result<(), Refusal>,
}

/// Longest key file, in bytes.
const MAX_KEY_FILE_LEN: u64 = 4096;

/// Names of variables that the module fills begin so.
const OWN_VARIABLES: &str = "secure_link_hmac";

/// All directives.
pub const DIRECTIVES: &[Directive] = &[
    directive(c"secure_link_hmac", DirectiveFlags::ONE_OR_MORE, set_credential),
    directive(c"secure_link_hmac_scheme", DirectiveFlags::ONE_OR_MORE, scheme::set_scheme),
    directive(c"secure_link_hmac_message", DirectiveFlags::TAKE1, set_message),
    Directive {
        confidential: true,
        ..directive(c"secure_link_hmac_secret", DirectiveFlags::TAKE12, set_secret)
    },
    directive(c"secure_link_hmac_keyring", DirectiveFlags::HTTP_BLOCK, keyring::set_keyring),
    directive(c"secure_link_hmac_keys", DirectiveFlags::TAKE12, set_keys),
    directive(c"secure_link_hmac_algorithm", DirectiveFlags::TAKE1, set_algorithm),
    directive(c"secure_link_hmac_encoding", DirectiveFlags::TAKE1, set_encoding),
    directive(c"secure_link_hmac_leeway", DirectiveFlags::TAKE1, set_leeway),
    directive(c"secure_link_hmac_max_lifetime", DirectiveFlags::TAKE1, set_max_lifetime),
    directive(c"secure_link_hmac_methods", DirectiveFlags::ONE_OR_MORE, set_methods),
    directive(c"secure_link_hmac_scope", DirectiveFlags::TAKE1, scheme::set_scope),
    directive(c"secure_link_hmac_require", DirectiveFlags::ONE_OR_MORE, scheme::set_require),
    directive(c"secure_link_hmac_revoke", DirectiveFlags::ONE_OR_MORE, set_revoke),
    directive(c"secure_link_hmac_enforce", DirectiveFlags::TAKE1.and_limit_except(), set_enforce),
    directive(c"secure_link_hmac_error", DirectiveFlags::ONE_OR_MORE, set_error),
    directive(c"secure_link_hmac_bypass", DirectiveFlags::ONE_OR_MORE, set_bypass),
    directive(c"secure_link_hmac_log_level", DirectiveFlags::TAKE1, set_log_level),
    directive(c"secure_link_hmac_pass", DirectiveFlags::LOCATION_TAKE1, set_pass),
    directive(c"secure_link_hmac_zone", DirectiveFlags::HTTP_TAKE1, zone::set_zone),
    directive(c"secure_link_hmac_meter", DirectiveFlags::TAKE12, set_meter),
    directive(c"secure_link_hmac_limit", DirectiveFlags::ONE_OR_MORE, limit::set_limit),
    directive(c"secure_link_hmac_statsd", DirectiveFlags::HTTP_ONE_OR_MORE, statsd::set_statsd),
    directive(c"secure_link_hmac_metrics", DirectiveFlags::LOCATION_TAKE1, set_metrics),
];

const fn directive(
    name: &'static std::ffi::CStr,
    flags: DirectiveFlags,
    set: fn(&mut Setting<'_, '_>) -> Result<(), Refusal>,
) -> Directive {
    Directive { name, flags, confidential: false, set }
}

/// A directive that is being read.
pub struct Setting<'s, 'c> {
    pub conf: &'s mut Conf<'c>,
    /// Its arguments.
    pub arguments: Vec<&'c [u8]>,
    /// Where it stands.
    pub at: Position,
    /// The block in which it stands.
    pub block: &'s mut LocConf,
}

/// Why a directive is refused. The text follows the directive's name.
#[derive(Debug, Error)]
pub enum Refusal {
    /// It stands twice in a block.
    #[error("directive is duplicate")]
    Duplicate,
    /// An argument is wrong.
    #[error("{0}")]
    Argument(String),
    /// nginx has said why.
    #[error("failed")]
    Logged,
}

impl From<Failed> for Refusal {
    fn from(_: Failed) -> Self {
        Refusal::Logged
    }
}

pub type Outcome = Result<(), Refusal>;

pub fn refuse<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Argument(text.into()))
}

/// Quotes a word of the configuration for a message.
pub fn quote(word: &[u8]) -> String {
    format!("\"{}\"", word.escape_ascii())
}

/// The names of a table for a message: `"a", "b" or "c"`.
pub fn alternatives<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.map(|name| format!("\"{name}\"")).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

impl<'c> Setting<'_, 'c> {
    /// Its first argument.
    pub fn first(&self) -> &'c [u8] {
        self.arguments.first().copied().unwrap_or_default()
    }

    /// Stores a setting, which a block has once.
    pub fn store<T>(
        &mut self,
        place: fn(&mut LocConf) -> &mut Option<Located<T>>,
        value: T,
    ) -> Outcome {
        let place = place(self.block);
        if place.is_some() {
            return Err(Refusal::Duplicate);
        }
        *place = Some(Located { value, at: self.at.clone() });
        Ok(())
    }

    /// Stores the value that an argument names.
    pub fn store_named<T: Copy>(
        &mut self,
        place: fn(&mut LocConf) -> &mut Option<Located<T>>,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Outcome {
        let word = self.first();
        match all.iter().find(|value| name(**value).as_bytes() == word) {
            Some(value) => self.store(place, *value),
            None => refuse(format!(
                "has an unknown value {}: write {}",
                quote(word),
                alternatives(all.iter().map(|value| name(*value)))
            )),
        }
    }

    fn store_seconds(&mut self, place: fn(&mut LocConf) -> &mut Option<Located<i64>>) -> Outcome {
        let word = self.first();
        match self.conf.parse_seconds(word) {
            Some(seconds) => self.store(place, seconds),
            None => refuse(format!(
                "has an invalid time {}: write seconds or a time such as \"30s\" or \"1h\"",
                quote(word)
            )),
        }
    }

    /// Looks at the variables of a text, which must not be filled by the check that reads it.
    pub fn reject_own_variables(&self, variables: &Variables) -> Outcome {
        let own = |variable: &&Variable| match variable {
            Variable::Named(name) => name.starts_with(OWN_VARIABLES),
            Variable::Capture(_) => false,
        };
        match variables.as_slice().iter().find(own) {
            Some(variable) => refuse(format!(
                "uses \"{variable}\", which the check itself fills: take the value from the request"
            )),
            None => Ok(()),
        }
    }
}

pub fn parse_template(text: &[u8]) -> Result<(Template, Variables), Refusal> {
    let mut variables = Variables::default();
    match Template::parse(text, &mut variables) {
        Ok(template) => Ok((template, variables)),
        Err(error) => refuse(format!("has an invalid value {}: {error}", quote(text))),
    }
}

fn set_credential(setting: &mut Setting<'_, '_>) -> Outcome {
    if setting.arguments == [b"off"] {
        if let Some(Located { value: Enforce::On, .. }) = setting.block.enforce {
            return refuse(
                "is \"off\" where \"secure_link_hmac_enforce\" is on: remove one of them",
            );
        }
        return setting.store(|block| &mut block.settings.credential, Credential::Off);
    }
    for text in &setting.arguments {
        if *text == b"off" {
            return refuse("has \"off\" beside a credential: write \"off\" alone");
        }
        let mut variables = Variables::default();
        // More fields than there are is a matter of how the policy is used.
        if let Err(FieldsError::Template(error)) = Fields::parse(text, &mut variables) {
            return refuse(format!("has an invalid value {}: {error}", quote(text)));
        }
        setting.reject_own_variables(&variables)?;
    }
    let values = setting.arguments.iter().map(|text| Box::from(*text)).collect();
    setting.store(|block| &mut block.settings.credential, Credential::Values(values))
}

fn set_message(setting: &mut Setting<'_, '_>) -> Outcome {
    let text = setting.first();
    let (_, variables) = parse_template(text)?;
    setting.reject_own_variables(&variables)?;
    setting.store(|block| &mut block.settings.message, text.into())
}

fn set_secret(setting: &mut Setting<'_, '_>) -> Outcome {
    if setting.block.settings.keys.is_some() {
        return refuse("stands beside \"secure_link_hmac_keys\" in one block: remove one of them");
    }
    let source = match setting.first().strip_prefix(b"file:") {
        Some(path) => {
            let format = key_format(setting.arguments.get(1).copied())?;
            let secret =
                read_key_file(setting.conf, "secure_link_hmac_secret", &setting.at, path, format)?;
            keep_secret(setting, secret)?
        }
        None if setting.arguments.len() > 1 => {
            return refuse(
                "has a second argument, which only a \"file:\" secret takes: \
                 write the secret alone, quoted if it has spaces",
            );
        }
        None => {
            let text = setting.first();
            // No message of what is wrong with it may show it.
            let mut variables = Variables::default();
            if let Err(error) = Template::parse(text, &mut variables) {
                return refuse(format!("has an invalid value: {error}"));
            }
            setting.reject_own_variables(&variables)?;
            if variables.as_slice().is_empty() {
                keep_secret(setting, Zeroizing::new(text.to_vec()))?
            } else {
                SecretSource::Variables(text.into())
            }
        }
    };
    let secrets = setting.block.settings.secrets.get_or_insert_default();
    if secrets.len() == MAX_KEYS_TRIED {
        return refuse(format!("stands more than {MAX_KEYS_TRIED} times: remove retired secrets"));
    }
    secrets.push(Located { value: source, at: setting.at.clone() });
    Ok(())
}

/// Puts a secret where it is wiped once all keys are made.
fn keep_secret(
    setting: &mut Setting<'_, '_>,
    secret: Zeroizing<Vec<u8>>,
) -> Result<SecretSource, Refusal> {
    let secrets = &mut setting.conf.main()?.secrets;
    secrets.push(secret);
    Ok(SecretSource::Kept(secrets.len() - 1))
}

pub fn key_format(parameter: Option<&[u8]>) -> Result<SecretFormat, Refusal> {
    let Some(parameter) = parameter else { return Ok(SecretFormat::default()) };
    let name = parameter.strip_prefix(b"format=".as_slice());
    match name.and_then(SecretFormat::from_name) {
        Some(format) => Ok(format),
        None => refuse(format!(
            "has an unknown parameter {}: write {}",
            quote(parameter),
            alternatives(["format=raw", "format=hex", "format=base64"].into_iter())
        )),
    }
}

/// Reads the secret of a key file, whose path is relative to the configuration's directory.
pub fn read_key_file(
    conf: &Conf<'_>,
    directive: &str,
    at: &Position,
    path: &[u8],
    format: SecretFormat,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    if path.is_empty() {
        return refuse("has no file name after \"file:\"");
    }
    let path = conf.full_name(path)?;
    let (text, metadata) = match read_bounded(&path) {
        Ok(read) => read,
        Err(error) => return refuse(format!("cannot read key file {path:?}: {error}")),
    };
    if metadata.mode() & 0o007 != 0 {
        conf.warn(
            at,
            format_args!(
                "\"{directive}\" has a key file {path:?} that every user can access (mode {:03o}): \
                 use 'chmod o= {path:?}'",
                metadata.mode() & 0o777
            ),
        );
    }
    format
        .decode(&text)
        .or_else(|_| refuse(format!("has a key file {path:?} that is not valid {}", format.name())))
}

/// Reads a file of at most [`MAX_KEY_FILE_LEN`] bytes.
fn read_bounded(path: &Path) -> std::io::Result<(Zeroizing<Vec<u8>>, Metadata)> {
    // A FIFO would hold up the reading of the configuration.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE_LEN as usize + 1));
    file.take(MAX_KEY_FILE_LEN + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_KEY_FILE_LEN {
        return Err(std::io::Error::other(format!("it is longer than {MAX_KEY_FILE_LEN} bytes")));
    }
    Ok((text, metadata))
}

fn set_keys(setting: &mut Setting<'_, '_>) -> Outcome {
    if setting.block.settings.secrets.is_some() {
        return refuse(
            "stands beside \"secure_link_hmac_secret\" in one block: remove one of them",
        );
    }
    let id = setting.arguments.get(1).copied();
    if let Some(id) = id {
        let (_, variables) = parse_template(id)?;
        setting.reject_own_variables(&variables)?;
    }
    let keys = RingKeys { ring: setting.first().into(), id: id.map(Box::from) };
    setting.store(|block| &mut block.settings.keys, keys)
}

fn set_algorithm(setting: &mut Setting<'_, '_>) -> Outcome {
    let name = setting.first();
    let algorithm = match Algorithm::from_name(name) {
        Some(algorithm) => Algorithms::Known(algorithm),
        None => Algorithms::Unknown(quote(name)),
    };
    setting.store(|block| &mut block.settings.algorithm, algorithm)
}

fn set_encoding(setting: &mut Setting<'_, '_>) -> Outcome {
    setting.store_named(|block| &mut block.settings.encoding, Encoding::ALL, Encoding::name)
}

fn set_leeway(setting: &mut Setting<'_, '_>) -> Outcome {
    setting.store_seconds(|block| &mut block.settings.leeway)
}

fn set_max_lifetime(setting: &mut Setting<'_, '_>) -> Outcome {
    setting.store_seconds(|block| &mut block.settings.max_lifetime)
}

fn set_methods(setting: &mut Setting<'_, '_>) -> Outcome {
    let mut methods: Vec<Box<[u8]>> = Vec::new();
    for method in &setting.arguments {
        let is_method = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-');
        if method.is_empty() || !method.iter().all(is_method) {
            return refuse(format!(
                "has an invalid method {}: write it in upper case, as in \"GET HEAD\"",
                quote(method)
            ));
        }
        if methods.iter().any(|known| **known == **method) {
            return refuse(format!("has the method {} twice", quote(method)));
        }
        methods.push((*method).into());
    }
    setting.store(|block| &mut block.settings.methods, methods)
}

fn set_revoke(setting: &mut Setting<'_, '_>) -> Outcome {
    let mut values = Vec::new();
    for text in &setting.arguments {
        parse_template(text)?;
        values.push(setting.conf.compile(text)?);
    }
    setting.store(|block| &mut block.settings.revoke, values.into())
}

fn set_enforce(setting: &mut Setting<'_, '_>) -> Outcome {
    setting.store_named(|block| &mut block.enforce, Enforce::ALL, Enforce::name)?;
    let off =
        matches!(setting.block.settings.credential, Some(Located { value: Credential::Off, .. }));
    if off && setting.block.enforce.as_ref().is_some_and(|enforce| enforce.value == Enforce::On) {
        return refuse("is on where \"secure_link_hmac\" is off: remove one of them");
    }
    Ok(())
}

fn set_error(setting: &mut Setting<'_, '_>) -> Outcome {
    for pair in &setting.arguments {
        let (word, code) = match pair.iter().position(|&byte| byte == b'=') {
            Some(at) => (pair.get(..at), pair.get(at + 1..)),
            None => (Some(*pair), None),
        };
        let (word, code) = (word.unwrap_or_default(), code.unwrap_or_default());
        let Some(verdict) = Verdict::from_word(word) else {
            return refuse(format!(
                "has an unknown verdict {}: write {}",
                quote(word),
                alternatives(
                    Verdict::ALL
                        .iter()
                        .filter(|verdict| verdict.default_status().is_some())
                        .map(|verdict| verdict.word())
                )
            ));
        };
        if verdict.default_status().is_none() {
            return refuse(format!("has a status for {}, which is not a denial", quote(word)));
        }
        let status = str::from_utf8(code)
            .ok()
            .filter(|code| code.len() == 3)
            .and_then(|code| code.parse().ok())
            .filter(|status| (400..=599).contains(status));
        let Some(status) = status else {
            return refuse(format!(
                "has an invalid status {} for \"{}\": write a number from 400 to 599",
                quote(code),
                verdict.word()
            ));
        };
        let statuses = setting.block.statuses.get_or_insert_with(Statuses::default);
        if !statuses.set(verdict, status) {
            return refuse(format!("has the verdict \"{}\" twice", verdict.word()));
        }
    }
    Ok(())
}

fn set_bypass(setting: &mut Setting<'_, '_>) -> Outcome {
    let mut values = Vec::new();
    for text in &setting.arguments {
        let (_, variables) = parse_template(text)?;
        let variables = variables.as_slice();
        if !variables.is_empty() && variables.iter().all(client_sets) {
            setting.conf.warn(
                &setting.at,
                format_args!(
                    "\"secure_link_hmac_bypass\" {} is made only of what a client sends, so that \
                     a client can skip the check: use \"map\" or \"geo\" to say who may",
                    quote(text)
                ),
            );
        }
        values.push(setting.conf.compile(text)?);
    }
    setting.store(|block| &mut block.bypass, values.into())
}

fn set_log_level(setting: &mut Setting<'_, '_>) -> Outcome {
    setting.store_named(
        |block| &mut block.log_level,
        &[Level::Info, Level::Notice, Level::Warn, Level::Error],
        Level::name,
    )
}

fn set_pass(setting: &mut Setting<'_, '_>) -> Outcome {
    let text = setting.first();
    let target = match text {
        b"off" => PassTarget::Off,
        [b'@', name @ ..] if !name.is_empty() => PassTarget::Named(text.into()),
        [b'/' | b'$', ..] => {
            // The question mark that counts is the one written here: one that a variable brings
            // belongs to a file's name.
            let mut parts = text.splitn(2, |&byte| byte == b'?');
            let (path, args) = (parts.next().unwrap_or_default(), parts.next());
            parse_template(path)?;
            parse_template(args.unwrap_or_default())?;
            PassTarget::Path {
                path: setting.conf.compile(path)?,
                args: args.map(|args| setting.conf.compile(args)).transpose()?,
            }
        }
        _ => {
            return refuse(format!(
                "has an invalid target {}: write a path such as \"/internal$uri\", a named \
                 location such as \"@files\", or \"off\"",
                quote(text)
            ));
        }
    };
    setting.store(|block| &mut block.pass, target.into())
}

fn set_meter(setting: &mut Setting<'_, '_>) -> Outcome {
    let zone = setting.first();
    let meter = match (zone, setting.arguments.get(1).copied()) {
        (b"off", None) => MeterSetting::Off,
        (_, None) => MeterSetting::On { zone: zone.into(), key: None },
        (_, Some(parameter)) => match parameter.strip_prefix(b"key=".as_slice()) {
            Some(key) if !key.is_empty() => {
                parse_template(key)?;
                let key = Rc::new(setting.conf.compile(key)?);
                MeterSetting::On { zone: zone.into(), key: Some(key) }
            }
            _ => {
                return refuse(format!(
                    "has an unknown parameter {}: write \"key=\" and what to count by, for \
                     example \"key=$secure_link_hmac_subject\"",
                    quote(parameter)
                ));
            }
        },
    };
    setting.store(|block| &mut block.meter, meter)
}

fn set_metrics(setting: &mut Setting<'_, '_>) -> Outcome {
    let zone = setting.first().into();
    let accept = setting.conf.variable_index("http_accept")?;
    setting.store(|block| &mut block.metrics, MetricsSetting { zone, accept })?;
    setting.conf.serve_metrics()?;
    Ok(())
}
