//! `secure-link sign`.

use secure_link::{
    EdgeAuthScheme, Encoding, Fields, Key, Piece, Scheme, SchemeKind, Scope, SigV4Scheme, Template,
    TemplateScheme, TimeField, Variable, Variables, Verdict, edgeauth, jwt, sigv4,
};
use serde_json::{Map, Value, json};

use crate::args::{LinkArgs, RequestArgs, SignArgs};
use crate::case::{self, Case, system_time};
use crate::error::{Error, usage};
use crate::offer::Offer;
use crate::policy::Compiled;
use crate::secret;
use crate::settings::Settings;
use crate::text::printable;
use crate::url::{Url, decode, encode_value};
use crate::{Outcome, print, warn};

/// How long a link is good unless it is said, in seconds.
const DEFAULT_LIFETIME: i64 = 3600;

/// Characters that a token keeps in a query string.
const TOKEN_LITERALS: &[u8] = b"=*!/:$()@?";

/// A link that was made.
struct Link {
    token: String,
    /// The target, with the arguments that belong to the link.
    target: String,
    /// Headers that belong to the link, by lower-case names.
    headers: Vec<(String, String)>,
    /// Values of variables that are neither arguments nor headers.
    set: Vec<(String, String)>,
}

pub fn run(args: &SignArgs) -> Result<Outcome, Error> {
    let signer = Signer::new(args)?;
    let link = match &signer.compiled.policy.scheme {
        Scheme::Template(scheme) => signer.template(scheme)?,
        Scheme::Jwt(_) => signer.jwt()?,
        Scheme::EdgeAuth(scheme) => signer.edgeauth(scheme)?,
        Scheme::SigV4(scheme) => signer.sigv4(scheme)?,
    };
    for finding in signer.settings.findings(&signer.compiled) {
        warn(&format!("warning: nginx refuses this policy where links are enforced: {finding}"));
    }
    let expires_at = if args.token_only { None } else { signer.try_out(&link)? };
    let url = signer.url.with_target(&link.target);
    let headers: Vec<_> =
        link.headers.iter().map(|(name, value)| (title(name), value.clone())).collect();
    let text = if args.token_only {
        link.token
    } else if args.json {
        let headers: Map<_, _> =
            headers.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        json!({
            "url": url,
            "token": link.token,
            "headers": headers,
            "expires_at": expires_at,
        })
        .to_string()
    } else {
        let headers = headers.into_iter().map(|(name, value)| format!("{name}: {value}"));
        std::iter::once(url).chain(headers).collect::<Vec<_>>().join("\n")
    };
    print(format!("{text}\n").as_bytes())?;
    Ok(Outcome::Done)
}

/// The name of a header as people write it.
fn title(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}

struct Signer<'a> {
    args: &'a SignArgs,
    link: &'a LinkArgs,
    settings: Settings,
    compiled: Compiled,
    /// The key that signs, and its id.
    key: Key,
    key_id: Option<String>,
    /// What says which key it is, where that is no argument.
    placed: Placed,
    url: Url,
    now: i64,
}

impl<'a> Signer<'a> {
    fn new(args: &'a SignArgs) -> Result<Self, Error> {
        let mut url = Url::parse(&args.url)?;
        let host = Offer::new(&url, &RequestArgs::default()).host;
        let settings = case::settings(&args.policy, &url, &host)?;
        check_flags(settings.scheme.kind(), &args.link)?;
        let compiled = settings.compile()?;
        let now = args.now.unwrap_or_else(system_time);
        let (key_id, mut placed) = choose_key(args, &settings, &url)?;
        if !placed.arguments.is_empty() {
            url = Url::parse(&url.with_target(&placed.target(&url)))?;
            placed.arguments.clear();
        }
        let key = settings.signing_key(key_id.as_deref(), now)?;
        Ok(Signer { args, link: &args.link, settings, compiled, key, key_id, placed, url, now })
    }

    /// The name of a setting where it is said.
    fn name(&self, flag: &str) -> String {
        self.settings.origin.name(flag)
    }

    fn offer(&self, url: &Url, headers: &[(String, String)]) -> Offer {
        let client = self
            .link
            .client
            .as_ref()
            .and_then(|text| text.split('/').next().and_then(|address| address.parse().ok()));
        let request =
            RequestArgs { method: self.link.method.clone(), header: headers.to_vec(), client };
        Offer::new(url, &request)
    }

