//! Looking at `/readyz` all the time: it is 200, and shows nothing that wasn't written.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::versions::Timeline;
use crate::plain_http;
use crate::trial::tally::Tally;

/// How long to rest between two looks.
const REST: Duration = Duration::from_millis(1);

/// A thread that looks.
pub(crate) struct Watch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

/// What was shown: the generation and its fingerprint.
type Shown = (u64, String);

impl Watch {
    /// Begins to look.
    pub(crate) fn start(
        admin: SocketAddr,
        timeline: &Arc<Mutex<Timeline>>,
        tally: &Arc<Tally>,
    ) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let (timeline, tally) = (Arc::clone(timeline), Arc::clone(tally));
        let thread = thread::spawn(move || {
            let mut last = (0, String::new());
            let mut looks = 0;
            while !over.load(Ordering::SeqCst) {
                match look(admin, &timeline, &last) {
                    Ok(shown) => last = shown,
                    Err(wrong) => tally.wrong(format_args!("/readyz: {wrong:#}")),
                }
                looks += 1;
                thread::sleep(REST);
            }
            looks
        });
        Self { is_over, thread }
    }

    /// Ends it, and tells how often it has looked.
    pub(crate) fn finish(self) -> u64 {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap_or_default()
    }
}

fn look(admin: SocketAddr, timeline: &Mutex<Timeline>, last: &Shown) -> anyhow::Result<Shown> {
    let answer = plain_http::ask(admin, "/readyz")?;
    anyhow::ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let config = &answer.json()?["config"];
    let generation = config["generation"].as_u64().unwrap_or_default();
    let fingerprint = config["fingerprint"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let timeline = timeline.lock().unwrap_or_else(PoisonError::into_inner);
    anyhow::ensure!(timeline.knows(&fingerprint), "nobody has written {config}");
    let follows = generation > last.0 || (generation, &fingerprint) == (last.0, &last.1);
    anyhow::ensure!(follows, "{config} came after {last:?}");
    Ok((generation, fingerprint))
}
