//! What a block says of links, and what it inherits.

use secure_link::{
    Algorithm, Encoding, Fields, FieldsError, MAX_KEYS_TRIED, Mode, SchemeKind, Scope, Variables,
    Verdict,
};

use crate::conf::keys::SecretSource;
use crate::conf::setting::{Bytes, Credential, Located, SchemeSetting, Setting};
use crate::conf::tree::{Directive, Place, Reader};
use crate::error::Error;
use crate::settings::{Limited, RequiredClaim};

/// What a block says, and what it inherits. The secrets of files are not read yet.
#[derive(Clone, Default)]
pub struct Block {
    pub credential: Option<Located<Credential>>,
    pub scheme: Option<Located<SchemeSetting>>,
    pub message: Option<Located<Bytes>>,
    pub secrets: Option<Located<Vec<SecretSource>>>,
    pub keys: Option<Located<(Bytes, Option<Bytes>)>>,
    pub algorithm: Option<Located<Algorithm>>,
    pub encoding: Option<Located<Encoding>>,
    pub leeway: Option<Located<i64>>,
    pub max_lifetime: Option<Located<i64>>,
    pub methods: Option<Located<Vec<Bytes>>>,
    pub scope: Option<Located<Scope>>,
    pub require: Option<Located<Vec<RequiredClaim>>>,
    pub revoke: Option<Located<Vec<Bytes>>>,
    pub limits: Option<Located<Vec<Limited>>>,
    pub enforce: Option<Located<Mode>>,
    pub statuses: Option<Located<Vec<(Verdict, u16)>>>,
}

impl Block {
    /// Reads the directives of a block.
    pub fn read(
        directives: &[Directive],
        reader: &Reader,
        reads_secrets: bool,
    ) -> Result<Self, Error> {
        let mut block = Block::default();
        for directive in directives {
            let Some(name) = directive.name().strip_prefix(b"secure_link_hmac") else { continue };
            let setting = Setting {
                directive,
                name: String::from_utf8_lossy(directive.name()).into_owned(),
                words: directive.arguments().collect(),
                reader,
            };
            if name == b"_keyring" && directive.block.is_none() {
                return setting.refuse("has no opening \"{\"");
            }
            match name {
                b"_secret" if !reads_secrets => {
                    let none = Located { value: Vec::new(), at: directive.at.clone() };
                    block.secrets = Some(none);
                }
                _ => block.set(name, &setting)?,
            }
        }
        Ok(block)
    }

    fn set(&mut self, name: &[u8], setting: &Setting<'_, '_>) -> Result<(), Error> {
        match name {
            b"" if setting.words == [b"off"] => {
                setting.store(&mut self.credential, Credential::Off)
            }
            b"" => {
                for text in &setting.words {
                    let parsed = Fields::parse(text, &mut Variables::default());
                    if let Err(FieldsError::Template(error)) = parsed {
                        return setting.refuse(format!("has an invalid value: {error}"));
                    }
                }
                let values = setting.words.iter().map(|text| Bytes::from(*text)).collect();
                setting.store(&mut self.credential, Credential::Values(values))
            }
            b"_scheme" => setting.store(&mut self.scheme, setting.scheme()?),
            b"_message" => {
                setting.template(setting.one()?)?;
                setting.store(&mut self.message, setting.one()?.into())
            }
            b"_secret" if self.keys.is_some() => {
                setting.refuse("stands beside \"secure_link_hmac_keys\" in one block")
            }
            b"_keys" if self.secrets.is_some() => {
                setting.refuse("stands beside \"secure_link_hmac_secret\" in one block")
            }
            b"_secret" => {
                let at = setting.directive.at.clone();
                let secrets = self.secrets.get_or_insert(Located { value: Vec::new(), at });
                if secrets.value.len() == MAX_KEYS_TRIED {
                    return setting.refuse(format!("stands more than {MAX_KEYS_TRIED} times"));
                }
                secrets.value.push(setting.secret()?);
                Ok(())
            }
            b"_keys" => {
                let keys: (Bytes, Option<Bytes>) = match setting.words.as_slice() {
                    [ring] => ((*ring).into(), None),
                    [ring, id] => ((*ring).into(), Some((*id).into())),
                    _ => return setting.refuse("has a wrong number of arguments"),
                };
                if let Some(id) = &keys.1 {
                    setting.template(id)?;
                }
                setting.store(&mut self.keys, keys)
            }
            b"_algorithm" => match Algorithm::from_name(setting.one()?) {
                Some(algorithm) => setting.store(&mut self.algorithm, algorithm),
                None => setting.refuse("has an unknown algorithm"),
            },
            b"_encoding" => setting.store_named(&mut self.encoding, Encoding::ALL, Encoding::name),
            b"_leeway" => setting.store_seconds(&mut self.leeway),
            b"_max_lifetime" => setting.store_seconds(&mut self.max_lifetime),
            b"_methods" => setting.store_all(&mut self.methods),
            b"_scope" => setting.store_named(&mut self.scope, Scope::ALL, Scope::name),
            b"_require" => setting.store(&mut self.require, setting.require()?),
            b"_revoke" => {
                for text in &setting.words {
                    setting.template(text)?;
                }
                setting.store_all(&mut self.revoke)
            }
            b"_limit" => {
                let at = setting.directive.at.clone();
                let limits = self.limits.get_or_insert(Located { value: Vec::new(), at });
                limits.value.extend(setting.limit());
                Ok(())
            }
            b"_enforce" => match setting.one()? {
                b"on" | b"dry_run" => setting.store(&mut self.enforce, Mode::Enforced),
                b"off" => setting.store(&mut self.enforce, Mode::Advisory),
                _ => setting.refuse("has an unknown value"),
            },
            b"_error" => {
                let at = setting.directive.at.clone();
                let statuses = self.statuses.get_or_insert(Located { value: Vec::new(), at });
                statuses.value.extend(setting.statuses()?);
                Ok(())
            }
            // What is not a matter of the link.
            b"_keyring" | b"_bypass" | b"_log_level" | b"_pass" | b"_zone" | b"_meter"
            | b"_metrics" | b"_statsd" => Ok(()),
            _ => setting.refuse("is no directive"),
        }
    }

