//! Presigned URLs: any query string, path, header and change of one, against a model of the verdict.
#![no_main]

use data_encoding::HEXLOWER_PERMISSIVE;
use libfuzzer_sys::fuzz_target;
use secure_link::{
    Key, MAX_CREDENTIAL_LEN, MAX_KEY_ID_LEN, Policy, Scheme, SchemeKind, SigV4Scheme, Verdict,
    sigv4,
};
use secure_link_fuzz::keys::{ModelKey, ModelKeys};
use secure_link_fuzz::life::Life;
use secure_link_fuzz::offer::{OFFER, Offer, Outcome};
use secure_link_fuzz::{CLOCKS, Input, mutate, oracle, time};

fuzz_target!(|data: &[u8]| check(data).unwrap_or_default());

struct Rules<'k> {
    keys: &'k ModelKeys,
    region: Option<&'static str>,
    service: Option<&'static str>,
    leeway: Option<i64>,
    max_lifetime: i64,
}

const MALFORMED: Verdict = Verdict::Malformed;

/// What a client sends: path, query string, host, another header.
type Parts = [Vec<u8>; 4];

fn check(data: &[u8]) -> Option<()> {
    let mut input = Input::new(data, ModelKeys::CHOICES + 16)?;
    let now = input.pick(&CLOCKS).saturating_add(input.small());
    let keys = ModelKeys::make(&mut input, SchemeKind::SigV4, now);
    let rules = Rules {
        keys: &keys,
        region: input.pick(&[None, None, Some("us-east-1")]),
        service: input.pick(&[None, None, Some("s3")]),
        leeway: input.pick(&[None, Some(0), Some(1), Some(60)]),
        max_lifetime: input.pick(&[0, 0, 1, 3600]),
    };
    let method = input.pick(&["GET", "HEAD", "PUT"]);
    let (signer, made, expires) = (input.byte(), input.byte(), input.byte());
    let at = now.saturating_add(16 * input.small());
    let changed = usize::from(input.byte()) % 4;
    let [kind, place, with] = [(); 3].map(|()| input.byte());
    let path_kind = input.byte();
    let [path, host, header, region, more] = [(); 5].map(|()| input.text());
    let raw = input.rest();

    let signer = &keys.all[usize::from(signer) % keys.all.len()];
    let id = if signer.id.is_empty() { "any" } else { signer.id };
    // Beyond the years that are written with four digits there is no date.
    let at = at.clamp(0, 253_402_207_199);
    let text = |text| str::from_utf8(text).ok();
    let sent = match path_kind % 4 {
        0 => path.to_vec(),
        1 => oracle::percent_encode(path, "/-._~", false).into_bytes(),
        _ => oracle::percent_encode(path, "/-._~", true).into_bytes(),
    };
    let mut parts = [sent, raw.to_vec(), host.to_vec(), header.to_vec()];
    match made % 4 {
        0 => {}
        // As the engine signs: of the host alone.
        1 => {
            let link = sigv4::Presign {
                method,
                host: text(host)?,
                path: text(path)?,
                arguments: &[("x-id", "GetObject"), ("more", text(more)?)],
                key_id: id,
                region: text(region)?,
                service: "s3",
                expires: u32::from(expires).max(1),
            };
            let key = Key::prefixed(signer.algorithm, b"AWS4", &signer.secret);
            let url = sigv4::sign(&link, &key, at)?;
            let (path, query) = url.split_once('?')?;
            parts[0] = path.into();
            parts[1] = query.into();
        }
        // With another header, and arguments as the fuzzer has them.
        _ => {
            let date = time::basic_text(at);
            let region = oracle::percent_encode(region, "-._~", true);
            let names = if made & 4 == 4 { "host" } else { "host%3Bx-h" };
            let credential = format!("{id}/{}/{region}/s3/aws4_request", &date[..8]);
            let mut query = format!(
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={date}&X-Amz-Expires={expires}&X-Amz-SignedHeaders={names}&",
                if made & 8 == 8 { credential.replace('/', "%2F") } else { credential },
            )
            .into_bytes();
            query.extend(raw);
            parts[1] = query;
            let offer = Asked { parts: &parts, method, path };
            let tag = offer
                .own()
                .and_then(|own| Ok(signature(signer, &own, &offer.canonical(&own, None)?)));
            if let Ok(tag) = tag {
                parts[1].extend(
                    format!("&X-Amz-Signature={}", HEXLOWER_PERMISSIVE.encode(&tag)).bytes(),
                );
            }
        }
    }

    let policy = Policy {
        scheme: Scheme::SigV4(SigV4Scheme {
            keys: keys.keys(),
            region: rules.region.map(|region| region.as_bytes().into()),
            service: rules.service.map(|service| service.as_bytes().into()),
        }),
        leeway: rules.leeway,
        max_lifetime: rules.max_lifetime,
        methods: vec![(*b"GET").into(), (*b"HEAD").into()],
        requirements: Vec::new(),
    };
    let try_parts = |parts: &Parts| {
        let asked = Asked { parts, method, path };
        let target = [&parts[0][..], b"?", &parts[1]].concat();
        let headers: [(&[u8], &[u8]); 2] = [(b"host", &parts[2]), (b"x-h", &parts[3])];
        let offer = Offer {
            method: method.as_bytes(),
            path,
            target: &target,
            query: &parts[1],
            headers: &headers[..if parts[3].is_empty() { 1 } else { 2 }],
            ..OFFER
        };
        let expected = asked.judge(&rules, now).unwrap_or_else(Outcome::denied);
        // The second time the key of the day is kept.
        for _ in 0..2 {
            let outcome = offer.check(&policy, now);
            assert_eq!(outcome, expected, "{}", target.escape_ascii());
        }
        expected
    };
    let outcome = try_parts(&parts);
    let mut others = parts.clone();
    others[changed] = mutate(&parts[changed], kind, place, with);
    let other = try_parts(&others);
    if outcome.link.is_some() && other.link.is_some() {
        // What is the same once it is in canonical form; of the host, the default port too.
        let canonical = |parts| {
            let asked = Asked { parts, method, path };
            asked.own().and_then(|own| asked.canonical(&own, None)).expect("it was authentic")
        };
        assert!(changed == 2 || canonical(&others) == canonical(&parts));
        assert_eq!(other.link, outcome.link);
    }
    Some(())
}

