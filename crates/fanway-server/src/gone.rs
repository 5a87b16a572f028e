//! Targets that have answered 410: what their lanes have found out is kept, so that it outlives a
//! restart, and it ends where a config gives the target another address.
//!
//! A lane pauses itself at once. Whether it does at all is policy's to decide, and an operator ends
//! it as any other pause.

use std::collections::BTreeSet;
use std::sync::Arc;

use fanway_config::{Config, Target};
use fanway_store::change::{Audit, Control, Pause, PauseCause};
use fanway_store::{Error, Store};
use fanway_types::TargetName;
use tokio::sync::Mutex;

use crate::lanes::Lanes;
use crate::parts;

/// Why such a target is paused.
const REASON: &str = "it has answered 410";

/// What is known of such targets.
pub(crate) struct Gone {
    store: Arc<dyn Store>,
    lanes: Lanes,
    /// Held by whoever changes what is set for a target.
    turn: Arc<Mutex<()>>,
    /// Those of which it is kept.
    kept: BTreeSet<TargetName>,
}

impl Gone {
    pub(crate) fn new(store: Arc<dyn Store>, lanes: Lanes, turn: Arc<Mutex<()>>) -> Self {
        Self {
            store,
            lanes,
            turn,
            kept: BTreeSet::new(),
        }
    }

    /// Keeps what lanes have found out since this was last asked for. What can't be kept now is
    /// when it is asked for again: until then the lanes know.
    pub(crate) async fn keep(&mut self, config: &Config) {
        let lanes = self.lanes.all().into_iter();
        let gone = lanes.filter(|lane| lane.snapshot().pause == Some(PauseCause::Gone));
        let gone: BTreeSet<TargetName> = gone.map(|lane| lane.target().clone()).collect();
        self.kept.retain(|target| gone.contains(target));
        for target in gone {
            if self.kept.contains(&target) {
                continue;
            }
            match self.keep_one(&target, config).await {
                Ok(()) => drop(self.kept.insert(target)),
                Err(error) => tracing::error!(%target, %error, "its 410 can't be kept"),
            }
        }
    }

    async fn keep_one(&self, target: &TargetName, config: &Config) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let controls = self.store.controls().await?.into_iter();
        let set = controls.filter(|(named, _)| named == target);
        let set = set.map(|(_, control)| control).last().unwrap_or_default();
        let is_gone =
            |lane: &fanway_dispatch::Handle| lane.snapshot().pause == Some(PauseCause::Gone);
        let Some(lane) = self.lanes.get(target).filter(is_gone) else {
            return Ok(());
        };
        if set.pause.is_some() {
            return Ok(());
        }
        let pause = Pause {
            since: parts::now(),
            reason: REASON.to_owned(),
            cause: PauseCause::Gone,
            address: config.targets.get(target).map(Target::address),
        };
        let control = Control {
            pause: Some(pause),
            ..set
        };
        let audit = audit("target.disable", target, REASON);
        self.store
            .keep_control(target.clone(), control.clone(), Some(audit))
            .await?;
        lane.control(control);
        Ok(())
    }

    /// Resumes the targets that have another address in this config than when they answered. Who
    /// has their lanes tells them.
    ///
    /// # Errors
    /// Where the store failed.
    pub(crate) async fn resume_moved(&self, config: &Config) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        for (target, control) in self.store.controls().await? {
            let pause = control.pause.as_ref();
            let gone = pause.filter(|pause| pause.cause == PauseCause::Gone);
            let was = gone.and_then(|pause| pause.address.as_deref());
            let is = config.targets.get(&target).map(Target::address);
            let (Some(was), Some(is)) = (was, is) else {
                continue;
            };
            if was == is {
                continue;
            }
            tracing::info!(%target, "the target has another address and is resumed");
            let audit = audit("target.resume", &target, "it has another address");
            let control = Control {
                pause: None,
                ..control
            };
            self.store
                .keep_control(target, control, Some(audit))
                .await?;
        }
        Ok(())
    }
}

fn audit(action: &'static str, target: &TargetName, detail: &'static str) -> Audit {
    Audit {
        at: parts::now(),
        actor: "fanway".into(),
        action: action.into(),
        subject: target.as_str().into(),
        detail: Some(detail.into()),
    }
}
