//! A configuration as a tree of directives, with all files that it includes.

use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use glob::MatchOptions;
use zeroize::Zeroizing;

use crate::conf::lexer::{Lexer, Token, Word};
use crate::error::Error;

/// How deep blocks and included files may lie in each other.
const MAX_DEPTH: usize = 64;

/// A place in a file, as nginx names it: the line in which a directive ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: Rc<Path>,
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A directive, or a line of a block that has lines of its own kind, as `map` has.
pub struct Directive {
    words: Vec<Word>,
    /// What is in its block, if it has one.
    pub block: Option<Vec<Directive>>,
    pub at: Place,
}

impl Directive {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        self.words.first().map(|word| word.as_slice()).unwrap_or_default()
    }

    /// What is behind the name.
    pub fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        self.words.iter().skip(1).map(|word| word.as_slice())
    }

    /// All words.
    pub fn words(&self) -> Vec<&[u8]> {
        self.words.iter().map(|word| word.as_slice()).collect()
    }

    /// What is in its block.
    pub fn inside(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// Whether a directive of the module has no block.
fn is_line(name: &[u8]) -> bool {
    name.starts_with(b"secure_link_hmac") && name != b"secure_link_hmac_keyring"
}

/// Reads a configuration and what it includes.
pub struct Reader {
    /// Where relative names begin.
    pub directory: PathBuf,
}

impl Reader {
    /// Reads a file.
    pub fn read(&self, file: &Path) -> Result<Vec<Directive>, Error> {
        self.file(file, 0)
    }

    /// The path of a file that a configuration names.
    pub fn full_name(&self, name: &[u8]) -> PathBuf {
        self.directory.join(std::ffi::OsStr::from_bytes(name))
    }

    fn file(&self, file: &Path, depth: usize) -> Result<Vec<Directive>, Error> {
        let text = fs::read(file).map_err(|error| Error::File { path: file.to_owned(), error })?;
        let text = Zeroizing::new(text);
        let mut lexer = Lexer::new(&text);
        self.block(&mut lexer, &Rc::from(file), true, depth)
    }

    fn block(
        &self,
        lexer: &mut Lexer<'_>,
        file: &Rc<Path>,
        is_file: bool,
        depth: usize,
    ) -> Result<Vec<Directive>, Error> {
        let mut directives = Vec::new();
        loop {
            let token = lexer.next();
            let at = Place { file: Rc::clone(file), line: lexer.line() };
            let refuse = |text: &str| Err(Error::conf(&at, text));
            if depth > MAX_DEPTH {
                return refuse("it lies too deep: blocks or files include themselves");
            }
            match token.map_err(|error| Error::conf(&at, error.to_string()))? {
                Token::Directive(words) => match words.as_slice() {
                    [name, pattern] if **name == b"include" => {
                        directives.extend(self.include(pattern, &at, depth + 1)?);
                    }
                    _ => directives.push(Directive { words, block: None, at }),
                },
                // Before what is behind it is read, as nginx does it.
                Token::BlockStart(words) if words.first().is_some_and(|name| is_line(name)) => {
                    return refuse("a directive is not terminated by \";\"");
                }
                Token::BlockStart(words)
                    if words.first().is_some_and(|name| name.ends_with(b"_by_lua_block")) =>
                {
                    lexer.skip_lua().map_err(|error| Error::conf(&at, error.to_string()))?;
                    directives.push(Directive { words, block: Some(Vec::new()), at });
                }
                Token::BlockStart(words) => {
                    let block = Some(self.block(lexer, file, false, depth + 1)?);
                    directives.push(Directive { words, block, at });
                }
                Token::BlockEnd if is_file => return refuse("unexpected \"}\""),
                Token::End if !is_file => {
                    return refuse("unexpected end of file, expecting \"}\"");
                }
                Token::BlockEnd | Token::End => return Ok(directives),
            }
        }
    }

    /// Reads the files of a pattern; a name that is none has to exist.
    fn include(&self, pattern: &[u8], at: &Place, depth: usize) -> Result<Vec<Directive>, Error> {
        let path = self.full_name(pattern);
        let included = |error: Error| match error {
            Error::File { path, error } => Error::Included { at: at.clone(), path, error },
            error => error,
        };
        if !path.as_os_str().as_bytes().iter().any(|byte| b"*?[".contains(byte)) {
            return self.file(&path, depth).map_err(included);
        }
        // As glob(3) has it.
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let pattern = path.to_str().ok_or_else(|| Error::conf(at, "the pattern is not UTF-8"))?;
        let paths = glob::glob_with(pattern, options)
            .map_err(|error| Error::conf(at, format!("\"{pattern}\": {error}")))?;
        let mut directives = Vec::new();
        for path in paths {
            let path = path.map_err(|error| Error::conf(at, error.to_string()))?;
            directives.extend(self.file(&path, depth).map_err(included)?);
        }
        Ok(directives)
    }
}