/// A request as the model sees it.
struct Asked<'a> {
    parts: &'a Parts,
    method: &'a str,
    path: &'a [u8],
}

/// The scheme's own arguments, decoded.
struct Own {
    date_time: Vec<u8>,
    scope: Vec<Vec<u8>>,
    names: Vec<u8>,
    expires: Vec<u8>,
    signature: Option<Vec<u8>>,
}

fn decode(text: &[u8]) -> Result<Vec<u8>, Verdict> {
    oracle::percent_decode(text, true, false).ok_or(MALFORMED)
}

/// Whether a name is one of the scheme's once it is decoded; such a one must not be encoded.
fn is_own(name: &[u8]) -> Result<bool, Verdict> {
    for len in 0..=name.len() {
        // No more of it than is needed is looked at.
        let cut = &name[..len];
        let is_in_escape = cut.ends_with(b"%") || cut.len() > 1 && cut[..len - 1].ends_with(b"%");
        let is_last = len == name.len();
        if is_in_escape && !is_last {
            continue;
        }
        let decoded = decode(cut)?.to_ascii_lowercase();
        if decoded == b"x-amz-" {
            return if name.iter().any(|byte| b"%+".contains(byte)) {
                Err(MALFORMED)
            } else {
                Ok(true)
            };
        }
        if !b"x-amz-".starts_with(&decoded) {
            return Ok(false);
        }
    }
    Ok(false)
}

