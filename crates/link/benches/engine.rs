//! What a check costs without nginx, and beside it the SHA-256 compressions that it cannot do without.
//!
//!     cargo bench -p secure-link
#![allow(clippy::panic, clippy::unwrap_used, reason = "a benchmark fails by a panic")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::net::IpAddr;
use std::sync::Arc;

use bumpalo::Bump;
use common::{ENFORCED, Offer, Rules, SECRET};
use divan::{Bencher, black_box};
use secure_link::{
    Algorithm, Arena, ArgumentNames, Client, EdgeAuthScheme, Encoding, JwtScheme, Key,
    KeyDescription, KeyLife, Keyring, Keys, Mode, Policy, Request, Scheme, SchemeKind, Scope,
    SigV4Scheme, Template, TokenPlace, Variables, Verdict, edgeauth, jwt, parse_date,
    read_arguments, sigv4, verify, without_arguments,
};

const NOW: i64 = 1_700_000_000;
const ISSUED: &str = "1699999000";
const HOST: &str = "files.example";
/// Lengths of messages, in bytes.
const LENGTHS: [usize; 3] = [50, 80, 200];

/// So many checks at a time that the clock's resolution does not matter.
fn main() {
    divan::Divan::default().sample_size(500).sample_count(200).config_with_args().main();
}

/// The pool of a request: handed out from the front, taken back as a whole.
struct Pool(Bump);

impl Pool {
    fn new() -> Self {
        Pool(Bump::with_capacity(64 << 10))
    }
}

impl Arena for Pool {
    fn alloc(&self, len: usize) -> Option<&mut [u8]> {
        Some(self.0.alloc_slice_fill_copy(len, 0))
    }
}

/// The bare hash: as many compressions, each waiting for the one before, as the HMAC of a message
/// of this length needs with a kept key. The state goes on from one round to the next, or the processor would begin
/// the next one before the last is done.
#[divan::bench(args = LENGTHS)]
fn compressions(bencher: Bencher<'_, '_>, length: usize) {
    // The padding is a byte and the length; one more is for the outer hash.
    let count = (length + 9).div_ceil(64) + 1;
    let block = [[0x5a_u8; 64]];
    let mut state = [0x6a09_e667_u32; 8];
    bencher.bench_local(|| {
        for _ in 0..count {
            sha2::block_api::compress256(&mut state, black_box(&block));
        }
        state
    });
}

/// The scheme template: `$uri|$arg_ts|$arg_e`, as most links are signed.
mod template {
    use super::*;

