//! A vault for tests: it answers in process, and a test says what.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fanway_config::{HttpUrl, Login, Secrets, Vault};
use fanway_target::{Answer, AttemptRequest, Captured, Exchange, FailureKind, Sent, Target};
use fanway_types::Secret;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::known::Known;

/// What shows it who asks.
pub(crate) const ROLE: &str = "hunter2-role";
pub(crate) const PROOF: &str = "hunter2-proof";

/// A vault. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Scripted(Arc<Mutex<State>>);

/// What a test may change.
pub(crate) struct State {
    /// Each call, as its method and path.
    pub(crate) calls: Vec<String>,
    pub(crate) is_down: bool,
    /// What lies in its KV engine of version 2.
    pub(crate) kept: BTreeMap<&'static str, Value>,
    /// How long leases last, in seconds, and how long after a renewal.
    pub(crate) lease: u64,
    pub(crate) renewed: u64,
    /// How long tokens last, in seconds.
    pub(crate) token: u64,
    pub(crate) renews_tokens: bool,
    /// Whether it gives tokens and knows none of them.
    pub(crate) forgets_logins: bool,
    /// Tokens that it has given and knows.
    pub(crate) tokens: Vec<String>,
    logins: usize,
    leases: Vec<String>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            calls: Vec::new(),
            is_down: false,
            kept: BTreeMap::from([("shop", json!({ "token": "hunter2-kept" }))]),
            lease: 60,
            renewed: 60,
            token: 3600,
            renews_tokens: true,
            forgets_logins: false,
            tokens: Vec::new(),
            logins: 0,
            leases: Vec::new(),
        }
    }
}

impl Scripted {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics with it")
    }

    /// The calls since this was asked for last.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }

    /// What asks it, and no other.
    pub(crate) fn known(&self) -> Known {
        let vault = self.clone();
        Known::over(move |_| Ok(Arc::new(vault.clone())))
    }
}

/// How it is asked.
pub(crate) fn secrets() -> Secrets {
    let mut secrets = Secrets::default();
    secrets.refresh = Duration::from_secs(300);
    secrets.vault = Some(Vault {
        address: HttpUrl::parse("http://vault.example:8200").expect("a URL"),
        login: Login::AppRole {
            mount: "approle".to_owned(),
            role_id: Secret::new(ROLE.to_owned()),
            secret_id: Secret::new(PROOF.to_owned()),
        },
        namespace: None,
        ca: None,
        timeout: Duration::from_secs(10),
    });
    secrets
}

impl Target for Scripted {
    fn attempt(&self, request: AttemptRequest) -> BoxFuture<'static, Answer> {
        let exchange = self.state().exchange(&request);
        Box::pin(std::future::ready(Answer {
            exchange,
            took: Duration::ZERO,
        }))
    }
}

impl State {
    fn exchange(&mut self, request: &AttemptRequest) -> Exchange {
        let path = request.path_and_query.strip_prefix("/v1/").expect("v1");
        self.calls.push(format!("{} {path}", request.method));
        if self.is_down {
            return Exchange::Failed {
                kind: FailureKind::Connect,
                sent: Sent::Nothing,
                detail: "connect to vault.example:8200: refused".to_owned(),
            };
        }
        let token = request.headers.get_str("x-vault-token").unwrap_or_default();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let (status, said) = self.answer(path, token, &body);
        Exchange::Answered {
            status,
            retry_after: None,
            limits: None,
            body: Captured::Whole(said.to_string().into()),
        }
    }

    fn answer(&mut self, path: &str, token: &str, body: &Value) -> (u16, Value) {
        if path == "auth/approle/login" {
            return self.log_in(body);
        }
        if !self.tokens.iter().any(|known| known == token) {
            // No vault says so much; that nothing of it is shown is to be seen.
            return (
                403,
                json!({ "errors": [format!("permission denied: {token}")] }),
            );
        }
        match path {
            "auth/token/lookup-self" => (200, json!({ "data": { "ttl": self.token } })),
            "auth/token/renew-self" if self.renews_tokens => (200, self.auth(token)),
            "sys/leases/renew" => self.renew(body),
            "database/creds/shop" => (200, self.lend()),
            _ => {
                let kept = path.strip_prefix("secret/data/");
                let kept = kept.and_then(|name| self.kept.get(name));
                kept.map_or((404, json!({ "errors": [] })), |data| {
                    (200, json!({ "data": { "data": data, "metadata": {} } }))
                })
            }
        }
    }

    fn log_in(&mut self, body: &Value) -> (u16, Value) {
        if body["role_id"] != ROLE || body["secret_id"] != PROOF {
            return (400, json!({ "errors": [format!("no such role: {body}")] }));
        }
        self.logins += 1;
        let token = format!("hunter2-token-{}", self.logins);
        if !self.forgets_logins {
            self.tokens.push(token.clone());
        }
        (200, self.auth(&token))
    }

    fn auth(&self, token: &str) -> Value {
        json!({ "auth": {
            "client_token": token,
            "lease_duration": self.token,
            "renewable": self.renews_tokens,
        } })
    }

    fn lend(&mut self) -> Value {
        let number = self.leases.len() + 1;
        let id = format!("database/creds/shop/{number}");
        self.leases.push(id.clone());
        json!({
            "lease_id": id,
            "lease_duration": self.lease,
            "renewable": true,
            "data": {
                "username": format!("user-{number}"),
                "password": format!("hunter2-password-{number}"),
            },
        })
    }

    fn renew(&mut self, body: &Value) -> (u16, Value) {
        let is_known = self.leases.iter().any(|lease| body["lease_id"] == **lease);
        if !is_known || self.renewed == 0 {
            return (400, json!({ "errors": ["lease is not renewable"] }));
        }
        (
            200,
            json!({ "lease_duration": self.renewed, "renewable": true }),
        )
    }
}
