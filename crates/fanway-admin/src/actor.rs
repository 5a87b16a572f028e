//! Who changes something, and the record of it.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use fanway_store::change::Audit;
use fanway_types::Timestamp;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::extract::malformed;
use crate::problem::Problem;

const HEADER: &str = "Fanway-Actor";
/// The longest name, in characters.
const LONGEST: usize = 100;

/// Who asks: whom the request names, or else the address that it came from. There are no
/// credentials yet, so that a name is no more than what the caller says.
#[derive(Clone, Debug)]
pub(crate) struct Actor(Arc<str>);

impl Actor {
    /// The record of what the actor did to `subject`.
    pub(crate) fn did(
        &self,
        at: Timestamp,
        action: &str,
        subject: &impl Display,
        detail: Option<&str>,
    ) -> Audit {
        Audit {
            at,
            actor: Arc::clone(&self.0),
            action: action.into(),
            subject: subject.to_string().into(),
            detail: detail.filter(|detail| !detail.is_empty()).map(Arc::from),
        }
    }

    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self(name.into())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut names = parts.headers.get_all(HEADER).iter();
        if let Some(name) = names.next() {
            let only = names.next().is_none();
            return str::from_utf8(name.as_bytes())
                .ok()
                .filter(|name| only && is_name(name))
                .map(|name| Self(name.into()))
                .ok_or_else(|| {
                    malformed(format!(
                        "`{HEADER}`: expected one text of 1 to {LONGEST} visible characters"
                    ))
                });
        }
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or("unknown".into(), |ConnectInfo(peer)| peer.ip().to_string());
        Ok(Self(peer.into()))
    }
}

fn is_name(text: &str) -> bool {
    let is_visible =
        |letter: char| letter == ' ' || !letter.is_control() && !letter.is_whitespace();
    !text.trim().is_empty() && text.chars().count() <= LONGEST && text.chars().all(is_visible)
}

impl IntoParams for Actor {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(LONGEST));
        let parameter = ParameterBuilder::new()
            .name(HEADER)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "Who asks, for the audit record; by default the peer's address.",
            ))
            .schema(Some(schema));
        vec![parameter.build()]
    }
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[track_caller]
    fn check(text: &str, expected: bool) {
        assert_eq!(is_name(text), expected, "{text:?}");
    }

    #[test]
    fn an_actors_name_is_short_and_visible() {
        check("alice", true);
        check("Zoë on call", true);
        check("", false);
        check(" ", false);
        check("a\tb", false);
        check("a\u{2028}b", false);
        check("a\u{7f}b", false);
        check(&"ë".repeat(100), true);
        check(&"ë".repeat(101), false);
    }
}
