//! What the server knows of its own readiness, beside what the store says of itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanway_store::{Backlog, Problem};

/// Told by the server, asked by `/readyz`. Clones share what was told.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    told: Arc<Mutex<Told>>,
}

#[derive(Debug, Default)]
struct Told {
    problems: Vec<Problem>,
    orphans: Vec<Backlog>,
    secrets: Vec<String>,
}

impl Readiness {
    /// The server stops: it takes no more messages.
    pub fn drain(&self) {
        self.add("draining", "the server is stopping".to_owned());
    }

    /// A part of the server died, and the server goes down with it.
    pub fn fail(&self, part: &str) {
        self.add("part_failed", format!("{part} died"));
    }

    /// What waits for targets that the config doesn't have.
    pub fn set_orphans(&self, orphans: Vec<Backlog>) {
        self.told().orphans = orphans;
    }

    /// Which secrets can't be kept fresh, a text for each.
    pub fn set_secrets(&self, notes: Vec<String>) {
        self.told().secrets = notes;
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        self.told().problems.clone()
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        let told = self.told();
        let orphans = told.orphans.iter().map(orphan_note);
        orphans.chain(told.secrets.iter().cloned()).collect()
    }

    fn add(&self, code: &'static str, detail: String) {
        self.told().problems.push(Problem { code, detail });
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn orphan_note(orphan: &Backlog) -> String {
    format!(
        "{} deliveries wait for target `{}`, which the config doesn't have",
        orphan.pending, orphan.target
    )
}
