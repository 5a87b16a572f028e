//! A vault's API: reading paths, renewing leases, and the token that all of it is asked with.
//!
//! The API is that of HashiCorp Vault (<https://developer.hashicorp.com/vault/api-docs>), which
//! `OpenBao` has too. A path is read by `GET v1/PATH`; what lies in a KV engine of version 2 is
//! found where that keeps it. Whatever comes back with a lease is leased.

mod call;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use fanway_config::{self as config, Login};
use fanway_target::Target;
use fanway_target::http::{
    ConnectionBudget, Credentials, HttpTarget, Params, Roots, Timeouts, Tls, Version,
};
use fanway_types::{Egress, Secret};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::ask::{Answer, AskError};

/// Connections to a vault, and so questions at a time.
pub(crate) const CONNECTIONS: usize = 8;

/// What a vault lends for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) id: Secret,
    pub(crate) term: Term,
    pub(crate) can_renew: bool,
    /// How long it was lent for at first: a renewal that gives much less is its last.
    pub(crate) first: Duration,
    /// The token that it hangs on: it ends with that.
    pub(crate) token: u64,
}

/// From when, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) began: Instant,
    pub(crate) lasts: Duration,
}

impl Term {
    /// When it is time to see to it: a third before its end.
    pub(crate) fn due(self) -> Instant {
        self.began + self.lasts / 3 * 2
    }

    pub(crate) fn end(self) -> Instant {
        self.began + self.lasts
    }
}

/// The token that a vault is asked with, shared by all who ask it.
pub(crate) struct Session {
    pub(crate) vault: config::Vault,
    token: Mutex<Option<Token>>,
}

/// A token.
#[derive(Clone)]
pub(crate) struct Token {
    text: Secret,
    /// Which one of the session's, counted from 1.
    pub(crate) number: u64,
    /// `None` where it doesn't end, or won't say.
    pub(crate) term: Option<Term>,
    /// How long it lasted at first.
    first: Duration,
    pub(crate) can_renew: bool,
}

impl Session {
    pub(crate) fn new(vault: config::Vault) -> Self {
        Self {
            vault,
            token: Mutex::new(None),
        }
    }

    /// The token of now, where there is one.
    pub(crate) async fn token(&self) -> Option<Token> {
        self.token.lock().await.clone()
    }

    /// When it is time to see to the token, where something can be done for it.
    pub(crate) async fn due(&self) -> Option<Instant> {
        let token = self.token().await?;
        let term = token.term?;
        (token.can_renew || self.can_log_in()).then(|| term.due())
    }

    fn can_log_in(&self) -> bool {
        !matches!(self.vault.login, Login::Token(_))
    }
}

/// Makes a target of a vault.
///
/// # Errors
/// Where it can't be called as it is configured.
pub(crate) fn connect(vault: &config::Vault) -> Result<Arc<dyn Target>, AskError> {
    let roots = vault.ca.clone().map_or_else(Roots::system, Roots::only);
    let target = HttpTarget::try_new(Params {
        url: vault
            .address
            .as_str()
            .parse()
            .expect("the config takes no other URL"),
        credentials: Credentials::None,
        sign: None,
        timeouts: Timeouts {
            connect: vault.timeout,
            first_byte: vault.timeout,
            whole: vault.timeout,
        },
        version: Version::Auto,
        connections: CONNECTIONS.try_into().expect("it isn't zero"),
        budget: ConnectionBudget::new(CONNECTIONS),
        idle: Params::DEFAULT_IDLE,
        roots,
        tls: Tls::default(),
        proxy: None,
        egress: Egress::default(),
    })?;
    Ok(Arc::new(target))
}

/// Who asks a vault. Clones ask the same one.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) session: Arc<Session>,
    pub(crate) target: Arc<dyn Target>,
}

impl Client {
    /// Reads a path.
    pub(crate) async fn read(&self, path: &str) -> Result<Answer, AskError> {
        let token = self.token().await?;
        let url = call::url(path);
        let (body, token) = match self.call("GET", &url, Some(&token), None).await {
            Err(AskError::Refused { status: 403, said }) => {
                // Either the token has ended, or it may not.
                let Some(token) = self.replace_dead(&token).await? else {
                    return Err(AskError::Refused { status: 403, said });
                };
                let body = self.call("GET", &url, Some(&token), None).await?;
                (body, token)
            }
            answered => (answered?, token),
        };
        wire::answer(&body, token.number)
    }

    /// Renews a lease; gives how long it lasts from now on.
    pub(crate) async fn renew(&self, lease: &Lease) -> Result<(Term, bool), AskError> {
        let token = self.token().await?;
        let began = Instant::now();
        let wanted = json!({
            "lease_id": lease.id.expose(),
            "increment": lease.first.as_secs(),
        });
        let url = call::url("sys/leases/renew");
        let body = self.call("PUT", &url, Some(&token), Some(&wanted)).await?;
        let (lasts, can_renew) = wire::renewed(&body)?;
        Ok((Term { began, lasts }, can_renew))
    }

