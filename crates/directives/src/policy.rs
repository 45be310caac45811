//! The directives that make a policy, and the one that enforces it: one reader each, from words to a
//! setting of the block.

use secure_link::{
    Algorithm, Encoding, Fields, FieldsError, MAX_KEYS_TRIED, Scope, SecretFormat, Template,
    Variable, Variables,
};

use crate::limit::read_limit;
use crate::refusal::{Outcome, Refusal, refuse};
use crate::scheme::{read_require, read_scheme};
use crate::settings::{Algorithms, Credential, Located, RingKeys, Settings};
use crate::status::{Enforce, enforced_off};
use crate::words::{alternatives, named, one, quote, some};

/// Names of variables that the module fills begin so.
const OWN_VARIABLES: &str = "secure_link_hmac";

/// A directive that is being read, and what only the reader of the configuration can do.
pub trait Reading<'w> {
    /// A place in the configuration.
    type Place: Clone;
    /// Where a secret went.
    type Secret: Clone;
    /// A list of values with variables.
    type Values: Clone;

    /// The words after the directive's name.
    fn arguments(&self) -> &[&'w [u8]];

    /// Where it stands.
    fn at(&self) -> Self::Place;

    /// The settings of the block in which it stands.
    fn settings(&mut self) -> &mut Settings<Self::Place, Self::Secret, Self::Values>;

    /// Whether that block is enforced, if it says so itself.
    fn enforce(&mut self) -> &mut Option<Located<Enforce, Self::Place>>;

    /// Reads a time in nginx's notation (`30s`, `1h 5m`) as seconds, 0 or more; `None` if it is none.
    fn seconds(&self, word: &[u8]) -> Option<i64>;

    /// Reads a size in nginx's notation (`64k`, `10g`) as bytes; `None` if it is none.
    fn bytes(&self, word: &[u8]) -> Option<u64>;

    /// Takes a secret.
    fn secret(&mut self, source: SecretWord<'w>) -> Result<Self::Secret, Refusal>;

    /// Compiles values with variables, each of which is a text that can be read.
    fn values(&mut self, texts: &[&'w [u8]]) -> Result<Self::Values, Refusal>;
}

/// What the words of `secure_link_hmac_secret` name.
pub enum SecretWord<'w> {
    /// A file.
    File {
        /// Its name.
        path: &'w [u8],
        /// How the secret is written there.
        format: SecretFormat,
    },
    /// The secret itself.
    Text(&'w [u8]),
    /// A text with variables.
    Variables(&'w [u8]),
}

/// The source that a secret seems to name, to which `secure_link_hmac_secret` gives no meaning; its
/// text has no part of the secret.
pub fn misplaced_source(secret: &[u8]) -> Option<&'static str> {
    let sources = [
        (
            b"hex:".as_slice(),
            "begins with \"hex:\", which is taken as part of the secret: put it into a file and \
             write \"file:PATH format=hex\", or into a \"secure_link_hmac_keyring\", or write it \
             without the prefix",
        ),
        (
            b"base64:",
            "begins with \"base64:\", which is taken as part of the secret: put it into a file and \
             write \"file:PATH format=base64\", or into a \"secure_link_hmac_keyring\", or write \
             it without the prefix",
        ),
        (
            b"env:",
            "begins with \"env:\", which is taken as part of the secret, since no environment is \
             read: write \"file:PATH\"",
        ),
    ];
    let named = sources.into_iter().find(|(prefix, _)| secret.starts_with(prefix));
    named.map(|(_, text)| text)
}

/// Stores a setting, which a block has once.
pub fn store<T, P>(place: &mut Option<Located<T, P>>, value: T, at: P) -> Outcome {
    if place.is_some() {
        return Err(Refusal::Duplicate);
    }
    *place = Some(Located { value, at });
    Ok(())
}

/// Reads a text with variables.
pub fn template(text: &[u8]) -> Result<Variables, Refusal> {
    let mut variables = Variables::default();
    match Template::parse(text, &mut variables) {
        Ok(_) => Ok(variables),
        Err(error) => refuse(format!("has an invalid value {}: {error}", quote(text))),
    }
}

/// What is wrong with a text that has one of `$1` to `$9`, to follow the directive's name in a message;
/// `None` if it has none.
///
/// nginx keeps the numbered groups of one expression: the last one that matched. Between the choice
/// of the location and the check that can be one of a `map`, which reads what a client sends.
pub fn numbered_group(text: &[u8]) -> Option<String> {
    let mut variables = Variables::default();
    Template::parse(text, &mut variables).ok()?;
    let is_numbered = |variable: &&Variable| matches!(variable, Variable::Capture(_));
    variables.as_slice().iter().find(is_numbered).map(|group| {
        format!(
            "uses \"{group}\", a group of whichever regular expression matched last, so that with \
             a \"map\" or \"if\" a client may replace it: name the group, as in \"(?<name>...)\", \
             by a name that no other expression has"
        )
    })
}

/// Refuses a text that has `$1` to `$9`.
pub fn reject_numbered_group(text: &[u8]) -> Outcome {
    numbered_group(text).map_or(Ok(()), refuse)
}

/// Refuses a text whose variables are filled by the check that reads it.
pub(crate) fn check_template(text: &[u8]) -> Outcome {
    reject_own_variables(&template(text)?)
}

fn reject_own_variables(variables: &Variables) -> Outcome {
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

/// Reads a directive that makes a policy or enforces it, into the settings of its block.
pub fn read<'w, R: Reading<'w>>(name: &[u8], reading: &mut R) -> Outcome {
    let read = match name {
        b"secure_link_hmac" => credential,
        b"secure_link_hmac_scheme" => scheme,
        b"secure_link_hmac_message" => message,
        b"secure_link_hmac_secret" => secret,
        b"secure_link_hmac_keys" => keys,
        b"secure_link_hmac_algorithm" => algorithm,
        b"secure_link_hmac_encoding" => encoding,
        b"secure_link_hmac_leeway" => leeway,
        b"secure_link_hmac_max_lifetime" => max_lifetime,
        b"secure_link_hmac_methods" => methods,
        b"secure_link_hmac_scope" => scope,
        b"secure_link_hmac_require" => require,
        b"secure_link_hmac_revoke" => revoke,
        b"secure_link_hmac_limit" => limit,
        b"secure_link_hmac_enforce" => enforce,
        _ => |_: &mut R| refuse("is no directive of this module"),
    };
    read(reading)
}

/// Reads `secure_link_hmac value ...|off`.
fn credential<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    let texts = some(reading.arguments())?;
    if texts == [b"off"] {
        if reading.enforce().as_ref().is_some_and(|enforce| enforce.value == Enforce::On) {
            return refuse(
                "is \"off\" where \"secure_link_hmac_enforce\" is on: remove one of them",
            );
        }
        let at = reading.at();
        return store(&mut reading.settings().credential, Credential::Off, at);
    }
    for text in &texts {
        if *text == b"off" {
            return refuse("has \"off\" beside a credential: write \"off\" alone");
        }
        let mut variables = Variables::default();
        // More fields than there are is a matter of how the policy is used.
        if let Err(FieldsError::Template(error)) = Fields::parse(text, &mut variables) {
            return refuse(format!("has an invalid value {}: {error}", quote(text)));
        }
        reject_own_variables(&variables)?;
    }
    let values = texts.into_iter().map(Box::from).collect();
    let at = reading.at();
    store(&mut reading.settings().credential, Credential::Values(values), at)
}

/// Reads `secure_link_hmac_scheme name [parameter ...]`.
fn scheme<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    let scheme = read_scheme(reading.arguments())?;
    let at = reading.at();
    store(&mut reading.settings().scheme, scheme, at)
}

/// Reads `secure_link_hmac_message text`.
fn message<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    let text = one(reading.arguments())?;
    check_template(text)?;
    let at = reading.at();
    store(&mut reading.settings().message, text.into(), at)
}

/// Reads `secure_link_hmac_secret value|file:path [format=...]`. No message shows a secret.
fn secret<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    if reading.settings().keys.is_some() {
        return refuse("stands beside \"secure_link_hmac_keys\" in one block: remove one of them");
    }
    let (word, parameter) = match reading.arguments() {
        [word] => (*word, None),
        [word, parameter] => (*word, Some(*parameter)),
        _ => return refuse("has a wrong number of arguments"),
    };
    let source = match word.strip_prefix(b"file:") {
        Some(path) => SecretWord::File {
            path,
            format: parameter.map(key_format).transpose()?.unwrap_or_default(),
        },
        None if parameter.is_some() => {
            return refuse(
                "has a second argument, which only a \"file:\" secret takes: \
                 write the secret alone, quoted if it has spaces",
            );
        }
        None => {
            let mut variables = Variables::default();
            if let Err(error) = Template::parse(word, &mut variables) {
                return refuse(format!("has an invalid value: {error}"));
            }
            reject_own_variables(&variables)?;
            match variables.as_slice() {
                [] => SecretWord::Text(word),
                _ => SecretWord::Variables(word),
            }
        }
    };
    let count = reading.settings().secrets.as_ref().map_or(0, Vec::len);
    if count == MAX_KEYS_TRIED {
        return refuse(format!("stands more than {MAX_KEYS_TRIED} times: remove retired secrets"));
    }
    let (value, at) = (reading.secret(source)?, reading.at());
    reading.settings().secrets.get_or_insert_default().push(Located { value, at });
    Ok(())
}

