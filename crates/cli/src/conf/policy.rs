//! The settings of a location, completed by defaults.

use secure_link::{Algorithm, Encoding, Mode, SchemeKind, Verdict};

use crate::args::KeyArgs;
use crate::conf::block::Block;
use crate::conf::choose::Location;
use crate::conf::keys::keys;
use crate::conf::setting::{Bytes, Credential, Located};
use crate::conf::tree::{Directive, Place, Reader};
use crate::error::Error;
use crate::settings::{ConfText, Origin, Settings};

/// What was read.
pub struct Read {
    pub settings: Settings,
    pub texts: Vec<ConfText>,
    pub statuses: Vec<(Verdict, u16)>,
}

/// Reads what a location says and inherits.
pub fn read(
    location: &Location<'_>,
    tree: &[Directive],
    reader: &Reader,
    args: &KeyArgs,
) -> Result<Read, Error> {
    let mut block = Block::default();
    for directive in location.blocks() {
        let own = Block::read(directive.inside(), reader, !args.are_given())?;
        block = own.inherit(block)?;
    }
    let kind = block.kind();
    let at = location.at();
    let without = |what: &str| {
        Error::conf(at, format!("\"{}\" checks no links: it has no {what}", location.text()))
    };
    let (credential, credential_at) = match &block.credential {
        Some(Located { value: Credential::Off, at }) => {
            return Err(Error::conf(at, "\"secure_link_hmac\" is off: no links are checked"));
        }
        Some(Located { value: Credential::Values(values), at }) => (values.clone(), at.clone()),
        None if kind == SchemeKind::SigV4 => (Vec::new(), at.clone()),
        None => return Err(without("\"secure_link_hmac\"")),
    };
    let message = match &block.message {
        Some(message) => message.value.clone(),
        None if kind == SchemeKind::Template => {
            return Err(without("\"secure_link_hmac_message\""));
        }
        None => Bytes::default(),
    };
    if block.secrets.is_none() && block.keys.is_none() {
        return Err(without("\"secure_link_hmac_secret\" or \"secure_link_hmac_keys\""));
    }
    let algorithm = match &block.algorithm {
        // A location that inherits one has no other to choose.
        Some(_) if kind == SchemeKind::SigV4 => Algorithm::Sha256,
        Some(Located { value, at }) if !kind.algorithms().contains(value) => {
            let (name, kind) = (value.name(), kind.name());
            let text = format!("the scheme \"{kind}\" has no algorithm \"{name}\"");
            return Err(Error::conf(at, text));
        }
        Some(algorithm) => algorithm.value,
        None => Algorithm::Sha256,
    };
    let mut texts = Vec::new();
    let mut note = |directive, at: &Place, text: &[u8]| {
        texts.push(ConfText { directive, at: at.clone(), text: text.into() });
    };
    for text in &credential {
        note("secure_link_hmac", &credential_at, text);
    }
    if let Some(Located { value, at }) =
        block.message.as_ref().filter(|_| kind == SchemeKind::Template)
    {
        note("secure_link_hmac_message", at, value);
    }
    if let Some(Located { value: (_, Some(id)), at }) = &block.keys {
        note("secure_link_hmac_keys", at, id);
    }
    if let Some(Located { value, at }) = &block.require {
        value.iter().for_each(|(_, text)| note("secure_link_hmac_require", at, text));
    }
    if let Some(Located { value, at }) = &block.revoke {
        value.iter().for_each(|text| note("secure_link_hmac_revoke", at, text));
    }
    let keys = keys(&block, tree, reader, args, kind)?;
    let scheme = block.scheme.map(|scheme| scheme.value).unwrap_or_default();
    let value = |setting: Option<Located<i64>>| setting.map(|setting| setting.value);
    let settings = Settings {
        kind,
        time: scheme.time,
        salt: scheme.salt,
        escape: scheme.escape,
        region: scheme.region,
        service: scheme.service,
        credential,
        message,
        algorithm,
        encoding: block.encoding.map_or(Encoding::Base64Url, |encoding| encoding.value),
        scope: block.scope.map(|scope| scope.value).unwrap_or_default(),
        leeway: value(block.leeway),
        max_lifetime: value(block.max_lifetime).unwrap_or(0),
        methods: match block.methods {
            Some(methods) => methods.value,
            None => vec![b"GET".as_slice().into(), b"HEAD".as_slice().into()],
        },
        require: block.require.map(|require| require.value).unwrap_or_default(),
        revoke: block.revoke.map(|revoke| revoke.value).unwrap_or_default(),
        limits: block.limits.map(|limits| limits.value).unwrap_or_default(),
        keys,
        mode: block.enforce.map_or(Mode::Advisory, |enforce| enforce.value),
        set: Vec::new(),
        reading: None,
        origin: Origin::Flags,
    };
    let statuses = block.statuses.map(|statuses| statuses.value).unwrap_or_default();
    Ok(Read { settings, texts, statuses })
}
