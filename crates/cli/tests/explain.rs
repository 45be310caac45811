//! What `explain` says of links that are refused.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{AWS_KEY_ID, AWS_SECRET, EDGE_KEY, Ended, NOW, SECRET, file, run, run_with};
use serde_json::Value;

/// The MAC of the message `/files/report.pdf|1700000000|3600`, and another message's.
const TOKEN: &str = "lCcL1NkQIShbVqCnwlGa7O9exec-Z8murTSjQNGgiA8";
const LINK: &str =
    "/files/report.pdf?st=lCcL1NkQIShbVqCnwlGa7O9exec-Z8murTSjQNGgiA8&ts=1700000000&e=3600";

fn explain(link: &str, flags: &[&str]) -> Ended {
    run(&[&["explain", link][..], flags].concat())
}

/// The reasons, in one text.
fn why(ended: &Ended) -> String {
    let json = ended.json();
    let texts = |name: &str| -> Vec<String> {
        json[name].as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect()
    };
    if ended.code == 1 {
        assert!(!texts("why").is_empty(), "{json}");
    }
    texts("why").join("\n")
}

fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn the_signed_bytes_are_shown() {
    let ended = explain(LINK, &["--now", "1700000100"]);
    assert_eq!(ended.code, 0);
    assert_says(
        &ended.out,
        &[
            "verdict: granted\n",
            "time:    1700000100 (2023-11-14T22:15:00Z)",
            "left:    3500 seconds (58 min 20 s)",
            "  $uri = /files/report.pdf\n",
            "message, 33 bytes:\n  \
             0000  2f 66 69 6c 65 73 2f 72 65 70 6f 72 74 2e 70 64  |/files/report.pd|\n",
        ],
    );
    let json = explain(LINK, &["--now", "1700000100", "--json"]).json();
    assert_eq!(json["signed"][0]["text"], "/files/report.pdf|1700000000|3600");
    let hex = json["signed"][0]["hex"].as_str().unwrap();
    assert_eq!(hex::decode(hex).unwrap(), b"/files/report.pdf|1700000000|3600");
}

#[test]
fn an_expired_link_is_told_by_how_much() {
    for (now, leeway, until, ago) in [
        ("1700003601", "0", "1700003600", "1 second ago"),
        ("1700007000", "30", "1700003630", "3370 seconds (56 min 10 s) ago"),
    ] {
        let ended = explain(LINK, &["--now", now, "--leeway", leeway, "--json"]);
        assert_eq!(ended.code, 1);
        assert_says(&why(&ended), &[&format!("good until {until} ("), &format!("expired {ago}")]);
    }
    let too_long = explain(LINK, &["--now", NOW, "--max-lifetime", "10m", "--json"]);
    assert_says(&why(&too_long), &["lasts 3600 seconds (1 h)", "3000 seconds (50 min) too long"]);
    let endless = run(&["sign", "/a", "--expires-in", "0", "--now", NOW]).done();
    let endless = explain(&endless, &["--now", NOW, "--max-lifetime", "1h", "--json"]);
    assert_says(&why(&endless), &["never expires"]);
}

#[test]
fn an_early_link_is_told_by_how_much() {
    let ended = explain(LINK, &["--now", "1699999000", "--leeway", "100", "--json"]);
    assert_eq!(ended.json()["verdict"], "early");
    assert_says(&why(&ended), &["good from 1699999900 (", "in 900 seconds (15 min)"]);
}

