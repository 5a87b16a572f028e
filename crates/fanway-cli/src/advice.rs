//! What to try where a server isn't there, isn't the right one, or says no.

use hyper::StatusCode;
use serde_json::Value;

use crate::table::visible;

/// Which of a server's two addresses is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Where senders send to.
    Gateway,
    /// Where operators ask.
    Admin,
}

/// Where the pages of the gateway's problems are; the admin API's are under `/problems/`.
const GATEWAY_PROBLEMS: &str = "/fanway/problems/";

impl Door {
    /// Where it is unless configured otherwise.
    pub(crate) fn address(self) -> &'static str {
        match self {
            Self::Gateway => "http://127.0.0.1:8080",
            Self::Admin => "http://127.0.0.1:8081",
        }
    }

    /// What to try where nothing answers.
    pub(crate) fn closed(self) -> &'static str {
        match self {
            Self::Gateway => {
                "\nhint: is `fanway serve` running? It listens where `server.listen` in its config says; --gateway URL asks there"
            }
            Self::Admin => {
                "\nhint: is `fanway serve` running? Operators ask where `server.admin` in its config says, on the same machine; --admin URL asks there"
            }
        }
    }

    /// What to try where something else answers.
    pub(crate) fn foreign(self) -> &'static str {
        match self {
            Self::Gateway => {
                "\nhint: that is no gateway of Fanway's; --gateway URL asks another address"
            }
            Self::Admin => {
                "\nhint: that is no admin API of Fanway's; --admin URL asks another address"
            }
        }
    }
}

/// A refusal in the server's words, and what to try.
pub(crate) fn refusal(door: Door, status: StatusCode, problem: &Value) -> String {
    let text = |key: &str| problem[key].as_str();
    match text("detail").or(text("title")) {
        Some(said) => format!("{} ({status}){}", visible(said), hint(door, problem)),
        None => format!("the server answered {status}{}", door.foreign()),
    }
}

fn hint(door: Door, problem: &Value) -> &'static str {
    let kind = problem["type"].as_str().unwrap_or_default();
    let code = kind.rsplit('/').next().unwrap_or_default();
    match (door, kind.contains(GATEWAY_PROBLEMS), code) {
        (Door::Admin, true, _) => {
            "\nhint: that is the gateway; --admin URL asks the admin API, which is where `server.admin` in the config says"
        }
        (Door::Gateway, false, _) if kind.starts_with("/problems/") => {
            "\nhint: that is the admin API; --gateway URL asks the gateway, which is where `server.listen` in the config says"
        }
        (Door::Admin, _, "host_foreign") => {
            "\nhint: it is asked on its own machine only: --admin http://127.0.0.1:PORT there, or through a tunnel to that port"
        }
        (Door::Gateway, _, "route_unknown") => {
            "\nhint: `fanway explain` shows why no route takes the request"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use serde_json::json;

    use super::{Door, refusal};

    #[track_caller]
    fn check(door: Door, kind: &str, expected: &str) {
        let problem = json!({"type": kind, "title": "no"});
        let told = refusal(door, StatusCode::NOT_FOUND, &problem);
        assert_eq!(told.contains("hint"), !expected.is_empty(), "{told}");
        assert!(told.starts_with("no (404"), "{told}");
        assert!(told.contains(expected), "{told}");
    }

    #[test]
    fn the_wrong_door_is_told_from_the_right_one() {
        check(Door::Admin, "/fanway/problems/route_unknown", "--admin");
        let public = "https://hooks.example.com/fanway/problems/route_unknown";
        check(Door::Admin, public, "--admin");
        check(Door::Gateway, "/problems/path_unknown", "--gateway");
        check(Door::Gateway, "/fanway/problems/message_unknown", "");
        check(Door::Admin, "/problems/dead_unknown", "");
        check(Door::Admin, "/problems/host_foreign", "127.0.0.1");
    }

    #[test]
    fn who_has_no_words_is_no_fanway() {
        let told = refusal(Door::Gateway, StatusCode::BAD_GATEWAY, &json!(null));
        assert!(told.starts_with("the server answered 502"), "{told}");
        assert!(told.contains("no gateway of Fanway's"), "{told}");
    }

    #[test]
    fn what_others_wrote_cant_steer_the_terminal() {
        let problem = json!({"detail": "a\u{1b}[2J"});
        let told = refusal(Door::Admin, StatusCode::CONFLICT, &problem);
        assert_eq!(told, "a\\u{1b}[2J (409 Conflict)");
    }
}
