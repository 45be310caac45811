//! Policies of a configuration: which location, which errors, and what replaces what.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use common::{Ended, NOW, SECRET, run, run_with};

/// A directory with these files, of which keys are for their owner alone.
fn directory(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory);
    for (name, text) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    directory
}

/// Signs with the configuration of a directory.
fn sign(directory: &Path, url: &str, args: &[&str]) -> Ended {
    let conf = directory.join("nginx.conf");
    let flags = ["sign", url, "--now", NOW, "--conf", conf.to_str().unwrap()];
    run_with(&[("OTHER", "another secret of enough length")], &[&flags, args].concat())
}

fn assert_refused(ended: &Ended, code: i32, text: &str) {
    assert_eq!(ended.code, code, "{ended:?}");
    assert!(ended.err.contains(text), "{text} in {}", ended.err);
}

const FILES: &str = "secure_link_hmac $arg_st,$arg_ts,$arg_e; secure_link_hmac_message \
                     $uri|$arg_ts|$arg_e; secure_link_hmac_secret file:keys/a.key;";

/// An `http` with one location `/files/` and these directives, with `more` behind the server.
fn http(directives: &str, more: &str) -> String {
    format!("http {{\n server {{\n  location /files/ {{\n{directives}\n}} }}\n{more}\n}}\n")
}

#[test]
fn a_location_signs_as_its_flags_would() {
    let directory = directory(
        "same",
        &[("nginx.conf", &http(FILES, "")), ("keys/a.key", &format!("{SECRET}\n"))],
    );
    let by_flags = run(&["sign", "/files/a b", "--now", NOW]).done();
    assert_eq!(sign(&directory, "/files/a b", &[]).done(), by_flags);
    assert_eq!(sign(&directory, "/files/a b", &["--location", "/files/"]).done(), by_flags);
    // The environment's default secret is not the location's.
    let conf = directory.join("nginx.conf");
    let conf = ["--conf", conf.to_str().unwrap(), "--now", NOW];
    let environment = [("SECURE_LINK_SECRET", "something else entirely")];
    let signed = run_with(&environment, &[&["sign", "/files/a b"][..], &conf].concat());
    assert_eq!(signed.done(), by_flags);
}

#[test]
fn secrets_are_replaced_by_flags_that_name_them() {
    let conf = http(&FILES.replace("file:keys/a.key", "file:keys/none.key"), "");
    let directory = directory("replaced", &[("nginx.conf", &conf)]);
    let missing = sign(&directory, "/files/a", &[]);
    assert_refused(&missing, 3, "nginx.conf:4: ");
    assert_refused(&missing, 3, "keys/none.key: No such file or directory");
    assert_refused(&missing, 3, "--secret-file or --secret-env");
    let by_flags = run_with(
        &[("OTHER", "another secret of enough length")],
        &["sign", "/files/a", "--now", NOW, "--secret-env", "OTHER"],
    );
    let signed = sign(&directory, "/files/a", &["--secret-env", "OTHER"]);
    assert_eq!(signed.done(), by_flags.done());

    let conf = http(&FILES.replace("file:keys/a.key", "$secret_of_host"), "");
    fs::write(directory.join("nginx.conf"), conf).unwrap();
    let refused = sign(&directory, "/files/a", &[]);
    assert_refused(&refused, 2, "nginx.conf:4: \"secure_link_hmac_secret\" has variables");
    assert_eq!(sign(&directory, "/files/a", &["--secret-env", "OTHER"]).code, 0);
}

#[test]
fn policy_flags_have_no_place_beside_a_configuration() {
    for flag in [
        ["--scheme", "jwt"],
        ["--credential", "$arg_x"],
        ["--message", "$uri"],
        ["--max-lifetime", "1h"],
        ["--salt-file", "x"],
    ] {
        let ended = run(&[&["sign", "/a", "--conf", "nginx.conf"][..], &flag].concat());
        assert_refused(&ended, 2, "cannot be used with");
    }
    assert_refused(&run(&["sign", "/a", "--location", "/a"]), 2, "--conf");
    let directory = directory("flags", &[("nginx.conf", &http(FILES, "")), ("keys/a.key", SECRET)]);
    assert_refused(&sign(&directory, "/files/a", &["--key-format", "hex"]), 2, "--key-format");
    let conf = directory.join("nginx.conf");
    let verified = run(&["verify", "/files/a", "--key-id", "a", "--conf", conf.to_str().unwrap()]);
    assert_refused(&verified, 2, "which keys verify");
}

