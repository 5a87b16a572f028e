//! What bad input gets: a clear answer, and nothing written.

use std::io::Write;
use std::time::Duration;

use fanway_ingress::problem::Kind;
use fanway_store::accept;
use fanway_types::ByteCount;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::gateway::{Gateway, request};

/// The problem's status line and document are there, and nothing was kept.
#[track_caller]
pub(crate) fn check(gateway: &Gateway, answer: &str, expected: Kind) {
    let status = expected.status();
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status}\n")),
        "{answer}"
    );
    assert!(
        answer.contains("\ncontent-type: application/problem+json\n"),
        "{answer}"
    );
    let problem = format!(r#""type":"/fanway/problems/{}""#, expected.code());
    assert!(answer.contains(&problem), "{answer}");
    assert_eq!(gateway.store.take_accepted().len(), 0, "something was kept");
    assert_eq!(
        gateway.budget.used(),
        ByteCount::new(0),
        "memory is not given back"
    );
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

#[tokio::test]
async fn a_problem_is_a_document_of_rfc_9457() {
    let gateway = Gateway::start().await;
    let answer = gateway
        .exchange(request("POST /json", &[], "{\n \"a\": }"))
        .await;
    check(&gateway, &answer, Kind::JsonMalformed);
    insta::assert_snapshot!(answer, @r#"
    HTTP/1.1 400 Bad Request
    content-type: application/problem+json
    cache-control: no-store
    connection: close
    content-length: 146

    {"type":"/fanway/problems/json_malformed","title":"the body is not well-formed JSON","status":400,"detail":"expected a value at line 2, column 7"}
    "#);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused() {
    let gateway = Gateway::start().await;
    for path in [
        "/",
        "/nowhere",
        "/orders/",
        "//orders",
        "/fanway/",
        "/fanway/other",
        "/fanway/problems/other",
    ] {
        let answer = gateway
            .exchange(request(&format!("POST {path}"), &[], ""))
            .await;
        check(&gateway, &answer, Kind::RouteUnknown);
    }
    let answer = gateway.exchange(request("DELETE /orders", &[], "")).await;
    check(&gateway, &answer, Kind::MethodNotAllowed);
    assert!(answer.contains("\nallow: POST, PUT\n"), "{answer}");
    let answer = gateway
        .exchange(request("POST /fanway/problems/body_broken", &[], ""))
        .await;
    check(&gateway, &answer, Kind::MethodNotAllowed);
    assert!(answer.contains("\nallow: GET, HEAD\n"), "{answer}");
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_usable() {
    let gateway = Gateway::start().await;
    let refused = "POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n12345";
    let both = [refused.as_bytes(), &request("POST /orders", &[], "{}")].concat();
    let answers = gateway.exchange(both).await;
    assert!(answers.starts_with("HTTP/1.1 404 Not Found\n"), "{answers}");
    assert!(answers.contains("HTTP/1.1 202 Accepted\n"), "{answers}");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_by_its_declared_length() {
    let gateway =
        Gateway::start_with(|params| params.table.limits.max_body = ByteCount::kib(1)).await;
    let head =
        "POST /orders HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1048576\r\n\r\n";
    check(&gateway, &gateway.exchange(head).await, Kind::BodyTooLarge);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_as_it_grows() {
    let gateway =
        Gateway::start_with(|params| params.table.limits.max_body = ByteCount::kib(1)).await;
    let head = "POST /orders HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("100\r\n{}\r\n", "x".repeat(256));
    let within = format!("{head}{}0\r\n\r\n", chunk.repeat(4));
    let answer = gateway.exchange(within).await;
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\n"), "{answer}");
    assert_eq!(gateway.store.take_accepted()[0].request.body.len(), 1024);
    let beyond = format!("{head}{}1\r\nx\r\n0\r\n\r\n", chunk.repeat(4));
    check(
        &gateway,
        &gateway.exchange(beyond).await,
        Kind::BodyTooLarge,
    );
}

#[tokio::test]
async fn a_body_for_which_there_is_no_memory_is_refused() {
    let gateway = Gateway::start_with(|params| {
        params.budget = fanway_types::MemoryBudget::new(ByteCount::kib(4));
    })
    .await;
    let answer = gateway
        .exchange(request("POST /orders", &[], vec![0; 5000]))
        .await;
    check(&gateway, &answer, Kind::MemoryFull);
    assert!(answer.contains("\nretry-after: 1\n"), "{answer}");
    let chunked = format!(
        "POST /orders HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
         1388\r\n{}\r\n0\r\n\r\n",
        "x".repeat(5000)
    );
    check(&gateway, &gateway.exchange(chunked).await, Kind::MemoryFull);
    let answer = gateway
        .exchange(request("POST /orders", &[], vec![0; 3000]))
        .await;
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\n"), "{answer}");
}

#[tokio::test]
async fn json_is_checked_where_an_expression_reads_it() {
    let gateway = Gateway::start().await;
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let answer = gateway
        .exchange(request("POST /json", &[], deep(129)))
        .await;
    check(&gateway, &answer, Kind::JsonTooDeep);
    let answer = gateway.exchange(request("POST /json", &[], "")).await;
    check(&gateway, &answer, Kind::JsonMalformed);
    let long = format!("\"{}", "x".repeat(100_000));
    let answer = gateway.exchange(request("POST /json", &[], long)).await;
    check(&gateway, &answer, Kind::JsonMalformed);
    assert!(answer.contains("line 1, column 100002"), "{answer}");
    let answer = gateway
        .exchange(request("POST /json", &[], deep(128)))
        .await;
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\n"), "{answer}");
}

#[tokio::test]
async fn compression_that_cannot_be_undone_is_refused_where_an_expression_reads_the_body() {
    let gateway = Gateway::start().await;
    let brotli = [("content-encoding", "br")];
    let answer = gateway.exchange(request("POST /json", &brotli, "{}")).await;
    check(&gateway, &answer, Kind::EncodingUnsupported);
    assert!(
        answer.contains("\naccept-encoding: gzip, deflate\n"),
        "{answer}"
    );
    let zipped = [("content-encoding", "gzip")];
    let answer = gateway.exchange(request("POST /json", &zipped, "{}")).await;
    check(&gateway, &answer, Kind::EncodingBroken);
    let bomb = gzip(&vec![b' '; 11 << 20]);
    let answer = gateway.exchange(request("POST /json", &zipped, bomb)).await;
    check(&gateway, &answer, Kind::DecompressedTooLarge);
    let answer = gateway
        .exchange(request("POST /orders", &brotli, "{}"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\n"), "{answer}");
}

#[tokio::test]
async fn a_broken_chunk_is_refused() {
    let gateway = Gateway::start().await;
    let broken =
        "POST /orders HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcde\r\n";
    check(&gateway, &gateway.exchange(broken).await, Kind::BodyBroken);
}

/// What is no request is refused with a document, nothing is kept, and the connection is closed, which
/// [`Gateway::exchange`] has waited for.
async fn check_head(gateway: &Gateway, bytes: &str, kind: Kind) {
    let answer = gateway.exchange(bytes).await;
    check(gateway, &answer, kind);
    assert!(answer.contains("\nconnection: close\n"), "{answer}");
}

#[tokio::test]
async fn malformed_heads_are_refused_and_the_connection_closed() {
    let gateway = Gateway::start().await;
    for bytes in [
        "nonsense\r\n\r\n",
        "POST /orders HTTP/1.1\r\nno colon\r\n\r\n",
        "POST /orders HTTP/1.1\r\nx: a\r\n b\r\n\r\n",
        "POST /orders HTTP/1.1\r\nx : a\r\n\r\n",
        "POST /orders HTTP/1.1\r\nx: a\0b\r\n\r\n",
        "POST /orders HTTP/9.9\r\n\r\n",
        "POST /orders HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n12",
        "POST /orders HTTP/1.1\r\ncontent-length: 1, 2\r\n\r\n12",
        "POST /orders HTTP/1.1\r\ncontent-length: +1\r\n\r\n1",
        "POST /orders HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        "POST /orders HTTP/1.1\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /orders HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
        "POST /orders HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        check_head(&gateway, bytes, Kind::RequestMalformed).await;
    }
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let gateway = Gateway::start().await;
    let too_many = "x: 1\r\n".repeat(101);
    let many = format!("POST /orders HTTP/1.1\r\n{too_many}\r\n");
    check_head(&gateway, &many, Kind::HeadersTooLarge).await;
    let large = format!(
        "POST /orders HTTP/1.1\r\nx: {}\r\n\r\n",
        "v".repeat(33 << 10)
    );
    check_head(&gateway, &large, Kind::HeadersTooLarge).await;
    let small = Gateway::start_with(|params| params.table.limits.max_headers = 4).await;
    let many = format!("POST /orders HTTP/1.1\r\n{}\r\n", "x: 1\r\n".repeat(5));
    check_head(&small, &many, Kind::HeadersTooLarge).await;
}

#[tokio::test]
async fn a_second_request_cannot_be_smuggled_behind_two_lengths() {
    let gateway = Gateway::start().await;
    let answer = gateway
        .exchange(
            "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 60\r\ntransfer-encoding: chunked\r\n\r\n\
             0\r\n\r\nPOST /any/smuggled HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    check(&gateway, &answer, Kind::RequestMalformed);
}

#[tokio::test]
async fn a_sender_that_goes_away_midway_leaves_nothing_behind() {
    let gateway = Gateway::start().await;
    let mut stream = gateway.connect().await;
    let half = "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345";
    tokio::io::AsyncWriteExt::write_all(&mut stream, half.as_bytes())
        .await
        .expect("it is open");
    drop(stream);
    gateway.stop.send(()).expect("it runs");
    gateway.running.await.expect("it ends");
    assert_eq!(gateway.store.take_accepted().len(), 0);
    assert_eq!(gateway.budget.used(), ByteCount::new(0));
}

#[tokio::test]
async fn a_store_that_keeps_nothing_is_answered_for() {
    let retry_after = Duration::from_millis(1500);
    let cases = [
        (
            accept::Error::Full {
                reason: "the disk is full",
                retry_after,
            },
            Kind::StoreFull,
            Some("2"),
        ),
        (
            accept::Error::Behind { retry_after },
            Kind::StoreBehind,
            Some("2"),
        ),
        (
            accept::Error::TooLarge {
                size: ByteCount::new(9),
                limit: ByteCount::new(8),
            },
            Kind::BodyTooLarge,
            None,
        ),
        (
            accept::Error::Unknown("fsync failed".to_owned()),
            Kind::OutcomeUnknown,
            None,
        ),
        (
            accept::Error::Closed("stopping".to_owned()),
            Kind::StoreUnavailable,
            Some("5"),
        ),
    ];
    let gateway = Gateway::start().await;
    for (error, kind, retry_after) in cases {
        gateway.store.refuse(error);
        let answer = gateway.exchange(request("POST /orders", &[], "{}")).await;
        check(&gateway, &answer, kind);
        let shown = answer
            .lines()
            .find_map(|line| line.strip_prefix("retry-after: "));
        assert_eq!(shown, retry_after, "{answer}");
        assert!(!answer.contains("fsync"), "{answer}");
    }
}

#[tokio::test]
async fn every_problem_has_a_page_behind_its_type() {
    let gateway = Gateway::start().await;
    for kind in Kind::ALL {
        let page = format!("GET /fanway/problems/{}", kind.code());
        let answer = gateway.exchange(request(&page, &[], "")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\n"), "{answer}");
        assert!(answer.contains(kind.title()), "{answer}");
    }
}
