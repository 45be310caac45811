//! Text with variables, in nginx's notation, compiled once.

use core::fmt;

use crate::request::{Arena, JoinError};

/// A variable of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// `$name` or `${name}`, in lower case.
    Named(Box<str>),
    /// `$1` to `$9`: a group of the last regular expression that matched.
    Capture(u8),
}

impl Variable {
    /// The argument of which `$arg_name` is the value.
    pub fn argument(&self) -> Option<&str> {
        match self {
            Variable::Named(name) => name.strip_prefix("arg_").filter(|name| !name.is_empty()),
            Variable::Capture(_) => None,
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Variable::Named(name) => write!(f, "${name}"),
            Variable::Capture(number) => write!(f, "${number}"),
        }
    }
}

/// The variables of one or more templates, each once: its position is the position of its value
/// among the inputs of a [`Request`](crate::Request).
#[derive(Clone, Debug, Default)]
pub struct Variables(Vec<Variable>);

impl Variables {
    /// The variables, by position.
    pub fn as_slice(&self) -> &[Variable] {
        &self.0
    }

    fn insert(&mut self, variable: Variable) -> usize {
        self.0.iter().position(|known| *known == variable).unwrap_or_else(|| {
            self.0.push(variable);
            self.0.len() - 1
        })
    }
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes as they stand in the configuration.
    Literal(Box<[u8]>),
    /// The input at this position.
    Input(usize),
}

/// Why a text is not a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// A `$` without a name.
    NoName,
    /// A `${` without a `}`.
    NoBracket,
}

impl core::error::Error for TemplateError {}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TemplateError::NoName => "a \"$\" is not followed by the name of a variable",
            TemplateError::NoBracket => "the \"}\" after a \"${\" is missing",
        })
    }
}

/// Text with variables. No literal among its pieces is empty, and no two stand in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
    /// The variable that is the whole text, or [`NO_INPUT`].
    only_input: usize,
}

/// The position of no input.
const NO_INPUT: usize = usize::MAX;

impl Default for Template {
    fn default() -> Self {
        Template::new(Vec::new())
    }
}

impl Template {
    /// Compiles a text in the notation of nginx's own directives: `$name`, `${name}`, `$1`.
    pub fn parse(text: &[u8], variables: &mut Variables) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.iter().position(|&byte| byte == b'$') {
            let (literal, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            push_literal(&mut pieces, literal);
            let (variable, tail) = parse_variable(tail.get(1..).unwrap_or_default())?;
            pieces.push(Piece::Input(variables.insert(variable)));
            rest = tail;
        }
        push_literal(&mut pieces, rest);
        Ok(Template::new(pieces))
    }

    fn new(pieces: Vec<Piece>) -> Self {
        let only_input = match pieces.as_slice() {
            [Piece::Input(at)] => *at,
            _ => NO_INPUT,
        };
        Template { pieces, only_input }
    }

    /// Splits at each `separator` that is written in the text, never at one that a variable holds.
    pub(crate) fn split(&self, separator: u8) -> Vec<Template> {
        let mut parts = Vec::new();
        let mut part = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Input(_) => part.push(piece.clone()),
                Piece::Literal(literal) => {
                    for (count, text) in literal.split(|&byte| byte == separator).enumerate() {
                        if count > 0 {
                            parts.push(Template::new(core::mem::take(&mut part)));
                        }
                        push_literal(&mut part, text);
                    }
                }
            }
        }
        parts.push(Template::new(part));
        parts
    }

    /// The pieces as written.
    pub fn as_pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Positions of the variables in the text, in order.
    pub fn inputs(&self) -> impl Iterator<Item = usize> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Input(at) => Some(*at),
            Piece::Literal(_) => None,
        })
    }

    /// The text as it is written.
    pub(crate) fn to_text(&self, variables: &Variables) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.extend(literal.escape_ascii().map(char::from)),
                Piece::Input(at) => {
                    text.extend(variables.as_slice().get(*at).map(Variable::to_string));
                }
            }
        }
        text
    }

    /// The text without its variables, if it has none.
    pub fn literal(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(&[]),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The bytes of the text, piece by piece, with the given values of the variables. A position
    /// beyond the inputs is empty.
    pub fn pieces<'a>(
        &'a self,
        inputs: &'a [&'a [u8]],
    ) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        self.pieces.iter().map(move |piece| match piece {
            Piece::Literal(text) => text,
            Piece::Input(at) => inputs.get(*at).copied().unwrap_or_default(),
        })
    }

    /// Whether a client brought nothing: all variables are empty, or, without variables, the text.
    #[inline]
    pub(crate) fn is_empty(&self, inputs: &[&[u8]]) -> bool {
        if let Some(value) = inputs.get(self.only_input) {
            return value.is_empty();
        }
        match self.literal() {
            Some(text) => text.is_empty(),
            None => self.inputs().all(|at| inputs.get(at).is_none_or(|value| value.is_empty())),
        }
    }

    /// The text as one slice, of at most `limit` bytes; taken from the arena only if it has
    /// several pieces.
    #[inline]
    pub(crate) fn join<'a>(
        &'a self,
        inputs: &'a [&'a [u8]],
        arena: &'a dyn Arena,
        limit: usize,
    ) -> Result<&'a [u8], JoinError> {
        // Most texts are one variable.
        match inputs.get(self.only_input) {
            Some(value) if value.len() <= limit => Ok(value),
            Some(_) => Err(JoinError::TooLong),
            None => self.join_pieces(inputs, arena, limit),
        }
    }

    #[inline(never)]
    fn join_pieces<'a>(
        &'a self,
        inputs: &'a [&'a [u8]],
        arena: &'a dyn Arena,
        limit: usize,
    ) -> Result<&'a [u8], JoinError> {
        let len = self.pieces(inputs).try_fold(0usize, |len, piece| {
            len.checked_add(piece.len()).filter(|&len| len <= limit)
        });
        let len = len.ok_or(JoinError::TooLong)?;
        let mut pieces = self.pieces(inputs);
        match (pieces.next(), pieces.next()) {
            (None, _) => Ok(&[]),
            (Some(piece), None) => Ok(piece),
            _ => {
                let joined = arena.alloc(len).ok_or(JoinError::NoMemory)?;
                let bytes = self.pieces(inputs).flatten();
                joined.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                Ok(joined)
            }
        }
    }
}