#[test]
fn a_forged_link_is_compared_with_what_signers_do_wrong() {
    let at = ["--now", "1700000100", "--json"];
    let other = LINK.replace("report", "other");
    let ended = explain(&other, &at);
    assert_eq!(ended.json()["verdict"], "forged");
    assert_says(&why(&ended), &["not that of the bytes above"]);
    assert!(ended.json()["signed"][0]["text"].as_str().unwrap().starts_with("/files/other.pdf|"));

    for (message, said) in [
        ("$uri|$arg_ts|$arg_e\n", "a line end is signed behind the message"),
        ("$uri$arg_ts$arg_e", "the separators of \"$uri|$arg_ts|$arg_e\" are left out"),
    ] {
        let signed = run(&["sign", "/a b", "--now", NOW, "--message", message]).done();
        assert_says(&why(&explain(&signed, &at)), &[said]);
    }
    for (path, said) in
        [("/a%20b", "as it is sent, percent-encoded"), ("a%20b", "without its first slash")]
    {
        let set = format!("uri={path}");
        let signed = run(&["sign", "/a b", "--now", NOW, "--set", &set]).done();
        assert_says(&why(&explain(&signed, &at)), &[said]);
    }
    let signed = run(&["sign", "/a", "--now", NOW, "--algorithm", "sha3-256"]).done();
    assert_says(&why(&explain(&signed, &at)), &["right with the algorithm sha3-256"]);
    let signed = run(&["sign", "/a", "--now", NOW, "--key-format", "hex"]).done();
    assert_says(&why(&explain(&signed, &at)), &["right if the secret is read as hex"]);
    let key = file("line-end.key", &format!("{SECRET}\n\n"));
    let key = key.to_str().unwrap();
    let signed = run_with(&[], &["sign", "/a", "--now", NOW, "--secret-file", key]).done();
    assert_says(&why(&explain(&signed, &at)), &["if the secret has a line end"]);
}

#[test]
fn a_right_mac_is_never_printed() {
    let wrong = LINK.replace(TOKEN, &"A".repeat(43));
    for flags in [&["--now", NOW][..], &["--now", NOW, "--json"]] {
        let ended = explain(&wrong, flags);
        assert_says(&ended.out, &["forged"]);
        let hex = "94270bd4d91021285b56a0a7c2519aec";
        assert!(!ended.out.contains(TOKEN) && !ended.out.contains(hex), "{}", ended.out);
        assert!(!ended.out.contains(SECRET));
    }
}

#[test]
fn a_malformed_link_is_told_which_part() {
    for (from, to, said) in [
        ("&e=3600", "&e=3600&E=1", "The argument e occurs twice."),
        (TOKEN, "abc", "it has 3 characters, such a MAC has 43"),
        ("ts=1700000000", "ts=now", "The time \"now\" is none of --time=issued."),
        ("e=3600", "e=1h", "The lifetime \"1h\" is no number of seconds."),
    ] {
        let ended = explain(&LINK.replace(from, to), &["--json", "--now", NOW]);
        assert_eq!(ended.json()["verdict"], "malformed");
        assert_says(&why(&ended), &[said]);
    }
    let both = LINK.replace(TOKEN, "abc").replace("e=3600", "e=1h");
    assert_says(&why(&explain(&both, &["--json"])), &["3 characters", "lifetime"]);
    let missing = explain("/files/report.pdf", &["--json"]);
    assert_eq!(missing.json()["verdict"], "missing");
    assert_eq!(why(&missing), "The request brings no token: what was looked at is $arg_st.");
}

#[test]
fn each_claim_of_a_jwt_that_fails_is_named() {
    let claims = ["--path=/videos/*", "--client=203.0.113.0/24", "--audience=cdn", "--now", NOW];
    let sign = ["sign", "http://h/videos/a", "--scheme=jwt", "--key-id=k1"];
    let link = run(&[&sign[..], &claims].concat()).done();
    let flags = ["--scheme=jwt", "--key-id=k1", "--now", NOW, "--json"];
    let reasons = |link: &str, more: &[&str]| {
        let ended = explain(link, &[&flags[..], more].concat());
        (ended.json()["verdict"].as_str().unwrap().to_owned(), why(&ended))
    };
    let right = ["--require=aud=cdn", "--client=203.0.113.7"];
    assert_eq!(reasons(&link, &right).0, "granted");
    let elsewhere = link.replace("/videos/a", "/films/a");
    for (link, more, said) in [
        (&elsewhere, &right[..], &["The path /films/a does not match /videos/*."][..]),
        (&link, &right[..1], &["for the client 203.0.113.0/24; the client is not known"]),
        (&link, &right[1..], &["The token is for \"cdn\", and nothing demands aud."]),
        (&link, &[right[1], "--require=aud=x"], &["aud is \"cdn\"; --require demands \"x\"."]),
        (
            &elsewhere,
            &["--client=192.0.2.1", "--require=tier=gold", "--method=POST"],
            &[
                "The claim tier is not there; --require demands \"gold\".",
                "does not match",
                "the client is 192.0.2.1",
                "nothing demands aud",
                "The method is POST; links are good for GET, HEAD.",
            ],
        ),
    ] {
        let (verdict, text) = reasons(link, more);
        assert_eq!(verdict, "out_of_scope");
        assert_says(&text, said);
        assert_eq!(text.lines().count(), said.len(), "{text}");
    }
    let other = explain(&link, &["--scheme=jwt", "--key-id=k2", "--now", NOW, "--json"]);
    assert_eq!(other.json()["verdict"], "unknown_key");
    assert_says(&why(&other), &["the key \"k1\"; the one that is known is \"k2\""]);
    let algorithm = explain(&link, &[&flags[..], &["--algorithm=sha512"]].concat());
    assert_says(&why(&algorithm), &["\"alg\" is HS256; the key's is HS512"]);
    let unbound = run(&[&sign[..], &["--scope=any", "--now", NOW]].concat()).done();
    assert_says(&reasons(&unbound, &[]).1, &["The token names no path, and --scope is path."]);
}

