//! The settings that make a policy, as they are written, and what a block inherits.

use secure_link::{Algorithm, Encoding, SchemeKind, Scope};

use crate::limit::LimitSetting;
use crate::scheme::{RequiredClaim, SchemeSetting};
use crate::words::alternatives;

/// A setting and where it was written.
#[derive(Clone, Debug)]
pub struct Located<T, P> {
    /// The setting.
    pub value: T,
    /// Its directive's place.
    pub at: P,
}

/// Where a request brings its credential.
#[derive(Clone)]
pub enum Credential {
    /// Nowhere: the location is open.
    Off,
    /// In the first of these texts that is not empty.
    Values(Vec<Box<[u8]>>),
}

/// An algorithm's name may be unknown as long as nothing enforces its policy.
#[derive(Clone)]
pub enum Algorithms {
    /// One of the list.
    Known(Algorithm),
    /// The name, quoted for a message.
    Unknown(String),
}

impl Algorithms {
    /// The algorithm of a scheme's links, or what is wrong with it.
    pub fn of(&self, kind: SchemeKind) -> Result<Algorithm, String> {
        match self {
            // A location that inherits one has no other to choose.
            Algorithms::Known(_) if kind == SchemeKind::SigV4 => Ok(Algorithm::Sha256),
            Algorithms::Known(algorithm) if kind.algorithms().contains(algorithm) => Ok(*algorithm),
            Algorithms::Known(algorithm) => Err(format!(
                "\"secure_link_hmac_algorithm\" is \"{}\", which the scheme \"{}\" does not have: \
                 write {}",
                algorithm.name(),
                kind.name(),
                alternatives(kind.algorithms().iter().map(|algorithm| algorithm.name()))
            )),
            Algorithms::Unknown(name) => {
                // The names of jwt say the same.
                let bits = name.trim_matches('"').strip_prefix("HS").unwrap_or_default();
                if let Some(algorithm) = Algorithm::from_name(format!("sha{bits}").as_bytes()) {
                    return Err(format!(
                        "\"secure_link_hmac_algorithm\" has an unknown algorithm {name}: write \
                         \"{}\"",
                        algorithm.name()
                    ));
                }
                let known = Algorithm::ALL.iter().map(|algorithm| algorithm.name());
                Err(format!(
                    "\"secure_link_hmac_algorithm\" has an unknown algorithm {name}: write one of {}",
                    known.collect::<Vec<_>>().join(", ")
                ))
            }
        }
    }
}

/// The keys of a ring, of which a policy takes those with an id.
#[derive(Clone)]
pub struct RingKeys {
    /// The ring's name.
    pub ring: Box<[u8]>,
    /// The id, with variables.
    pub id: Option<Box<[u8]>>,
}

/// A setting that the scheme of its block does not use.
pub struct Unused<P> {
    /// Where it is written.
    pub at: P,
    /// What is wrong, and what to do.
    pub text: String,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        /// The settings that make a policy: a block that has any of them has one of its own.
        ///
        /// `P` is a place in the configuration, `S` where a secret went, `V` a list of values with
        /// variables: see [`Reading`](crate::Reading).
        #[derive(Clone)]
        pub struct Settings<P, S, V> {
            $($(#[$doc])* pub $name: Option<$type>,)*
            /// Whether the message is another block's, for other keys than those of this one.
            pub message_is_foreign: bool,
        }

        impl<P, S, V> Default for Settings<P, S, V> {
            fn default() -> Self {
                Settings { $($name: None,)* message_is_foreign: false }
            }
        }

        impl<P: Clone, S: Clone, V: Clone> Settings<P, S, V> {
            /// Whether nothing is set.
            pub fn is_empty(&self) -> bool {
                true $(&& self.$name.is_none())*
            }

            fn inherit(&mut self, parent: &Self) {
                // Secrets and a ring's keys take each other's place.
                let own_keys = self.secrets.is_some() || self.keys.is_some();
                let (secrets, keys) = (self.secrets.take(), self.keys.take());
                $(inherit(&mut self.$name, &parent.$name);)*
                if own_keys {
                    (self.secrets, self.keys) = (secrets, keys);
                }
            }
        }
    };
}

settings! {
    /// `secure_link_hmac`
    credential: Located<Credential, P>,
    /// `secure_link_hmac_scheme`
    scheme: Located<SchemeSetting, P>,
    /// `secure_link_hmac_message`
    message: Located<Box<[u8]>, P>,
    /// `secure_link_hmac_secret`, each in its order
    secrets: Vec<Located<S, P>>,
    /// `secure_link_hmac_keys`
    keys: Located<RingKeys, P>,
    /// `secure_link_hmac_algorithm`
    algorithm: Located<Algorithms, P>,
    /// `secure_link_hmac_encoding`
    encoding: Located<Encoding, P>,
    /// `secure_link_hmac_leeway`, in seconds
    leeway: Located<i64, P>,
    /// `secure_link_hmac_max_lifetime`, in seconds
    max_lifetime: Located<i64, P>,
    /// `secure_link_hmac_methods`
    methods: Located<Vec<Box<[u8]>>, P>,
    /// `secure_link_hmac_scope`
    scope: Located<Scope, P>,
    /// `secure_link_hmac_require`
    require: Located<Vec<RequiredClaim>, P>,
    /// `secure_link_hmac_revoke`
    revoke: Located<V, P>,
    /// `secure_link_hmac_limit`, each in its order
    limits: Vec<Located<LimitSetting, P>>,
}

impl<P: Clone, S: Clone, V: Clone> Settings<P, S, V> {
    /// The scheme.
    pub fn kind(&self) -> SchemeKind {
        self.scheme.as_ref().map(|scheme| scheme.value.kind()).unwrap_or(SchemeKind::Template)
    }