    /// Checks the link that was made; its expiry.
    fn try_out(&self, link: &Link) -> Result<Option<i64>, Error> {
        let url = Url::parse(&self.url.with_target(&link.target))?;
        let mut settings = self.settings.clone();
        settings.set.extend(link.set.iter().cloned());
        let offer = self.offer(&url, &link.headers);
        let case = Case::new(&settings, offer, self.now)?;
        let summary = case.summary(&settings);
        match summary.verdict {
            verdict if !summary.is_authentic => return Err(Error::NotVerified(verdict.word())),
            Verdict::Granted => {}
            verdict => warn(&format!(
                "warning: for this URL the policy would refuse the link now: {}",
                verdict.word()
            )),
        }
        Ok(summary.expires_at)
    }

    fn lifetime(&self) -> i64 {
        self.link.expires_in.unwrap_or(DEFAULT_LIFETIME)
    }

    fn expires_at(&self) -> Result<i64, Error> {
        let lifetime = self.lifetime();
        if lifetime == 0 {
            return Err(usage("--expires-in: such a link cannot last forever"));
        }
        let expires_at = self.now.checked_add(lifetime);
        expires_at.ok_or_else(|| usage("--expires-in: it is too long"))
    }

    fn template(&self, scheme: &TemplateScheme) -> Result<Link, Error> {
        let no_credential = || usage("it is not said where the credential is");
        let fields = scheme.credentials.first().ok_or_else(no_credential)?;
        let mut placed = self.place_times(fields, scheme.time)?;

        // The message is that of the link without its token.
        let url = Url::parse(&self.url.with_target(&placed.target(&self.url)))?;
        let mut settings = self.settings.clone();
        for variable in self.compiled.variables_of(fields.token()) {
            settings.set.insert(0, (variable_name(variable), String::new()));
        }
        settings.set.extend(placed.set.iter().cloned());
        let offer = self.offer(&url, &placed.headers());
        let inputs =
            offer.inputs(&self.compiled.variables, &settings.set, &settings.origin)?.values;
        let inputs: Vec<_> = inputs.iter().map(Vec::as_slice).collect();
        let tag = self.key.sign(scheme.signing.message.pieces(&inputs));
        let mut text = [0; Encoding::MAX_LEN];
        let token = scheme.encoding.encode(&tag, &mut text);
        let token = String::from_utf8_lossy(token).into_owned();
        if !self.args.token_only {
            placed.place_first(self.place(fields.token(), "token")?, &token);
        }
        Ok(placed.link(token, &self.url))
    }

    /// The time and the lifetime of a template's link, where they belong.
    fn place_times(&self, fields: &Fields, time: TimeField) -> Result<Placed, Error> {
        let mut placed = self.placed.clone();
        let credential = self.name("credential");
        // In a token alone, variables have values, and places do not matter.
        let mut put = |template: &Template, what: &str, value: &str| match template.literal() {
            Some(_) => Err(usage(format!("the {what} of {credential} is not a variable"))),
            // Somebody has said it.
            None if self.is_set(template) => Ok(()),
            None => {
                placed.place(self.place(template, what)?, value);
                Ok(())
            }
        };
        match fields.time() {
            Some(template) => {
                let seconds = if time.is_expiry() { self.expires_at()? } else { self.now };
                let value = match time {
                    TimeField::Issued | TimeField::Expires => seconds.to_string(),
                    TimeField::IssuedHex | TimeField::ExpiresHex => format!("{seconds:x}"),
                };
                put(template, "time", &value)?;
            }
            None if self.link.expires_in.is_some() => {
                return Err(usage("--expires-in: the credential has no time"));
            }
            None => {}
        }
        match fields.lifetime() {
            Some(_) if time.is_expiry() => {
                return Err(usage(format!(
                    "{credential}: with a time of expiry there is no lifetime"
                )));
            }
            Some(template) => put(template, "lifetime", &self.lifetime().to_string())?,
            None if !time.is_expiry() && self.link.expires_in.is_some() => {
                return Err(usage("--expires-in: the credential has no lifetime"));
            }
            None => {}
        }
        Ok(placed)
    }

    fn jwt(&self) -> Result<Link, Error> {
        let payload = match &self.link.payload {
            Some(path) => secret::text_file(path)?.trim().to_owned(),
            None => self.payload()?,
        };
        let token = jwt::sign(&payload, self.key_id.as_deref(), &self.key);
        let token = token.ok_or_else(|| usage("the scheme jwt has no such algorithm"))?;
        self.token_link(token)
    }

