//! Tokens and secrets, against the crate `data-encoding`; and what is written is read.
#![no_main]

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use libfuzzer_sys::fuzz_target;
use secure_link::{Algorithm, Encoding, Key, SecretFormat, internals};
use secure_link_fuzz::oracle;

fuzz_target!(|data: &[u8]| {
    let shown = data.escape_ascii();
    // Its length chooses the algorithm: all of them would make the target a tenth as fast.
    let algorithm = Algorithm::ALL[data.len() % Algorithm::ALL.len()];
    let tag = Key::new(algorithm, b"0123456789abcdef").sign([data].into_iter());
    for &encoding in Encoding::ALL {
        let decoded = internals::decode_token(encoding, data);
        assert_eq!(decoded, oracle::decode(encoding, data), "{encoding:?} {shown}");
        // A MAC in all its spellings.
        let mut text = [0; Encoding::MAX_LEN];
        let text = encoding.encode(&tag, &mut text);
        assert_eq!(text, oracle::encode(encoding, tag.as_bytes()).as_bytes());
        let mut spellings = vec![text.to_vec()];
        let all = String::from_utf8_lossy(text);
        match encoding {
            Encoding::Hex => spellings.push(text.to_ascii_uppercase()),
            Encoding::Base64 => {
                spellings.push(all.trim_end_matches('=').into());
                let escaped = all.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
                spellings.push(escaped.into());
            }
            Encoding::Base64Url => {
                let padding = "=".repeat((4 - all.len() % 4) % 4);
                spellings.push(format!("{all}{padding}").into());
                spellings.push(format!("{all}{}", padding.replace('=', "%3d")).into());
            }
        }
        for spelling in spellings {
            assert_eq!(
                internals::decode_token(encoding, &spelling).as_deref(),
                Some(tag.as_bytes())
            );
        }
        // The end of a line is no part of a token.
        assert_eq!(internals::decode_token(encoding, &[text, b"\n"].concat()), None);
    }
    let plain = BASE64URL_NOPAD.decode(data).ok();
    for room in [0, 1, 64, 4096] {
        let expected = plain.clone().filter(|plain| plain.len() <= room);
        assert_eq!(internals::decode_base64url(data, room), expected, "{room} {shown}");
    }

    let line =
        data.strip_suffix(b"\n").map_or(data, |line| line.strip_suffix(b"\r").unwrap_or(line));
    let base64 = oracle::padded_or_bare(&BASE64, &BASE64_NOPAD, line);
    for (format, expected) in [
        (SecretFormat::Raw, Some(line.to_vec())),
        (SecretFormat::Hex, HEXLOWER_PERMISSIVE.decode(line).ok()),
        (SecretFormat::Base64, base64),
    ] {
        let secret = format.decode(data).ok().map(|secret| secret.to_vec());
        assert_eq!(secret, expected, "{format:?} {shown}");
    }
});
