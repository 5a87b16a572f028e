//! `/healthz` and `/readyz`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fanway_store::Health;
use serde_json::{Value, json};

use crate::{Admin, Readiness};

/// Alive: the process answers.
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({"alive": true}))
}

/// Whether traffic may come, why not where it may not, and what an operator should know.
pub(crate) async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let (status, report) = report(admin.params.store.health(), &admin.params.readiness);
    (status, Json(report)).into_response()
}

fn report(store: Health, server: &Readiness) -> (StatusCode, Value) {
    let problems = server.problems().into_iter().chain(store.problems);
    let problems: Vec<Value> = problems
        .map(|problem| json!({"code": problem.code, "detail": problem.detail}))
        .collect();
    let notes: Vec<String> = store.notes.into_iter().chain(server.notes()).collect();
    let ready = problems.is_empty();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        json!({"ready": ready, "problems": problems, "notes": notes}),
    )
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use fanway_store::{Backlog, Health, Problem};

    use super::report;
    use crate::Readiness;

    fn orphan() -> Backlog {
        Backlog {
            target: "mail".parse().expect("a name"),
            pending: 12,
            oldest: None,
            dead: 0,
        }
    }

    #[test]
    fn notes_alone_leave_the_server_ready() {
        let server = Readiness::default();
        server.set_orphans(vec![orphan()]);
        let store = Health {
            notes: vec!["sync: never".to_owned()],
            ..Health::default()
        };
        let (status, report) = report(store, &server);
        assert_eq!(status, StatusCode::OK);
        insta::assert_snapshot!(report, @r#"{"ready":true,"problems":[],"notes":["sync: never","12 deliveries wait for target `mail`, which the config doesn't have"]}"#);
    }

    #[test]
    fn any_problem_of_store_or_server_makes_it_unready() {
        let server = Readiness::default();
        server.fail("lane inventory");
        server.drain();
        let problem = Problem {
            code: "disk_full",
            detail: "no room on the disk".to_owned(),
        };
        let store = Health {
            problems: vec![problem],
            ..Health::default()
        };
        let (status, report) = report(store, &server);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        insta::assert_snapshot!(report, @r#"{"ready":false,"problems":[{"code":"part_failed","detail":"lane inventory died"},{"code":"draining","detail":"the server is stopping"},{"code":"disk_full","detail":"no room on the disk"}],"notes":[]}"#);
    }
}
