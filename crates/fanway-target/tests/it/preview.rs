//! What is shown of a request before it is sent, against what is sent.

use std::sync::Arc;
use std::time::Duration;

use fanway_target::http::{
    Algorithm, ClientAuth, Credentials, Encoding, Grant, HmacParams, HmacSigning, HttpTarget,
    Params, Preview, RequestError, SigV4, Signing, Tokens, WebhookKey,
};
use fanway_target::{AttemptRequest, Target};
use fanway_types::{Secret, SigningTemplate, Timestamp};
use http::{HeaderName, HeaderValue};
use tokio::join;

use crate::peer::{OK, Peer, StandingTime, expect_status, get, headers, params, post};

/// The lines of a preview's head.
fn lines(preview: &Preview) -> Vec<String> {
    let request = format!("{} {}", preview.method, preview.url);
    let headers = preview.headers.iter();
    let header = |(name, value): (_, &HeaderValue)| {
        format!("{name}: {}", value.to_str().expect("visible ASCII"))
    };
    [request].into_iter().chain(headers.map(header)).collect()
}

#[track_caller]
fn check(params: Params, request: &AttemptRequest, expected: &[&str]) {
    let target = HttpTarget::try_new(params).expect("a target");
    let preview = target.preview(request).expect("it can be sent");
    assert_eq!(lines(&preview), expected);
    assert_eq!(preview.body, request.body);
}

fn secret() -> Secret {
    Secret::new("hunter2".to_owned())
}

fn signing() -> Signing {
    let clock = || Timestamp::from_millis(1_614_265_330_000);
    let hmac = HmacSigning::try_new(HmacParams {
        secrets: vec![secret()],
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        header: HeaderName::from_static("x-signature"),
        value: SigningTemplate::value("t={timestamp},v1={signature}").expect("a value"),
        content: SigningTemplate::content("{timestamp}.{body}").expect("a content"),
        timestamp_header: Some(HeaderName::from_static("x-signed-at")),
    });
    let key = WebhookKey::symmetric(&[7; 24]).expect("a key");
    Signing::try_new([key], Some(hmac.expect("a secret")), Arc::new(clock)).expect("a key")
}

fn order() -> AttemptRequest {
    let mut request = post("{}");
    request.path_and_query = "/orders/7?x=1".into();
    request.headers = headers(&[
        ("host", "elsewhere"),
        ("content-type", "application/json"),
        ("idempotency-key", "\"dlv_1\""),
        ("x-tag", "a"),
        ("x-tag", "b"),
    ]);
    request
}

#[test]
fn a_request_is_shown_whole_but_for_its_secrets() {
    let shown = Params {
        credentials: Credentials::Header {
            name: "x-api-key".to_owned(),
            value: secret(),
        },
        sign: Some(signing()),
        ..params("http://api.example:8443/v1/")
    };
    let expected = [
        "POST http://api.example:8443/v1/orders/7?x=1",
        "content-type: application/json",
        "idempotency-key: \"dlv_1\"",
        "x-tag: a",
        "x-tag: b",
        "x-api-key: (hidden)",
        "webhook-id: dlv_1",
        "webhook-timestamp: 1614265330",
        "webhook-signature: (hidden)",
        "x-signature: (hidden)",
        "x-signed-at: 1614265330",
        "content-length: 2",
    ];
    check(shown, &order(), &expected);
}

#[test]
fn credentials_are_hidden_whosever_they_are() {
    let mut request = get("");
    request.headers = headers(&[("authorization", "Bearer theirs")]);
    let expected = ["GET http://a/", "authorization: (hidden)"];
    check(params("http://a"), &request, &expected);
    let ours = Params {
        credentials: Credentials::Bearer(secret()),
        ..params("http://a")
    };
    check(ours, &get(""), &expected);
}

#[test]
fn a_key_in_the_query_is_hidden() {
    let shown = Params {
        credentials: Credentials::Query {
            name: "api key".to_owned(),
            value: secret(),
        },
        ..params("http://a/v1")
    };
    for (path, expected) in [
        ("", "GET http://a/v1?api%20key=(hidden)"),
        ("?x=hunter2", "GET http://a/v1?x=hunter2&api%20key=(hidden)"),
        ("/b?", "GET http://a/v1/b?api%20key=(hidden)"),
    ] {
        check(shown.clone(), &get(path), &[expected]);
    }
}

#[test]
fn a_token_is_shown_as_one_without_being_asked_for() {
    let grant = Grant {
        client_id: secret(),
        client_secret: secret(),
        auth: ClientAuth::Basic,
        scope: None,
        audience: None,
        ahead: Duration::ZERO,
    };
    let tokens = Tokens::try_new(&grant, params("http://127.0.0.1:1/token"));
    let shown = Params {
        credentials: Credentials::OAuth2(tokens.expect("a token server")),
        ..params("http://a")
    };
    check(
        shown,
        &get(""),
        &["GET http://a/", "authorization: (hidden)"],
    );
}

#[test]
fn of_awss_signature_only_the_secrets_are_hidden() {
    let shown = Params {
        credentials: Credentials::SigV4(Box::new(SigV4 {
            access_key: secret(),
            secret_key: secret(),
            session_token: Some(secret()),
            region: "eu-west-1".to_owned(),
            service: "execute-api".to_owned(),
            clock: Arc::new(|| Timestamp::from_millis(1_614_265_330_000)),
        })),
        ..params("http://a")
    };
    let expected = [
        "GET http://a/",
        "x-amz-date: 20210225T150210Z",
        "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-amz-security-token: (hidden)",
        "authorization: (hidden)",
    ];
    check(shown, &get(""), &expected);
}

#[test]
fn what_no_attempt_can_send_isnt_shown() {
    let target = HttpTarget::try_new(params("http://a")).expect("a target");
    assert_eq!(target.preview(&get("/a b")), Err(RequestError::Path));
    let signed = Params {
        sign: Some(signing()),
        ..params("http://a")
    };
    let target = HttpTarget::try_new(signed).expect("a target");
    assert_eq!(target.preview(&get("")), Err(RequestError::NoKey));
}

#[tokio::test(start_paused = true)]
async fn what_is_shown_is_what_is_sent() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = HttpTarget::try_new(Params {
        sign: Some(signing()),
        credentials: Credentials::Bearer(secret()),
        ..peer.params()
    })
    .expect("a target");
    let request = AttemptRequest {
        method: "PUT".into(),
        ..order()
    };
    let preview = target.preview(&request).expect("it can be sent");
    let (answer, sent) = join!(target.attempt(request), async {
        peer.accept().await.serve(OK).await
    });
    expect_status(&answer, 200);

    let (head, body) = sent.split_once("\r\n\r\n").expect("a head");
    assert_eq!(preview.body, body);
    let port = peer.port();
    let host = format!("host: 127.0.0.1:{port}");
    let mut sent: Vec<String> = head.lines().map(str::to_owned).collect();
    assert_eq!(sent.remove(1), host);
    sent[0] = sent[0].replace(" /", &format!(" http://127.0.0.1:{port}/"));
    sent[0] = sent[0].replace(" HTTP/1.1", "");
    for line in &mut sent {
        let name = line.split(' ').next().expect("a name").to_owned();
        if ["authorization:", "webhook-signature:", "x-signature:"].contains(&&*name) {
            *line = format!("{name} (hidden)");
        }
    }
    assert_eq!(lines(&preview), sent);
}
