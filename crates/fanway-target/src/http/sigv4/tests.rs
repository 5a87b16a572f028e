//! Vectors of AWS' own test suite, and requests as botocore signs them.

use std::sync::Arc;

use fanway_types::{Headers, Secret, Timestamp};
use http::Method;
use http::uri::PathAndQuery;

use super::canonical::{Canonical, PathForm};
use super::{Moment, SigV4, Signable, digest, hex};

/// 2015-08-30T12:36:00Z, the suite's time.
const NOW: Timestamp = Timestamp::from_millis(1_440_938_160_999);
const HOST: &str = "example.amazonaws.com";

fn signer(service: &str) -> SigV4 {
    let secret = |text: &str| Secret::new(text.to_owned());
    SigV4 {
        access_key: secret("AKIDEXAMPLE"),
        secret_key: secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: None,
        region: "us-east-1".to_owned(),
        service: service.to_owned(),
        clock: Arc::new(|| NOW),
    }
}

/// A request of the suite: its method, path with query, headers beside `host` and `x-amz-date`.
#[track_caller]
fn check(method: &str, target: &str, more: &[(&str, &str)], body: &str, expected: &str) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let moment = Moment::at(NOW);
    let mut headers = vec![
        (&b"x-amz-date"[..], moment.time.as_bytes()),
        (b"host", HOST.as_bytes()),
    ];
    headers.extend(
        more.iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
    );
    let payload = hex(digest(&super::SHA256, body.as_bytes()).as_ref());
    let canonical = Canonical {
        method,
        path,
        form: PathForm::of("service"),
        query,
        headers,
        payload: &payload,
    };
    let authorization = signer("service").authorization(&canonical, &moment);
    let scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, ";
    assert!(authorization.starts_with(scope), "{authorization}");
    let signature = authorization.rsplit('=').next();
    assert_eq!(signature, Some(expected), "{authorization}");
}

const VANILLA: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

#[test]
fn the_suites_paths_are_signed_as_it_says() {
    check("GET", "/", &[], "", VANILLA);
    check("GET", "/example/..", &[], "", VANILLA);
    check(
        "GET",
        "//example//",
        &[],
        "",
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
    );
    check(
        "GET",
        "/./example",
        &[],
        "",
        "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
    );
    check(
        "GET",
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        &[],
        "",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    );
    check(
        "GET",
        "/\u{1234}",
        &[],
        "",
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    );
    check(
        "GET",
        "/example space/",
        &[],
        "",
        "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
    );
}

#[test]
fn the_suites_queries_are_signed_as_it_says() {
    check(
        "GET",
        "/?Param2=value2&Param1=value1",
        &[],
        "",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    );
    check(
        "GET",
        "/?Param1=value2&Param1=Value1",
        &[],
        "",
        "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1",
    );
    for spelling in ["/?\u{1234}=bar", "/?%e1%88%b4=bar&"] {
        check(
            "GET",
            spelling,
            &[],
            "",
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        );
    }
}

#[test]
fn the_suites_headers_and_bodies_are_signed_as_it_says() {
    check(
        "GET",
        "/",
        &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
        "",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    );
    check(
        "GET",
        "/",
        &[
            ("my-header1", "value2"),
            ("my-header1", "value2"),
            ("my-header1", "value1"),
        ],
        "",
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    );
    check(
        "POST",
        "/",
        &[],
        "",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    );
    check(
        "POST",
        "/",
        &[("content-type", "application/x-www-form-urlencoded")],
        "Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    );
}

/// What a request gets that has a session token, and headers that aren't signed.
fn signed(service: &str) -> Vec<(String, String)> {
    let signer = SigV4 {
        session_token: Some(Secret::new("the-session-token".to_owned())),
        ..signer(service)
    };
    let headers: Headers = [
        ("user-agent", &b"fanway"[..]),
        ("content-type", b"application/json"),
        ("x-amz-target", b"T.Op"),
        ("x-amz-date", b"theirs"),
        ("authorization", b"theirs"),
    ]
    .into_iter()
    .collect();
    let request = Signable {
        method: &Method::POST,
        path: &PathAndQuery::from_static("/base/a%20b//c?b=2&a=1%2F3&a"),
        headers: &headers,
        body: b"{\"a\": 1}",
    };
    let mut given = Vec::new();
    signer.sign(request, HOST, |name, value| {
        let text = |bytes| str::from_utf8(bytes).expect("text").to_owned();
        given.push((text(name), text(value)));
    });
    given
}

#[track_caller]
fn check_whole(service: &str, signature: &str) {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, \
         SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token;x-amz-target, \
         Signature={signature}"
    );
    let expected = [
        ("x-amz-date", "20150830T123600Z"),
        (
            "x-amz-content-sha256",
            "f9d86028c6e0d64e225186f96acb69338b2c59764df79162107f5c4bb34d1310",
        ),
        ("x-amz-security-token", "the-session-token"),
        ("authorization", &authorization),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(signed(service), expected);
}

#[test]
fn whole_requests_are_signed_as_botocore_does() {
    check_whole(
        "service",
        "564a405af3bcdfaf8733a2444031718dc9fd17c4f158cd14622758cf2be5cd59",
    );
    // Neither encoded again nor normalised.
    check_whole(
        "s3",
        "762733c291e7840abdb89f89b7e815cd6e523cac5f5ccee9ae28c67dc7348aff",
    );
}

#[test]
fn debug_output_hides_the_keys() {
    let shown = format!("{:?}", signer("service"));
    assert_eq!(
        shown,
        "SigV4 { region: \"us-east-1\", service: \"service\", .. }"
    );
}
