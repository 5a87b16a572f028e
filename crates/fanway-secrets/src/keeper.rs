//! Keeping secrets fresh: leases are renewed, all else is asked for again, and a value that has
//! changed has the config read again.
//!
//! A lease or a token is seen to when a third of it is left. One that can't be renewed, or whose
//! renewal gives much less than it had at first, is asked for anew: what was lent before holds out
//! meanwhile, and attempts under way with it succeed. A lease hangs on the token that it was asked
//! for with, so that after another login all leases are asked for anew.
//!
//! What gets no answer stays as it is known and is tried again, with growing pauses; it is told of
//! in notes and metrics. That goes for a lease that has run out as well: nothing better is known,
//! and a target that refuses it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fanway_config::{Config, Secrets};
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::ask::{Answer, AskError, Question};
use crate::known::Known;
use crate::vault::{Client, Lease, is_worth};

/// What is due so soon is done together, so that one reload does for all of it. No two rounds
/// follow each other faster.
const TOGETHER: Duration = Duration::from_secs(1);

/// The pauses between tries: doubled from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What the config in use refers to.
#[derive(Clone, Debug, Default)]
pub struct InUse {
    secrets: Secrets,
    questions: BTreeSet<Question>,
}

impl From<&Config> for InUse {
    fn from(config: &Config) -> Self {
        Self {
            secrets: config.secrets.clone(),
            questions: config.references.iter().map(Question::from).collect(),
        }
    }
}

/// Whom a keeper tells.
pub struct Told {
    /// Has the config read again, with what is known; says whether it was put to use.
    pub reload: Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
    /// What an operator should know, a text for each; none where all is well.
    pub notes: Box<dyn Fn(Vec<String>) + Send + Sync>,
}

/// Keeps the secrets of the config in use fresh.
pub struct Keeper {
    known: Known,
    in_use: watch::Receiver<InUse>,
    told: Told,
    now: InUse,
    client: Option<Client>,
    /// What got no answer.
    troubles: BTreeMap<Care, Trouble>,
    /// Whether a value has changed that no config in use has.
    is_unused: bool,
}

/// What is taken care of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Care {
    Token,
    Of(Question),
}

/// What got no answer.
#[derive(Clone, Debug)]
struct Trouble {
    tries: u32,
    again: Instant,
    why: String,
    /// When the lease, if there was one, has run out.
    lease_ends: Option<Instant>,
    is_loud: bool,
}

impl Keeper {
    /// A keeper of what is known, for the config in use.
    #[must_use]
    pub fn new(known: Known, in_use: watch::Receiver<InUse>, told: Told) -> Self {
        Self {
            known,
            in_use,
            told,
            now: InUse::default(),
            client: None,
            troubles: BTreeMap::new(),
            is_unused: false,
        }
    }

