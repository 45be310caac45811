//! Whether the time of a refusal tells how much of a forged MAC is right, or whether a key's id
//! exists: two classes of refused links are checked in random turns, and their times compared by
//! Welch's t-test, as dudect does (Reparaz, Balasch, Verbauwhede 2017).
//!
//!     cargo test -p secure-link --release --test timing
//!
//! For MACs any difference counts: whoever finds one byte after the other needs few more requests than
//! there are bytes. Whether an id exists is told by a table that is looked up: what that takes more when
//! it is there may not be more than [`HEARD`].
//!
//! A difference counts if each of [`ATTEMPTS`] measurements finds it, in the same direction: a
//! noisy machine makes single ones. Two leaks that are planted here must be found, or the
//! measurement is blind, and that is a failure too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by a panic")]

mod common;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use bumpalo::Bump;
use common::schemes::{NOW, OFFER, place, policy};
use common::{Rules, SECRET};
use secure_link::{
    Algorithm, Arena, ArgumentNames, EdgeAuthScheme, Encoding, JwtScheme, Key, KeyDescription,
    KeyLife, Keyring, Keys, Mode, Policy, Request, Scheme, SchemeKind, Scope, Secret, SigV4Scheme,
    Template, Variables, Verdict, edgeauth, jwt, sigv4, verify,
};

/// From here on t is no chance any more: with as many samples, one in 200 000 measurements of
/// equal classes is beyond it.
const THRESHOLD: f64 = 4.5;
/// Nanoseconds that nobody hears for the noise of a network: at 10 microseconds of it, ten million
/// refusals.
const HEARD: f64 = 20.0;
/// As many measurements in a row have to be beyond the threshold.
const ATTEMPTS: usize = 5;
/// Of a measurement, both classes together.
const SAMPLES: usize = 200_000;
/// Checks of a sample, so that the clock's resolution does not matter.
const BATCH: usize = 4;
/// The slowest samples are those that something interrupted.
const KEPT: f64 = 0.9;
/// Links of a class.
const LINKS: usize = 50;

const PATH: &str = "/videos/a.mp4";

/// What differs from link to link: values of variables, and the query string.
struct Link {
    inputs: Vec<String>,
    query: String,
}

struct Pool(Bump);

impl Arena for Pool {
    fn alloc(&self, len: usize) -> Option<&mut [u8]> {
        Some(self.0.alloc_slice_fill_copy(len, 0))
    }
}

/// A link in memory that all links share: an address has a speed of its own.
struct Place {
    inputs: Vec<Vec<u8>>,
    query: Vec<u8>,
    target: Vec<u8>,
    pool: Pool,
}

impl Place {
    fn new(links: &Link) -> Self {
        let room = || Vec::with_capacity(4096);
        let inputs = links.inputs.iter().map(|_| room()).collect();
        Place { inputs, query: room(), target: room(), pool: Pool(Bump::with_capacity(64 << 10)) }
    }

    fn take(&mut self, link: &Link) {
        let copy = |to: &mut Vec<u8>, parts: &[&str]| {
            to.clear();
            parts.iter().for_each(|part| to.extend_from_slice(part.as_bytes()));
        };
        self.inputs.iter_mut().zip(&link.inputs).for_each(|(to, from)| copy(to, &[from]));
        copy(&mut self.query, &[&link.query]);
        copy(&mut self.target, &[PATH, "?", &link.query]);
    }

    fn verify(&mut self, policy: &Policy) -> Verdict {
        self.pool.0.reset();
        let inputs: [&[u8]; 5] =
            std::array::from_fn(|at| self.inputs.get(at).map_or(&b""[..], Vec::as_slice));
        let request = Request {
            inputs: &inputs[..self.inputs.len()],
            repeated_argument: false,
            method: b"GET",
            path: PATH.as_bytes(),
            target: &self.target,
            query: &self.query,
            host: OFFER.host.as_bytes(),
            client: &OFFER,
            mode: Mode::Enforced,
            arena: &self.pool,
        };
        verify(black_box(policy), black_box(&request), NOW).verdict
    }
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap()
    }
}

