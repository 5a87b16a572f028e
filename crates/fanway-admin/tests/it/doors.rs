//! Whose requests are taken, and how the others are refused.

use hyper::Request;

use crate::served::Served;

#[tokio::test]
async fn a_page_whose_name_leads_here_reads_nothing() {
    let served = Served::start().await;
    for path in ["/healthz", "/metrics", "/api/v1/dead", "/nowhere"] {
        let request = Request::get(path).header("host", "rebound.example");
        assert_eq!(
            served.ask(request, "").await.problem(421),
            "host_foreign",
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let served = Served::start().await;
    served.accept(1).await;
    let id = served.kill_next("inventory", 0);
    let request = Request::post(format!("/api/v1/dead/{id}/discard"))
        .header("origin", "http://elsewhere.example")
        .header("content-type", "text/plain");
    let answer = served.ask(request, r#"{"reason": "malice"}"#).await;
    assert_eq!(answer.problem(403), "origin_foreign");
    served.get(&format!("/api/v1/dead/{id}")).await.json(200);
}

#[tokio::test]
async fn refusals_are_problems_with_a_page() {
    let served = Served::start().await;
    assert_eq!(served.get("/nowhere").await.problem(404), "path_unknown");
    let answer = served.post("/healthz", "").await;
    assert_eq!(answer.problem(405), "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    let answer = served.get("/api/v1/dead/dlv_x").await;
    assert_eq!(answer.problem(404), "id_malformed");
    let page = served.get("/problems/step_gone").await;
    assert_eq!(page.status, 200);
    assert!(page.text.starts_with("409 step_gone: "), "{}", page.text);
    let page = served.get("/problems/unheard_of").await;
    assert_eq!(page.problem(404), "path_unknown");
}
