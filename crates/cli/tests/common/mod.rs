//! Runs the program as a user does.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub const EDGE_KEY: &str = "52a152a152a152a152a152a152a152a1";
pub const AWS_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub const AWS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub const NOW: &str = "1700000000";

/// How the program ended, and what it has written.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// The output of a run that has to succeed, without its line end.
    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out.trim_end().to_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Runs the program with these environment variables and arguments.
pub fn run_with(environment: &[(&str, &str)], args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secure-link"));
    for name in ["SECURE_LINK_SECRET", "SECURE_LINK_SALT"] {
        command.env_remove(name);
    }
    let output = command.args(args).envs(environment.iter().copied()).output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the program with [`SECRET`] in the environment.
pub fn run(args: &[&str]) -> Ended {
    run_with(&[("SECURE_LINK_SECRET", SECRET)], args)
}

/// A file of a test.
pub fn file(name: &str, text: &str) -> PathBuf {
    let path = path(name);
    fs::write(&path, text).unwrap();
    path
}

/// The path of a file of a test, which is not there.
pub fn path(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}