    /// Sees to it that the token of now lasts: renews it, or else logs in again.
    pub(crate) async fn keep_token(&self) -> Result<(), AskError> {
        let token = self.token().await?;
        if token.term.is_none() {
            return Ok(());
        }
        if token.can_renew {
            match self.renew_token(&token).await {
                Ok(renewed) if is_worth(renewed, token.first) || !self.session.can_log_in() => {
                    return Ok(());
                }
                Err(error) if error.is_passing() || !self.session.can_log_in() => {
                    return Err(error);
                }
                Ok(_) | Err(_) => {}
            }
        }
        if self.session.can_log_in() {
            self.replace(&token).await?;
        }
        Ok(())
    }

    async fn renew_token(&self, token: &Token) -> Result<Term, AskError> {
        let began = Instant::now();
        let url = call::url("auth/token/renew-self");
        let body = self
            .call("PUT", &url, Some(token), Some(&json!({})))
            .await?;
        let login = wire::login(&body)?;
        let term = Term {
            began,
            lasts: login.lasts,
        };
        let mut held = self.session.token.lock().await;
        if let Some(held) = held.as_mut().filter(|held| held.number == token.number) {
            held.term = Some(term);
            held.can_renew = login.can_renew;
        }
        Ok(term)
    }

    /// The token of now; where there is none, after a login.
    async fn token(&self) -> Result<Token, AskError> {
        let mut held = self.session.token.lock().await;
        if let Some(token) = held.as_ref() {
            return Ok(token.clone());
        }
        Ok(held.insert(self.log_in(1).await?).clone())
    }

    /// Another token in the place of this one, where this is dead and another can be had.
    async fn replace_dead(&self, token: &Token) -> Result<Option<Token>, AskError> {
        if !self.session.can_log_in() {
            return Ok(None);
        }
        let url = call::url("auth/token/lookup-self");
        match self.call("GET", &url, Some(token), None).await {
            Ok(_) => Ok(None),
            Err(AskError::Refused { .. }) => self.replace(token).await.map(Some),
            Err(error) => Err(error),
        }
    }

    /// Logs in again, unless somebody else has done so since this token was had.
    async fn replace(&self, token: &Token) -> Result<Token, AskError> {
        let mut held = self.session.token.lock().await;
        match held.as_ref() {
            Some(held) if held.number != token.number => Ok(held.clone()),
            _ => Ok(held.insert(self.log_in(token.number + 1).await?).clone()),
        }
    }

    async fn log_in(&self, number: u64) -> Result<Token, AskError> {
        let login = match &self.session.vault.login {
            Login::Token(text) => return self.look_up(text, number).await,
            Login::AppRole {
                mount,
                role_id,
                secret_id,
            } => {
                let shown = json!({
                    "role_id": role_id.expose(),
                    "secret_id": secret_id.expose(),
                });
                self.log_in_at(mount, &shown).await
            }
            Login::Kubernetes {
                mount,
                role,
                jwt_file,
            } => {
                let read = tokio::task::spawn_blocking({
                    let file = jwt_file.clone();
                    move || std::fs::read_to_string(file)
                });
                let read = read.await.unwrap_or_else(|error| Err(error.into()));
                let jwt = read.map_err(|source| AskError::TokenFile {
                    path: jwt_file.display().to_string(),
                    source,
                })?;
                self.log_in_at(mount, &json!({ "role": role, "jwt": jwt.trim() }))
                    .await
            }
        };
        let (began, login) = login.map_err(|error| AskError::Login(Box::new(error)))?;
        Ok(login.token(began, number))
    }

    async fn log_in_at(
        &self,
        mount: &str,
        shown: &serde_json::Value,
    ) -> Result<(Instant, wire::Login), AskError> {
        let began = Instant::now();
        let url = call::url(&format!("auth/{mount}/login"));
        let body = self.call("POST", &url, None, Some(shown)).await?;
        Ok((began, wire::login(&body)?))
    }

    /// How long somebody's token lasts, where the vault says so.
    async fn look_up(&self, text: &Secret, number: u64) -> Result<Token, AskError> {
        let endless = Token {
            text: text.clone(),
            number,
            term: None,
            first: Duration::ZERO,
            can_renew: false,
        };
        let began = Instant::now();
        let url = call::url("auth/token/lookup-self");
        match self.call("GET", &url, Some(&endless), None).await {
            Ok(body) => {
                let (lasts, can_renew) = wire::looked_up(&body)?;
                let term = (!lasts.is_zero()).then_some(Term { began, lasts });
                Ok(Token {
                    term,
                    first: lasts,
                    can_renew,
                    ..endless
                })
            }
            // It may not ask for that, which says nothing of the rest; a dead one is told by that.
            Err(AskError::Refused { .. }) => Ok(endless),
            Err(error) => Err(error),
        }
    }
}

/// Whether a renewal gave about as much as there was at first: with less the end is near.
pub(crate) fn is_worth(renewed: Term, first: Duration) -> bool {
    renewed.lasts * 2 >= first
}
