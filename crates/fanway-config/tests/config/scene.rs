//! Configs for tests, and an environment of their own.

use std::env::VarError;
use std::io;
use std::path::Path;

use fanway_config::{Config, Environment, Errors};

/// An environment with a few variables and one file.
pub(crate) struct Fixed;

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Result<String, VarError> {
        match name {
            "TOKEN" => Ok("hunter2-token".to_owned()),
            "PASSWORD" => Ok("hunter2-password".to_owned()),
            "BROKEN" => Ok("hunter2-broken\nx".to_owned()),
            "WAIT" => Ok("hunter2-wait".to_owned()),
            "HOOK" => Ok("https://hooks.example/hunter2-hook".to_owned()),
            "TARGET" => Ok("hunter2_target".to_owned()),
            "COOKIE" => Ok("cookie".to_owned()),
            "LIMIT" => Ok("7".to_owned()),
            // The bytes are those of `hunter2-signing-hunter2-signing`.
            "SIGNING" => Ok("whsec_aHVudGVyMi1zaWduaW5nLWh1bnRlcjItc2lnbmluZw==".to_owned()),
            // The bytes are those of `hunter2-encrypts-hunter2-encrypt`.
            "KEY" => Ok("aHVudGVyMi1lbmNyeXB0cy1odW50ZXIyLWVuY3J5cHQ=\n".to_owned()),
            _ => Err(VarError::NotPresent),
        }
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        match path.to_str() {
            Some("/run/secrets/key") => Ok("hunter2-key\n".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Reads a config as the file `fanway.yaml`.
pub(crate) fn parse(text: &str) -> Result<Config, Errors> {
    Config::parse(text, "fanway.yaml", &Fixed)
}

/// Reads a config that is right.
#[track_caller]
pub(crate) fn config(text: &str) -> Config {
    parse(text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Reads a config that is wrong, and says what is said about it.
#[track_caller]
pub(crate) fn errors(text: &str) -> String {
    parse(text).expect_err("a config that is wrong").to_string()
}

/// Reads a config that is wrong in one way: the first line of what is said about it.
#[track_caller]
pub(crate) fn error(text: &str) -> String {
    let errors = parse(text).expect_err("a config that is wrong");
    assert_eq!(errors.problems().len(), 1, "{errors}");
    let text = errors.problems()[0].to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The smallest config, with more lines under its target.
pub(crate) fn with_target(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "targets:\n  stock:\n    url: http://127.0.0.1:9101/stock\n{lines}routes:\n  orders: {{ match: POST /orders, send: [stock] }}\n"
    )
}

/// The smallest config, with more lines at its top.
pub(crate) fn with_top(lines: &str) -> String {
    format!("{lines}\n{}", with_target(""))
}

/// The smallest config, with other lines under its route.
pub(crate) fn with_route(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "targets:\n  stock: {{ url: http://127.0.0.1:9101/stock }}\nroutes:\n  orders:\n{lines}"
    )
}

/// The smallest config, with one step that has more lines.
pub(crate) fn with_step(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    with_route(&format!(
        "match: POST /orders\nsend:\n  - to: stock\n{lines}"
    ))
}
