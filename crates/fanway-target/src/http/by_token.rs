//! An attempt that shows a token, and is made again within its own time where the target refuses
//! the token.

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::Inner;
use super::clock::Clock;
use super::failure::Failure;
use super::oauth2::{NoToken, Token, Tokens};
use crate::{AttemptRequest, Exchange, FailureKind};

impl Inner {
    /// Makes an attempt with a token of `tokens`. Where the target answers 401 to it and another
    /// one may be had, the request goes out once more with that one: the second answer is the
    /// attempt's. Boxed, so that attempts without a token don't have its size.
    pub(super) fn attempt_by_token<'a>(
        &'a self,
        tokens: &'a Tokens,
        request: AttemptRequest,
        mut clock: Clock<'a>,
        started: Instant,
    ) -> BoxFuture<'a, Result<Exchange, Failure>> {
        Box::pin(async move {
            let token = token(tokens, &mut clock).await?;
            let again = request.clone();
            let (first, is_refused) = self.show(&token, request, &mut clock, started).await?;
            if !is_refused {
                tokens.accepted(&token);
                return Ok(first);
            }
            if !tokens.refused(&token) {
                return Ok(first);
            }
            let token = token_after_401(tokens, &mut clock).await?;
            let (second, is_refused) = self.show(&token, again, &mut clock, Instant::now()).await?;
            if !is_refused {
                tokens.accepted(&token);
            }
            Ok(second)
        })
    }

    /// Sends a request with a token; whether the answer refuses the token.
    async fn show(
        &self,
        token: &Token,
        request: AttemptRequest,
        clock: &mut Clock<'_>,
        started: Instant,
    ) -> Result<(Exchange, bool), Failure> {
        let capture = request.capture;
        let message = self.template.fill(request, Some(&token.value))?;
        let exchange = self.send(&message, capture, clock, started).await?;
        let is_refused = matches!(exchange, Exchange::Answered { status: 401, .. });
        Ok((exchange, is_refused))
    }
}

async fn token(tokens: &Tokens, clock: &mut Clock<'_>) -> Result<Token, Failure> {
    let got = clock.until(clock.whole(), tokens.get()).await;
    let detail = match got {
        Ok(Ok(token)) => return Ok(token),
        Ok(Err(NoToken(why))) => why.to_string(),
        Err(_) => format!("no token from {} in time", tokens.peer()),
    };
    Err(Failure::unsent(FailureKind::Token, detail))
}

/// The same, where the target has answered 401 and acted on nothing.
async fn token_after_401(tokens: &Tokens, clock: &mut Clock<'_>) -> Result<Token, Failure> {
    token(tokens, clock).await.map_err(|failure| {
        let detail = format!("it answered 401, and there is {}", failure.detail);
        Failure { detail, ..failure }
    })
}
