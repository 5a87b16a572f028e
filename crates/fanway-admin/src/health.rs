//! `/healthz` and `/readyz`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fanway_store::{Health, Problem};
use serde::Serialize;
use utoipa::ToSchema;

use crate::steering::{Refused, Steering};
use crate::{Admin, Readiness};

/// Whether the process answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alive {
    /// It does.
    alive: bool,
}

/// Whether the process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "server",
    operation_id = "healthz",
    responses((status = 200, description = "It does.", body = Alive)),
)]
pub(crate) async fn alive() -> Json<Alive> {
    Json(Alive { alive: true })
}

/// Whether traffic may come.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    /// Whether it may.
    ready: bool,
    /// Why it may not.
    problems: Vec<Unready>,
    /// What an operator should know all the same.
    notes: Vec<String>,
    /// The config that is in use.
    config: InUse,
}

/// Something that keeps traffic away.
#[derive(Serialize, ToSchema)]
pub(crate) struct Unready {
    /// A stable word for it.
    #[schema(example = "disk_full")]
    code: &'static str,
    /// What happened.
    detail: String,
}

/// Which config is in use.
#[derive(Serialize, ToSchema)]
pub(crate) struct InUse {
    /// 1 at start, counted up each time that a config is put to use.
    generation: u64,
    /// Stands for all that was read.
    fingerprint: String,
}

impl From<Problem> for Unready {
    fn from(problem: Problem) -> Self {
        Self {
            code: problem.code,
            detail: problem.detail,
        }
    }
}

/// Whether traffic may come, why not where it may not, and what an operator should know.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "server",
    operation_id = "readyz",
    responses(
        (status = 200, description = "It may.", body = Ready),
        (status = 503, description = "It may not; `problems` says why.", body = Ready),
    ),
)]
pub(crate) async fn ready(State(admin): State<Arc<Admin>>) -> (StatusCode, Json<Ready>) {
    let params = &admin.params;
    let ready = report(params.store.health(), &params.readiness, &*params.steering);
    let status = if ready.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(ready))
}

fn report(store: Health, server: &Readiness, steering: &dyn Steering) -> Ready {
    let problems = server.problems().into_iter().chain(store.problems);
    let problems: Vec<_> = problems.map(Unready::from).collect();
    let notes = store.notes.into_iter().chain(server.notes());
    let config = steering.current();
    Ready {
        ready: problems.is_empty(),
        problems,
        notes: notes
            .chain(steering.refused().map(|refused| note(&refused)))
            .collect(),
        config: InUse {
            generation: config.number,
            fingerprint: config.fingerprint,
        },
    }
}

fn note(refused: &Refused) -> String {
    let first = refused.errors.first().map_or("", String::as_str);
    let more = match refused.errors.len() {
        0 | 1 => String::new(),
        several => format!(" (and {} more)", several - 1),
    };
    format!("the reload at {} was refused: {first}{more}", refused.at)
}

#[cfg(test)]
mod tests {
    use fanway_store::{Backlog, BoxFuture, Health, Problem};
    use fanway_types::Timestamp;

    use super::report;
    use crate::Readiness;
    use crate::steering::{Generation, Refused, RollbackError, Steering};

    /// A config whose last reload was refused for so many errors.
    struct Steady(usize);

    impl Steering for Steady {
        fn current(&self) -> Generation {
            Generation {
                number: 3,
                fingerprint: "3f0a".to_owned(),
                loaded_at: Timestamp::default(),
                files: Vec::new(),
                previous: None,
            }
        }

        fn refused(&self) -> Option<Refused> {
            let errors = (1..=self.0).map(|number| format!("error {number}"));
            (self.0 > 0).then(|| Refused {
                at: Timestamp::default(),
                errors: errors.collect(),
            })
        }

        fn reload(&self) -> BoxFuture<'_, Result<Generation, Vec<String>>> {
            Box::pin(async { Ok(self.current()) })
        }

        fn rollback(&self) -> BoxFuture<'_, Result<Generation, RollbackError>> {
            Box::pin(async { Err(RollbackError::NoPrevious) })
        }
    }

    /// What is reported, as JSON.
    fn told(store: Health, server: &Readiness, errors: usize) -> String {
        let ready = report(store, server, &Steady(errors));
        serde_json::to_string(&ready).expect("text keys")
    }

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
        server.set_secrets(vec!["${vault:a} can't be kept fresh".to_owned()]);
        let store = Health {
            notes: vec!["sync: never".to_owned()],
            ..Health::default()
        };
        insta::assert_snapshot!(told(store, &server, 2), @r#"{"ready":true,"problems":[],"notes":["sync: never","12 deliveries wait for target `mail`, which the config doesn't have","${vault:a} can't be kept fresh","the reload at 1970-01-01T00:00:00.000Z was refused: error 1 (and 1 more)"],"config":{"generation":3,"fingerprint":"3f0a"}}"#);
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
        insta::assert_snapshot!(told(store, &server, 0), @r#"{"ready":false,"problems":[{"code":"part_failed","detail":"lane inventory died"},{"code":"draining","detail":"the server is stopping"},{"code":"disk_full","detail":"no room on the disk"}],"notes":[],"config":{"generation":3,"fingerprint":"3f0a"}}"#);
    }
}
