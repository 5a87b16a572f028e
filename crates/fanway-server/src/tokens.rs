//! The tokens that targets have, kept over reloads: a config that says the same of how a target's
//! are got goes on with them, and with what is known of their server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanway_config::{Config, Credentials, OAuth2, Proxy, Target};
use fanway_target::http::Tokens;
use fanway_types::{Egress, TargetName};

/// Tokens by their targets, with how they are got. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenBook(Arc<Mutex<BTreeMap<TargetName, (Got, Tokens)>>>);

/// All that tells how tokens are got.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Got {
    oauth2: OAuth2,
    proxy: Option<Proxy>,
    egress: Egress,
}

impl TokenBook {
    /// A target's tokens: those that it has where they are got as before, else such as `make` gives.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn of<E>(
        &self,
        name: &TargetName,
        target: &Target,
        oauth2: &OAuth2,
        make: impl FnOnce() -> Result<Tokens, E>,
    ) -> Result<Tokens, E> {
        let got = Got {
            oauth2: oauth2.clone(),
            proxy: target.proxy.clone(),
            egress: target.egress.clone(),
        };
        let mut book = self.lock();
        if let Some((before, tokens)) = book.get(name)
            && *before == got
        {
            return Ok(tokens.clone());
        }
        let tokens = make()?;
        book.insert(name.clone(), (got, tokens.clone()));
        Ok(tokens)
    }

    /// Forgets those of targets that a config doesn't have, or has with other credentials.
    pub(crate) fn take_over(&self, config: &Config) {
        let has_tokens = |target: &TargetName| {
            let target = config.targets.get(target);
            let credentials = target.and_then(|target| target.credentials.as_ref());
            matches!(credentials, Some(Credentials::OAuth2(_)))
        };
        self.lock().retain(|target, _| has_tokens(target));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TargetName, (Got, Tokens)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
