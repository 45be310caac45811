//! Variables that a configuration defines.

use std::collections::HashMap;

use crate::conf::tree::{Directive, Place};

/// The variables that directives and regular expressions define, by their names in lower case, and
/// what defines them.
pub fn defined(tree: &[Directive]) -> HashMap<String, (String, Place)> {
    let mut found = HashMap::new();
    collect(tree, &mut found);
    found
}

fn collect(tree: &[Directive], found: &mut HashMap<String, (String, Place)>) {
    for directive in tree {
        let name = String::from_utf8_lossy(directive.name()).into_owned();
        let mut add = |variable: &[u8], what: &str| {
            let variable = String::from_utf8_lossy(variable).to_ascii_lowercase();
            found.entry(variable).or_insert_with(|| (what.to_owned(), directive.at.clone()));
        };
        let arguments: Vec<_> = directive.arguments().collect();
        let target = match &*name {
            "map" | "geo" | "split_clients" => arguments.last(),
            // auth_request_set, perl_set, js_set, set_by_lua, ...
            "js_var" => arguments.first(),
            _ if name == "set" || name.ends_with("_set") || name.starts_with("set_") => {
                arguments.first()
            }
            _ => None,
        };
        if let Some(variable) = target.and_then(|word| word.strip_prefix(b"$")) {
            add(variable, &name);
        }
        for word in directive.words() {
            for capture in captures(word) {
                add(capture, &name);
            }
        }
        collect(directive.inside(), found);
    }
}

/// The names of the groups of a regular expression: `(?<name>...)`, `(?P<name>...)` and
/// `(?'name'...)`.
fn captures(word: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts = (0..word.len()).filter_map(|at| word.get(at..)?.strip_prefix(b"(?"));
    starts.filter_map(|rest| {
        let rest = rest.strip_prefix(b"P").unwrap_or(rest);
        let (open, rest) = rest.split_first()?;
        let close = match open {
            b'<' => b'>',
            b'\'' => b'\'',
            _ => return None,
        };
        let name = rest.get(..rest.iter().position(|byte| *byte == close)?)?;
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        (!name.is_empty() && name.iter().all(is_name)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_with_names_are_found() {
        let found: Vec<_> =
            captures(br"^/(?<a>\w+)/(?P<b_1>x)/(?'c'y)/(?:z)/(?<=no)(?<!no)(?i)(?<").collect();
        assert_eq!(found, [b"a".as_slice(), b"b_1", b"c"]);
    }
}
