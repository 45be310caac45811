//! Links of every scheme. The expected tokens were made by Python's `hmac`, PyJWT, `akamai-edgeauth`
//! and AWS (its published example).
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{AWS_KEY_ID, AWS_SECRET, EDGE_KEY, Ended, NOW, SECRET, file, run, run_with};

const JWT: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJrMSIsInN1YiI6ImFjbWUiLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwicGF0aCI6Ii92aWRlb3MvKiJ9.I8FT-o0UaYOYs83M7SsckMn66ThxU_TwyUL4el8sEOg";
const SIGNATURE: &str = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

fn edge(args: &[&str]) -> Ended {
    let all = [args, &["--scheme", "edgeauth", "--key-format", "hex", "--now", NOW]].concat();
    run_with(&[("SECURE_LINK_SECRET", EDGE_KEY)], &all)
}

fn aws(args: &[&str]) -> Ended {
    let all = [args, &["--scheme", "sigv4", "--key-id", AWS_KEY_ID]].concat();
    run_with(&[("SECURE_LINK_SECRET", AWS_SECRET)], &all)
}

#[test]
fn templates_are_signed_with_every_hash_of_the_vectors() {
    for (algorithm, token) in [
        ("sha256", "lCcL1NkQIShbVqCnwlGa7O9exec-Z8murTSjQNGgiA8"),
        (
            "sha512",
            "UxhHa447ihF6PMZeiTbMtJdl_G1niZ0BWATAK-1W1dYDXSD5t0lC9-bQ4AiJNOPNVdnkf9RZuQPrRAhtiVTiSA",
        ),
        ("sha1", "tMjf3AZdcHB0k9JbGa-9axa-njQ"),
        ("md5", "Wfj_2gwCHmVvkGCOssRdQQ"),
        ("sha3-256", "UTvv8uEo9YUt3JXcERyrM34mpqoAaJvHHXBKSu_WEU0"),
    ] {
        let flags = ["--algorithm", algorithm, "--now", NOW];
        let link = format!("/files/report.pdf?st={token}&ts=1700000000&e=3600");
        let signed = run(&[&["sign", "/files/report.pdf"][..], &flags].concat());
        assert_eq!(signed.done(), link);
        assert_eq!(run(&[&["verify", &link][..], &flags].concat()).done(), "granted");
    }
    let hex =
        run(&["sign", "/files/report.pdf", "--now", NOW, "--encoding", "hex", "--token-only"]);
    assert_eq!(hex.done(), "94270bd4d91021285b56a0a7c2519aecef5ec5e73e67c9aead34a340d1a0880f");
}

#[test]
fn a_payload_is_signed_as_it_is() {
    let payload = file(
        "payload.json",
        r#"{"iss":"k1","sub":"acme","nbf":1700000000,"exp":1700003600,"path":"/videos/*"}"#,
    );
    let flags = ["--scheme", "jwt", "--key-id", "k1", "--now", NOW];
    let sign = ["sign", "http://h/videos/a.mp4", "--payload", payload.to_str().unwrap()];
    let link = run(&[&sign[..], &flags].concat()).done();
    assert_eq!(link, format!("http://h/videos/a.mp4?token={JWT}"));
    let verified = run(&[&["verify", &link, "--json"][..], &flags].concat());
    assert_eq!(
        verified.json(),
        serde_json::json!({
            "verdict": "granted", "status": null, "authentic": true, "key_id": "k1",
            "subject": "acme", "expires_at": 1_700_003_600, "remaining": 3600,
        })
    );
}

#[test]
fn edgeauth_tokens_are_those_of_akamai() {
    let signed = run_with(
        &[("SECURE_LINK_SECRET", EDGE_KEY), ("SECURE_LINK_SALT", "pepper")],
        &[
            "sign",
            "/videos/a.mp4",
            "--scheme=edgeauth",
            "--key-format=hex",
            "--now=1700000000",
            "--token-only",
            "--client=203.0.113.7",
            "--not-before=1700000000",
            "--path=/videos/*",
            "--path=/img/a.jpg",
            "--session=s1",
            "--subject=acme",
        ],
    );
    assert_eq!(
        signed.done(),
        "ip=203.0.113.7~st=1700000000~exp=1700003600~acl=/videos/*!/img/a.jpg~id=s1~data=acme\
         ~hmac=f058dbd380763b6d2fb6de30cf12b96b9166f4b6335ad5e0115e937de270e69b"
    );
    const ACL: &str = "exp=1700003600~acl=/videos/*~hmac=";
    for (args, token) in [
        (
            &["/videos/a.mp4", "--path", "/videos/*"][..],
            format!("{ACL}24e6ebb5a155ff8b10dc35e4f9421a63c743cfc4132826b046337bb4a48e051f"),
        ),
        (
            &["/videos/a.mp4", "--path", "/videos/*", "--algorithm", "sha1"],
            format!("{ACL}301952de1f34bf07da550a8d0d437b5248612af4"),
        ),
        (
            &["/videos/a.mp4"],
            "exp=1700003600~hmac=132d5902158fafd7eb497d77f4694e0b5e4b852e98ffe7fb24c1ef66b4ec3e35"
                .to_owned(),
        ),
        (
            &["/videos/a b.mp4", "--escape-early"],
            "exp=1700003600~hmac=da6e9fcf1c3c6eceec60e88d1b3a7c7dad8315e997ca7b5fb546dc49b8de9f67"
                .to_owned(),
        ),
    ] {
        let link = edge(&[&["sign"][..], args].concat()).done();
        assert_eq!(link, format!("{}?hdnts={token}", args[0].replace(' ', "%20")));
        let flags = args[1..].iter().filter(|arg| !["--path", "/videos/*"].contains(arg));
        let verify: Vec<_> = ["verify", &link].into_iter().chain(flags.copied()).collect();
        assert_eq!(edge(&verify).done(), "granted");
    }
}

