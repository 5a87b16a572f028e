//! Where Fanway may connect to, and how: `egress`, and a target's `tls` and `proxy`.

use std::fs;

use fanway_config::{Config, ProcessEnvironment, Proxy, Tls, TlsVersion};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use crate::scene::{config, error, errors, with_target, with_top};

/// A certificate for itself, and its key, in PEM.
fn pair() -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["a.example".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("signed");
    (certificate.pem(), key.serialize_pem())
}

/// A folder with `ca.pem`, `client.pem`, `client.key`, and `fanway.yaml` whose target has this `tls`.
fn folder(tls: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = pair();
    let write = |name: &str, content: &str| {
        fs::write(folder.path().join(name), content).expect("written");
    };
    write("ca.pem", &format!("{certificate}\n{}", pair().0));
    write("client.pem", &certificate);
    write("client.key", &key);
    write("other.key", &pair().1);
    write("none.pem", "nothing\n");
    write("torn.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    write("fanway.yaml", &with_https(tls));
    folder
}

fn with_https(lines: &str) -> String {
    with_target(lines).replace("http://127.0.0.1:9101/stock", "https://h.example/")
}

fn load(folder: &TempDir) -> Result<Config, String> {
    let path = folder.path().join("fanway.yaml");
    Config::load(&path, &ProcessEnvironment).map_err(|errors| errors.to_string())
}

fn tls(lines: &str) -> Tls {
    let config = load(&folder(lines)).unwrap_or_else(|errors| panic!("{errors}"));
    config.targets["stock"].tls.clone().expect("it is there")
}

#[test]
fn certificates_and_keys_are_read_beside_the_config_and_watched() {
    let lines = "tls: { ca: ./ca.pem, certificate: client.pem, key: client.key, server_name: s.example, min_version: 1.3 }";
    let tls = tls(lines);
    assert_eq!(tls.ca.expect("authorities").len(), 2);
    assert_eq!(tls.identity.expect("an identity").certificates.len(), 1);
    assert_eq!(tls.server_name.as_deref(), Some("s.example"));
    assert_eq!(tls.min_version, TlsVersion::Tls13);
    let folder = folder(lines);
    let before = load(&folder).expect("it is right");
    for name in ["ca.pem", "client.pem", "client.key"] {
        assert!(before.files.contains(&folder.path().join(name)), "{name}");
    }
    let (certificate, key) = pair();
    fs::write(folder.path().join("client.pem"), certificate).expect("written");
    fs::write(folder.path().join("client.key"), key).expect("written");
    let after = load(&folder).expect("it is right");
    assert_ne!(before.fingerprint, after.fingerprint);
}

#[test]
fn pem_itself_stands_where_a_path_does() {
    let folder = folder("");
    let file = |name: &str| format!("${{file:{}}}", folder.path().join(name).display());
    let lines = format!(
        "tls: {{ ca: '{}', certificate: '{}', key: '{}' }}",
        file("ca.pem"),
        file("client.pem"),
        file("client.key")
    );
    fs::write(folder.path().join("fanway.yaml"), with_https(&lines)).expect("written");
    let config = load(&folder).unwrap_or_else(|errors| panic!("{errors}"));
    let tls = config.targets["stock"].tls.clone().expect("it is there");
    assert!(tls.identity.is_some());
    let debug = format!("{:?}", config.targets["stock"]);
    assert!(
        debug.contains("[secret]") && !debug.contains("PrivateKey"),
        "{debug}"
    );
}

/// The one problem of a target's `tls`.
#[track_caller]
fn check_tls(lines: &str, expected: &str) {
    let folder = folder(&format!("tls: {{ {lines} }}"));
    let path = folder.path().join("fanway.yaml");
    let found = Config::load(&path, &ProcessEnvironment).expect_err("it is wrong");
    assert_eq!(found.problems().len(), 1, "{found}");
    let message = found.problems()[0]
        .message
        .replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(message, expected, "{lines}");
}

#[test]
fn what_can_not_be_used_is_refused_at_once() {
    check_tls(
        "ca: none-there.pem",
        "none-there.pem can't be read: No such file or directory (os error 2)",
    );
    check_tls("ca: none.pem", "there is no certificate in it");
    check_tls("ca: client.key", "there is no certificate in it");
    check_tls("ca: torn.pem", "this is no PEM: a part of it has no end");
    check_tls(
        "certificate: client.pem, key: client.pem",
        "there is no private key in it",
    );
    check_tls(
        "certificate: client.pem, key: other.key",
        "the key isn't that of the certificate",
    );
    check_tls(
        "certificate: client.pem",
        "there is a `certificate`, and no `key` to it",
    );
    check_tls(
        "key: client.key",
        "there is a `key`, and no `certificate` to it",
    );
    check_tls(
        "server_name: 'a b'",
        "expected a name such as api.example, or an address, found \"a b\"",
    );
    check_tls("min_version: 1.1", "expected 1.2 or 1.3, found \"1.1\"");
    check_tls("verify: false", "unknown key \"verify\"");
}

#[test]
fn tls_is_for_https() {
    assert_eq!(
        error(&with_target("tls: { min_version: 1.3 }")),
        "fanway.yaml:4:5: `tls` is for https, and an address of this target is http [FW0108]"
    );
}

#[test]
fn a_private_key_that_is_written_out_is_never_shown() {
    let (_, key) = pair();
    let key: String = key
        .lines()
        .map(|line| format!("        {line}\n"))
        .collect();
    let secret = key.lines().nth(1).expect("a line").trim();
    for text in [
        format!("tls:\n  certificate: ./none.pem\n  key: |\n{key}"),
        format!("tls:\n  key: |\n{key}"),
        format!("key: |\n{key}"),
        format!("tls:\n  key: |\n{key}  oops"),
    ] {
        let shown = errors(&with_https(&text));
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn proxy(value: &str) -> Option<Proxy> {
    let config = config(&with_target(&format!("proxy: {value}")));
    config.targets["stock"].proxy.clone()
}

#[track_caller]
fn check_proxy(value: &str, expected: &str, logs_in: bool) {
    let proxy = proxy(value).expect("a proxy");
    assert_eq!(proxy.url.to_string(), expected);
    assert_eq!(proxy.login.is_some(), logs_in);
    assert!(!format!("{proxy:?}").contains("hunter2"), "{proxy:?}");
}

#[test]
fn a_proxy_has_a_scheme_a_host_and_a_port() {
    check_proxy("http://p.example:3128", "http://p.example:3128", false);
    check_proxy("'socks5://[::1]:1080'", "socks5://[::1]:1080", false);
    check_proxy("SOCKS5H://p:1080/", "socks5h://p:1080", false);
    let with_login = "{ url: 'http://p:3128', user: me, password: '${PASSWORD}' }";
    check_proxy(with_login, "http://p:3128", true);
    assert_eq!(config(&with_target("")).targets["stock"].proxy, None);
}

#[track_caller]
fn check_no_proxy(value: &str, expected: &str) {
    let text = with_target(&format!("proxy: {value}"));
    let found = error(&text);
    assert!(found.contains(expected), "{found}");
    assert!(!errors(&text).contains("hunter2"), "{}", errors(&text));
}

#[test]
fn what_is_no_proxy_is_refused_for_its_reason() {
    check_no_proxy(
        "https://p:3128",
        "its scheme is neither http, socks5 nor socks5h",
    );
    check_no_proxy("http://p.example", "its port is missing or wrong");
    check_no_proxy("http://p:0", "its port is missing or wrong");
    check_no_proxy("http://p:3128/x", "it has a path or a query");
    check_no_proxy("p:3128", "expected a proxy such as");
    check_no_proxy(
        "http://me:hunter2@p:3128",
        "found a text that is not shown: it has a user or password in it",
    );
    check_no_proxy(
        "{ url: 'http://p:3128', user: me }",
        "a user and a password go together",
    );
    check_no_proxy(
        "{ url: 'http://p:3128', user: 'a:hunter2', password: x }",
        "a user has no colon in it (RFC 7617)",
    );
}

/// The config's first problem, which is about an address.
#[track_caller]
fn check_refused(text: &str, expected: &str) {
    assert_eq!(error(text), format!("fanway.yaml:{expected} [FW0108]"));
}

#[test]
fn targets_may_be_anywhere_unless_it_is_said_otherwise() {
    assert!(config(&with_target("")).targets["stock"].egress.is_open());
    let private = "127.0.0.1 is loopback (127.0.0.0/8), and `egress.allow` doesn't have it";
    check_refused(
        &with_top("egress: { targets: public }"),
        &format!("4:10: {private}"),
    );
    let allowed = "egress: { targets: public, allow: [127.0.0.1] }";
    assert!(!config(&with_top(allowed)).targets["stock"].egress.is_open());
    let denied = "127.0.0.1 is in 127.0.0.0/8, which `egress.deny` has";
    check_refused(
        &with_top("egress: { deny: 127.0.0.0/8 }"),
        &format!("4:10: {denied}"),
    );
    let hexadecimal = with_top("egress: { deny: 127.0.0.0/8 }").replace("127.0.0.1", "0x7f.1");
    check_refused(&hexadecimal, &format!("4:10: {denied}"));
    let by_proxy = with_target("proxy: 'http://10.0.0.1:3128'");
    check_refused(
        &format!("egress: {{ deny: 10.0.0.0/8 }}\n{by_proxy}"),
        "5:12: 10.0.0.1 is in 10.0.0.0/8, which `egress.deny` has",
    );
}

#[test]
fn senders_may_name_no_address_that_callbacks_can_not_go_to() {
    let text = |egress: &str, origin: &str| {
        let sign = "callbacks: { sign: { standard_webhooks: '${SIGNING}' } }";
        let top = format!("{egress}\n{sign}");
        with_top(&top).replace(
            "send: [stock]",
            &format!("send: [stock], callback: {{ allow: ['https://*.example.com', '{origin}'] }}"),
        )
    };
    let found = errors(&text("", "http://169.254.169.254"));
    assert!(
        found.contains("169.254.169.254 is a metadata service (169.254.169.254/32)"),
        "{found}"
    );
    assert!(
        found.contains("hint: egress: { allow: [169.254.169.254] }"),
        "{found}"
    );
    let found = errors(&text("", "http://[::ffff:127.0.0.1]:9000"));
    assert!(found.contains("::ffff:127.0.0.1 is loopback"), "{found}");
    config(&text(
        "egress: { allow: [127.0.0.0/8] }",
        "http://127.0.0.1:9000",
    ));
    config(&text("", "http://8.8.8.8"));
    config(&text("", "http://localhost:9000"));
}

#[test]
fn ranges_are_ranges() {
    assert_eq!(
        error(&with_top("egress: { allow: [10.0.0.1/8] }")),
        "fanway.yaml:1:19: expected a range of addresses such as 10.20.0.0/16 or fd00::/8, found \"10.0.0.1/8\": the address has bits behind its first 8: the range begins at 10.0.0.0 [FW0105]"
    );
    assert!(error(&with_top("egress: { deny: a }")).contains("is no IP address"));
}
