//! Exit codes, keys, and where secrets do not get.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use common::{NOW, SECRET, file, path, run, run_with};

const LINK: &str =
    "/files/report.pdf?st=lCcL1NkQIShbVqCnwlGa7O9exec-Z8murTSjQNGgiA8&ts=1700000000&e=3600";

#[test]
fn exit_codes_are_those_of_the_help() {
    let missing = path("missing.key");
    let missing = missing.to_str().unwrap();
    let short = file("short.key", "\n");
    let short = short.to_str().unwrap();
    for (args, code) in [
        (&["verify", LINK, "--now", NOW][..], 0),
        (&["explain", LINK, "--now", NOW], 0),
        (&["verify", LINK], 1),
        (&["explain", LINK], 1),
        (&["verify", "/a"], 1),
        (&[], 2),
        (&["sing", "/a"], 2),
        (&["sign", "a"], 2),
        (&["sign", "/a/../.."], 2),
        (&["sign", "/a", "--scheme", "none"], 2),
        (&["sign", "/a", "--scheme", "jwt", "--message", "$uri"], 2),
        (&["sign", "/a", "--scheme", "jwt", "--algorithm", "md5"], 2),
        (&["sign", "/a", "--scheme", "sigv4"], 2),
        (&["sign", "/a", "--subject", "x"], 2),
        (&["sign", "/a", "--message", "$uri|$customer"], 2),
        (&["sign", "/a", "--message", "$"], 2),
        (&["sign", "/a", "--key-id", "a b"], 2),
        (&["sign", "/a", "--secret-file", missing], 3),
        (&["sign", "/a", "--secret-file", short], 3),
        (&["sign", "/a", "--key-format", "base64", "--secret-env", "NOT_BASE64"], 3),
        (&["keygen", "--out", "/nowhere/key"], 3),
        (&["keygen", "--bytes", "15"], 2),
        (&["keygen", "--keyring", "a b"], 2),
        (&["keygen", "--keyring", "a", "--format", "raw"], 2),
        (&["sign", "/a", "--scheme", "jwt", "--claim", "sub=a\nb"], 4),
    ] {
        let environment = [("SECURE_LINK_SECRET", SECRET), ("NOT_BASE64", "!!")];
        let ended = run_with(&environment, args);
        assert_eq!(ended.code, code, "{args:?} {ended:?}");
        assert_eq!(ended.err.is_empty(), code < 2, "{args:?} {ended:?}");
    }
    assert_eq!(run_with(&[], &["sign", "/a"]).code, 2);
    assert_eq!(run_with(&[], &["sign", "/a", "--secret-env", "SURELY_NOT_SET"]).code, 2);
}

#[test]
fn no_flag_takes_a_secret_and_no_text_shows_one() {
    const WORD: &str = "correct-horse-battery";
    for args in [
        &["sign", "/a", "--secret", WORD][..],
        &["sign", "/a", "--key", WORD],
        &["sign", "/a", "--salt", WORD],
        &["sign", "/a", "--secret-env", WORD],
        &["sign", "/a", "--key-format", "hex"],
        &["sign", "/a", "--key-format", "base64"],
        &["sign", "--help"],
        &["verify", "--help"],
        &["explain", "/a"],
        &["explain", LINK],
        &["explain", LINK, "--json"],
        &["man"],
    ] {
        let environment = [("SECURE_LINK_SECRET", WORD), ("SECURE_LINK_SALT", WORD)];
        let ended = run_with(&environment, args);
        let all = format!("{}{}", ended.out, ended.err);
        assert!(!all.contains(WORD), "{args:?} {all}");
    }
    let help = run(&["sign", "--help"]).done();
    assert!(help.contains("--secret-file") && help.contains("--secret-env"));
    assert!(!help.contains("--secret ") && !help.contains("--secret="), "{help}");
}

#[test]
fn weak_secrets_are_warned_of() {
    let short = run_with(&[("SECURE_LINK_SECRET", "short")], &["sign", "/a"]);
    assert_eq!(short.code, 0);
    assert!(short.err.contains("fewer than 16 bytes"), "{}", short.err);
    let open = file("open.key", SECRET);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let signed = run_with(&[], &["sign", "/a", "--secret-file", open.to_str().unwrap()]);
    assert!(signed.err.contains("every user can read"), "{}", signed.err);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o600)).unwrap();
    let signed = run_with(&[], &["sign", "/a", "--secret-file", open.to_str().unwrap()]);
    assert_eq!(signed.err, "");
}

#[test]
fn policies_that_nginx_refuses_are_warned_of() {
    for (message, said) in [
        ("$uri$arg_ts$arg_e", "separate them"),
        ("$uri|$arg_ts", "\"$arg_e\" is not part of the message"),
    ] {
        let signed = run(&["sign", "/a", "--message", message]);
        assert_eq!(signed.code, 0);
        assert!(signed.err.contains(said), "{}", signed.err);
    }
}

