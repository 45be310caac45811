//! The words of a configuration, as nginx's own reader (`ngx_conf_read_token`) has them.

use zeroize::Zeroizing;

/// A word; it may be a secret.
pub type Word = Zeroizing<Vec<u8>>;

/// What a file has next.
#[derive(Debug, PartialEq, Eq)]
pub enum Token {
    /// Words, and a semicolon behind them.
    Directive(Vec<Word>),
    /// Words, and a brace that opens a block behind them.
    BlockStart(Vec<Word>),
    /// The brace that closes a block.
    BlockEnd,
    /// The end of the file.
    End,
}

/// What is wrong with a file, in nginx's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LexerError {
    #[error("unexpected end of file, expecting \";\" or \"}}\"")]
    End,
    #[error("unexpected \"{}\"", .0.escape_ascii())]
    Byte(u8),
}

/// Reads a file token by token.
pub struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    line: usize,
}

/// How the word began that is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Plain,
    /// Behind this quote, which also ends the word.
    Quoted(u8),
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

impl<'t> Lexer<'t> {
    pub fn new(text: &'t [u8]) -> Self {
        Lexer { text, at: 0, line: 1 }
    }

    /// The line of the byte that was read last.
    pub fn line(&self) -> usize {
        self.line
    }

    fn read(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied()?;
        self.at += 1;
        self.line += usize::from(byte == b'\n');
        Some(byte)
    }

    /// The next token.
    pub fn next(&mut self) -> Result<Token, LexerError> {
        let mut words = Vec::new();
        loop {
            let Some(byte) = self.read() else {
                return if words.is_empty() { Ok(Token::End) } else { Err(LexerError::End) };
            };
            let ended = match byte {
                b';' | b'{' if words.is_empty() => return Err(LexerError::Byte(byte)),
                b';' | b'{' => Some(byte),
                b'}' if words.is_empty() => return Ok(Token::BlockEnd),
                b'}' => return Err(LexerError::Byte(byte)),
                b'#' => {
                    while self.text.get(self.at).is_some_and(|byte| *byte != b'\n') {
                        self.at += 1;
                    }
                    None
                }
                byte if is_space(byte) => None,
                byte => self.word(byte, &mut words)?,
            };
            match ended {
                Some(b';') => return Ok(Token::Directive(words)),
                Some(b'{') => return Ok(Token::BlockStart(words)),
                _ => {}
            }
        }
    }