    fn payload(&self) -> Result<String, Error> {
        let link = self.link;
        let mut claims = Map::new();
        let mut add = |name: &str, value: Value| match claims.insert(name.to_owned(), value) {
            Some(_) => Err(usage(format!("the claim {name} is given twice"))),
            None => Ok(()),
        };
        add("iat", self.now.into())?;
        add("exp", self.expires_at()?.into())?;
        for (name, value) in [("sub", &link.subject), ("aud", &link.audience), ("ip", &link.client)]
        {
            if let Some(value) = value {
                add(name, value.as_str().into())?;
            }
        }
        if let Some(not_before) = link.not_before {
            add("nbf", not_before.into())?;
        }
        match link.path.as_slice() {
            [] if self.settings.scope == Scope::Any => {}
            [] => add("path", self.literal_path()?.into())?,
            [path] => add("path", path.as_str().into())?,
            paths => add("path", paths.to_vec().into())?,
        }
        for (name, text) in &link.claim {
            add(name, text.as_str().into())?;
        }
        for (name, text) in &link.claim_json {
            let value = serde_json::from_str(text)
                .map_err(|error| usage(format!("--claim-json {name}: {error}")))?;
            add(name, value)?;
        }
        Ok(Value::Object(claims).to_string())
    }

    /// The path of the URL, which is then a pattern.
    fn literal_path(&self) -> Result<String, Error> {
        let path = String::from_utf8(self.url.path.clone())
            .map_err(|_| usage("the path is not UTF-8: say --path"))?;
        match path.contains(['*', '?']) {
            true => Err(usage("the path has a * or ?, which a pattern cannot mean: say --path")),
            false => Ok(path),
        }
    }

    fn edgeauth(&self, scheme: &EdgeAuthScheme) -> Result<Link, Error> {
        let link = self.link;
        let escape = scheme.escape;
        let value = |text: &String| match escape {
            Some(escape) => escape.escape(text.as_bytes()),
            None => text.clone(),
        };
        let acl = link.path.join("!");
        let fields = [
            ("ip", link.client.as_ref().map(value)),
            ("st", link.not_before.map(|at| at.to_string())),
            ("exp", Some(self.expires_at()?.to_string())),
            ("acl", (!link.path.is_empty()).then_some(acl)),
            ("id", link.session.as_ref().map(value)),
            ("data", link.subject.as_ref().map(value)),
        ];
        let given: Vec<_> = fields
            .iter()
            .filter_map(|(name, value)| value.as_deref().map(|value| (*name, value)))
            .collect();
        let url = match (link.path.is_empty(), escape) {
            (false, _) => None,
            (true, Some(escape)) => Some(escape.escape(&self.url.path)),
            (true, None) => Some(self.url.sent_path.clone()),
        };
        let salt = match &scheme.salt {
            Some(salt) => Some(str::from_utf8(salt).map_err(|_| usage("the salt is not UTF-8"))?),
            None => None,
        };
        let token = edgeauth::sign(&given, url.as_deref(), salt, &self.key);
        self.token_link(token.ok_or_else(|| usage("a value of an edgeauth token has no ~"))?)
    }

    fn sigv4(&self, scheme: &SigV4Scheme) -> Result<Link, Error> {
        let key_id = self.key_id.as_deref();
        let key_id = key_id.ok_or_else(|| usage("sigv4 needs --key-id, the access key id"))?;
        let origin = self.url.origin.as_ref();
        let origin = origin.ok_or_else(|| usage("sigv4 signs the host: give the whole URL"))?;
        let text = |text: &str, plus_is_space| {
            decode(text.as_bytes(), plus_is_space)
                .and_then(|text| String::from_utf8(text).ok())
                .ok_or_else(|| usage("a part of the URL is not UTF-8, or wrongly encoded"))
        };
        let path = text(&self.url.sent_path, false)?;
        let mut arguments = Vec::new();
        for argument in self.url.query.split('&').filter(|_| !self.url.query.is_empty()) {
            let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
            arguments.push((text(name, true)?, text(value, true)?));
        }
        let arguments: Vec<_> =
            arguments.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expires = u32::try_from(self.lifetime()).ok().filter(|e| (1..=604_800).contains(e));
        fn name<'n>(name: &'n Option<Box<[u8]>>, default: &'n str) -> Result<&'n str, Error> {
            let name = name.as_deref().unwrap_or(default.as_bytes());
            str::from_utf8(name).map_err(|_| usage("the region or service is not UTF-8"))
        }
        let presign = sigv4::Presign {
            method: self.link.method.as_deref().unwrap_or("GET"),
            host: origin.host_header(),
            path: &path,
            arguments: &arguments,
            key_id,
            region: name(&scheme.region, "us-east-1")?,
            service: name(&scheme.service, "s3")?,
            expires: expires.ok_or_else(|| usage("--expires-in: 1 second to 7 days in sigv4"))?,
        };
        let target = sigv4::sign(&presign, &self.key, self.now);
        let target = target.ok_or_else(|| usage("--now: it has no date"))?;
        let token = target.rsplit('=').next().unwrap_or_default().to_owned();
        Ok(Link { token, target, headers: self.placed.headers(), set: Vec::new() })
    }