/// Welch's t of the two classes, and the difference of their means in nanoseconds of a check.
fn measure(
    classes: &[Vec<Link>; 2],
    random: &mut Random,
    mut check: impl FnMut(&mut Place) -> Verdict,
) -> (f64, f64) {
    let mut place = Place::new(&classes[0][0]);
    let mut times = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
    for warm in 0..=1 {
        for _ in 0..if warm == 0 { SAMPLES / 20 } else { SAMPLES } {
            let class = random.next() % 2;
            let links = &classes[class];
            place.take(&links[random.next() % links.len()]);
            let begin = Instant::now();
            for _ in 0..BATCH {
                black_box(check(&mut place));
            }
            times[class].push(begin.elapsed().as_nanos() as f64 / BATCH as f64);
        }
        if warm == 0 {
            times.iter_mut().for_each(Vec::clear);
        }
    }
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let crop = all[(all.len() as f64 * KEPT) as usize];
    let [(mean0, error0), (mean1, error1)] = times.map(|times| {
        let kept: Vec<f64> = times.into_iter().filter(|time| *time <= crop).collect();
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let squares: f64 = kept.iter().map(|time| (time - mean).powi(2)).sum();
        (mean, squares / (count - 1.0) / count)
    });
    ((mean1 - mean0) / (error0 + error1).sqrt(), mean1 - mean0)
}

/// Whether the classes differ, said in a line.
fn differ(
    what: &str,
    heard: f64,
    classes: &[Vec<Link>; 2],
    random: &mut Random,
    mut check: impl FnMut(&mut Place) -> Verdict,
) -> bool {
    let mut found: Vec<(f64, f64)> = Vec::new();
    let mut differ = true;
    while differ && found.len() < ATTEMPTS {
        found.push(measure(classes, random, &mut check));
        let same = found.iter().all(|(t, _)| t.signum() == found[0].0.signum());
        let beyond =
            |(t, difference): &(f64, f64)| t.abs() >= THRESHOLD && difference.abs() > heard;
        differ = same && found.iter().all(beyond);
    }
    let texts = found.iter().map(|(t, difference)| format!("{t:.1} ({difference:+.2} ns)"));
    let texts: Vec<_> = texts.collect();
    println!("{what:<56} t = {}", texts.join(", "));
    differ
}

/// Links whose MAC is wrong at its first character, and at its last but one; the last of base64 may
/// have bits that count for nothing.
fn wrong_at_the_ends(link: impl Fn(usize, &dyn Fn(&str) -> String) -> Link) -> [Vec<Link>; 2] {
    let wrong_at = |at_end: bool| {
        let tamper = move |mac: &str| {
            let at = if at_end { mac.len() - 2 } else { 0 };
            let other = neighbour(mac.as_bytes()[at]);
            format!("{}{other}{}", &mac[..at], &mac[at + 1..])
        };
        (0..LINKS).map(|number| link(number, &tamper)).collect()
    };
    [wrong_at(false), wrong_at(true)]
}

/// Another character of the same kind, as which it takes the same time to be decoded.
fn neighbour(character: u8) -> char {
    char::from(match character {
        b'9' => b'0',
        b'f' => b'a',
        b'Z' => b'A',
        b'z' => b'a',
        b'-' => b'_',
        b'_' => b'-',
        other => other + 1,
    })
}

/// Links with ids that exist, and with ids that do not; none is signed right.
fn ids(others: char, link: impl Fn(&str) -> Link) -> [Vec<Link>; 2] {
    let of = |letter: char| (0..1).map(|number| link(&format!("{letter}{number:02}"))).collect();
    [of('k'), of(others)]
}

/// A ring of the ids k00 to k49, and of r00 to r49, which are revoked.
fn ring(kind: SchemeKind) -> Arc<Keyring> {
    let ids: Vec<_> = (0..2 * LINKS)
        .map(|number| format!("{}{:02}", if number < LINKS { 'k' } else { 'r' }, number % LINKS))
        .collect();
    let secrets: Vec<_> = ids.iter().map(|id| format!("{id}-{SECRET}")).collect();
    let keys = ids.iter().zip(&secrets).map(|(id, secret)| KeyDescription {
        id: id.as_bytes(),
        secret: secret.as_bytes(),
        algorithm: Algorithm::Sha256,
        life: KeyLife { revoked: id.starts_with('r'), ..KeyLife::default() },
    });
    Arc::new(Keyring::prefixed(kind.key_prefix(), keys).unwrap())
}

fn key(algorithm: Algorithm) -> Key {
    Key::new(algorithm, SECRET.as_bytes())
}

fn secrets(key: Key) -> Keys {
    Keys::Secrets(vec![Secret::Fixed(Box::new(key))])
}