    /// Reads over a block of Lua, as the module for it does: to the brace that closes it, and is in
    /// no string and no comment.
    pub fn skip_lua(&mut self) -> Result<(), LexerError> {
        let mut depth = 1;
        while depth > 0 {
            match self.read().ok_or(LexerError::End)? {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b'[' => self.skip_long_bracket()?,
                b'-' if self.text.get(self.at) == Some(&b'-') => {
                    self.at += 1;
                    let begin = self.at;
                    if self.text.get(self.at) == Some(&b'[') {
                        self.at += 1;
                        self.skip_long_bracket()?;
                    }
                    // One that is not in long brackets ends with its line.
                    let is_long = self.text.get(begin..self.at).is_some_and(|t| t.ends_with(b"]"));
                    while !is_long && self.text.get(self.at).is_some_and(|byte| *byte != b'\n') {
                        self.at += 1;
                    }
                }
                quote @ (b'"' | b'\'') => loop {
                    match self.read().ok_or(LexerError::End)? {
                        b'\\' => drop(self.read()),
                        byte if byte == quote => break,
                        _ => {}
                    }
                },
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads over `[[ ... ]]` or `[==[ ... ]==]`, if its first bracket, which was read, begins one.
    fn skip_long_bracket(&mut self) -> Result<(), LexerError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let level = rest.iter().take_while(|byte| **byte == b'=').count();
        if rest.get(level) != Some(&b'[') {
            return Ok(());
        }
        let close = [b"]".as_slice(), &vec![b'='; level], b"]"].concat();
        while !self.text.get(self.at..).unwrap_or_default().starts_with(&close) {
            self.read().ok_or(LexerError::End)?;
        }
        self.at += close.len();
        Ok(())
    }

    /// Reads a word that begins with a byte, and returns the byte that ended it.
    fn word(&mut self, first: u8, words: &mut Vec<Word>) -> Result<Option<u8>, LexerError> {
        let (start, begin) = match first {
            b'"' | b'\'' => (Start::Quoted(first), self.at),
            _ => (Start::Plain, self.at - 1),
        };
        // Whether the byte before was the dollar sign of a variable, behind which a brace may be.
        let mut is_variable = first == b'$';
        if first == b'\\' {
            self.read().ok_or(LexerError::End)?;
        }
        let end = loop {
            let byte = self.read().ok_or(LexerError::End)?;
            if byte == b'{' && is_variable {
                continue;
            }
            is_variable = byte == b'$';
            match (start, byte) {
                (_, b'\\') => {
                    self.read().ok_or(LexerError::End)?;
                }
                (Start::Quoted(quote), byte) if byte == quote => break byte,
                (Start::Plain, b';' | b'{') => break byte,
                (Start::Plain, byte) if is_space(byte) => break byte,
                _ => {}
            }
        };
        words.push(unescape(self.text.get(begin..self.at - 1).unwrap_or_default()));
        if start == Start::Plain {
            return Ok(Some(end));
        }
        // Behind a quoted word there is a space, or what ends the directive. A parenthesis is left
        // for `if ($a = "b")`, and begins the next word.
        match self.read().ok_or(LexerError::End)? {
            b')' => self.word(b')', words),
            byte if is_space(byte) || matches!(byte, b';' | b'{') => Ok(Some(byte)),
            byte => Err(LexerError::Byte(byte)),
        }
    }
}

/// A word without the backslashes that nginx drops: all others stay.
fn unescape(text: &[u8]) -> Word {
    let mut word = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    loop {
        let (byte, tail) = match rest {
            [] => return word,
            [b'\\', byte @ (b'"' | b'\'' | b'\\'), tail @ ..] => (*byte, tail),
            [b'\\', b't', tail @ ..] => (b'\t', tail),
            [b'\\', b'r', tail @ ..] => (b'\r', tail),
            [b'\\', b'n', tail @ ..] => (b'\n', tail),
            [byte, tail @ ..] => (*byte, tail),
        };
        word.push(byte);
        rest = tail;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &[u8]) -> Result<Vec<String>, String> {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        loop {
            let (words, end) = match lexer.next().map_err(|e| format!("{}: {e}", lexer.line()))? {
                Token::Directive(words) => (words, ";"),
                Token::BlockStart(words) => (words, "{"),
                Token::BlockEnd => (Vec::new(), "}"),
                Token::End => return Ok(tokens),
            };
            let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
            tokens.push(words.join("|") + end);
        }
    }

    // Each was compared with what nginx does: tests/cli.pl has them too.
    #[test]
    fn words_are_those_of_nginx() {
        for (text, wanted) in [
            ("a b;", "a|b;"),
            ("a\tb\r\n\n  c ;", "a|b|c;"),
            ("a b{c;}", "a|b{ c; }"),
            ("a 'b c' \"d;e{f}#\";", "a|b c|d;e{f}#;"),
            ("a \"\" '';", "a||;"),
            ("a b#c;# d;\ne;", "a|b#c; e;"),
            ("a # b;\nc;", "a|c;"),
            (r#"a "\"\'\\\t\r\n\x\$";"#, "a|\"'\\\t\r\n\\x\\$;"),
            (r#"a \"b\" \'c;"#, r#"a|"b"|'c;"#),
            (r"a b\ c\;d;", r"a|b\ c\;d;"),
            (r#"a b"c d'e;"#, r#"a|b"c|d'e;"#),
            ("a b}c;", "a|b}c;"),
            ("a ${b}c$d;", "a|${b}c$d;"),
            ("a x${b} \"${c}\" '$';", "a|x${b}|${c}|$;"),
            ("a $b{c;}", "a|$b{ c; }"),
            ("a (\"b\") \"c\"){d;}", "a|(\"b\")|c|){ d; }"),
            ("a \"b\"{}", "a|b{ }"),
            ("a \"b\nc\";", "a|b\nc;"),
            ("a b\\\nc;", "a|b\\\nc;"),
            ("a \u{e4};", "a|\u{e4};"),
        ] {
            let found = tokens(text.as_bytes()).map(|found| found.join(" "));
            assert_eq!(found.as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn lua_is_read_over() {
        for (text, line) in [
            ("ngx.say('}', \"\\\"}\") } a;", 1),
            ("-- }\nlocal a = { b = { 1 } } } a;", 2),
            ("--[[ }\n } ]] x = a[1] } a;", 2),
            ("--[==[ ]] }\n\n ]==] --[ }\n } a;", 4),
            ("x = [[ } ]] .. [=[ }]] ]=] } a;", 1),
            ("x = a - b } a;", 1),
        ] {
            let mut lexer = Lexer::new(text.as_bytes());
            assert_eq!(lexer.skip_lua(), Ok(()), "{text}");
            let a = Zeroizing::new(b"a".to_vec());
            assert_eq!(
                (lexer.next(), lexer.line()),
                (Ok(Token::Directive(vec![a])), line),
                "{text}"
            );
        }
        for text in ["{}", "'}", "[[ }", "--[[ }", "-- }"] {
            assert_eq!(Lexer::new(text.as_bytes()).skip_lua(), Err(LexerError::End), "{text}");
        }
    }

    #[test]
    fn what_nginx_refuses_is_refused_at_its_line() {
        for (text, wanted) in [
            ("a\nb", "2: unexpected end of file, expecting \";\" or \"}\""),
            ("a \"b", "1: unexpected end of file, expecting \";\" or \"}\""),
            ("a \"b\"", "1: unexpected end of file, expecting \";\" or \"}\""),
            ("a \\", "1: unexpected end of file, expecting \";\" or \"}\""),
            ("a 'b'\n\n;\n;", "4: unexpected \";\""),
            ("a;\n{", "2: unexpected \"{\""),
            ("a }", "1: unexpected \"}\""),
            ("a 'b'c;", "1: unexpected \"c\""),
            ("a 'b''c';", "1: unexpected \"\\'\""),
            ("a # b;", "1: unexpected end of file, expecting \";\" or \"}\""),
        ] {
            assert_eq!(tokens(text.as_bytes()), Err(wanted.to_owned()), "{text}");
        }
    }
}