    /// Runs until nobody can put another config to use.
    pub async fn run(mut self) {
        self.take_over();
        loop {
            let next = self.next().await;
            tokio::select! {
                changed = self.in_use.changed() => match changed {
                    Ok(()) => self.take_over(),
                    Err(_) => return,
                },
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    self.round().await;
                }
            }
        }
    }

    /// Takes over what the config in use refers to.
    fn take_over(&mut self) {
        self.now = self.in_use.borrow_and_update().clone();
        let InUse { secrets, questions } = &self.now;
        self.known.forget_others(questions, secrets);
        let is_same = |client: &Client| Some(&client.session.vault) == secrets.vault.as_ref();
        if !self.client.as_ref().is_some_and(is_same) {
            let asks = questions
                .iter()
                .any(|question| matches!(question, Question::Vault(_)));
            let vault = secrets.vault.as_ref().filter(|_| asks);
            // A vault that can't be asked has refused the reading.
            self.client = vault.and_then(|vault| self.known.client(vault).ok());
        }
        let asks = self.client.is_some();
        self.troubles.retain(|care, _| match care {
            Care::Token => asks,
            Care::Of(question) => questions.contains(question),
        });
        self.tell();
    }

    /// When something is due next; `None` where nothing ever is.
    async fn next(&self) -> Option<Instant> {
        let mut next = self.token_due().await;
        for question in &self.now.questions {
            let due = self.due(question);
            next = Some(next.map_or(due, |next| next.min(due)));
        }
        let earliest = Instant::now() + TOGETHER;
        next.map(|next| next.max(earliest))
    }

    async fn token_due(&self) -> Option<Instant> {
        if let Some(trouble) = self.troubles.get(&Care::Token) {
            return Some(trouble.again);
        }
        self.client.as_ref()?.session.due().await
    }

    fn due(&self, question: &Question) -> Instant {
        if let Some(trouble) = self.troubles.get(&Care::Of(question.clone())) {
            return trouble.again;
        }
        match self.known.answer(question, &self.now.secrets) {
            None => Instant::now(),
            Some(Answer {
                lease: Some(lease), ..
            }) => lease.term.due(),
            Some(answer) => answer.at + self.now.secrets.refresh,
        }
    }

    /// Does all that is due, and has the config read again where a value has changed.
    async fn round(&mut self) {
        let by = Instant::now() + TOGETHER;
        if self.token_due().await.is_some_and(|due| due <= by) {
            self.keep_token().await;
        }
        let token = self.token_number().await;
        let mut anew = BTreeSet::new();
        for question in self.now.questions.clone() {
            let lease = self.lease(&question);
            let is_orphaned = lease
                .as_ref()
                .is_some_and(|lease| token.is_some_and(|token| token != lease.token));
            if !is_orphaned && self.due(&question) > by {
                continue;
            }
            match lease.filter(|lease| lease.can_renew && !is_orphaned) {
                Some(lease) => {
                    if !self.renew(&question, &lease).await {
                        anew.insert(question);
                    }
                }
                None => {
                    anew.insert(question);
                }
            }
        }
        self.is_unused |= self.ask(anew).await;
        self.tell();
        if self.is_unused {
            tracing::info!("a secret has changed");
            self.is_unused = !(self.told.reload)().await;
        }
    }

    fn lease(&self, question: &Question) -> Option<Lease> {
        self.known.answer(question, &self.now.secrets)?.lease
    }

    async fn token_number(&self) -> Option<u64> {
        let token = self.client.as_ref()?.session.token().await;
        token.map(|token| token.number)
    }

    async fn keep_token(&mut self) {
        let Some(client) = &self.client else { return };
        let kept = client.keep_token().await;
        self.known.metrics().renewed("token", kept.is_ok());
        match kept {
            Ok(()) => {
                self.troubles.remove(&Care::Token);
            }
            Err(error) => self.note(&Care::Token, &error),
        }
    }

    /// Renews a lease; says whether it needn't be asked for anew.
    async fn renew(&mut self, question: &Question, lease: &Lease) -> bool {
        let Some(client) = &self.client else {
            return true;
        };
        let renewed = client.renew(lease).await;
        self.known.metrics().renewed("lease", renewed.is_ok());
        match renewed {
            Ok((term, can_renew)) => {
                self.troubles.remove(&Care::Of(question.clone()));
                let renewed = Lease {
                    term,
                    can_renew,
                    ..lease.clone()
                };
                self.known.renew(question, renewed);
                is_worth(term, lease.first)
            }
            Err(error) if error.is_passing() => {
                self.note(&Care::Of(question.clone()), &error);
                true
            }
            // It has been revoked, or won't be renewed any more.
            Err(_) => false,
        }
    }

    /// Asks for these; says whether a value has changed.
    async fn ask(&mut self, questions: BTreeSet<Question>) -> bool {
        let secrets = &self.now.secrets;
        let asked = self.known.ask_all(questions, secrets, self.client.as_ref());
        let mut has_changed = false;
        for (question, answered) in asked.await {
            match answered {
                Ok(answer) => {
                    self.troubles.remove(&Care::Of(question.clone()));
                    if self.known.keep(&question, &answer, &self.now.secrets) {
                        self.known.metrics().changed.inc();
                        has_changed = true;
                    }
                }
                Err(error) => self.note(&Care::Of(question), &error),
            }
        }
        has_changed
    }

    /// Notes that there was no answer. It is tried again after a pause.
    fn note(&mut self, care: &Care, error: &AskError) {
        let lease_ends = match care {
            Care::Token => None,
            Care::Of(question) => self.lease(question).map(|lease| lease.term.end()),
        };
        let trouble = self.troubles.entry(care.clone()).or_insert(Trouble {
            tries: 0,
            again: Instant::now(),
            why: String::new(),
            lease_ends,
            is_loud: false,
        });
        let pause = FIRST_PAUSE
            .saturating_mul(1 << trouble.tries.min(6))
            .min(LONGEST_PAUSE);
        trouble.tries += 1;
        trouble.again = Instant::now() + pause;
        trouble.why = error.words();
        let (what, why) = (care.words(), trouble.why.as_str());
        if trouble.tries == 1 {
            tracing::warn!(
                what,
                why,
                "a secret can't be kept fresh; it is used as it is known"
            );
        }
        if trouble.has_run_out() && !trouble.is_loud {
            trouble.is_loud = true;
            tracing::error!(
                what,
                why,
                "a lease has run out; its value is used all the same"
            );
        }
    }

    /// Tells of what is wrong.
    fn tell(&self) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let questions = self.now.questions.iter();
        let leases = questions.filter(|question| self.lease(question).is_some());
        let ran_out = self
            .troubles
            .values()
            .filter(|trouble| trouble.has_run_out());
        let metrics = self.known.metrics();
        metrics.leases.set(count(leases.count()));
        metrics.stale.set(count(self.troubles.len()));
        metrics.ran_out.set(count(ran_out.count()));
        let notes = self.troubles.iter().map(|(care, trouble)| {
            let what = care.words();
            let also = if trouble.has_run_out() {
                " (its lease has run out)"
            } else {
                ""
            };
            format!(
                "{what} can't be kept fresh, and is used as it is known{also}: {}",
                trouble.why
            )
        });
        (self.told.notes)(notes.collect());
    }
}

impl Care {
    fn words(&self) -> String {
        match self {
            Self::Token => "the vault's token".to_owned(),
            Self::Of(question) => question.to_string(),
        }
    }
}

impl Trouble {
    fn has_run_out(&self) -> bool {
        self.lease_ends.is_some_and(|end| end <= Instant::now())
    }
}

#[cfg(test)]
mod tests;
