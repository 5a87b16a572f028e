//! Tokens by OAuth 2.0's client credentials grant (RFC 6749, section 4.4): got once for all who
//! wait, held while they are good, renewed ahead of their end and when a target refuses one.
//!
//! When a token is asked for and when not is decided in `book`; what is sent for it and what an
//! answer means is in `grant`. A token server is called like any target, but never more than once
//! at a time, and left alone for a while after it has failed, however many attempts want a token.

mod book;
mod grant;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanway_types::Secret;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::{Credentials, HttpTarget, HttpTargetError, Params};
use crate::{AttemptRequest, Target};
pub(super) use book::Token;
use book::{Book, Decision};
use grant::Refused;

/// What a client shows a token server, and asks it for.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The client's id.
    pub client_id: Secret,
    /// The client's secret.
    pub client_secret: Secret,
    /// How both are shown.
    pub auth: ClientAuth,
    /// The scopes that are asked for, separated by spaces.
    pub scope: Option<String>,
    /// Whom the token is for, where the server wants to be told.
    pub audience: Option<String>,
    /// How long before a token's end the next one is asked for; at most half of its life.
    pub ahead: Duration,
}

/// How a client shows its id and secret (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// In `Authorization: Basic …`, each form-encoded first.
    Basic,
    /// In the body.
    Body,
}

/// The tokens of a target. Clones share them, so that all who call it show the same one.
#[derive(Clone)]
pub struct Tokens(Arc<Source>);

struct Source {
    server: HttpTarget,
    request: AttemptRequest,
    /// The token server's host and port.
    peer: String,
    state: Mutex<State>,
}

struct State {
    book: Book,
    /// The request for a token that is under way.
    asking: Option<Shared<Asking>>,
}

type Asking = BoxFuture<'static, Result<Token, NoToken>>;

/// Why there is no token, for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoToken(pub(super) Arc<str>);

impl Tokens {
    /// Tokens of the server at `server.url`, which is called as the rest of `server` says, but for
    /// its credentials. Asks for none before one is needed.
    ///
    /// # Errors
    /// As [`HttpTarget::try_new`].
    pub fn try_new(grant: &Grant, server: Params) -> Result<Self, HttpTargetError> {
        let peer = server.url.peer();
        let credentials = match grant.auth {
            ClientAuth::Basic => grant::basic(grant),
            ClientAuth::Body => Credentials::None,
        };
        let server = HttpTarget::try_new(Params {
            credentials,
            sign: None,
            ..server
        })?;
        let state = State {
            book: Book::new(grant.ahead),
            asking: None,
        };
        Ok(Self(Arc::new(Source {
            server,
            request: grant::request(grant),
            peer,
            state: Mutex::new(state),
        })))
    }

    /// A token that is good as far as it is known. Waits for one where there is none.
    pub(super) async fn get(&self) -> Result<Token, NoToken> {
        let asking = {
            let mut state = self.0.lock();
            match state.book.look(Instant::now()) {
                Decision::Use(token) => return Ok(token),
                Decision::UseAndAsk(token) => {
                    let _nobody_waits = self.ask(&mut state);
                    return Ok(token);
                }
                Decision::Ask => self.ask(&mut state),
                Decision::Wait(why) => match &state.asking {
                    Some(asking) => asking.clone(),
                    None => return Err(self.0.no_token(&why)),
                },
            }
        };
        asking.await
    }

    /// Takes note that a target has answered 401 to a token; whether [`get`](Self::get) may give
    /// another one now.
    pub(super) fn refused(&self, token: &Token) -> bool {
        self.0.lock().book.refused(token, Instant::now())
    }

    /// Takes note that a target has answered anything else.
    pub(super) fn accepted(&self, token: &Token) {
        self.0.lock().book.accepted(token);
    }

    /// The token server's host and port.
    pub(super) fn peer(&self) -> &str {
        &self.0.peer
    }

    /// The request for a token that is under way, begun where there is none. It goes on however
    /// many wait for it, and whoever of them goes away.
    fn ask(&self, state: &mut State) -> Shared<Asking> {
        if let Some(asking) = &state.asking {
            return asking.clone();
        }
        let source = Arc::clone(&self.0);
        let asking: Asking = Box::pin(source.ask());
        let asking = asking.shared();
        tokio::spawn(asking.clone());
        state.asking = Some(asking.clone());
        asking
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tokens").field(&self.0.peer).finish()
    }
}

impl Source {
    async fn ask(self: Arc<Self>) -> Result<Token, NoToken> {
        let began = Instant::now();
        let answer = self.server.attempt(self.request.clone()).await;
        let granted = grant::read(&answer.exchange);
        let mut state = self.lock();
        state.asking = None;
        match granted {
            Ok(granted) => Ok(state.book.got(granted.value, granted.lifetime, began)),
            Err(Refused { why, retry_after }) => {
                let pause = state.book.failed(&why, retry_after, Instant::now());
                drop(state);
                let (server, seconds) = (&*self.peer, pause.as_secs());
                tracing::warn!(server, why, seconds, "there is no token: it is left alone");
                Err(self.no_token(&why))
            }
        }
    }

    fn no_token(&self, why: &str) -> NoToken {
        NoToken(format!("no token from {}: {why}", self.peer).into())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
