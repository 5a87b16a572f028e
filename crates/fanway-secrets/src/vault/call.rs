//! One exchange with a vault: what is sent, and what an answer's status means.

use bytes::Bytes;
use fanway_config::Login;
use fanway_target::{AttemptRequest, Capture, Captured, Exchange};
use fanway_types::Headers;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{Client, Token, wire};
use crate::ask::AskError;

/// What a path has as it is (RFC 3986 section 2.3), and what parts it.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// The most characters of a vault's own words in an error.
const SHOWN: usize = 200;

/// Where a path of the API is, below the vault's address.
pub(super) fn url(path: &str) -> String {
    format!("/v1/{}", utf8_percent_encode(path, ENCODED))
}

impl Client {
    /// Asks, and gives the body of a 2xx.
    pub(super) async fn call(
        &self,
        method: &str,
        url: &str,
        token: Option<&Token>,
        body: Option<&Value>,
    ) -> Result<Bytes, AskError> {
        let answer = self.target.attempt(AttemptRequest {
            method: method.into(),
            path_and_query: url.into(),
            headers: self.headers(token),
            body: body.map_or(Bytes::new(), |body| body.to_string().into()),
            capture: Capture::Whole,
        });
        let (status, body) = match answer.await.exchange {
            Exchange::Answered { status, body, .. } => (status, body),
            Exchange::Failed { detail, .. } => return Err(AskError::Unreachable(detail)),
        };
        match status {
            200..=299 => match body {
                Captured::Whole(body) => Ok(body),
                Captured::TooLong(_) => Err(AskError::Malformed("it is longer than 64 KiB")),
                _ => Err(AskError::Unreachable("its answer broke off".to_owned())),
            },
            _ => Err(self.refusal(status, &body, token)),
        }
    }

    fn headers(&self, token: Option<&Token>) -> Headers {
        let token = token.map(|token| ("x-vault-token", token.text.expose()));
        let namespace = self.session.vault.namespace.as_deref();
        let namespace = namespace.map(|namespace| ("x-vault-namespace", namespace));
        let fixed = [
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("x-vault-request", "true"),
        ];
        let all = fixed.into_iter().chain(token).chain(namespace);
        all.map(|(name, value)| (name, value.as_bytes())).collect()
    }

    fn refusal(&self, status: u16, body: &Captured, token: Option<&Token>) -> AskError {
        let said = body.bytes().and_then(|body| wire::first_error(body));
        let said = said.filter(|said| !self.has_secret(said, token));
        let said = said.map_or(String::new(), |said| {
            let shown = said.chars().filter(|character| !character.is_control());
            format!(": {}", shown.take(SHOWN).collect::<String>())
        });
        match status {
            // 429 too many, 412 not there yet, 472 and 473 standby, 5xx sealed and the like.
            412 | 429 | 472 | 473 | 500.. => AskError::Unwell { status, said },
            _ => AskError::Refused { status, said },
        }
    }

    /// Whether a text has something in it that the vault was shown.
    fn has_secret(&self, text: &str, token: Option<&Token>) -> bool {
        let shown = match &self.session.vault.login {
            Login::Token(_) | Login::Kubernetes { .. } => [None, None],
            Login::AppRole {
                role_id, secret_id, ..
            } => [Some(role_id), Some(secret_id)],
        };
        let shown = shown.into_iter().flatten();
        let mut shown = shown.chain(token.map(|token| &token.text));
        shown.any(|secret| text.contains(secret.expose()))
            // Tokens of pods are in three parts, which begin so.
            || text.contains("eyJ")
    }
}
