//! What was answered last, and asking.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanway_config::{self as config, Secrets};
use fanway_target::Target;
use futures_util::StreamExt;
use futures_util::stream;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::ask::{Answer, AskError, Question, Told};
use crate::command;
use crate::metrics::Metrics;
use crate::vault::{CONNECTIONS, Client, Lease, Session, connect};

/// How a vault is connected to.
type Connect = dyn Fn(&config::Vault) -> Result<Arc<dyn Target>, AskError> + Send + Sync;

/// What commands and vaults have answered. Clones know the same.
#[derive(Clone)]
pub struct Known(Arc<Shared>);

struct Shared {
    connect: Box<Connect>,
    state: Mutex<State>,
    metrics: Metrics,
}

#[derive(Default)]
struct State {
    answers: BTreeMap<Question, Kept>,
    /// One for each vault that has been asked and may be again.
    sessions: Vec<Arc<Session>>,
}

/// An answer, and who has given it.
#[derive(Clone)]
struct Kept {
    answer: Answer,
    vault: Option<config::Vault>,
}

impl Default for Known {
    fn default() -> Self {
        Self::over(connect)
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

impl Known {
    /// One that has asked nobody yet, and connects to vaults in this way.
    pub(crate) fn over(
        connect: impl Fn(&config::Vault) -> Result<Arc<dyn Target>, AskError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Shared {
            connect: Box::new(connect),
            state: Mutex::default(),
            metrics: Metrics::default(),
        }))
    }

    /// Registers what is counted.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.0.metrics.register(registry);
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was answered last, by whom these secrets say is asked.
    pub(crate) fn answer(&self, question: &Question, secrets: &Secrets) -> Option<Answer> {
        let state = self.state();
        let kept = state.answers.get(question)?;
        (kept.vault.as_ref() == asked_vault(question, secrets)).then(|| kept.answer.clone())
    }

    /// Keeps an answer; says whether there was another before.
    pub(crate) fn keep(&self, question: &Question, answer: &Answer, secrets: &Secrets) -> bool {
        let kept = Kept {
            answer: answer.clone(),
            vault: asked_vault(question, secrets).cloned(),
        };
        let before = self.state().answers.insert(question.clone(), kept);
        before.is_some_and(|before| before.answer.told != answer.told)
    }

    /// Takes over a lease's renewal, unless it was read anew meanwhile.
    pub(crate) fn renew(&self, question: &Question, renewed: Lease) {
        let mut state = self.state();
        let kept = state.answers.get_mut(question);
        let lease = kept.and_then(|kept| kept.answer.lease.as_mut());
        if let Some(lease) = lease.filter(|lease| lease.id == renewed.id) {
            *lease = renewed;
        }
    }

    /// Forgets what isn't among these questions, and vaults that aren't asked any more.
    pub(crate) fn forget_others(&self, questions: &BTreeSet<Question>, secrets: &Secrets) {
        let mut state = self.state();
        state.answers.retain(|question, kept| {
            let is_same = kept.vault.as_ref() == asked_vault(question, secrets);
            questions.contains(question) && is_same
        });
        let vault = secrets.vault.as_ref();
        state
            .sessions
            .retain(|session| Some(&session.vault) == vault);
    }

    /// Who asks the vault.
    ///
    /// # Errors
    /// Where it can't be asked as it is configured.
    pub(crate) fn client(&self, vault: &config::Vault) -> Result<Client, AskError> {
        let target = (self.0.connect)(vault)?;
        let mut state = self.state();
        let found = state
            .sessions
            .iter()
            .find(|session| session.vault == *vault);
        let session = found.cloned().unwrap_or_else(|| {
            let session = Arc::new(Session::new(vault.clone()));
            state.sessions.push(Arc::clone(&session));
            session
        });
        Ok(Client { session, target })
    }

    /// Asks all of these at the same time, within bounds. Nothing is kept.
    pub(crate) async fn ask_all(
        &self,
        questions: BTreeSet<Question>,
        secrets: &Secrets,
        client: Option<&Client>,
    ) -> Vec<(Question, Result<Answer, AskError>)> {
        let asked = questions.into_iter().map(|question| async {
            let answered = match (&question, client) {
                (Question::Command(line), _) => command::run(line, secrets.command_timeout)
                    .await
                    .map_err(AskError::from)
                    .map(|printed| Answer {
                        told: Told::Printed(printed),
                        at: Instant::now(),
                        lease: None,
                    }),
                (Question::Vault(path), Some(client)) => client.read(path).await,
                (Question::Vault(_), None) => {
                    Err(AskError::Unreachable("there is none".to_owned()))
                }
            };
            self.0.metrics.asked(question.source(), answered.is_ok());
            (question, answered)
        });
        stream::iter(asked)
            .buffer_unordered(CONNECTIONS)
            .collect()
            .await
    }
}

/// The vault that a question goes to.
fn asked_vault<'s>(question: &Question, secrets: &'s Secrets) -> Option<&'s config::Vault> {
    match question {
        Question::Command(_) => None,
        Question::Vault(_) => secrets.vault.as_ref(),
    }
}