#[test]
fn mistakes_have_their_file_and_line() {
    let ring = |line: &str| format!("secure_link_hmac_keyring ring {{\n{line}\n}}");
    let ringed = FILES.replace("_secret file:keys/a.key", "_keys ring $arg_key");
    for (directives, more, line, text) in [
        ("secure_link_hmac_leeway 1x;", "", 4, "has an invalid time"),
        ("secure_link_hmac_leeway 1s;\nsecure_link_hmac_leeway 1s;", "", 5, "is duplicate"),
        ("secure_link_hmac_leeway;", "", 4, "wrong number of arguments"),
        ("secure_link_hmac_enforce on on;", "", 4, "wrong number of arguments"),
        ("secure_link_hmac_enforce on;\nsecure_link_hmac off;", "", 5, "is \"off\" where"),
        ("secure_link_hmac off;\nsecure_link_hmac_enforce on;", "", 5, "is on where"),
        ("secure_link_hmac_error;", "", 4, "wrong number of arguments"),
        ("secure_link_hmac_leway 1s;", "", 4, "is no directive"),
        ("secure_link_hmac_scheme none;", "", 4, "has an unknown scheme"),
        ("secure_link_hmac_scheme jwt time=expires;", "", 4, "has an unknown parameter \"time=\""),
        ("secure_link_hmac_scheme template time=never;", "", 4, "unknown \"time=\""),
        ("secure_link_hmac_scheme edgeauth salt=a salt=b;", "", 4, "has \"salt=\" twice"),
        ("secure_link_hmac_algorithm md4;", "", 4, "has an unknown algorithm"),
        ("secure_link_hmac_limit z uses=0;", "", 4, "has an invalid parameter \"uses=0\""),
        ("secure_link_hmac_limit z bytes=1;", "", 4, "does not say what is limited"),
        ("secure_link_hmac_message $secure_link_hmac;", "", 4, "which the check itself fills"),
        ("secure_link_hmac_encoding base32;", "", 4, "has an unknown value"),
        ("secure_link_hmac_scope any;", "", 4, "not used by the scheme \"template\""),
        ("secure_link_hmac_require aud=x;", "", 4, "not used by the scheme \"template\""),
        ("secure_link_hmac_error gone=404;", "", 4, "unknown verdict"),
        ("secure_link_hmac_keys ring;", "", 5, "stands beside"),
        ("secure_link_hmac_secret x format=hex;", "", 4, "which only a \"file:\" secret takes"),
        ("include none.conf;", "", 4, "none.conf: No such file"),
        ("include nginx.conf;", "", 2, "include themselves"),
        ("secure_link_hmac_leeway 'a'b;", "", 4, "unexpected \"b\""),
        (&ringed, "", 4, "unknown ring"),
        (&ringed, &ring(""), 6, "has no key"),
        (&ringed, &ring("acme"), 8, "unexpected \"}\""),
        (&ringed, &ring("acme;"), 7, "without a secret"),
        (&ringed, &ring("acme plain;"), 7, "second word"),
        (&ringed, &ring("acme hex:00 until=1;"), 7, "unknown parameter"),
        (&ringed, &ring("acme hex:00 not_after=soon;"), 7, "invalid date"),
        (&ringed, &ring("acme hex:00 algorithm=none;"), 7, "an unknown algorithm"),
        (&ringed, &ring("acme file:keys/a.key format=hexx;"), 7, "unknown parameter"),
    ] {
        let own = !directives.contains("secure_link_hmac_message");
        let directives = if own { format!("{directives}\n{FILES}") } else { directives.to_owned() };
        let conf = http(&directives, more);
        let directory = directory("mistakes", &[("nginx.conf", &conf), ("keys/a.key", SECRET)]);
        let ended = sign(&directory, "/files/a", &[]);
        let code = if text.contains("No such file") { 3 } else { 2 };
        assert_refused(&ended, code, text);
        assert_refused(&ended, code, &format!("nginx.conf:{line}: "));
    }
}