#[test]
fn the_published_example_of_aws_is_signed_and_granted() {
    let link = aws(&[
        "sign",
        "https://examplebucket.s3.amazonaws.com/test.txt",
        "--expires-in",
        "86400",
        "--now",
        "2013-05-24T00:00:00Z",
    ])
    .done();
    assert!(link.ends_with(&format!("&X-Amz-Signature={SIGNATURE}")), "{link}");
    assert!(link.starts_with("https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm="));
    for (now, verdict, code) in [("1369353600", "granted", 0), ("1369440001", "expired", 1)] {
        let verified = aws(&["verify", &link, "--now", now]);
        assert_eq!((verified.out.trim_end(), verified.code), (verdict, code));
    }
}

#[test]
fn what_is_signed_is_granted() {
    for flags in [
        &["--time=expires"][..],
        &["--time=issued_hex", "--leeway=5"],
        &["--time=expires_hex", "--encoding=base64", "--algorithm=sha512"],
        &["--encoding=base64", "--key-id=k1"],
        &["--credential=$arg_key", "--message=$host$uri", "--leeway=1m"],
        &["--scheme=jwt"],
        &["--scheme=jwt", "--algorithm=sha512", "--key-id=k1"],
        &["--scheme=jwt", "--scope=any"],
        &["--scheme=edgeauth"],
        &["--scheme=edgeauth", "--escape-early=component"],
        &["--scheme=sigv4", "--key-id=k1", "--region=r", "--service=s3"],
        &["--scheme=sigv4", "--key-id=k1"],
    ] {
        for url in [
            "http://Files.example/a/b c/\u{e4}~'(1)!.txt?x=1&y=a+b",
            "https://files.example:8443/plain",
        ] {
            let link = run(&[&["sign", url, "--now", NOW][..], flags].concat()).done();
            assert!(!link.contains('\n'), "{link}");
            let verify = [&["verify", &link, "--now", "1700000030"][..], flags].concat();
            assert_eq!(run(&verify).done(), "granted", "{flags:?} {link}");
            let late = [&["verify", &link, "--now", "1700009999"][..], flags].concat();
            let expected = if flags[0].contains("credential") { "granted" } else { "expired" };
            assert_eq!(run(&late).out.trim_end(), expected, "{flags:?}");
            let forged = link.replacen("files.example", "other.example", 1);
            let forged = forged.replacen("/a/", "/z/", 1).replacen("/plain", "/zlain", 1);
            let moved = run(&[&["verify", &forged, "--now", "1700000030"][..], flags].concat());
            let expected = match flags {
                ["--scheme=jwt", "--scope=any"] => "granted",
                ["--scheme=jwt", ..] => "out_of_scope",
                _ => "forged",
            };
            assert_eq!(moved.out.trim_end(), expected, "{flags:?}");
        }
    }
}

#[test]
fn a_token_goes_where_the_credential_says() {
    let sign =
        |flags: &[&str]| run(&[&["sign", "http://h/a", "--now", NOW], flags].concat()).done();
    let signed = sign(&["--scheme=jwt", "--credential=$http_authorization"]);
    let (url, header) = signed.split_once('\n').unwrap();
    assert_eq!(url, "http://h/a");
    assert!(header.starts_with("Authorization: Bearer eyJ"), "{header}");
    let verify = |flags: &[&str]| run(&[&["verify", url, "--now", NOW], flags].concat()).out;
    let flags = ["--scheme=jwt", "--credential=$http_authorization"];
    assert_eq!(verify(&[&flags[..], &["-H", header]].concat()), "granted\n");
    assert_eq!(verify(&flags), "missing\n");

    let credential = "--credential=$cookie_st,$cookie_ts,$cookie_e";
    let flags = [credential, "--message=$uri|$cookie_ts|$cookie_e"];
    let signed = sign(&flags);
    let (_, header) = signed.split_once('\n').unwrap();
    assert!(header.starts_with("Cookie: st="), "{header}");
    assert_eq!(verify(&[&flags[..], &["-H", header]].concat()), "granted\n");

    let json = run(&["sign", "http://h/a", "--now", NOW, "--json", flags[0], flags[1]]).json();
    assert_eq!(json["url"], "http://h/a");
    assert_eq!(json["expires_at"], 1_700_003_600);
    let cookie = format!("Cookie: {}", json["headers"]["Cookie"].as_str().unwrap());
    assert_eq!(cookie, header);

    // A token in the path: nginx takes it out by a regular expression.
    let flags = ["--credential=$1,$2", "--message=$3|$2", "--time=expires", "--set", "3=/a"];
    let token = sign(&[&flags[..], &["--token-only"]].concat());
    let given = [format!("1={token}"), "2=1700003600".to_owned()];
    let verified = verify(&[&flags[..], &["--set", &given[0], "--set", &given[1]]].concat());
    assert_eq!(verified, "granted\n");
    assert_eq!(run(&[&["sign", "http://h/a"], &flags[..]].concat()).code, 2);
}

#[test]
fn secrets_are_rotated_by_two_files() {
    let new = file("new.key", "fedcba9876543210fedcba9876543210\n");
    let old = file("old.key", &format!("{SECRET}\n"));
    let (new, old) = (new.to_str().unwrap(), old.to_str().unwrap());
    let link = run_with(&[], &["sign", "/a", "--secret-file", old]).done();
    let both = ["verify", &link, "--secret-file", new, "--secret-file", old];
    assert_eq!(run_with(&[], &both).out, "granted\n");
    assert_eq!(run_with(&[], &both[..4]).out, "forged\n");
    assert_eq!(run(&["verify", &link]).out, "granted\n");
}