    fn rules() -> Rules<'static> {
        Rules { message: "$uri|$arg_ts|$arg_e", ..Rules::default() }
    }

    /// A path such that the message has the length.
    fn path(length: usize) -> String {
        let rest = length - "|1699999000|3600".len();
        format!("/{}", "a".repeat(rest - 1))
    }

    fn token(path: &str, secret: &[u8]) -> String {
        let message = format!("{path}|{ISSUED}|3600");
        let tag = Key::new(Algorithm::Sha256, secret).sign([message.as_bytes()].into_iter());
        let mut text = [0; Encoding::MAX_LEN];
        String::from_utf8(Encoding::Base64Url.encode(&tag, &mut text).to_vec()).unwrap()
    }

    fn run(bencher: Bencher<'_, '_>, rules: Rules<'_>, token: &str, path: &str, late: i64) {
        let checker = rules.compile();
        let values = [("$uri", path), ("$arg_st", token), ("$arg_ts", ISSUED), ("$arg_e", "3600")];
        let now = NOW + late;
        let verdict = if late > 3600 {
            Verdict::Expired
        } else if token == FORGED {
            Verdict::Forged
        } else {
            Verdict::Granted
        };
        let offer = Offer { values: &values, now, ..ENFORCED };
        checker.with_request(offer, &Pool::new(), |request| {
            assert_eq!(verify(&checker.policy, request, now).verdict, verdict);
            bencher.bench_local(|| {
                verify(black_box(&checker.policy), black_box(request), black_box(now)).verdict
            });
        });
    }

    const FORGED: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[divan::bench(args = LENGTHS)]
    fn granted(bencher: Bencher<'_, '_>, length: usize) {
        let path = path(length);
        run(bencher, rules(), &token(&path, SECRET.as_bytes()), &path, 0);
    }

    #[divan::bench(args = LENGTHS)]
    fn forged(bencher: Bencher<'_, '_>, length: usize) {
        run(bencher, rules(), FORGED, &path(length), 0);
    }

    #[divan::bench(args = LENGTHS)]
    fn expired(bencher: Bencher<'_, '_>, length: usize) {
        let path = path(length);
        run(bencher, rules(), &token(&path, SECRET.as_bytes()), &path, 10_000);
    }

    /// The second of two secrets is the right one: the first has been tried in vain.
    #[divan::bench(args = LENGTHS)]
    fn second_secret(bencher: Bencher<'_, '_>, length: usize) {
        let path = path(length);
        let secrets = &["fedcba9876543210fedcba9876543210", SECRET];
        run(bencher, Rules { secrets, ..rules() }, &token(&path, SECRET.as_bytes()), &path, 0);
    }

    /// A keyring of this many keys, whose id is in an argument.
    #[divan::bench(args = [10, 10_000])]
    fn ring(bencher: Bencher<'_, '_>, keys: usize) {
        let path = path(50);
        let mut checker = rules().compile();
        let id = Template::parse(b"$arg_k", &mut checker.variables).unwrap();
        let ring = Arc::new(super::ring(SchemeKind::Template, keys));
        let Scheme::Template(scheme) = &mut checker.policy.scheme else { panic!() };
        Arc::get_mut(&mut scheme.signing).unwrap().keys = Keys::Ring { ring, id: Some(id) };
        // The links are of a hundred keys in turn, so that not one key alone is in the cache.
        let links: Vec<_> = (0..100)
            .map(|at| at * keys / 100)
            .map(|key| (key_id(key), token(&path, &secret(key))))
            .collect();
        let pool = Pool::new();
        let inputs: Vec<Vec<&[u8]>> = links
            .iter()
            .map(|(id, token)| {
                let values = [
                    ("$uri", &*path),
                    ("$arg_st", token),
                    ("$arg_ts", ISSUED),
                    ("$arg_e", "3600"),
                    ("$arg_k", id),
                ];
                let value = |name: String| values.iter().find(|(known, _)| *known == name);
                let variables = checker.variables.as_slice().iter();
                variables.map(|known| value(known.to_string()).unwrap().1.as_bytes()).collect()
            })
            .collect();
        checker.with_request(ENFORCED, &pool, |request| {
            let requests: Vec<_> =
                inputs.iter().map(|inputs| Request { inputs, ..*request }).collect();
            let mut turn = requests.iter().cycle();
            for request in &requests {
                assert_eq!(verify(&checker.policy, request, NOW).verdict, Verdict::Granted);
            }
            bencher.bench_local(|| {
                verify(&checker.policy, black_box(turn.next().unwrap()), black_box(NOW)).verdict
            });
        });
    }
}

/// The schemes whose links others sign.
mod schemes {
    use super::*;

    const PATH: &str = "/videos/2026/towers/eiffel.mp4";

    /// Checks links in turn, each with its token, its target and its query.
    fn run(bencher: Bencher<'_, '_>, scheme: Scheme, links: &[[String; 3]]) {
        let policy = Policy {
            scheme,
            leeway: None,
            max_lifetime: 0,
            methods: ["GET", "HEAD"].map(|method| method.as_bytes().into()).into(),
            requirements: Vec::new(),
        };
        let check = |[token, target, query]: &[String; 3], pool: &Pool| {
            let request = Request {
                inputs: &[token.as_bytes()],
                repeated_argument: false,
                method: b"GET",
                path: PATH.as_bytes(),
                target: target.as_bytes(),
                query: query.as_bytes(),
                host: HOST.as_bytes(),
                client: &Visitor,
                mode: Mode::Enforced,
                arena: pool,
            };
            verify(black_box(&policy), black_box(&request), black_box(NOW)).verdict
        };
        let mut pool = Pool::new();
        for link in links {
            assert_eq!(check(link, &pool), Verdict::Granted);
        }
        let mut turn = links.iter().cycle();
        bencher.bench_local(|| {
            pool.0.reset();
            check(turn.next().unwrap(), &pool)
        });
    }