#[test]
fn reasons_of_edgeauth() {
    let edge = |args: &[&str]| {
        let all = [args, &["--scheme=edgeauth", "--key-format=hex", "--now", NOW]].concat();
        run_with(&[("SECURE_LINK_SECRET", EDGE_KEY), ("SECURE_LINK_SALT", "pepper")], &all)
    };
    let link = edge(&["sign", "/videos/a", "--path=/videos/*"]).done();
    let explained = edge(&["explain", &link.replace("/videos/a?", "/films/a?"), "--json"]);
    assert_says(&why(&explained), &["The path /films/a does not match the acl /videos/*."]);
    assert_eq!(explained.json()["signed"][0]["text"], "exp=1700003600~acl=/videos/*~salt=");
    assert!(!explained.out.contains("pepper"));
    let escaped = edge(&["sign", "/videos/a b", "--escape-early"]).done();
    let explained = edge(&["explain", &escaped, "--json"]);
    assert_says(&why(&explained), &["right with form"]);
    let changed = link.replace("exp=", "axp=");
    let explained = edge(&["explain", &changed, "--json"]);
    assert_says(&why(&explained), &["no field \"axp\"", "no field exp"]);
}

#[test]
fn reasons_of_sigv4() {
    let aws = |args: &[&str]| {
        let all = [args, &["--scheme=sigv4", "--key-id", AWS_KEY_ID, "--now", NOW]].concat();
        run_with(&[("SECURE_LINK_SECRET", AWS_SECRET)], &all)
    };
    let link = aws(&["sign", "http://h.example/b/a.txt", "--region=r"]).done();
    for (link, flags, said) in [
        (link.clone(), &["--method=HEAD"][..], "signed for GET, and not for HEAD"),
        (link.clone(), &["-H", "Host: h.example:80"], ""),
        (link.replace("h.example", "h.example:8080"), &[], "signed for the host h.example"),
        (link.replace("=host&", "=host%3Bx_a&"), &["-H", "x_a: 1"], "name nginx does not read"),
        (link.replace("=host&", "=host%3Bx-a&"), &[], "which the request does not have"),
        (link.clone(), &["--region=other"], "The region is r; --region is other."),
        (link.replace("X-Amz-Expires=3600&", ""), &[], "There is no argument X-Amz-Expires."),
        (link.replace(AWS_KEY_ID, "OTHER"), &[], "The link names the key \"OTHER\""),
        ("http://h.example/b/a.txt".to_owned(), &[], "none of the X-Amz- arguments"),
    ] {
        let explained = aws(&[&["explain", &link, "--json"][..], flags].concat());
        assert_eq!(explained.code == 0, said.is_empty(), "{said}");
        if !said.is_empty() {
            assert_says(&why(&explained), &[said]);
        }
    }
    let twice = aws(&["sign", "http://h.example/b//a.txt"]);
    assert_says(&twice.err, &["out_of_scope"]);
    let explained = aws(&["explain", twice.out.trim_end(), "--json"]);
    assert_says(&why(&explained), &["The path /b//a.txt was signed, and nginx serves /b/a.txt."]);
    let signed: Vec<Value> = explained.json()["signed"].as_array().unwrap().clone();
    assert_says(signed[0]["text"].as_str().unwrap(), &["GET\\n/b//a.txt\\nX-Amz-Algorithm="]);
    assert_says(signed[1]["text"].as_str().unwrap(), &["AWS4-HMAC-SHA256\\n20231114T221320Z\\n"]);
}
