//! Texts with variables: what was read, printed and read again is the same, and is what a search for `$` finds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_link::{Fields, Piece, Template, Variable, Variables};

fuzz_target!(|data: &[u8]| {
    let mut variables = Variables::default();
    let parsed = Template::parse(data, &mut variables);
    let expected = pieces(data);
    let Ok(template) = parsed else {
        assert_eq!(expected, None, "{}", data.escape_ascii());
        assert!(Fields::parse(data, &mut variables).is_err());
        return;
    };
    let print = |template: &Template| -> Vec<u8> {
        let each = template.as_pieces().iter().flat_map(|piece| match piece {
            Piece::Literal(text) => text.to_vec(),
            Piece::Input(at) => match &variables.as_slice()[*at] {
                Variable::Named(name) => format!("${{{name}}}").into_bytes(),
                capture => capture.to_string().into_bytes(),
            },
        });
        each.collect()
    };
    let printed = print(&template);
    assert_eq!(Some(&printed), expected.as_ref());
    let mut again = Variables::default();
    assert_eq!(Template::parse(&printed, &mut again).as_ref(), Ok(&template));
    assert_eq!(again.as_slice(), variables.as_slice());

    // With values, it is the text in which they stand for their variables.
    let values: Vec<_> =
        (0..variables.as_slice().len()).map(|at| vec![b'<', at as u8, b'>', b',']).collect();
    let inputs: Vec<_> = values.iter().map(Vec::as_slice).collect();
    let substituted = template.as_pieces().iter().flat_map(|piece| match piece {
        Piece::Literal(text) => text.to_vec(),
        Piece::Input(at) => values[*at].clone(),
    });
    let joined: Vec<_> = template.pieces(&inputs).flatten().copied().collect();
    assert_eq!(joined, substituted.collect::<Vec<_>>());

    // The fields of a credential are what the written commas part, and no more than three.
    let commas = template.as_pieces().iter().map(|piece| match piece {
        Piece::Literal(text) => text.iter().filter(|byte| **byte == b',').count(),
        Piece::Input(_) => 0,
    });
    let commas: usize = commas.sum();
    let known = variables.clone();
    let fields = Fields::parse(data, &mut variables.clone());
    assert_eq!(fields.is_ok(), commas <= 2);
    if let Ok(fields) = fields {
        let parts = [Some(fields.token()), fields.time(), fields.lifetime()];
        assert_eq!(parts.iter().flatten().count(), commas + 1);
        let texts: Vec<_> = parts.into_iter().flatten().map(print).collect();
        assert_eq!(texts.join(&b','), printed);
        assert_eq!(fields.value(), &template);
        assert_eq!(known.as_slice(), variables.as_slice());
    }
});

/// The text with all names in lower case and in brackets; `None` if a `$` has none.
fn pieces(text: &[u8]) -> Option<Vec<u8>> {
    let mut printed = Vec::new();
    let mut parts = text.split(|byte| *byte == b'$');
    printed.extend(parts.next()?);
    for part in parts {
        let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
        let (name, rest) = match part {
            [b'1'..=b'9', rest @ ..] => {
                printed.extend([b'$', part[0]]);
                printed.extend(rest);
                continue;
            }
            [b'{', bracketed @ ..] => {
                let end = bracketed.iter().position(|byte| *byte == b'}')?;
                (&bracketed[..end], &bracketed[end + 1..])
            }
            _ => part.split_at(part.iter().take_while(is_name).count()),
        };
        if name.is_empty() || !name.iter().all(|byte| is_name(&byte)) {
            return None;
        }
        printed.extend(b"${");
        printed.extend(name.to_ascii_lowercase());
        printed.push(b'}');
        printed.extend(rest);
    }
    Some(printed)
}