#[test]
fn what_is_off_is_not_enforced_below() {
    let conf = |server: &str, location: &str| {
        format!("http {{ {FILES}\n server {{ {server}\n location /files/ {{\n {location} }} }} }}")
    };
    let off = "secure_link_hmac off;";
    let directory = directory("off", &[("nginx.conf", &conf(off, "secure_link_hmac_enforce on;"))]);
    let ended = sign(&directory, "/files/a", &[]);
    assert_refused(&ended, 2, "nginx.conf:4: \"secure_link_hmac_enforce\" is on where");
    // The other way round the location is open.
    fs::write(directory.join("nginx.conf"), conf("secure_link_hmac_enforce on;", off)).unwrap();
    assert_refused(&sign(&directory, "/files/a", &[]), 2, "no links are checked");
}

#[test]
fn secrets_of_a_configuration_are_not_shown() {
    const WORD: &str = "correct-horse-battery";
    for directives in [
        format!("secure_link_hmac_secret {WORD} format=hex;"),
        format!("secure_link_hmac_secret {WORD} {WORD} {WORD};"),
        format!("secure_link_hmac_secret {WORD}$;"),
        format!("secure_link_hmac_secret {WORD}$x;"),
        format!("secure_link_hmac_secret {WORD}"),
        format!("secure_link_hmac_scheme edgeauth slat={WORD};"),
        format!("secure_link_hmac_secret {WORD}; secure_link_hmac_message $uri|$unknown;"),
    ] {
        let conf = http(&format!("secure_link_hmac $arg_st;\n{directives}"), "");
        let directory = directory("shown", &[("nginx.conf", &conf)]);
        let ended = sign(&directory, "/files/a", &[]);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(!ended.err.contains(WORD), "{}", ended.err);
    }
    for line in [format!("{WORD};"), format!("a {WORD};"), format!("a base64:{WORD};")] {
        let ring = format!("secure_link_hmac_keyring ring {{ {line} }}");
        let conf = http(&FILES.replace("_secret file:keys/a.key", "_keys ring"), &ring);
        let directory = directory("shown", &[("nginx.conf", &conf)]);
        let ended = sign(&directory, "/files/a", &[]);
        assert_ne!(ended.code, 0, "{ended:?}");
        assert!(!ended.err.contains(WORD), "{}", ended.err);
    }
}

#[test]
fn the_server_is_the_one_with_the_name_of_the_host() {
    let server = |listen: &str, name: &str, secret: &str| {
        let policy = FILES.replace("file:keys/a.key", &format!("\"{secret}\""));
        format!(
            "server {{ listen {listen}; server_name {name} www.{name};\n\
             location /files/ {{ {policy} }} }}\n"
        )
    };
    let conf = format!(
        "http {{ {} {} server {{ listen 81; server_name a.example; }} }}",
        server("80", "a.example", SECRET),
        server("8080", "b.example", "another secret of enough length"),
    );
    let directory = directory("servers", &[("nginx.conf", &conf)]);
    let secrets = [SECRET, "another secret of enough length"];
    for (host, flags, secret) in [
        ("a.example", &["--location", "/files/"][..], 0),
        ("b.example", &["--location", "/files/"], 1),
        ("b.example", &[], 1),
        ("WWW.b.example", &[], 1),
        ("elsewhere.example", &["--server", "b.example"], 1),
        ("elsewhere.example", &["--server", "8080"], 1),
        // nginx looks for the name among the servers of the port.
        ("a.example:8080", &[], 1),
        ("elsewhere.example:8080", &[], 1),
        ("a.example", &["--server", "80"], 0),
    ] {
        let url = format!("http://{host}/files/a");
        let by_flags =
            run_with(&[("SECURE_LINK_SECRET", secrets[secret])], &["sign", &url, "--now", NOW]);
        assert_eq!(sign(&directory, &url, flags).done(), by_flags.done(), "{host} {flags:?}");
    }
    for (url, flags, text) in [
        ("http://elsewhere.example/files/a", &["--location", "/files/"][..], "several places"),
        ("/files/a", &["--location", "/files/"], "--server 'b.example'"),
        ("http://a.example/files/a", &[], "several places"),
        ("http://a.example/files/a", &["--server", "c.example"], "it has\n  --server 'a.example'"),
        ("http://b.example/", &[], "\"server\" checks no links"),
    ] {
        assert_refused(&sign(&directory, url, flags), 2, text);
    }
    fs::write(directory.join("nginx.conf"), "server { }").unwrap();
    assert_refused(&sign(&directory, "/", &[]), 2, "no server in an \"http\" block");
}

