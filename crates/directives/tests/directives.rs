//! Directives read by a reader that is not nginx: what nginx itself makes of them is tested by t/.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

use secure_link::{Algorithm, Escape, KeyLife, SchemeKind, SecretFormat, TimeField, Verdict};
use secure_link_directives::{
    Algorithms, Credential, Enforce, KeyLine, KeySource, Located, Measure, Outcome, Per, Reading,
    Refusal, Rule, SchemeSetting, SecretWord, Settings, Statuses, misplaced_source, named, read,
};

type Block = Settings<usize, String, Vec<String>>;

struct Line<'b> {
    words: Vec<&'static [u8]>,
    number: usize,
    block: &'b mut Block,
    enforce: &'b mut Option<Located<Enforce, usize>>,
}

fn text(word: &[u8]) -> String {
    String::from_utf8(word.to_vec()).unwrap()
}

impl Reading<'static> for Line<'_> {
    type Place = usize;
    type Secret = String;
    type Values = Vec<String>;

    fn arguments(&self) -> &[&'static [u8]] {
        &self.words
    }

    fn at(&self) -> usize {
        self.number
    }

    fn settings(&mut self) -> &mut Block {
        self.block
    }

    fn enforce(&mut self) -> &mut Option<Located<Enforce, usize>> {
        self.enforce
    }

    fn seconds(&self, word: &[u8]) -> Option<i64> {
        text(word).parse().ok()
    }

    fn bytes(&self, word: &[u8]) -> Option<u64> {
        text(word).parse().ok()
    }

    fn secret(&mut self, source: SecretWord<'static>) -> Result<String, Refusal> {
        Ok(match source {
            SecretWord::File { path, format } => format!("file {} {}", text(path), format.name()),
            SecretWord::Text(word) => format!("text {}", text(word)),
            SecretWord::Variables(word) => format!("variables {}", text(word)),
        })
    }