#[test]
fn a_link_that_the_policy_refuses_is_printed_with_a_warning() {
    let signed = run(&["sign", "/a", "--max-lifetime", "1m"]);
    assert_eq!(signed.code, 0);
    assert!(signed.err.contains("would refuse the link now: expired"), "{}", signed.err);
}

#[test]
fn keys_are_random_and_written_for_their_owner_alone() {
    let key = run(&["keygen"]).done();
    assert_eq!(hex::decode(&key).unwrap().len(), 32);
    assert_ne!(run(&["keygen"]).done(), key);

    let out = path("generated.key");
    let name = out.to_str().unwrap();
    let made = run(&["keygen", "--out", name, "--keyring", "acme", "--bytes", "20"]).done();
    assert_eq!(made, format!("acme file:{name} format=hex;"));
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&out).unwrap();
    assert_eq!(text.len(), 41);
    let again = run(&["keygen", "--out", name]);
    assert_eq!(again.code, 3);
    assert_eq!(fs::read_to_string(&out).unwrap(), text);

    let flags = ["--secret-file", name, "--key-format", "hex"];
    let link = run_with(&[], &[&["sign", "/a"][..], &flags].concat()).done();
    assert_eq!(run_with(&[], &[&["verify", &link][..], &flags].concat()).out, "granted\n");

    let line = run(&["keygen", "--keyring", "globex", "--format", "base64"]).done();
    let secret = line.strip_prefix("globex base64:").unwrap().strip_suffix(';').unwrap();
    assert_eq!(secret.len(), 44);

    let out = path("generated.b64");
    let name = out.to_str().unwrap();
    let made = run(&["keygen", "--out", name, "--format", "base64", "--directive"]).done();
    assert_eq!(made, format!("secure_link_hmac_secret file:{name} format=base64;"));

    let out = path("generated.raw");
    let made = run(&["keygen", "--format", "raw", "--out", out.to_str().unwrap()]);
    assert_eq!((made.code, &*made.out), (0, ""));
    assert_eq!(fs::metadata(&out).unwrap().len(), 32);
}

#[test]
fn keys_are_told_as_json() {
    let made = run(&["keygen", "--json", "--keyring", "acme"]).json();
    let key = made["key"].as_str().unwrap();
    assert_eq!((hex::decode(key).unwrap().len(), &made["bytes"]), (32, &32.into()));
    assert_eq!(made["line"], format!("acme hex:{key};"));
    assert!(made["file"].is_null());
    let out = path("generated.json.key");
    let name = out.to_str().unwrap();
    let made = run(&["keygen", "--json", "--format", "raw", "--directive", "--out", name]).json();
    assert!(made["key"].is_null());
    assert_eq!(made["file"], name);
    assert_eq!(made["line"], format!("secure_link_hmac_secret file:{name} format=raw;"));
    assert_eq!(run(&["keygen", "--json", "--format", "raw"]).code, 2);
}

#[test]
fn completions_and_manual_pages_are_made() {
    for shell in ["bash", "zsh", "fish"] {
        let text = run(&["completions", shell]).done();
        assert!(text.contains("secure-link") && text.contains("keygen"), "{shell}");
    }
    assert!(run(&["man"]).done().contains(".TH secure-link 1"));
    let directory = path("man");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    run(&["man", "--directory", directory.to_str().unwrap()]).done();
    let page = fs::read_to_string(directory.join("secure-link-explain.1")).unwrap();
    assert!(page.contains("max\\-lifetime"), "{page}");
}

#[test]
fn what_the_request_does_not_say_is_asked_for() {
    let link = |message: &str, url: &str, more: &[&str]| {
        let message = format!("--message={message}|$arg_ts|$arg_e");
        run(&[&["verify", url, &message, "--now", NOW][..], more].concat())
    };
    for (variable, asked) in [
        ("$host", "give the whole URL"),
        ("$http_host", "give the whole URL"),
        ("$remote_addr", "give --client"),
    ] {
        let asking = link(variable, "/a?st=x", &[]);
        assert_eq!(asking.code, 2, "{asking:?}");
        assert!(asking.err.contains(asked), "{asking:?}");
        let (url, more) = match variable {
            "$remote_addr" => ("/a?st=x", ["--client", "203.0.113.7"]),
            _ => ("http://h.example/a?st=x", ["--method", "GET"]),
        };
        assert_eq!(link(variable, url, &more).out, "malformed\n");
    }
    assert_eq!(link("$host", "/a?st=x", &["-H", "Host: h.example"]).out, "malformed\n");
}