#[test]
fn a_location_is_found_by_what_is_written() {
    let conf = format!(
        "http {{ {FILES} server {{ location /a {{ }} location = /a {{ }} location ^~ /b/ {{ }}\n\
         location ~ ^/c/x {{ }} location ~ ^/c/y {{ }} location ~* ^/c/ {{ }} location @d {{ }} }} }}"
    );
    let directory = directory("written", &[("nginx.conf", &conf), ("keys/a.key", SECRET)]);
    let link = run(&["sign", "/x", "--now", NOW]).done();
    for location in
        ["/a", "= /a", "=/a", "/b/", "^~ /b/", "^~/b/", "~ ^/c/x", "~ ^/c/y", "~* ^/", "@d"]
    {
        assert_eq!(sign(&directory, "/x", &["--location", location]).done(), link, "{location}");
    }
    for (location, text) in [
        ("/", "there is no location \"/\""),
        ("= /b/", "there is no location"),
        ("~ ^/c/", "several places"),
        ("~ ^/d/", "there is no location"),
        ("x /a", "as in '/files/'"),
    ] {
        let ended = sign(&directory, "/x", &["--location", location]);
        assert_refused(&ended, 2, text);
    }
}

#[test]
fn a_copy_is_read_with_a_prefix() {
    let copied = directory("copy", &[("nginx.conf", &http("include rest;", ""))]);
    let etc = directory("etc", &[("rest", FILES), ("keys/a.key", SECRET)]);
    assert_eq!(sign(&copied, "/files/a", &[]).code, 3);
    let signed = sign(&copied, "/files/a", &["--prefix", etc.to_str().unwrap()]);
    assert_eq!(signed.done(), run(&["sign", "/files/a", "--now", NOW]).done());
}

#[test]
fn the_key_of_a_ring_is_said_or_is_the_only_one() {
    let ring = "secure_link_hmac_keyring two { a hex:00112233445566778899aabbccddeeff; b \
                base64:AAECAwQFBgcICQoLDA0ODw; } secure_link_hmac_keyring one { a \
                hex:00112233445566778899aabbccddeeff; }";
    let policy = |keys: &str| http(&FILES.replace("_secret file:keys/a.key", keys), ring);
    let directory = directory("ring", &[("nginx.conf", "")]);
    let sign = |keys: &str, url: &str, flags: &[&str]| {
        fs::write(directory.join("nginx.conf"), policy(keys)).unwrap();
        sign(&directory, url, flags)
    };
    let link = sign("_keys two $arg_key", "/files/a", &["--key-id", "b"]).done();
    assert!(link.starts_with("/files/a?key=b&st="), "{link}");
    assert_eq!(sign("_keys two $arg_key", "/files/a?key=b", &[]).done(), link);
    assert_eq!(sign("_keys two b", "/files/a", &[]).done(), link.replace("key=b&", ""));
    assert_eq!(
        sign("_keys two", "/files/a", &["--key-id", "b"]).done(),
        link.replace("key=b&", "")
    );
    let only = sign("_keys one", "/files/a", &[]).done();
    assert_eq!(sign("_keys two", "/files/a", &["--key-id", "a"]).done(), only);
    assert_refused(&sign("_keys two", "/files/a", &[]), 2, "--key-id which key signs: a, b");
    assert_refused(
        &sign("_keys two b", "/files/a", &["--key-id", "a"]),
        2,
        "demands the key \"b\"",
    );
    assert_refused(
        &sign("_keys two", "/files/a", &["--key-id", "c"]),
        2,
        "no key with the id \"c\"",
    );
}

#[test]
fn a_check_that_does_not_decide_is_read_as_such() {
    // The fields of one argument, and a method that an enforced check would not admit.
    let policy =
        FILES.replace("$arg_st,$arg_ts,$arg_e;", "$arg_link;").replace("$arg_ts|$arg_e", "1");
    let directory = directory("advisory", &[("keys/a.key", SECRET), ("nginx.conf", "")]);
    let conf = directory.join("nginx.conf");
    let conf = conf.to_str().unwrap();
    let token = run(&[
        "sign",
        "/files/a",
        "--credential",
        "$arg_st",
        "--message",
        "$uri|1",
        "--token-only",
    ])
    .done();
    let link = format!("/files/a?link={token},1700000000,3600");
    for (enforce, verdict) in [("", "granted\n"), ("secure_link_hmac_enforce on;", "malformed\n")] {
        fs::write(conf, http(&format!("{policy}{enforce}"), "")).unwrap();
        let args = ["verify", &link, "--method", "PUT", "--now", NOW, "--conf", conf];
        assert_eq!(run(&args).out, verdict, "{enforce}");
    }
}

