//! Which changes of a config only a restart can put to use.

use crate::config::Config;
use crate::store::{Store, Sync};

/// The dotted names of the keys that differ between two configs and can't change while Fanway
/// runs, in the order of the documentation. All other keys can.
#[must_use]
pub fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (one, other) = (&old.server, &new.server);
    let server = [
        ("server.listen", one.listen != other.listen),
        ("server.admin", one.admin != other.admin),
        ("server.memory", one.memory != other.memory),
        ("server.threads", one.threads != other.threads),
    ];
    let differing = server.into_iter().chain(store(&old.store, &new.store));
    differing
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
}

/// The keys of `store`, each with whether it differs.
fn store(old: &Store, new: &Store) -> [(&'static str, bool); 10] {
    let both_at_intervals = matches!((old.sync, new.sync), (Sync::Interval(_), Sync::Interval(_)));
    let sync = old.sync != new.sync;
    let (one, other) = (&old.keep, &new.keep);
    [
        ("store.path", old.path != new.path),
        ("store.sync", sync && !both_at_intervals),
        ("store.interval", sync && both_at_intervals),
        ("store.segment", old.segment != new.segment),
        ("store.max", old.max != new.max),
        ("store.keep.messages", one.messages != other.messages),
        ("store.keep.history", one.history != other.history),
        ("store.keep.dead", one.dead != other.dead),
        ("store.keep.bodies", one.bodies != other.bodies),
        ("store.encrypt", old.encrypt != new.encrypt),
    ]
}