    fn values(&mut self, texts: &[&'static [u8]]) -> Result<Vec<String>, Refusal> {
        Ok(texts.iter().map(|word| text(word)).collect())
    }
}

fn set(block: &mut Block, line: &'static str, number: usize) -> Outcome {
    set_with(block, &mut None, line, number)
}

fn set_with(
    block: &mut Block,
    enforce: &mut Option<Located<Enforce, usize>>,
    line: &'static str,
    number: usize,
) -> Outcome {
    let mut words: Vec<_> = line.split(' ').map(str::as_bytes).collect();
    let name = words.remove(0);
    read(name, &mut Line { words, number, block, enforce })
}

/// The block of some lines, which are numbered from one on.
fn block(lines: &[&'static str]) -> Block {
    let mut block = Block::default();
    for (at, line) in lines.iter().enumerate() {
        set(&mut block, line, at + 1).unwrap_or_else(|refusal| panic!("{line}: {refusal}"));
    }
    block
}

/// Why the last of some lines is refused.
fn refusal(lines: &[&'static str]) -> String {
    let (last, others) = lines.split_last().unwrap();
    let mut block = block(others);
    set(&mut block, last, lines.len()).expect_err(last).to_string()
}

#[test]
fn a_block_that_is_off_is_not_enforced() {
    for lines in [
        ["secure_link_hmac off", "secure_link_hmac_enforce on"],
        ["secure_link_hmac_enforce on", "secure_link_hmac off"],
    ] {
        let (mut block, mut enforce) = (Block::default(), None);
        let [first, second] = lines.map(|line| set_with(&mut block, &mut enforce, line, 1));
        assert!(first.is_ok(), "{lines:?}");
        let refusal = second.expect_err(lines[1]).to_string();
        assert!(refusal.ends_with("remove one of them"), "{refusal}");
    }
    for mode in ["secure_link_hmac_enforce off", "secure_link_hmac_enforce dry_run"] {
        let (mut block, mut enforce) = (Block::default(), None);
        for line in ["secure_link_hmac off", mode] {
            set_with(&mut block, &mut enforce, line, 1).expect(line);
        }
        assert!(enforce.is_some());
    }
}

#[test]
fn a_block_has_what_its_directives_say() {
    let block = block(&[
        "secure_link_hmac $arg_st,$arg_ts,$arg_e $cookie_link",
        "secure_link_hmac_scheme template time=expires",
        "secure_link_hmac_message $uri|$arg_ts",
        "secure_link_hmac_secret file:a.key format=hex",
        "secure_link_hmac_secret plain",
        "secure_link_hmac_secret $secret",
        "secure_link_hmac_algorithm sha512",
        "secure_link_hmac_leeway 30",
        "secure_link_hmac_methods GET POST",
        "secure_link_hmac_revoke $revoked 0",
    ]);
    let credential = block.credential.unwrap();
    assert_eq!(credential.at, 1);
    assert!(matches!(credential.value, Credential::Values(values) if values.len() == 2));
    let scheme = block.scheme.unwrap().value;
    assert!(matches!(scheme, SchemeSetting::Template(TimeField::Expires)));
    let secrets: Vec<_> = block.secrets.unwrap().into_iter().map(|s| (s.value, s.at)).collect();
    assert_eq!(
        secrets,
        [
            ("file a.key hex".to_owned(), 4),
            ("text plain".to_owned(), 5),
            ("variables $secret".to_owned(), 6)
        ]
    );
    assert_eq!(block.leeway.unwrap().value, 30);
    assert_eq!(block.methods.unwrap().value, [b"GET".as_slice().into(), b"POST".as_slice().into()]);
    assert_eq!(block.revoke.unwrap().value, ["$revoked", "0"]);
    assert!(block.keys.is_none() && block.limits.is_none());
}

#[test]
fn a_directive_that_is_refused_says_the_way_out() {
    for (lines, part) in [
        (&["secure_link_hmac_leeway 1", "secure_link_hmac_leeway 1"][..], "is duplicate"),
        (&["secure_link_hmac_leeway"], "wrong number of arguments"),
        (&["secure_link_hmac_message a b"], "wrong number of arguments"),
        (&["secure_link_hmac_nothing a"], "is no directive"),
        (&["secure_link_hmac off $arg_st"], "write \"off\" alone"),
        (&["secure_link_hmac ${arg_st"], "\"${arg_st\""),
        (&["secure_link_hmac_message $secure_link_hmac_token"], "which the check itself fills"),
        (&["secure_link_hmac_encoding hexx"], "write \"base64url\", \"hex\" or \"base64\""),
        (&["secure_link_hmac_methods get"], "in upper case"),
        (&["secure_link_hmac_methods GET GET"], "the method \"GET\" twice"),
        (&["secure_link_hmac_secret a b"], "only a \"file:\" secret takes"),
        (&["secure_link_hmac_secret file:a form=hex"], "\"format=raw\""),
        (&["secure_link_hmac_secret a", "secure_link_hmac_keys r"], "stands beside"),
        (&["secure_link_hmac_keys r", "secure_link_hmac_secret a"], "stands beside"),
        (&["secure_link_hmac_secret a"; secure_link::MAX_KEYS_TRIED + 1], "more than"),
        (&["secure_link_hmac_scheme saml"], "\"template\""),
        (&["secure_link_hmac_scheme jwt time=issued"], "\"jwt\" takes nothing"),
        (&["secure_link_hmac_scheme edgeauth salt="], "has an empty \"salt=\""),
        (&["secure_link_hmac_scheme edgeauth salt=a salt=b"], "has \"salt=\" twice"),
        (&["secure_link_hmac_scheme edgeauth escape_early=x"], "unknown \"escape_early=\""),
        (&["secure_link_hmac_require aud"], "as in \"aud=$host\""),
        (&["secure_link_hmac_require aud=a aud=b"], "the claim \"aud\" twice"),
        (&["secure_link_hmac_limit z"], "does not say what is limited"),
        (&["secure_link_hmac_limit z uses=+1"], "invalid parameter \"uses=+1\""),
        (&["secure_link_hmac_limit z uses=0"], "invalid parameter \"uses=0\""),
        (&["secure_link_hmac_limit z uses=1 uses=1"], "the parameter \"uses=\" twice"),
        (&["secure_link_hmac_limit z bytes=1 per=key"], "does not say what is limited"),
        (&["secure_link_hmac_limit z uses=1", "secure_link_hmac_limit z uses=2"], "is duplicate"),
    ] {
        let refusal = refusal(lines);
        assert!(refusal.contains(part), "{lines:?}: {refusal}");
    }
}

#[test]
fn no_refusal_shows_a_secret() {
    const SECRET: &str = "correct-horse";
    for line in [
        "secure_link_hmac_secret correct-horse$",
        "secure_link_hmac_secret correct-horse correct-horse",
        "secure_link_hmac_secret correct-horse correct-horse correct-horse",
        "secure_link_hmac_scheme edgeauth slat=correct-horse",
        "secure_link_hmac_scheme sigv4 salt=correct-horse",
    ] {
        assert!(!refusal(&[line]).contains(SECRET), "{line}");
    }
    for line in
        ["correct-horse", "file:correct-horse a", "a correct-horse", "a hex:00 correct-horse"]
    {
        let words: Vec<_> = line.split(' ').map(str::as_bytes).collect();
        let refusal = KeyLine::read(&words).err().unwrap().to_string();
        assert!(!refusal.contains(SECRET), "{line}: {refusal}");
    }
}

#[test]
fn a_secret_with_the_prefix_of_another_directive_is_noticed_and_not_shown() {
    for (secret, part) in [
        (&b"hex:0aff"[..], "\"file:PATH format=hex\""),
        (b"base64:0aff", "\"file:PATH format=base64\""),
        (b"env:0aff", "write \"file:PATH\""),
    ] {
        let text = misplaced_source(secret).unwrap();
        assert!(text.contains(part) && !text.contains("0aff"), "{text}");
    }
    for secret in [&b"hex"[..], b"", b"0aff", b"xhex:0aff"] {
        assert_eq!(misplaced_source(secret), None);
    }
}

#[test]
fn schemes_have_their_parameters() {
    let scheme = |line| block(&[line]).scheme.unwrap().value;
    assert!(matches!(scheme("secure_link_hmac_scheme jwt"), SchemeSetting::Jwt));
    let SchemeSetting::EdgeAuth { salt, escape } =
        scheme("secure_link_hmac_scheme edgeauth escape_early salt=a=b")
    else {
        panic!()
    };
    assert_eq!((salt.as_deref(), escape), (Some(&b"a=b"[..]), Some(Escape::default())));
    let SchemeSetting::SigV4 { region, service } =
        scheme("secure_link_hmac_scheme sigv4 service=s3")
    else {
        panic!()
    };
    assert_eq!((region, service.as_deref()), (None, Some(&b"s3"[..])));
}

#[test]
fn limits_are_of_links_keys_and_subjects() {
    let block = block(&[
        "secure_link_hmac_limit z uses=3 window=60",
        "secure_link_hmac_limit z uses=3 per=key period=60",
        "secure_link_hmac_limit z uses=3 per=key period=61",
        "secure_link_hmac_limit z bytes=9 per=subject period=60",
        "secure_link_hmac_limit y uses=1",
    ]);
    let rules: Vec<_> = block.limits.unwrap().into_iter().map(|limit| limit.value.rule).collect();
    let quota = |measure, amount, per, period| Rule::Quota { measure, amount, per, period };
    assert_eq!(
        rules,
        [
            Rule::Token { uses: 3, window: 60 },
            quota(Measure::Uses, 3, Per::Key, 60),
            quota(Measure::Uses, 3, Per::Key, 61),
            quota(Measure::Bytes, 9, Per::Subject, 60),
            Rule::Token { uses: 1, window: 0 },
        ]
    );
}

#[test]
fn a_block_inherits_what_it_does_not_set() {
    let parent = block(&[
        "secure_link_hmac $arg_st",
        "secure_link_hmac_message $uri",
        "secure_link_hmac_secret a",
        "secure_link_hmac_leeway 1",
    ]);
    let mut child = block(&["secure_link_hmac_keys ring", "secure_link_hmac_leeway 2"]);
    assert!(child.complete(&parent).is_ok());
    // Keys take the place of secrets, and the message was written for the latter.
    assert!(child.secrets.is_none() && child.keys.is_some() && child.message_is_foreign);
    assert_eq!(child.leeway.unwrap().value, 2);
    assert_eq!(child.message.unwrap().at, 2);

    let mut child = block(&["secure_link_hmac_leeway 2"]);
    assert!(child.complete(&parent).is_ok());
    assert!(child.secrets.is_some() && !child.message_is_foreign);
}

#[test]
fn a_scheme_refuses_what_it_does_not_use() {
    for (lines, number, part) in [
        (&["secure_link_hmac_scope any"][..], 1, "write \"secure_link_hmac_scheme jwt\""),
        (
            &["secure_link_hmac_scheme jwt", "secure_link_hmac_encoding hex"],
            2,
            "_encoding\" is not",
        ),
        (&["secure_link_hmac_scheme sigv4", "secure_link_hmac $arg_st"], 2, "arguments of its own"),
    ] {
        let unused = block(lines).complete(&Block::default()).err().unwrap();
        assert_eq!(unused.at, number, "{lines:?}");
        assert!(unused.text.contains(part), "{}", unused.text);
    }
    // What is inherited is another block's matter.
    let parent = block(&["secure_link_hmac_encoding hex", "secure_link_hmac_algorithm sha512"]);
    let mut child = block(&["secure_link_hmac_scheme sigv4"]);
    assert!(child.complete(&parent).is_ok());
    assert_eq!(child.algorithm.unwrap().value.of(SchemeKind::SigV4), Ok(Algorithm::Sha256));
    assert!(Algorithms::Known(Algorithm::Md5).of(SchemeKind::Jwt).is_err());
    let unknown = Algorithms::Unknown("\"HS256\"".to_owned()).of(SchemeKind::Jwt).unwrap_err();
    assert!(unknown.ends_with("write \"sha256\""), "{unknown}");
    assert!(Algorithms::Unknown("\"md4\"".to_owned()).of(SchemeKind::Template).is_err());
}

#[test]
fn a_line_of_a_ring_is_a_key() {
    fn words(line: &str) -> Vec<&[u8]> {
        line.split(' ').map(str::as_bytes).collect()
    }
    let line = "acme file:a.key format=base64 algorithm=sha512 not_before=1 not_after=2 \
                issued_after=1970-01-01T00:00:03Z revoked";
    let words_of_it = words(line);
    let Ok(KeyLine { id: b"acme", source, algorithm, life }) = KeyLine::read(&words_of_it) else {
        panic!()
    };
    assert!(
        matches!(source, KeySource::File { path: b"a.key", format: SecretFormat::Base64 })
            && algorithm == Some(Algorithm::Sha512)
    );
    let KeyLife { not_before, not_after, issued_after, revoked } = life;
    assert_eq!((not_before, not_after, issued_after, revoked), (Some(1), Some(2), Some(3), true));
    for (line, part) in [
        ("acme", "without a secret"),
        ("hex:00 acme", "begins with a secret"),
        ("acme secret", "does not begin with"),
        ("a\tb hex:00", "has the id \"a\\tb\""),
        ("acme hex:00 format=hex", "which only \"file:\" takes"),
        ("acme hex:00 revoked revoked", "\"revoked\" twice"),
        ("acme hex:00 algorithm=md4", "unknown algorithm \"md4\""),
        ("acme hex:00 not_after=soon", "invalid date"),
        ("acme hex:00 not_before=2 not_after=1", "\"not_after\" before \"not_before\""),
        ("acme hex:00 until=1", "unknown parameter"),
    ] {
        let refusal = KeyLine::read(&words(line)).err().unwrap().to_string();
        assert!(refusal.contains(part), "{line}: {refusal}");
    }
}

#[test]
fn denials_have_their_status() {
    let mut statuses = Statuses::default();
    assert!(statuses.read(&[b"expired=404", b"missing=401"]).is_ok());
    assert!(statuses.read(&[b"forged=444"]).is_ok());
    assert_eq!(statuses.get(Verdict::Expired), 404);
    assert_eq!(statuses.get(Verdict::Forged), 444);
    assert_eq!(Some(statuses.get(Verdict::Early)), Verdict::Early.default_status());
    // Never a grant by mistake.
    assert_eq!(statuses.get(Verdict::Granted), 403);
    for word in
        ["expired=404", "granted=404", "gone=404", "early=40", "early=+40", "early=600", "early"]
    {
        assert!(statuses.read(&[word.as_bytes()]).is_err(), "{word}");
    }
    assert_eq!(named(Enforce::ALL, Enforce::name, b"dry_run").unwrap(), Enforce::DryRun);
    assert!(named(Enforce::ALL, Enforce::name, b"yes").is_err());
}