/// What `verify` says of a link with the configuration of a directory, or its error.
fn verify(directory: &Path, url: &str, args: &[&str]) -> Ended {
    let conf = directory.join("nginx.conf");
    let flags = ["verify", url, "--now", NOW, "--conf", conf.to_str().unwrap()];
    run_with(&[], &[&flags, args].concat())
}

#[test]
fn a_claim_with_a_control_byte_revokes_nothing() {
    let policy = format!(
        "secure_link_hmac_scheme jwt; secure_link_hmac $arg_token; secure_link_hmac_secret \
         \"{SECRET}\"; secure_link_hmac_revoke $secure_link_hmac_claim_note;"
    );
    let directory = directory("control", &[("nginx.conf", &http(&policy, ""))]);
    for (note, verdict) in
        [("\"a\"", "revoked\n"), ("\"0\"", "granted\n"), ("\"a\\n\"", "granted\n")]
    {
        let note = format!("note={note}");
        let link = sign(&directory, "/files/a", &["--claim-json", &note]);
        assert_eq!(verify(&directory, link.out.trim_end(), &[]).out, verdict, "{note} {link:?}");
    }
}

#[test]
fn variables_of_the_module_can_revoke() {
    let link = |revoke: &str, args: &[&str]| {
        let policy = format!("{FILES} secure_link_hmac_revoke {revoke};");
        let directory = directory(
            "own_variables",
            &[("nginx.conf", &http(&policy, "")), ("keys/a.key", &format!("{SECRET}\n"))],
        );
        let link = sign(&directory, "/files/a", &[]).done();
        let ended = verify(&directory, &(link + args[0]), &args[1..]);
        format!("{}{}", ended.out, ended.err)
    };
    for (revoke, args, verdict) in [
        ("$secure_link_hmac", &[""][..], "revoked\n"),
        ("$secure_link_hmac", &["", "--set", "secure_link_hmac=0"], "granted\n"),
        ("$secure_link_hmac_expires", &[""], "revoked\n"),
        ("$secure_link_hmac_token", &[""], "revoked\n"),
        ("$secure_link_hmac_args", &[""], "granted\n"),
        ("$secure_link_hmac_args", &["&x=1"], "revoked\n"),
        ("$secure_link_hmac_uses", &[""], "granted\n"),
    ] {
        assert_eq!(link(revoke, args), verdict, "{revoke} {args:?}");
    }

    // A token beside another scheme is not made here.
    let policy = format!(
        "secure_link_hmac_scheme jwt; secure_link_hmac $arg_token; secure_link_hmac_message $uri; \
         secure_link_hmac_secret \"{SECRET}\"; secure_link_hmac_revoke $secure_link_hmac_token;"
    );
    let directory = directory("token_beside", &[("nginx.conf", &http(&policy, ""))]);
    let link = sign(&directory, "/files/a", &[]).done();
    assert_refused(&verify(&directory, &link, &[]), 2, "--set 'secure_link_hmac_token=...'");
    let said = verify(&directory, &link, &["--set", "secure_link_hmac_token="]);
    assert_eq!(said.out, "granted\n");
}

#[test]
fn slashes_that_nginx_does_not_merge_are_refused() {
    let files = |directives: &str| {
        let conf = http(FILES, "").replacen("server {", &format!("server {{ {directives}"), 1);
        let conf = conf.replacen("http {", "http { merge_slashes off;", 1);
        directory("slashes", &[("nginx.conf", &conf), ("keys/a.key", SECRET)])
    };
    let off = files("");
    assert_refused(&sign(&off, "/files//a", &[]), 2, "nginx.conf:1: \"merge_slashes\" is off");
    assert_refused(&sign(&off, "/files%2f/a", &["--location", "/files/"]), 2, "several slashes");
    assert_eq!(sign(&off, "/files/a", &[]).code, 0);
    assert_eq!(sign(&files("merge_slashes on;"), "/files//a", &[]).code, 0);
    // The default server of a port decides for all servers there.
    let other = files("merge_slashes on; } server { server_name other.example; } server {");
    let refused = sign(&other, "/files//a", &["--location", "/files/"]);
    assert_refused(&refused, 2, "\"merge_slashes\" is off");
}