    struct Visitor;

    impl Client for Visitor {
        fn address(&self) -> Option<IpAddr> {
            None
        }

        fn scheme(&self) -> &[u8] {
            b"http"
        }

        fn headers<'s>(&'s self, name: &[u8], each: &mut dyn FnMut(&'s [u8])) {
            if name == b"host" {
                each(HOST.as_bytes());
            }
        }
    }

    fn place() -> TokenPlace {
        let mut variables = Variables::default();
        let value = Template::parse(b"$arg_token", &mut variables).unwrap();
        TokenPlace::new(value, &variables)
    }

    fn keys(kind: SchemeKind) -> Keys {
        Keys::Ring { ring: Arc::new(ring(kind, 1)), id: None }
    }

    fn in_argument(token: String) -> [String; 3] {
        let query = format!("token={token}");
        [token, format!("{PATH}?{query}"), query]
    }

    fn run_jwt(bencher: Bencher<'_, '_>, payload: &str) {
        let key = Key::new(Algorithm::Sha256, &secret(0));
        let token = jwt::sign(payload, Some(&key_id(0)), &key).unwrap();
        let mut own_arguments = ArgumentNames::default();
        own_arguments.insert(b"token");
        let scheme = JwtScheme {
            places: vec![place()],
            keys: keys(SchemeKind::Jwt),
            scope: Scope::Path,
            own_arguments,
        };
        run(bencher, Scheme::Jwt(scheme), &[in_argument(token)]);
    }

    #[divan::bench]
    fn jwt(bencher: Bencher<'_, '_>) {
        run_jwt(bencher, r#"{"exp":1700003600,"path":"/videos/*"}"#);
    }

    /// With what CDN tokens carry besides.
    #[divan::bench]
    fn jwt_of_ten_claims(bencher: Bencher<'_, '_>) {
        let payload = r#"{"iss":"k0","sub":"acme","region":"eu","jti":"8d3c1f","nbf":1699990000,"iat":1699990000,"exp":1700003600,"path":["/images/*","/videos/*"],"tier":"gold","seat":12}"#;
        run_jwt(bencher, payload);
    }

    fn run_edgeauth(bencher: Bencher<'_, '_>, fields: &[(&str, &str)], url: Option<&str>) {
        let key = Key::new(Algorithm::Sha256, &secret(0));
        let token = edgeauth::sign(fields, url, None, &key).unwrap();
        let scheme = EdgeAuthScheme {
            places: vec![place()],
            keys: keys(SchemeKind::EdgeAuth),
            salt: None,
            escape: None,
        };
        run(bencher, Scheme::EdgeAuth(scheme), &[in_argument(token)]);
    }

    #[divan::bench]
    fn edgeauth_of_an_url(bencher: Bencher<'_, '_>) {
        run_edgeauth(bencher, &[("exp", "1700003600")], Some(PATH));
    }

    #[divan::bench]
    fn edgeauth_of_a_path(bencher: Bencher<'_, '_>) {
        run_edgeauth(bencher, &[("exp", "1700003600"), ("acl", "/videos/*")], None);
    }

    /// The same text, in which the first pattern matches, or the last of 32: the difference is what
    /// 31 patterns cost.
    fn patterns(bencher: Bencher<'_, '_>, at: usize) {
        let patterns: Vec<_> = (0..32)
            .map(|number| if number == at { "/videos/*.mp4" } else { "/videos/*.m4s" })
            .collect();
        run_edgeauth(bencher, &[("exp", "1700003600"), ("acl", &patterns.join("!"))], None);
    }

    #[divan::bench]
    fn edgeauth_first_of_32_patterns(bencher: Bencher<'_, '_>) {
        patterns(bencher, 0);
    }

    #[divan::bench]
    fn edgeauth_last_of_32_patterns(bencher: Bencher<'_, '_>) {
        patterns(bencher, 31);
    }

    fn run_sigv4(bencher: Bencher<'_, '_>, regions: usize) {
        let prefix = SchemeKind::SigV4.key_prefix();
        let key = Key::prefixed(Algorithm::Sha256, prefix, &secret(0));
        let links: Vec<_> = (0..regions)
            .map(|n| {
                let link = sigv4::Presign {
                    method: "GET",
                    host: HOST,
                    path: PATH,
                    arguments: &[],
                    key_id: &key_id(0),
                    region: &format!("eu-west-{n}"),
                    service: "s3",
                    expires: 3600,
                };
                let target = sigv4::sign(&link, &key, NOW).unwrap();
                let query = target.split_once('?').unwrap().1.to_owned();
                [String::new(), target, query]
            })
            .collect();
        let keys = keys(SchemeKind::SigV4);
        run(bencher, Scheme::SigV4(SigV4Scheme { keys, region: None, service: None }), &links);
    }

    #[divan::bench]
    fn sigv4_day_key_kept(bencher: Bencher<'_, '_>) {
        run_sigv4(bencher, 1);
    }

    /// Of more regions in turn than keys are kept.
    #[divan::bench]
    fn sigv4_day_key_derived(bencher: Bencher<'_, '_>) {
        run_sigv4(bencher, 16);
    }
}

/// The state of a key: made for each message, or kept.
mod keyed {
    use super::*;