    /// Whether the credential is cancelled, so that the block is open.
    pub fn is_off(&self) -> bool {
        matches!(self.credential, Some(Located { value: Credential::Off, .. }))
    }

    /// The directive that says where the credential is, if there is one: in sigv4 the scheme
    /// itself.
    pub fn credential_at(&self) -> Option<&P> {
        match (&self.credential, &self.scheme) {
            (Some(Located { value: Credential::Off, .. }), _) => None,
            (_, Some(scheme)) if self.kind() == SchemeKind::SigV4 => Some(&scheme.at),
            (credential, _) => credential.as_ref().map(|credential| &credential.at),
        }
    }

    /// Completes the settings of a block by what it inherits, and checks that the scheme uses what
    /// the block sets.
    pub fn complete(&mut self, parent: &Self) -> Result<(), Unused<P>> {
        let own = self.clone();
        self.inherit(parent);
        self.message_is_foreign = own.message.is_none()
            && (own.secrets.is_some() || own.keys.is_some() || parent.message_is_foreign);
        if own.kind() == SchemeKind::SigV4 && own.credential.is_none() && self.is_off() {
            self.credential = None;
        }
        own.check_use(self.kind())
    }

    /// Checks that a scheme uses what is set.
    pub fn check_use(&self, kind: SchemeKind) -> Result<(), Unused<P>> {
        use SchemeKind::{EdgeAuth, Jwt, SigV4, Template};

        fn at<T, P>(setting: &Option<Located<T, P>>) -> Option<&P> {
            setting.as_ref().map(|setting| &setting.at)
        }
        if let Some(values) = self.credential.as_ref().filter(|_| kind == SigV4 && !self.is_off()) {
            return Err(Unused {
                at: values.at.clone(),
                text: "\"secure_link_hmac\" has a value, but the scheme \"sigv4\" reads arguments \
                       of its own: remove it"
                    .to_owned(),
            });
        }
        let uses: [(&str, Option<&P>, &[SchemeKind]); 4] = [
            ("_encoding", at(&self.encoding), &[Template]),
            ("_algorithm", at(&self.algorithm), &[Template, Jwt, EdgeAuth]),
            ("_scope", at(&self.scope), &[Jwt]),
            ("_require", at(&self.require), &[Jwt, EdgeAuth, SigV4]),
        ];
        for (name, at, kinds) in uses {
            if let Some(at) = at.filter(|_| !kinds.contains(&kind)) {
                let text = format!(
                    "\"secure_link_hmac{name}\" is not used by the scheme \"{}\" of this block: \
                     remove it, or write \"secure_link_hmac_scheme {}\"",
                    kind.name(),
                    kinds.first().map(|kind| kind.name()).unwrap_or_default()
                );
                return Err(Unused { at: at.clone(), text });
            }
        }
        Ok(())
    }
}

/// Takes a parent's setting where there is none.
pub fn inherit<T: Clone>(child: &mut Option<T>, parent: &Option<T>) {
    if child.is_none() {
        child.clone_from(parent);
    }
}
