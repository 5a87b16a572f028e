//! The seam's conformance suite, run on the local store in several sizes.

use std::sync::Arc;
use std::time::Duration;

use fanway_journal::faulty::Crash;
use fanway_store::conformance::{self, Engine, Settings};
use fanway_store::lane::Room;
use fanway_store::{BoxFuture, Store};
use fanway_store_local::{Bodies, Keep, LocalStore, Tuning};
use fanway_types::ByteCount;

use crate::folder::Folder;

/// As it is run, on the machine's file system; a crash kills the process only.
struct Usual(Running);

/// Everything as small as it gets, and posted at once: lanes fall behind all the time. A crash is
/// a power loss.
struct Small(Running);

/// As small, and posting lags behind. A crash is a power loss.
struct Lagging(Running);

/// As small, and everything is sealed. A crash is a power loss.
struct Sealed(Running);

struct Running {
    folder: Folder,
    store: Option<LocalStore>,
}

impl Running {
    fn new(mut folder: Folder, tuning: Tuning, settings: Settings) -> Self {
        let keep = settings.keep;
        let bodies = match keep.bodies {
            conformance::Bodies::All => Bodies::All,
            conformance::Bodies::Failures => Bodies::Failures,
            conformance::Bodies::None => Bodies::None,
        };
        folder.keep = Keep {
            messages: keep.messages,
            history: keep.history,
            dead: keep.dead,
            bodies,
        };
        folder.clock = settings.clock;
        folder.max = settings.max;
        folder.tuning = Tuning {
            prune: Duration::ZERO,
            ..tuning
        };
        Self {
            folder,
            store: None,
        }
    }

    fn open(&mut self) -> Arc<dyn Store> {
        let store = self.folder.open();
        self.store = Some(store.clone());
        Arc::new(store)
    }

    fn crash(&mut self) {
        self.folder.crash(&Crash::LoseUnsynced);
        self.store = None;
        self.folder.check_ledger();
    }

    async fn settle(&mut self) {
        let store = self.store.as_ref().expect("a case settles an open store");
        store.posted().await.expect("nothing fails here");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.store = None;
        if !std::thread::panicking() {
            self.folder.check_ledger();
        }
    }
}

fn small(rest: Duration) -> Tuning {
    Tuning {
        feed: Room {
            deliveries: 3,
            bytes: ByteCount::new(60),
        },
        rest,
        // Nearly all have to be looked up.
        keys: 2,
        ..Tuning::default()
    }
}

macro_rules! engine {
    ($name:ident, $folder:expr, $tuning:expr) => {
        impl Engine for $name {
            fn new(settings: Settings) -> Self {
                Self(Running::new($folder, $tuning, settings))
            }

            fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
                Box::pin(async { self.0.open() })
            }

            fn crash(&mut self) -> BoxFuture<'_, ()> {
                Box::pin(async { self.0.crash() })
            }

            fn settle(&mut self) -> BoxFuture<'_, ()> {
                Box::pin(self.0.settle())
            }
        }
    };
}

engine!(Usual, Folder::new(), Tuning::default());
engine!(Small, Folder::faulty(), small(Duration::ZERO));
engine!(
    Sealed,
    Folder::faulty().sealed(),
    small(Duration::from_millis(2))
);
engine!(Lagging, Folder::faulty(), small(Duration::from_millis(30)));

mod usual {
    use super::Usual;
    fanway_store::suite!(Usual);
}

mod small {
    use super::Small;
    fanway_store::suite!(Small);
}

mod lagging {
    use super::Lagging;
    fanway_store::suite!(Lagging);
}

mod sealed {
    use super::Sealed;
    fanway_store::suite!(Sealed);
}
