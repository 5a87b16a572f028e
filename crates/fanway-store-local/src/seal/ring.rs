//! The keys of an open store: those that an operator has given, and the folder's data keys.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use fanway_types::{SecretKey, Timestamp};
use foldhash::HashMap;

use super::{DataKey, Error, KeyId, NUMBER, Of, WrappingKey, sealed_by};
use crate::params::Encryption;

/// How long a data key seals: what one key opens is the day's.
const LASTS: Duration = Duration::from_secs(24 * 3600);
/// Values that a data key seals in one process. So many are safe by random nonces of 96 bits even
/// for GCM, which a repeated nonce breaks (NIST SP 800-38D, 8.3); here a repeated one would only
/// show that the same was sealed twice (RFC 8452, section 9).
const MOST: u64 = 1 << 32;

/// The keys of an open store. By default there are none: nothing is sealed, and nothing opens.
#[derive(Default)]
pub(crate) struct Ring {
    /// The first is the one that wraps, where anything is sealed.
    wrapping: Vec<WrappingKey>,
    seals: bool,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    keys: HashMap<u32, Arc<DataKey>>,
    /// The one that seals.
    current: Option<Arc<DataKey>>,
}

impl Ring {
    /// The keys that an operator has given, without any data key.
    pub(crate) fn new(encryption: &Encryption) -> Self {
        let keys = encryption.seals.iter().chain(&encryption.opens);
        Self {
            wrapping: keys.map(WrappingKey::new).collect(),
            seals: encryption.seals.is_some(),
            state: RwLock::default(),
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The data key to seal with, where anything is sealed.
    pub(crate) fn sealing(&self) -> Option<Arc<DataKey>> {
        if !self.seals {
            return None;
        }
        self.state().current.clone()
    }

    /// Opens what was sealed as this.
    pub(crate) fn open(&self, of: Of, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let number = sealed_by(sealed)?;
        let key = self.state().keys.get(&number).cloned();
        let key = key.ok_or(Error::NoDataKey(number))?;
        key.open(of, &sealed[NUMBER..])
    }

    /// The key that wraps, where anything is sealed.
    pub(crate) fn wraps(&self) -> Option<&WrappingKey> {
        self.wrapping.first().filter(|_| self.seals)
    }

    /// The key of this id, where it was given.
    pub(crate) fn wrapping(&self, id: KeyId) -> Option<&WrappingKey> {
        self.wrapping.iter().find(|key| key.id == id)
    }

    /// Adds a data key, which only opens.
    pub(crate) fn add(&self, number: u32, made_at: Timestamp, key: &SecretKey) {
        let key = Arc::new(DataKey::new(number, made_at, key));
        self.change().keys.insert(number, key);
    }

    /// Seals with the data key of this number from now on.
    pub(crate) fn seal_by(&self, number: u32) {
        let mut state = self.change();
        state.current = state.keys.get(&number).cloned();
    }

    fn change(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something is sealed and the data key for it has done so for long enough, or isn't
    /// there.
    pub(crate) fn wants_data_key(&self, now: Timestamp) -> bool {
        if !self.seals {
            return false;
        }
        let current = &self.state().current;
        current
            .as_ref()
            .is_none_or(|key| !is_fresh(key.made_at, now) || key.count() >= MOST)
    }
}

/// Whether a data key of this age still seals.
pub(crate) fn is_fresh(made_at: Timestamp, now: Timestamp) -> bool {
    now < made_at.saturating_add(LASTS)
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("seals", &self.seals)
            .finish_non_exhaustive()
    }
}