    fn run(bencher: Bencher<'_, '_>, length: usize, kept: bool) {
        let message = vec![b'a'; length];
        let key = Key::new(Algorithm::Sha256, SECRET.as_bytes());
        let tag = key.sign([&*message].into_iter());
        bencher.bench_local(|| {
            let message = [black_box(&*message)].into_iter();
            if kept {
                key.verify(message, tag.as_bytes())
            } else {
                Key::new(Algorithm::Sha256, black_box(SECRET.as_bytes()))
                    .verify(message, tag.as_bytes())
            }
        });
    }

    #[divan::bench(args = LENGTHS)]
    fn kept(bencher: Bencher<'_, '_>, length: usize) {
        run(bencher, length, true);
    }

    #[divan::bench(args = LENGTHS)]
    fn new(bencher: Bencher<'_, '_>, length: usize) {
        run(bencher, length, false);
    }
}

mod parsing {
    use super::*;

    const DATES: [&str; 3] =
        ["1700000000", "2023-11-14T23:13:20+01:00", "Tue, 14 Nov 2023 22:13:20 GMT"];
    const QUERY: &[u8] = b"st=lCcL1NkQIShbVqCnwlGa7O9exec-Z8murTSjQNGgiA8&ts=1700000000&e=3600&page=2&utm_source=letter";

    fn names() -> ArgumentNames {
        let mut names = ArgumentNames::default();
        for name in [&b"st"[..], b"ts", b"e"] {
            names.insert(name);
        }
        names
    }

    #[divan::bench(args = DATES)]
    fn date(text: &str) -> Option<i64> {
        parse_date(black_box(text.as_bytes()))
    }

    #[divan::bench]
    fn three_arguments_of_five(bencher: Bencher<'_, '_>) {
        let names = names();
        bencher.bench_local(|| {
            let mut values = [None; 3];
            let repeated = read_arguments(black_box(QUERY), &names, &mut values);
            (repeated, black_box(values).len())
        });
    }

    #[divan::bench]
    fn the_other_arguments(bencher: Bencher<'_, '_>) {
        let names = names();
        bencher.bench_local(|| {
            without_arguments(black_box(QUERY), &names).map(<[u8]>::len).sum::<usize>()
        });
    }
}

fn key_id(number: usize) -> String {
    format!("k{number}")
}

fn secret(number: usize) -> [u8; 32] {
    let mut secret = [0x5a; 32];
    secret.iter_mut().zip(number.to_be_bytes()).for_each(|(to, byte)| *to = byte);
    secret
}

/// A ring of this many keys.
fn ring(kind: SchemeKind, keys: usize) -> Keyring {
    let keys: Vec<_> = (0..keys).map(|number| (key_id(number), secret(number))).collect();
    let keys = keys.iter().map(|(id, secret)| KeyDescription {
        id: id.as_bytes(),
        secret,
        algorithm: Algorithm::Sha256,
        life: KeyLife::default(),
    });
    Keyring::prefixed(kind.key_prefix(), keys).unwrap()
}