fn push_literal(pieces: &mut Vec<Piece>, text: &[u8]) {
    if !text.is_empty() {
        pieces.push(Piece::Literal(text.into()));
    }
}

/// Reads the name after a `$`, and returns what follows it.
fn parse_variable(text: &[u8]) -> Result<(Variable, &[u8]), TemplateError> {
    if let [digit @ b'1'..=b'9', rest @ ..] = text {
        return Ok((Variable::Capture(digit - b'0'), rest));
    }
    let (bracket, text) = match text {
        [b'{', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let len = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let (name, rest) = text.split_at_checked(len).unwrap_or((text, &[]));
    let rest = match rest {
        [b'}', rest @ ..] if bracket => rest,
        _ if bracket => return Err(TemplateError::NoBracket),
        _ => rest,
    };
    if name.is_empty() {
        return Err(TemplateError::NoName);
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    Ok((Variable::Named(name.into()), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::LeakingArena;

    fn parse(text: &str) -> (Template, Variables) {
        let mut variables = Variables::default();
        let template = Template::parse(text.as_bytes(), &mut variables).unwrap();
        (template, variables)
    }

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.as_bytes().into())
    }

    #[test]
    fn variables_are_found_as_nginx_finds_them() {
        let (template, variables) = parse("a$URI|${arg_ts}x$12$uri");
        let named = |name: &str| Variable::Named(name.into());
        assert_eq!(variables.as_slice(), [named("uri"), named("arg_ts"), Variable::Capture(1)]);
        assert_eq!(
            template.as_pieces(),
            [
                literal("a"),
                Piece::Input(0),
                literal("|"),
                Piece::Input(1),
                literal("x"),
                Piece::Input(2),
                literal("2"),
                Piece::Input(0),
            ]
        );
    }

    #[test]
    fn a_dollar_needs_a_name() {
        let error = |text: &str| Template::parse(text.as_bytes(), &mut Variables::default());
        for text in ["$", "a$", "$|", "${}", "$$uri", "$-"] {
            assert_eq!(error(text), Err(TemplateError::NoName), "{text}");
        }
        for text in ["${uri", "${uri|}", "${"] {
            assert_eq!(error(text), Err(TemplateError::NoBracket), "{text}");
        }
    }

    #[test]
    fn only_written_separators_split() {
        let (template, _) = parse("$arg_st,$arg_a:$arg_b,,3");
        let parts = template.split(b',');
        assert_eq!(parts.len(), 4);
        let inputs: [&[u8]; 3] = [b"t,1", b"2", b",9"];
        let texts: Vec<_> =
            parts.iter().map(|part| part.pieces(&inputs).collect::<Vec<_>>().concat()).collect();
        assert_eq!(texts, [b"t,1".to_vec(), b"2:,9".to_vec(), vec![], b"3".to_vec()]);
    }

    #[test]
    fn joining_is_bounded_before_it_allocates() {
        let (template, _) = parse("$a-$b");
        let long = [b'x'; 60];
        let inputs: [&[u8]; 2] = [&long, b"y"];
        let arena = LeakingArena::default();
        assert_eq!(template.join(&inputs, &arena, 61), Err(JoinError::TooLong));
        assert_eq!(arena.allocated(), 0);
        assert_eq!(template.join(&inputs, &arena, 62).unwrap().len(), 62);
        assert_eq!(arena.allocated(), 62);
    }

    #[test]
    fn a_single_piece_is_not_copied() {
        let arena = LeakingArena::default();
        let (template, _) = parse("$a");
        assert_eq!(template.join(&[b"value"], &arena, 5), Ok(b"value".as_slice()));
        assert_eq!(template.join(&[], &arena, 5), Ok(b"".as_slice()));
        assert_eq!(arena.allocated(), 0);
    }

    #[test]
    fn a_literal_prefix_is_not_a_credential() {
        let (template, _) = parse("v1.$arg_st");
        assert!(template.is_empty(&[b""]));
        assert!(!template.is_empty(&[b"x"]));
        assert!(parse("").0.is_empty(&[]));
        assert!(!parse("fixed").0.is_empty(&[]));
    }
}