/// Reads `format=name`.
pub(crate) fn key_format(parameter: &[u8]) -> Result<SecretFormat, Refusal> {
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

/// Reads `secure_link_hmac_keys ring [id]`.
fn keys<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    if reading.settings().secrets.is_some() {
        return refuse(
            "stands beside \"secure_link_hmac_secret\" in one block: remove one of them",
        );
    }
    let (ring, id) = match reading.arguments() {
        [ring] => (*ring, None),
        [ring, id] => (*ring, Some(*id)),
        _ => return refuse("has a wrong number of arguments"),
    };
    if let Some(id) = id {
        check_template(id)?;
    }
    let keys = RingKeys { ring: ring.into(), id: id.map(Box::from) };
    let at = reading.at();
    store(&mut reading.settings().keys, keys, at)
}

/// Reads `secure_link_hmac_algorithm name`.
fn algorithm<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    let name = one(reading.arguments())?;
    let algorithm = match Algorithm::from_name(name) {
        Some(algorithm) => Algorithms::Known(algorithm),
        None => Algorithms::Unknown(quote(name)),
    };
    let at = reading.at();
    store(&mut reading.settings().algorithm, algorithm, at)
}

/// Reads `secure_link_hmac_encoding name`.
fn encoding<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    let encoding = named(Encoding::ALL, Encoding::name, one(reading.arguments())?)?;
    let at = reading.at();
    store(&mut reading.settings().encoding, encoding, at)
}

