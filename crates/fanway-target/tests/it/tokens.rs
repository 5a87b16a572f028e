//! Tokens: a target that wants them, and a token server that is slow, fails and talks nonsense.

use std::time::Duration;

use fanway_target::http::{ClientAuth, Credentials, Grant, HttpTarget, Params, Tokens};
use fanway_target::{Answer, AttemptRequest, FailureKind, Sent, Target};
use fanway_types::Secret;
use tokio::join;
use tokio::task::JoinHandle;
use tokio::time::advance;

use crate::peer::{
    OK, Peer, StandingTime, Taken, attempt, expect_failure, expect_status, get, params, post,
    settle,
};

const REFUSED: &str = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

/// A target that wants tokens, and the server that gives them.
struct Scene {
    _time: StandingTime,
    api: Peer,
    server: Peer,
    target: HttpTarget,
    tokens: Tokens,
}

fn grant(auth: ClientAuth) -> Grant {
    let secret = |text: &str| Secret::new(text.to_owned());
    Grant {
        client_id: secret("the client"),
        client_secret: secret("hunter2:+"),
        auth,
        scope: Some("a b".to_owned()),
        audience: None,
        ahead: 60 * SECOND,
    }
}

impl Scene {
    async fn new() -> Self {
        let (api, server) = (Peer::bind().await, Peer::bind().await);
        let url = format!("http://127.0.0.1:{}/hunter2/token", server.port());
        let timeouts = fanway_target::http::Timeouts {
            connect: 5 * SECOND,
            first_byte: 10 * SECOND,
            whole: 10 * SECOND,
        };
        let to_server = Params {
            timeouts,
            ..params(&url)
        };
        let tokens = Tokens::try_new(&grant(ClientAuth::Basic), to_server);
        let tokens = tokens.expect("a token server");
        let target = HttpTarget::try_new(Params {
            credentials: Credentials::OAuth2(tokens.clone()),
            ..api.params()
        });
        Self {
            _time: StandingTime::new(),
            api,
            server,
            target: target.expect("a target"),
            tokens,
        }
    }

    fn attempt(&self) -> JoinHandle<Answer> {
        tokio::spawn(self.target.attempt(get("")))
    }

    /// Serves one request for a token on a connection of its own.
    async fn give(&self, answer: &str) -> String {
        self.server.accept().await.serve(answer).await
    }

    /// Serves one request to the target on a connection of its own; returns the token shown.
    async fn serve(&self, answer: &str) -> String {
        shown(&self.api.accept().await.serve(&closing(answer)).await)
    }

    /// The end of an attempt that has no token.
    async fn no_token(&self, attempt: JoinHandle<Answer>) -> String {
        let answer = attempt.await.expect("it doesn't panic");
        let detail = expect_failure(&answer, FailureKind::Token, Sent::Nothing).to_owned();
        assert!(!detail.contains("hunter2"), "{detail}");
        let port = self.server.port().to_string();
        detail.replace(&port, "PORT")
    }
}

/// The same answer, and the end of its connection.
fn closing(answer: &str) -> String {
    answer.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1)
}

fn answered(status: &str, body: &str) -> String {
    let length = body.len();
    closing(&format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}"
    ))
}