impl Asked<'_> {
    fn arguments(&self) -> Vec<(&[u8], &[u8])> {
        let split = |argument: &'_ [u8]| argument.iter().position(|byte| *byte == b'=');
        self.parts[1]
            .split(|byte| *byte == b'&')
            .map(|argument| match split(argument) {
                Some(at) => (&argument[..at], &argument[at + 1..]),
                None => (argument, &argument[..0]),
            })
            .collect()
    }

    fn own(&self) -> Result<Own, Verdict> {
        const NAMES: [&str; 7] = [
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-SignedHeaders",
            "X-Amz-Signature",
            "X-Amz-Content-Sha256",
        ];
        let (mut seen, mut len, mut others) = (Vec::<Vec<u8>>::new(), 0, 0);
        let mut found = [None; 7];
        for (name, value) in self.arguments() {
            if !is_own(name)? {
                continue;
            }
            let lower = name.to_ascii_lowercase();
            len += name.len() + value.len();
            if seen.contains(&lower) || lower == b"x-amz-security-token" {
                return Err(MALFORMED);
            }
            seen.push(lower);
            match NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name)) {
                Some(at) if NAMES[at].as_bytes() == name => found[at] = Some(value),
                Some(_) => return Err(MALFORMED),
                None => others += 1,
            }
        }
        if others > 16 {
            return Err(MALFORMED);
        }
        if found[..6].iter().all(Option::is_none) {
            return Err(Verdict::Missing);
        }
        let own = |at: usize| decode(found[at].ok_or(MALFORMED)?);
        let scope: Vec<_> = own(1)?.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
        let date_time = own(2)?;
        let names = own(4)?;
        let parsed: Vec<_> = names.split(|byte| *byte == b';').collect();
        let is_name = |name: &&[u8]| {
            let others = b"!#$%&'*+-.^_`|~";
            let is_one = |byte: &u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || others.contains(byte)
            };
            !name.is_empty() && name.iter().all(is_one)
        };
        let fails = len > MAX_CREDENTIAL_LEN
            || own(0)? != b"AWS4-HMAC-SHA256"
            || scope.len() != 5
            || scope[4] != b"aws4_request"
            || scope[0].len() > MAX_KEY_ID_LEN
            || time::basic_date_time(&date_time).is_none()
            || date_time[..8] != scope[1]
            || parsed.len() > 16
            || !parsed.iter().all(is_name)
            || !parsed.is_sorted_by(|a, b| a < b)
            || !parsed.contains(&&b"host"[..])
            || found[6].is_some() && own(6)? != b"UNSIGNED-PAYLOAD";
        if fails {
            return Err(MALFORMED);
        }
        Ok(Own {
            date_time,
            scope,
            names,
            expires: own(3)?,
            signature: found[5].map(<[u8]>::to_vec),
        })
    }

    fn sent_path(&self) -> Result<Vec<u8>, Verdict> {
        let path =
            self.parts[0].split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        if !path.starts_with(b"/") {
            return Err(MALFORMED);
        }
        oracle::percent_decode(path, false, false).ok_or(MALFORMED)
    }

    fn canonical(&self, own: &Own, host: Option<&[u8]>) -> Result<Vec<u8>, Verdict> {
        let path = oracle::percent_encode(&self.sent_path()?, "/-._~", true);
        let mut arguments = Vec::new();
        for (name, value) in
            self.arguments().into_iter().filter(|(name, _)| *name != b"X-Amz-Signature")
        {
            let [name, value] = [decode(name)?, decode(value)?]
                .map(|text| oracle::percent_encode(&text, "-._~", true));
            arguments.push((name, value));
        }
        arguments.sort();
        let arguments: Vec<_> =
            arguments.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut text = format!("{}\n{path}\n{}\n", self.method, arguments.join("&")).into_bytes();
        for name in own.names.split(|byte| *byte == b';') {
            let value = match name {
                b"host" => host.unwrap_or(&self.parts[2]),
                b"x-h" if !self.parts[3].is_empty() => &self.parts[3],
                _ => return Err(Verdict::Forged),
            };
            let words: Vec<_> =
                value.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
            let value =
                if name == b"host" && host.is_some() { value.to_vec() } else { words.join(&b' ') };
            text.extend([name, b":", &value, b"\n"].concat());
        }
        text.extend([b"\n", &own.names[..], b"\nUNSIGNED-PAYLOAD"].concat());
        Ok(text)
    }

    fn judge(&self, rules: &Rules<'_>, now: i64) -> Result<Outcome, Verdict> {
        let own = self.own()?;
        let issued = time::basic_date_time(&own.date_time).ok_or(MALFORMED)?;
        let expires =
            time::seconds(&own.expires).filter(|n| (1..=604_800).contains(n)).ok_or(MALFORMED)?;
        let tag = own.signature.as_ref().and_then(|text| HEXLOWER_PERMISSIVE.decode(text).ok());
        let tag = tag.filter(|tag| tag.len() == 32).ok_or(MALFORMED)?;
        let decoded_path = self.sent_path()?;
        let host = self.parts[2].trim_ascii();
        let mut canonical = vec![self.canonical(&own, None)?];
        if let Some(bare) = host.strip_suffix(b":80") {
            canonical.push(self.canonical(&own, Some(bare))?);
        }
        let id = String::from_utf8_lossy(&own.scope[0]);
        let is_signed =
            |key: &ModelKey| canonical.iter().any(|text| signature(key, &own, text) == tag);
        let key = rules.keys.verify(Some(&id), |_| true, is_signed, now)?;

        // A name, and behind its last colon a port.
        let port = host.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        let name = match host.len().checked_sub(port.len() + 1) {
            Some(end) if port.iter().all(u8::is_ascii_digit) => &host[..end],
            _ => host,
        };
        let name = name.strip_suffix(b".").unwrap_or(name);
        let is = |wanted: Option<&str>, said: &[u8]| {
            wanted.is_none_or(|wanted| wanted.as_bytes() == said)
        };
        let is_in_scope = decoded_path == self.path
            && name.eq_ignore_ascii_case(OFFER.server)
            && is(rules.region, &own.scope[2])
            && is(rules.service, &own.scope[3])
            && self.method != "PUT";
        let life = Life {
            issued: Some(issued),
            begins: Some(issued),
            last: Some(issued + expires),
            lifetime: Some(expires),
            leeway: rules.leeway,
            default_leeway: 900,
            max_lifetime: rules.max_lifetime,
        };
        let holds = if is_in_scope { Verdict::Granted } else { Verdict::OutOfScope };
        Ok(Outcome {
            verdict: life.denies(key, now).unwrap_or(holds),
            link: Some(oracle::identity(&tag)),
            key_id: key.id.into(),
            subject: Vec::new(),
            expires_at: Some(issued + expires),
        })
    }
}

fn signature(key: &ModelKey, own: &Own, canonical: &[u8]) -> Vec<u8> {
    let scope = own.scope[1..].join(&b'/');
    let digest = oracle::sha256_hex(canonical);
    let lines = [b"AWS4-HMAC-SHA256", &own.date_time[..], &scope, digest.as_bytes()].join(&b'\n');
    let secret = [b"AWS4", &key.secret[..]].concat();
    let parts = [&own.scope[1][..], &own.scope[2], &own.scope[3], b"aws4_request", &lines];
    parts.into_iter().fold(secret, |key, part| oracle::mac("sha256", &key, part))
}