    /// The link of a token that stands in one place.
    fn token_link(&self, token: String) -> Result<Link, Error> {
        let mut placed = self.placed.clone();
        if !self.args.token_only {
            let places = match &self.compiled.policy.scheme {
                Scheme::Jwt(scheme) => scheme.places.first(),
                Scheme::EdgeAuth(scheme) => scheme.places.first(),
                Scheme::Template(_) | Scheme::SigV4(_) => None,
            };
            let place = places.ok_or_else(|| usage("it is not said where the credential is"))?;
            let place = self.place(place.value(), "token")?;
            placed.place_first(place, &token);
        }
        Ok(placed.link(token, &self.url))
    }

    /// Whether somebody has said the value of the variable that a field is.
    fn is_set(&self, template: &Template) -> bool {
        self.compiled.only_variable(template).is_some_and(|variable| {
            let name = variable_name(variable);
            self.settings.set.iter().any(|(set, _)| set.eq_ignore_ascii_case(&name))
        })
    }

    /// Where a field goes.
    fn place(&self, template: &Template, what: &str) -> Result<Place, Error> {
        let variable = self.compiled.only_variable(template);
        let place = match variable {
            Some(variable) => Place::of(variable),
            None => None,
        };
        match (place, variable) {
            (Some(place), _) => Ok(place),
            (None, Some(variable)) if self.args.token_only => {
                Ok(Place::Other(variable_name(variable)))
            }
            _ => Err(usage(format!(
                "the {what} cannot be placed: in {} it is not an $arg_, $cookie_ or $http_ \
                 variable; use --token-only",
                self.name("credential")
            ))),
        }
    }
}

/// The id of the key that signs, and where a link says it: that of the flag, of the URL, or the only
/// one.
fn choose_key(
    args: &SignArgs,
    settings: &Settings,
    url: &Url,
) -> Result<(Option<String>, Placed), Error> {
    let mut placed = Placed::default();
    let given = args.policy.keys.key_id.clone();
    let ids = settings.keys.ids();
    if ids.is_empty() {
        return Ok((given, placed));
    }
    let mut variables = Variables::default();
    let template = settings.keys.written_id();
    let template = template.map(|id| Template::parse(id, &mut variables)).transpose()?;
    let request = RequestArgs::default();
    let inputs =
        Offer::new(url, &request).inputs(&variables, &settings.set, &settings.origin)?.values;
    let inputs: Vec<_> = inputs.iter().map(Vec::as_slice).collect();
    let written = template.as_ref().map(|id| id.pieces(&inputs).collect::<Vec<_>>().concat());
    let written = written.map(|id| String::from_utf8_lossy(&id).into_owned());
    let only = match ids.as_slice() {
        [id] => Some(String::from_utf8_lossy(id).into_owned()),
        _ => None,
    };
    let id = given.or(written.clone().filter(|id| !id.is_empty())).or(only).ok_or_else(|| {
        let ids: Vec<_> = ids.iter().map(|id| printable(id)).collect();
        usage(format!("say by --key-id which key signs: {}", ids.join(", ")))
    })?;
    if let Some((template, written)) = template.zip(written).filter(|(_, written)| *written != id) {
        let variable = match template.as_pieces() {
            [Piece::Input(at)] => variables.as_slice().get(*at),
            _ => None,
        };
        let place = variable.and_then(Place::of).ok_or_else(|| {
            usage(format!("for this URL secure_link_hmac_keys demands the key \"{written}\""))
        })?;
        placed.place(place, &id);
    }
    Ok((Some(id), placed))
}

