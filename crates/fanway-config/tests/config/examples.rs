//! Each example config is right, and files are read as they are.

use std::env::VarError;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fanway_config::{Config, Environment, ProcessEnvironment, Reference, Secrets};
use fanway_types::Secret;
use rcgen::{CertificateParams, KeyPair};

/// An environment in which everything is set, and can be a secret for signing, or is a key; files of such names
/// hold a certificate and its key.
struct Complete {
    certificate: String,
    key: String,
}

const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const VALUE: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// What a variable stands for whose name says that it is a private key.
const PRIVATE_KEY: &str = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";

impl Environment for Complete {
    fn variable(&self, name: &str) -> Result<String, VarError> {
        let value = match name {
            "FANWAY_KEY" => KEY,
            _ if name.ends_with("PRIVATE_KEY") => PRIVATE_KEY,
            _ => VALUE,
        };
        Ok(value.to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let extension = path.extension().and_then(OsStr::to_str);
        Ok(match extension {
            Some("pem") => self.certificate.clone(),
            Some("key") => self.key.clone(),
            _ => VALUE.to_owned(),
        })
    }

    fn secret(&self, _: &Reference, _: &Secrets) -> Result<Secret, String> {
        Ok(Secret::new(VALUE.to_owned()))
    }
}

impl Complete {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["a.example".to_owned()]).expect("a name");
        Self {
            certificate: params.self_signed(&key).expect("signed").pem(),
            key: key.serialize_pem(),
        }
    }
}

fn configs_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            configs_below(&path, found);
        } else if path.file_name().is_some_and(|name| name == "fanway.yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_example_is_right() {
    let mut found = Vec::new();
    configs_below(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples"),
        &mut found,
    );
    assert!(
        found
            .iter()
            .any(|path| path.ends_with("minimal/fanway.yaml")),
        "{found:?}"
    );
    for path in found {
        let config =
            Config::load(&path, &Complete::new()).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(
            config.warnings.is_empty(),
            "{}: {:?}",
            path.display(),
            config.warnings
        );
    }
}

#[test]
fn every_whole_config_in_the_documentation_is_right() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = fs::read_to_string(page).expect("the page");
    let blocks = page.split("```yaml\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split("```").next());
    let is_whole = |text: &&str| text.contains("targets:\n") && text.contains("routes:\n");
    let whole: Vec<&str> = blocks.filter(is_whole).collect();
    assert_eq!(whole.len(), 2, "{whole:#?}");
    for text in whole {
        let config = Config::parse(text, "configuration.md", &Complete::new());
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
}

#[test]
fn every_way_to_prove_who_we_are_in_the_documentation_is_right() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/credentials.md");
    let page = fs::read_to_string(page).expect("the page");
    let blocks = page.split("```yaml\n").skip(1);
    let mut seen = 0;
    for block in blocks.filter_map(|block| block.split("```").next()) {
        // Several on lines of their own are as many configs.
        let is_one_line = |line: &&str| line.starts_with("    credentials: {");
        let ones: Vec<&str> = block.lines().filter(is_one_line).collect();
        let parts = if ones.len() > 1 { ones } else { vec![block] };
        for part in parts {
            let text = format!(
                "targets:\n  shop:\n    url: http://a/\n{part}\nroutes:\n  orders: {{ match: POST /, send: [shop] }}\n"
            );
            let config = Config::parse(&text, "credentials.md", &Complete::new());
            let config = config.unwrap_or_else(|errors| panic!("{errors}"));
            assert!(config.warnings.is_empty(), "{:?}", config.warnings);
            seen += 1;
        }
    }
    assert_eq!(seen, 11);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("none.yaml");
    let errors = Config::load(&path, &ProcessEnvironment).expect_err("no file");
    assert!(
        errors
            .to_string()
            .starts_with(&format!("{}: can't be read: ", path.display())),
        "{errors}"
    );
}

#[test]
fn a_file_that_is_not_utf8_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fanway.yaml");
    fs::write(&path, b"targets:\n  a: \xff\n").expect("written");
    let errors = Config::load(&path, &ProcessEnvironment).expect_err("no UTF-8");
    assert!(
        errors
            .to_string()
            .contains("is not UTF-8 in line 2 [FW0101]"),
        "{errors}"
    );
}
