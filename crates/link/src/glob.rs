//! Path scopes: patterns that are matched with the path that is served.

/// Whether a pattern matches the whole of a path. `*` is any bytes, `/` included, `?` is one
/// byte, and nothing is escaped. A pattern that does not begin with `/` or `*` matches nothing.
///
/// Takes at most `pattern.len() * path.len()` steps.
pub(crate) fn matches(pattern: &[u8], path: &[u8]) -> bool {
    matches_in_steps(pattern, path, || ())
}

/// The same, which calls `step` for each of its steps.
#[inline]
fn matches_in_steps(pattern: &[u8], path: &[u8], mut step: impl FnMut()) -> bool {
    if !matches!(pattern, [b'/' | b'*', ..]) {
        return false;
    }
    let (mut pattern, mut path) = (pattern, path);
    // What follows the last star, and what is left of the path behind what that star took.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        step();
        match (pattern, path) {
            ([b'*', rest @ ..], _) => {
                // Whatever follows one star may as well follow two.
                retry = Some((rest, path));
                pattern = rest;
            }
            ([b'?', rest @ ..], [_, path_rest @ ..]) => (pattern, path) = (rest, path_rest),
            ([byte, rest @ ..], [first, path_rest @ ..]) if byte == first => {
                (pattern, path) = (rest, path_rest);
            }
            ([], []) => return true,
            _ => match retry {
                // The last star takes one byte more. An earlier one need not: what it took is the
                // least that lets the rest match.
                Some((rest, [_, path_rest @ ..])) => {
                    retry = Some((rest, path_rest));
                    (pattern, path) = (rest, path_rest);
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, path: &str) -> bool {
        matches(pattern.as_bytes(), path.as_bytes())
    }

    #[test]
    fn stars_take_slashes_and_question_marks_take_one_byte() {
        for (pattern, path) in [
            ("/a/*", "/a/"),
            ("/a/*", "/a/b/c"),
            ("*", "/"),
            ("*", ""),
            ("**", "/a"),
            ("/*.mp4", "/a/b.mp4"),
            ("/a?c", "/abc"),
            ("/a?c", "/a/c"),
            ("/*a*a", "/aaa"),
            ("/*ab", "/aab"),
            ("/\u{e4}*", "/\u{e4}x"),
            ("/a", "/a"),
            ("/*/x/*", "/x/x/x"),
        ] {
            assert!(check(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/a/*", "/a"),
            ("/a/*", "/ab"),
            ("/a", "/a/"),
            ("/a", "/A"),
            ("/a?", "/a"),
            ("/\u{e4}?", "/\u{e4}"),
            ("/*.mp4", "/a.mp4x"),
            ("", ""),
            ("", "/"),
            ("a*", "a"),
            ("?a", "/a"),
            ("?*", "/a"),
            ("[a]", "a"),
        ] {
            assert!(!check(pattern, path), "{pattern} {path}");
        }
    }

    /// The plain definition, exponential.
    fn slow(pattern: &[u8], path: &[u8]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=path.len()).any(|at| slow(rest, &path[at..])),
            ([b'?', rest @ ..], [_, path @ ..]) => slow(rest, path),
            ([byte, rest @ ..], [first, path @ ..]) => byte == first && slow(rest, path),
            _ => false,
        }
    }

    #[test]
    fn all_short_patterns_match_as_the_definition_says() {
        fn words(alphabet: &[u8], len: u32) -> impl Iterator<Item = Vec<u8>> {
            let count = alphabet.len();
            (0..count.pow(len)).map(move |mut number| {
                let mut word = vec![b'/'];
                for _ in 0..len {
                    word.push(alphabet[number % count]);
                    number /= count;
                }
                word
            })
        }
        for pattern_len in 0..=5 {
            for pattern in words(b"ab*?", pattern_len) {
                for path in (0..=5).flat_map(|len| words(b"ab", len)) {
                    assert_eq!(matches(&pattern, &path), slow(&pattern, &path), "{pattern:?}");
                }
            }
        }
    }

    #[test]
    fn hostile_patterns_take_no_more_than_their_product() {
        let path = ["/", &"a".repeat(4095)].concat();
        let steps = |pattern: &str| {
            let mut steps = 0;
            let _ = matches_in_steps(pattern.as_bytes(), path.as_bytes(), || steps += 1);
            steps
        };
        for pattern in [
            "*".repeat(4096),
            "*a".repeat(2048),
            "*?".repeat(2048),
            "*".repeat(4095) + "b",
            "*a".repeat(2047) + "*b",
        ] {
            // Each star takes a byte more at most as often as there are bytes.
            assert!(steps(&pattern) <= 3 * 4097, "{}", steps(&pattern));
        }
        let worst = ["/*", &"a".repeat(2000), "b"].concat();
        assert!((1 << 20..worst.len() * path.len()).contains(&steps(&worst)));
    }
}