/// Refuses what the scheme cannot say.
fn check_flags(kind: SchemeKind, link: &LinkArgs) -> Result<(), Error> {
    use SchemeKind::{EdgeAuth, Jwt};
    let flags: [(&str, bool, &[SchemeKind]); 8] = [
        ("--not-before", link.not_before.is_some(), &[Jwt, EdgeAuth]),
        ("--path", !link.path.is_empty(), &[Jwt, EdgeAuth]),
        ("--subject", link.subject.is_some(), &[Jwt, EdgeAuth]),
        ("--session", link.session.is_some(), &[EdgeAuth]),
        ("--audience", link.audience.is_some(), &[Jwt]),
        ("--client", link.client.is_some(), &[Jwt, EdgeAuth]),
        ("--claim", !link.claim.is_empty() || !link.claim_json.is_empty(), &[Jwt]),
        ("--payload", link.payload.is_some(), &[Jwt]),
    ];
    let unused = flags.iter().find(|(_, is_given, kinds)| *is_given && !kinds.contains(&kind));
    match unused {
        Some((flag, ..)) => Err(usage(format!("the scheme {} has no {flag}", kind.name()))),
        None => Ok(()),
    }
}

/// The name of a variable without its dollar sign.
fn variable_name(variable: &Variable) -> String {
    variable.to_string().trim_start_matches('$').to_owned()
}

/// Where a client brings a field.
enum Place {
    Argument(String),
    Cookie(String),
    Header(String),
    Other(String),
}

impl Place {
    fn of(variable: &Variable) -> Option<Self> {
        let Variable::Named(name) = variable else { return None };
        if let Some(name) = variable.argument() {
            return Some(Place::Argument(name.to_owned()));
        }
        match (name.strip_prefix("cookie_"), name.strip_prefix("http_")) {
            (Some(cookie), _) => Some(Place::Cookie(cookie.to_owned())),
            (None, Some(header)) => Some(Place::Header(header.replace('_', "-"))),
            (None, None) => None,
        }
    }
}

/// The fields of a link in their places.
#[derive(Clone, Default)]
struct Placed {
    arguments: Vec<(String, String)>,
    cookies: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    set: Vec<(String, String)>,
}

impl Placed {
    fn place(&mut self, place: Place, value: &str) {
        self.insert(place, value, usize::MAX);
    }

    /// Puts a field before the others.
    fn place_first(&mut self, place: Place, value: &str) {
        self.insert(place, value, 0);
    }

    fn insert(&mut self, place: Place, value: &str, at: usize) {
        // A `%` stays: of the tokens that are made, only those that are decoded once have one.
        let encoded = || {
            let has_others = value.bytes().any(|byte| {
                !byte.is_ascii_alphanumeric()
                    && !b"-._~%".contains(&byte)
                    && !TOKEN_LITERALS.contains(&byte)
            });
            // An EdgeAuth token is encoded as a whole or not at all.
            let is_whole = value.contains("~hmac=") && has_others;
            match (is_whole, value.contains("~hmac=")) {
                (true, _) => encode_value(value.as_bytes(), b""),
                (false, true) => value.to_owned(),
                (false, false) => encode_value(value.as_bytes(), b"%"),
            }
        };
        let (list, name, value) = match place {
            Place::Argument(name) => (&mut self.arguments, name, encoded()),
            Place::Cookie(name) => (&mut self.cookies, name, encoded()),
            Place::Header(name) if name == "authorization" => {
                (&mut self.headers, name, format!("Bearer {value}"))
            }
            Place::Header(name) => (&mut self.headers, name, value.to_owned()),
            Place::Other(name) => (&mut self.set, name, value.to_owned()),
        };
        list.insert(at.min(list.len()), (name, value));
    }

    /// All headers, the cookies among them.
    fn headers(&self) -> Vec<(String, String)> {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let cookies = (!cookies.is_empty()).then(|| ("cookie".to_owned(), cookies));
        self.headers.iter().cloned().chain(cookies).collect()
    }

    /// The target of a URL, whose arguments of the same names are replaced.
    fn target(&self, url: &Url) -> String {
        let is_replaced = |argument: &str| {
            let name = argument.split('=').next().unwrap_or_default();
            self.arguments.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
        };
        let kept = url.query.split('&').filter(|text| !text.is_empty() && !is_replaced(text));
        let added = self.arguments.iter().map(|(name, value)| format!("{name}={value}"));
        let query = kept.map(str::to_owned).chain(added).collect::<Vec<_>>().join("&");
        match query.as_str() {
            "" => url.sent_path.clone(),
            query => format!("{}?{query}", url.sent_path),
        }
    }

    fn link(self, token: String, url: &Url) -> Link {
        Link { token, target: self.target(url), headers: self.headers(), set: self.set }
    }
}