/// Reads `secure_link_hmac_scope path|any`.
fn scope<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    let scope = named(Scope::ALL, Scope::name, one(reading.arguments())?)?;
    let at = reading.at();
    store(&mut reading.settings().scope, scope, at)
}

/// Reads `secure_link_hmac_leeway time`.
fn leeway<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    let seconds = seconds(reading)?;
    let at = reading.at();
    store(&mut reading.settings().leeway, seconds, at)
}

/// Reads `secure_link_hmac_max_lifetime time`.
fn max_lifetime<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    let seconds = seconds(reading)?;
    let at = reading.at();
    store(&mut reading.settings().max_lifetime, seconds, at)
}

fn seconds<'w>(reading: &impl Reading<'w>) -> Result<i64, Refusal> {
    let word = one(reading.arguments())?;
    match reading.seconds(word) {
        Some(seconds) => Ok(seconds),
        None => refuse(format!(
            "has an invalid time {}: write seconds or a time such as \"30s\" or \"1h\"",
            quote(word)
        )),
    }
}

/// Reads `secure_link_hmac_methods method ...`.
fn methods<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    let mut methods: Vec<Box<[u8]>> = Vec::new();
    for method in some(reading.arguments())? {
        let is_method = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-');
        if method.is_empty() || !method.iter().all(is_method) {
            return refuse(format!(
                "has an invalid method {}: write it in upper case, as in \"GET HEAD\"",
                quote(method)
            ));
        }
        if methods.iter().any(|known| **known == *method) {
            return refuse(format!("has the method {} twice: write it once", quote(method)));
        }
        methods.push(method.into());
    }
    let at = reading.at();
    store(&mut reading.settings().methods, methods, at)
}

/// Reads `secure_link_hmac_require name=value ...`.
fn require<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    let claims = read_require(&some(reading.arguments())?)?;
    let at = reading.at();
    store(&mut reading.settings().require, claims, at)
}

/// Reads `secure_link_hmac_revoke value ...`.
fn revoke<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    let texts = some(reading.arguments())?;
    for text in &texts {
        template(text)?;
        reject_numbered_group(text)?;
    }
    let values = reading.values(&texts)?;
    let at = reading.at();
    store(&mut reading.settings().revoke, values, at)
}

/// Reads `secure_link_hmac_limit zone uses=n|bytes=size [per=...] [window=...|period=...]`.
fn limit<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    let limit = read_limit(reading)?;
    let at = reading.at();
    let limits = reading.settings().limits.get_or_insert_default();
    let is_like = |other: &Located<_, _>| limit.is_like(&other.value);
    if limits.iter().any(is_like) {
        return Err(Refusal::Duplicate);
    }
    limits.push(Located { value: limit, at });
    Ok(())
}

/// Reads `secure_link_hmac_enforce on|off|dry_run`.
fn enforce<'w, R: Reading<'w>>(reading: &mut R) -> Outcome {
    let enforce = named(Enforce::ALL, Enforce::name, one(reading.arguments())?)?;
    if enforce == Enforce::On && reading.settings().is_off() {
        return Err(enforced_off());
    }
    let at = reading.at();
    store(reading.enforce(), enforce, at)
}