fn template(rules: Rules<'_>, algorithm: Algorithm) -> (Policy, [Vec<Link>; 2]) {
    let checker = rules.compile();
    let classes = wrong_at_the_ends(|number, tamper| {
        let path = format!("/videos/{number:03}.mp4");
        let message = format!("{path}|1699999000|3600");
        let mut text = [0; Encoding::MAX_LEN];
        let tag = key(algorithm).sign([message.as_bytes()].into_iter());
        let token = std::str::from_utf8(rules.encoding.encode(&tag, &mut text)).unwrap().to_owned();
        let values = [
            ("$uri", path),
            ("$arg_st", tamper(&token)),
            ("$arg_ts", "1699999000".into()),
            ("$arg_e", "3600".into()),
        ];
        link_of(&checker.variables, &values)
    });
    (checker.policy, classes)
}

fn link_of(variables: &Variables, values: &[(&str, String)]) -> Link {
    let value = |name: String| values.iter().find(|(known, _)| *known == name).unwrap().1.clone();
    let inputs = variables.as_slice().iter().map(|variable| value(variable.to_string())).collect();
    Link { inputs, query: String::new() }
}

const MESSAGE: &str = "$uri|$arg_ts|$arg_e";

fn template_ring(others: char) -> (Policy, [Vec<Link>; 2]) {
    let mut checker = Rules { message: MESSAGE, ..Rules::default() }.compile();
    let id = Template::parse(b"$arg_k", &mut checker.variables).unwrap();
    if let Scheme::Template(scheme) = &mut checker.policy.scheme {
        let keys = Keys::Ring { ring: ring(SchemeKind::Template), id: Some(id) };
        Arc::get_mut(&mut scheme.signing).unwrap().keys = keys;
    }
    let classes = ids(others, |id| {
        let values = [
            ("$uri", PATH.to_owned()),
            ("$arg_st", common::FORGED.to_owned()),
            ("$arg_ts", "1699999000".into()),
            ("$arg_e", "3600".into()),
            ("$arg_k", id.to_owned()),
        ];
        link_of(&checker.variables, &values)
    });
    (checker.policy, classes)
}

fn in_argument(token: String) -> Link {
    Link { query: format!("token={token}"), inputs: vec![token] }
}

/// Changes what is behind the last occurrence of a mark.
fn behind(mark: char, text: &str, tamper: &dyn Fn(&str) -> String) -> String {
    let at = text.rfind(mark).unwrap() + 1;
    format!("{}{}", &text[..at], tamper(&text[at..]))
}

fn jwt_policy(keys: Keys) -> Policy {
    let mut own_arguments = ArgumentNames::default();
    own_arguments.insert(b"token");
    let places = vec![place("$arg_token")];
    policy(Scheme::Jwt(JwtScheme { places, keys, scope: Scope::Path, own_arguments }))
}