    pub fn kind(&self) -> SchemeKind {
        let kind = self.scheme.as_ref().and_then(|scheme| scheme.value.kind);
        kind.unwrap_or(SchemeKind::Template)
    }

    fn is_off(&self) -> bool {
        matches!(self.credential, Some(Located { value: Credential::Off, .. }))
    }

    /// What a block has of its own, and from its parent what it does not have.
    pub fn inherit(self, parent: Block) -> Result<Block, Error> {
        let own_keys = self.secrets.is_some() || self.keys.is_some();
        let (secrets, keys) = match own_keys {
            true => (self.secrets.clone(), self.keys.clone()),
            false => (parent.secrets, parent.keys),
        };
        let own = self.clone();
        let mut block = Block {
            credential: self.credential.or(parent.credential),
            scheme: self.scheme.or(parent.scheme),
            message: self.message.or(parent.message),
            secrets,
            keys,
            algorithm: self.algorithm.or(parent.algorithm),
            encoding: self.encoding.or(parent.encoding),
            leeway: self.leeway.or(parent.leeway),
            max_lifetime: self.max_lifetime.or(parent.max_lifetime),
            methods: self.methods.or(parent.methods),
            scope: self.scope.or(parent.scope),
            require: self.require.or(parent.require),
            revoke: self.revoke.or(parent.revoke),
            limits: self.limits.or(parent.limits),
            enforce: self.enforce.or(parent.enforce),
            statuses: self.statuses.or(parent.statuses),
        };
        if own.kind() == SchemeKind::SigV4 && own.credential.is_none() && block.is_off() {
            block.credential = None;
        }
        own.check_use(block.kind())?;
        Ok(block)
    }

    /// Refuses what the scheme of the block does not use.
    fn check_use(&self, kind: SchemeKind) -> Result<(), Error> {
        use SchemeKind::{EdgeAuth, Jwt, SigV4, Template};

        fn at<T>(setting: &Option<Located<T>>) -> Option<&Place> {
            setting.as_ref().map(|setting| &setting.at)
        }
        let credential = at(&self.credential).filter(|_| !self.is_off());
        let uses: [(&str, Option<&Place>, &[SchemeKind]); 5] = [
            ("", credential, &[Template, Jwt, EdgeAuth]),
            ("_encoding", at(&self.encoding), &[Template]),
            ("_algorithm", at(&self.algorithm), &[Template, Jwt, EdgeAuth]),
            ("_scope", at(&self.scope), &[Jwt]),
            ("_require", at(&self.require), &[Jwt, EdgeAuth, SigV4]),
        ];
        let unused = uses.iter().find(|(_, at, kinds)| at.is_some() && !kinds.contains(&kind));
        match unused {
            Some((name, Some(at), _)) => Err(Error::conf(
                at,
                format!("\"secure_link_hmac{name}\" is not used by the scheme \"{}\"", kind.name()),
            )),
            _ => Ok(()),
        }
    }
}
