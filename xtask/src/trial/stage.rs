//! A gateway in a trial: who sends to it is told where it is, and it can be killed and started
//! again.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::tally::Tally;
use crate::client::Whereabouts;
use crate::gateway::{Addresses, Gateway};
use crate::scene::Scene;
use crate::sink::{Desk, Sink};
use crate::{inspect, say};

/// How long what is left may take at the end: a limit for when something hangs.
const DRAIN: Duration = Duration::from_secs(300);

/// A gateway that runs.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    pub(crate) tally: Arc<Tally>,
    pub(crate) whereabouts: Whereabouts,
    sinks: Vec<Sink>,
    pub(crate) gateway: Gateway,
    pub(crate) at: Addresses,
}

impl Stage {
    /// Starts sinks with these desks, and a gateway with the config that is made for them.
    pub(crate) fn open(
        scene: Scene,
        tally: Arc<Tally>,
        desks: Vec<Arc<dyn Desk>>,
        config: impl FnOnce(&Scene, &[Sink]) -> String,
    ) -> anyhow::Result<Self> {
        let start = |desk| Sink::start(desk, &scene.handle);
        let sinks = desks
            .into_iter()
            .map(start)
            .collect::<Result<Vec<_>, _>>()?;
        fs::write(scene.config(), config(&scene, &sinks))?;
        let (gateway, at) = scene.start_ready()?;
        let whereabouts = Whereabouts::unknown();
        whereabouts.are(Some(at.gateway));
        Ok(Self {
            scene,
            tally,
            whereabouts,
            sinks,
            gateway,
            at,
        })
    }

    /// The sinks, in the order of their desks.
    pub(crate) fn sinks(&self) -> &[Sink] {
        &self.sinks
    }

    /// Kills the gateway, and starts another one on what it leaves.
    pub(crate) fn kill(&mut self, moment: &'static str) -> anyhow::Result<()> {
        let at = Instant::now();
        self.gateway.process().kill();
        self.whereabouts.are(None);
        let Scene { handle, fanway, .. } = &self.scene;
        for sink in &self.sinks {
            handle.block_on(sink.settle())?;
        }
        let told = self.tally.killed(at, moment);
        say::line(format_args!("kill while {moment}: {told}"));
        let journal = inspect::verify_journal(fanway, &self.scene.data())?;
        self.tally.all_wrong(journal);
        (self.gateway, self.at) = self.scene.start_ready()?;
        self.whereabouts.are(Some(self.at.gateway));
        Ok(())
    }

    /// Waits until nothing is pending, stops the gateway, and looks at what it leaves.
    pub(crate) fn close(&mut self) -> anyhow::Result<()> {
        let left = inspect::wait_until_done(self.at.admin, DRAIN, || true)?;
        self.tally.all_wrong(left);
        if let Err(error) = self.gateway.stop(DRAIN) {
            self.tally.wrong(format_args!("the stop: {error:#}"));
        }
        let Scene { fanway, .. } = &self.scene;
        let data = self.scene.data();
        self.tally
            .all_wrong(inspect::verify_journal(fanway, &data)?);
        self.tally.all_wrong(inspect::check_ledger(fanway, &data)?);
        Ok(())
    }

    /// Waits for something that the gateway shows, and fails where that doesn't come.
    pub(crate) fn wait_for<T>(
        &self,
        what: &str,
        look: impl Fn() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let found = inspect::wait_until(DRAIN, look)?;
        found.ok_or_else(|| anyhow::anyhow!("{what} didn't come within {DRAIN:?}"))
    }
}