fn jwt_token(number: usize, id: Option<&str>) -> String {
    let payload = format!(r#"{{"exp":1700003600,"path":"/videos/*","sub":"{number:03}"}}"#);
    jwt::sign(&payload, id, &key(Algorithm::Sha256)).unwrap()
}

fn edgeauth_policy(keys: Keys) -> Policy {
    let places = vec![place("$arg_token")];
    policy(Scheme::EdgeAuth(EdgeAuthScheme { places, keys, salt: None, escape: None }))
}

fn sigv4_policy(keys: Keys) -> Policy {
    policy(Scheme::SigV4(SigV4Scheme { keys, region: None, service: None }))
}

fn sigv4_link(id: &str, region: &str, tamper: &dyn Fn(&str) -> String) -> Link {
    let key = Key::prefixed(Algorithm::Sha256, SchemeKind::SigV4.key_prefix(), SECRET.as_bytes());
    let link = sigv4::Presign {
        method: "GET",
        host: OFFER.host,
        path: PATH,
        arguments: &[],
        key_id: id,
        region,
        service: "s3",
        expires: 3600,
    };
    let target = sigv4::sign(&link, &key, NOW).unwrap();
    let query = behind('=', target.split_once('?').unwrap().1, tamper);
    Link { inputs: Vec::new(), query }
}

/// A pair of classes that must not differ, and from what on they do.
struct Comparison {
    what: &'static str,
    heard: f64,
    policy: Policy,
    classes: [Vec<Link>; 2],
}

fn comparisons() -> Vec<Comparison> {
    let rules = Rules { message: MESSAGE, ..Rules::default() };
    let mut all = Vec::new();
    let mut add = |what: &'static str, (policy, classes)| {
        let heard = if what.contains("the id") { HEARD } else { 0.0 };
        all.push(Comparison { what, heard, policy, classes });
    };
    add("template, sha256: how much of the MAC is right", template(rules, Algorithm::Sha256));
    let sha512 = Rules { algorithm: "sha512", encoding: Encoding::Hex, ..rules };
    add(
        "template, sha512 in hex: how much of the MAC is right",
        template(sha512, Algorithm::Sha512),
    );
    let jwts = wrong_at_the_ends(|number, tamper| {
        in_argument(behind('.', &jwt_token(number, None), tamper))
    });
    add("jwt: how much of the MAC is right", (jwt_policy(secrets(key(Algorithm::Sha256))), jwts));
    let edges = wrong_at_the_ends(|number, tamper| {
        let id = format!("{number:03}");
        let fields = [("exp", "1700003600"), ("acl", "/videos/*"), ("id", &*id)];
        let token = edgeauth::sign(&fields, None, None, &key(Algorithm::Sha256)).unwrap();
        in_argument(behind('=', &token, tamper))
    });
    add(
        "edgeauth: how much of the MAC is right",
        (edgeauth_policy(secrets(key(Algorithm::Sha256))), edges),
    );
    let prefixed =
        Key::prefixed(Algorithm::Sha256, SchemeKind::SigV4.key_prefix(), SECRET.as_bytes());
    let keys = secrets(prefixed);
    let signed = wrong_at_the_ends(|number, tamper| {
        sigv4_link("k00", &format!("eu-{}", number % 4), tamper)
    });
    add("sigv4: how much of the MAC is right", (sigv4_policy(keys), signed));

    add("template: whether the id exists", template_ring('u'));
    add("template: whether the id is revoked", template_ring('r'));
    let chosen = |kind| Keys::Ring { ring: ring(kind), id: None };
    for (what, others) in
        [("jwt: whether the id exists", 'u'), ("jwt: whether the id is revoked", 'r')]
    {
        let links = ids(others, |id| in_argument(jwt_token(0, Some(id))));
        add(what, (jwt_policy(chosen(SchemeKind::Jwt)), links));
    }
    for (what, others) in
        [("sigv4: whether the id exists", 'u'), ("sigv4: whether the id is revoked", 'r')]
    {
        let links = ids(others, |id| sigv4_link(id, "eu", &str::to_owned));
        add(what, (sigv4_policy(chosen(SchemeKind::SigV4)), links));
    }
    all
}

/// The measurement finds what it is to find: a comparison that stops at the first byte that is
/// wrong, and a refusal of an id before any MAC is computed.
fn sees(random: &mut Random) -> bool {
    let sha256 = Rules { message: MESSAGE, encoding: Encoding::Hex, ..Rules::default() };
    let (_, classes) = template(sha256, Algorithm::Sha256);
    let keyed = key(Algorithm::Sha256);
    let stops_early =
        differ("planted: a comparison that stops early", 0.0, &classes, random, |place| {
            let text = place.inputs.iter().max_by_key(|input| input.len()).unwrap();
            let path = place.inputs.iter().find(|input| input.starts_with(b"/")).unwrap();
            let tag = keyed.sign([&path[..], b"|1699999000|3600"].into_iter());
            let digits = tag.as_bytes().iter().flat_map(|byte| [byte >> 4, byte & 15]);
            let wrong = digits
                .zip(text)
                .position(|(digit, given)| b"0123456789abcdef"[usize::from(digit)] != *given);
            if black_box(wrong).is_some() { Verdict::Forged } else { Verdict::Granted }
        });
    let (policy, classes) = template_ring('u');
    let refuses_early =
        differ("planted: a refusal of an id at once", HEARD, &classes, random, |place| {
            let known = place.inputs.iter().any(|input| input.len() == 3 && input[0] == b'k');
            if known { place.verify(&policy) } else { Verdict::UnknownKey }
        });
    stops_early && refuses_early
}

fn main() -> ExitCode {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut random = Random(u64::try_from(seed.as_nanos()).unwrap() | 1);
    let mut failed = false;
    if !sees(&mut random) {
        println!("FAILED: a planted leak was not found: this machine is too noisy to measure on");
        failed = true;
    }
    for Comparison { what, heard, policy, classes } in comparisons() {
        // None of the links may be good, or malformed before there is anything to compare.
        let mut place = Place::new(&classes[0][0]);
        for link in classes.iter().flatten() {
            place.take(link);
            let verdict = place.verify(&policy);
            assert!(
                matches!(verdict, Verdict::Forged | Verdict::UnknownKey),
                "{what}: {verdict:?}"
            );
        }
        if differ(what, heard, &classes, &mut random, |place| place.verify(&policy)) {
            println!("FAILED: {what}: the time of a refusal tells it");
            failed = true;
        }
    }
    ExitCode::from(u8::from(failed))
}