fn token(text: &str, seconds: u32) -> String {
    let body =
        format!(r#"{{"access_token":"{text}","token_type":"bearer","expires_in":{seconds}}}"#);
    answered("200 OK", &body)
}

fn shown(request: &str) -> String {
    let line = request
        .lines()
        .find_map(|line| line.strip_prefix("authorization: Bearer "));
    line.expect("a token").to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_client_asks_by_form_with_its_id_and_secret_encoded() {
    let scene = Scene::new().await;
    let attempt = scene.attempt();
    let request = scene.give(&token("t1", 3600)).await;
    let request = request.replace(&scene.server.port().to_string(), "PORT");
    let expected = [
        "POST /hunter2/token HTTP/1.1",
        "host: 127.0.0.1:PORT",
        "accept: application/json",
        "content-type: application/x-www-form-urlencoded",
        concat!("user-agent: fanway/", env!("CARGO_PKG_VERSION")),
        // "the%20client:hunter2%3A%2B"
        "authorization: Basic dGhlJTIwY2xpZW50Omh1bnRlcjIlM0ElMkI=",
        "content-length: 41",
        "",
        "grant_type=client_credentials&scope=a%20b",
    ];
    assert_eq!(request.split("\r\n").collect::<Vec<_>>(), expected);
    assert_eq!(scene.serve(OK).await, "t1");
    expect_status(&attempt.await.expect("an answer"), 200);
}

#[tokio::test(start_paused = true)]
async fn one_token_is_asked_for_by_all_who_wait_and_shown_until_it_is_old() {
    let scene = Scene::new().await;
    let attempts: Vec<_> = (0..20).map(|_| scene.attempt()).collect();
    settle().await;
    let mut asked = scene.server.accept().await;
    asked.serve(&token("t1", 300)).await;
    for _ in 0..20 {
        assert_eq!(scene.serve(OK).await, "t1");
    }
    for attempt in attempts {
        expect_status(&attempt.await.expect("an answer"), 200);
    }
    advance(239 * SECOND).await;
    let (answer, shown) = join!(attempt(&scene.target), scene.serve(OK));
    expect_status(&answer, 200);
    assert_eq!(shown, "t1");
    scene.server.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn ahead_of_its_end_a_token_is_renewed_while_it_is_shown_on() {
    let scene = Scene::new().await;
    let first = scene.attempt();
    scene.give(&token("t1", 300)).await;
    scene.serve(OK).await;
    expect_status(&first.await.expect("an answer"), 200);
    advance(240 * SECOND).await;
    // Nobody waits for the next one, and only one is asked for.
    let mut asked: Option<Taken> = None;
    for _ in 0..3 {
        let (answer, shown) = join!(attempt(&scene.target), scene.serve(OK));
        expect_status(&answer, 200);
        assert_eq!(shown, "t1");
        if asked.is_none() {
            asked = Some(scene.server.accept().await);
        }
        scene.server.expect_nobody().await;
    }
    asked.expect("it was asked").serve(&token("t2", 300)).await;
    settle().await;
    let (answer, shown) = join!(attempt(&scene.target), scene.serve(OK));
    expect_status(&answer, 200);
    assert_eq!(shown, "t2");
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_renewed_once_for_all_and_the_request_goes_out_again() {
    let scene = Scene::new().await;
    let attempts: Vec<_> = (0..5)
        .map(|_| tokio::spawn(scene.target.attempt(post("an order"))))
        .collect();
    scene.give(&token("t1", 3600)).await;
    // All are there before the first is refused.
    let mut taken = Vec::new();
    for _ in 0..5 {
        let mut connection = scene.api.accept().await;
        let request = connection.request().await;
        assert_eq!(shown(&request), "t1");
        taken.push(connection);
    }
    for connection in &mut taken {
        connection.write(&closing(REFUSED)).await;
    }
    scene.give(&token("t2", 3600)).await;
    for _ in 0..5 {
        let request = scene.api.accept().await.serve(&closing(OK)).await;
        assert_eq!(shown(&request), "t2");
        assert!(request.ends_with("\r\n\r\nan order"), "{request}");
    }
    for attempt in attempts {
        expect_status(&attempt.await.expect("an answer"), 200);
    }
    scene.server.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_401_is_the_answer_and_no_storm_follows() {
    let scene = Scene::new().await;
    let first = scene.attempt();
    scene.give(&token("t1", 3600)).await;
    assert_eq!(scene.serve(REFUSED).await, "t1");
    scene.give(&token("t2", 3600)).await;
    assert_eq!(scene.serve(REFUSED).await, "t2");
    expect_status(&first.await.expect("an answer"), 401);
    // Within a second of that nobody asks for another one.
    for _ in 0..10 {
        let (answer, shown) = join!(attempt(&scene.target), scene.serve(REFUSED));
        expect_status(&answer, 401);
        assert_eq!(shown, "t2");
    }
    scene.server.expect_nobody().await;
    advance(SECOND).await;
    let later = scene.attempt();
    assert_eq!(scene.serve(REFUSED).await, "t2");
    scene.give(&token("t3", 3600)).await;
    assert_eq!(scene.serve(OK).await, "t3");
    expect_status(&later.await.expect("an answer"), 200);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_left_alone_and_the_attempts_say_so() {
    let scene = Scene::new().await;
    let refused = answered(
        "400 Bad Request",
        r#"{"error":"invalid_scope","x":"hunter2"}"#,
    );
    let attempts: Vec<_> = (0..10).map(|_| scene.attempt()).collect();
    scene.give(&refused).await;
    let expected = "no token from 127.0.0.1:PORT: it answered 400: invalid_scope";
    for attempt in attempts {
        assert_eq!(scene.no_token(attempt).await, expected);
    }
    assert_eq!(scene.no_token(scene.attempt()).await, expected);
    scene.server.expect_nobody().await;
    scene.api.expect_nobody().await;
    advance(SECOND).await;
    let next = scene.attempt();
    scene.give(&token("t1", 3600)).await;
    assert_eq!(scene.serve(OK).await, "t1");
    expect_status(&next.await.expect("an answer"), 200);
}

/// What an attempt says whose token server answers like this.
async fn check_nonsense(answer: &str, expected: &str) {
    let scene = Scene::new().await;
    let attempt = scene.attempt();
    let mut taken = scene.server.accept().await;
    taken.request().await;
    taken.write(answer).await;
    drop(taken);
    let expected = format!("no token from 127.0.0.1:PORT: {expected}");
    assert_eq!(scene.no_token(attempt).await, expected);
    scene.api.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_no_token() {
    check_nonsense(&answered("200 OK", "<html>"), "its answer is no JSON").await;
    let found = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    check_nonsense(found, "it answered 302").await;
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let hinted = format!("{hints}{}", answered("503 Busy", ""));
    check_nonsense(&hinted, "it answered 503").await;
    let huge = answered("200 OK", &" ".repeat(70_000));
    check_nonsense(&huge, "its answer is longer than 64 KiB").await;
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"access_token\":\"a\"}";
    check_nonsense(broken, "its answer broke off").await;
    check_nonsense(
        "nonsense",
        "exchange with 127.0.0.1:PORT: the answer's head is no HTTP/1: invalid HTTP version",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_cant_wait_for_a_slow_server_ends_and_the_next_has_its_token() {
    let scene = Scene::new().await;
    let hurried = HttpTarget::try_new(Params {
        credentials: Credentials::OAuth2(scene.tokens.clone()),
        timeouts: fanway_target::http::Timeouts {
            connect: SECOND,
            first_byte: SECOND,
            whole: SECOND,
        },
        ..scene.api.params()
    });
    let hurried = hurried.expect("a target");
    let attempt = tokio::spawn(hurried.attempt(get("")));
    let mut asked = scene.server.accept().await;
    asked.request().await;
    advance(SECOND).await;
    assert_eq!(
        scene.no_token(attempt).await,
        "no token from 127.0.0.1:PORT in time"
    );
    asked.write(&token("t1", 3600)).await;
    settle().await;
    let next = tokio::spawn(hurried.attempt(get("")));
    assert_eq!(scene.serve(OK).await, "t1");
    expect_status(&next.await.expect("an answer"), 200);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_given_up_by_its_own_time() {
    let scene = Scene::new().await;
    let attempt = scene.attempt();
    let mut asked = scene.server.accept().await;
    asked.request().await;
    advance(10 * SECOND).await;
    assert_eq!(
        scene.no_token(attempt).await,
        "no token from 127.0.0.1:PORT: exchange with 127.0.0.1:PORT: no answer in time"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_without_another_is_a_failure_that_says_both() {
    let scene = Scene::new().await;
    let attempt = scene.attempt();
    scene.give(&token("t1", 3600)).await;
    scene.serve(REFUSED).await;
    scene.give(&answered("500 Oh", "")).await;
    assert_eq!(
        scene.no_token(attempt).await,
        "it answered 401, and there is no token from 127.0.0.1:PORT: it answered 500"
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_cant_show_a_token_of_its_own() {
    let scene = Scene::new().await;
    let request = AttemptRequest {
        headers: crate::peer::headers(&[("authorization", "Bearer theirs")]),
        ..get("")
    };
    let attempt = tokio::spawn(scene.target.attempt(request));
    scene.give(&token("t1", 3600)).await;
    let request = scene.api.accept().await.serve(OK).await;
    assert_eq!(request.matches("authorization").count(), 1, "{request}");
    assert_eq!(shown(&request), "t1");
    expect_status(&attempt.await.expect("an answer"), 200);
}
