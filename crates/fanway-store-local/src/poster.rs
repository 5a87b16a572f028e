//! The posting thread: it brings the tail into the ledger in bulk, lets the journal recycle what
//! is posted, and forgets what has been kept long enough.
//!
//! It waits a little before it posts a record, since by then most messages have ended and cost
//! one row. Where all that comes before has ended it waits shorter: what rests is memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fanway_journal::{Journal, Position};
use fanway_store::event::{Event, What};
use fanway_store::notice::Notice;
use tokio::sync::oneshot;

use crate::cancel::CalledOff;
use crate::checkpointer::Checkpointer;
use crate::commons::{Commons, Rung, Trouble};
use crate::entry::Entry;
use crate::headroom::FreeSpace;
use crate::intake::Intake;
use crate::ledger::{Error, Posted, Posting, Pruned, make_data_key, prune};
use crate::params::{Clock, Keep};
use crate::receipt::Waiting;
use crate::record::Redrive;
use crate::seal::Ring;
use crate::steps::Step;
use crate::tail::{Gone, Range, Ripe, Ticket};
use crate::tuning::Tuning;

/// The thread looks so many times while a record rests.
const LOOKS: u32 = 4;
/// It doesn't look more often, however short they rest.
const SHORTEST: Duration = Duration::from_millis(1);
/// It doesn't look less often, however long they rest.
const LONGEST: Duration = Duration::from_millis(100);
/// Bytes in the tail at which records rest as shortly as they may.
const FULL: u64 = 24 << 20;
/// Bytes of the ledger's log that are moved together while more is written.
const TOGETHER: u64 = 4 << 20;
/// Records that one transaction posts at most.
pub(crate) const RECORDS: usize = 20_000;
/// How long to wait after a posting for which the disk had no room.
const RETRY: Duration = Duration::from_secs(1);

/// The posting thread's work.
pub(crate) struct Poster {
    pub(crate) commons: Arc<Commons>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) journal: Journal<Entry>,
    pub(crate) posting: Posting,
    pub(crate) ring: Arc<Ring>,
    pub(crate) keep: Keep,
    pub(crate) clock: Clock,
    pub(crate) checkpointer: Checkpointer,
    pub(crate) tuning: Tuning,
    pub(crate) free: FreeSpace,
    pub(crate) pruned: Option<Instant>,
    /// Whether something was written to the ledger's log and no checkpoint was asked for since.
    pub(crate) unmoved: bool,
    /// Whether there is more to be moved to a target's heir, so that the next turn comes at once.
    pub(crate) moves: bool,
}

/// Why a turn was broken off.
enum Broken {
    /// The ledger failed.
    Ledger(Error),
    /// A test lets the thread die.
    Died,
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Ledger(error)
    }
}

impl Poster {
    /// Starts the thread.
    pub(crate) fn start(self) -> std::io::Result<JoinHandle<()>> {
        thread::Builder::new()
            .name("ledger-post".to_owned())
            .spawn(move || {
                let commons = Arc::clone(&self.commons);
                self.run();
                // Whoever waits for a posting would wait for ever.
                commons.bell.end();
                commons.tail().end();
            })
    }

    fn run(mut self) {
        let tick = (self.tuning.rest / LOOKS).clamp(SHORTEST, LONGEST);
        let mut waiting = Vec::new();
        loop {
            let tick = if self.moves { Duration::ZERO } else { tick };
            let mut rung = self.commons.bell.wait(tick);
            waiting.append(&mut rung.waiting);
            if rung.abandon {
                return;
            }
            let turn = self.turn(&rung);
            self.look_at_disk();
            match turn {
                Ok(()) if rung.close && self.commons.tail().oldest().is_none() => return,
                Ok(()) => {
                    self.all_is_well();
                    tell(&mut waiting);
                }
                Err(Broken::Ledger(error)) if error.is_full() => {
                    self.is_stuck(&error);
                    if rung.close {
                        // What isn't posted is in the journal, and is posted at the next start.
                        return;
                    }
                    waiting.append(&mut self.commons.bell.wait(RETRY).waiting);
                }
                Err(Broken::Ledger(error)) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "posting to the ledger failed"
                    );
                    self.commons
                        .note_trouble(Some(Trouble::Failed(Arc::new(error))));
                    self.commons.gate.shut();
                    return;
                }
                Err(Broken::Died) => return,
            }
        }
    }

    fn is_stuck(&self, error: &Error) {
        if self.commons.note_trouble(Some(Trouble::Stuck)).is_none() {
            tracing::warn!(%error, "the disk has no room for the ledger: nothing is posted until it has");
        }
    }

    fn all_is_well(&self) {
        if self.commons.note_trouble(None).is_some() {
            tracing::info!("the ledger is posted to again");
        }
    }

    /// Posts what is ripe, then sees to what else is due.
    fn turn(&mut self, rung: &Rung) -> Result<(), Broken> {
        let now = Instant::now();
        // What comes in meanwhile is the next turn's, or there might be no end to this one.
        let ripe = if rung.now || rung.close {
            Some(Ripe::all(now))
        } else {
            self.ripe(now)
        };
        let mut rests = true;
        while let Some(range) = ripe.and_then(|ripe| self.commons.tail().range(ripe, RECORDS)) {
            self.post(&range)?;
            // Here most of what was posted is given up.
            for record in range.records {
                drop(record);
                self.posting.breath().take();
            }
            rests = false;
        }
        if rests && std::mem::take(&mut self.unmoved) {
            self.checkpointer.nudge();
        }
        if rung.close {
            return Ok(());
        }
        self.renew_data_key()?;
        self.end_called_off();
        self.adopt()?;
        self.prune()
    }

    /// Ends what was called off before targets that have no lane, as far as its callers haven't.
    fn end_called_off(&self) {
        for feed in self.commons.feeds() {
            feed.end_called_off(&self.intake, &self.commons.watchers);
        }
    }

    /// Makes a data key, where the one that seals has done so for long enough.
    fn renew_data_key(&mut self) -> Result<(), Broken> {
        let now = (self.clock)();
        if self.ring.wants_data_key(now) {
            self.step(Step::Renew)?;
            make_data_key(self.posting.connection_mut(), &self.ring, now)?;
            self.note_written();
        }
        Ok(())
    }

    /// Moves some of what waits under old names.
    fn adopt(&mut self) -> Result<(), Broken> {
        self.moves = false;
        for adoption in self.commons.aliases.under_way() {
            let (posted, tickets) = {
                let tail = self.commons.tail();
                (tail.posted(), tail.posted_tickets())
            };
            if tickets < adoption.gate {
                continue;
            }
            self.keep_log_short();
            self.step(Step::Adopt)?;
            let moved = self.posting.move_some(&adoption.old)?;
            if let Some(due) = moved.due {
                let waker = self.commons.feed(&adoption.old).note_due(due);
                waker.into_iter().for_each(Waiting::wake);
            }
            if moved.more {
                self.moves = true;
            } else if posted >= adoption.until {
                self.commons.aliases.done(&adoption);
            }
            self.note_written();
        }
        Ok(())
    }

    /// What has rested for long enough by now: the less, the fuller the tail is, but never less
    /// than an eighth. What is posted before it has ended costs much more; what has ended rests no
    /// longer than that. `None` where the clock hasn't run for so long.
    fn ripe(&self, now: Instant) -> Option<Ripe> {
        let eighth = self.tuning.rest / 8;
        let eighths = 8 - (self.commons.tail().bytes() / (FULL / 8)).min(7);
        let eighths = u32::try_from(eighths).unwrap_or(8);
        Some(Ripe {
            rested: now.checked_sub(eighth * eighths)?,
            ended: now.checked_sub(eighth)?,
        })
    }

    fn post(&mut self, range: &Range) -> Result<(), Broken> {
        let begun = Instant::now();
        self.keep_log_short();
        self.step(Step::Post)?;
        let announce = |posted: &Posted| {
            for notice in &posted.notices {
                self.commons.add_plan(&notice.plan);
            }
        };
        let posted = self.posting.post(&range.records, range.end, announce)?;
        let backlog = self.posting.backlog();
        self.commons.backlog.store(backlog, Ordering::Relaxed);
        self.step(Step::Trim)?;
        self.journal.trim(Position(range.end));
        self.step(Step::Forget)?;
        let (gone, tickets) = {
            let mut tail = self.commons.tail();
            let gone = tail.take_posted(range);
            let bytes = tail.bytes();
            self.commons.tail_bytes.store(bytes, Ordering::Relaxed);
            (gone, tail.posted_tickets())
        };
        self.commons.posted.notify_waiters();
        self.step(Step::Tell)?;
        // Only now: who looks must find the tail and the ledger agreeing.
        self.tell(posted, gone, tickets);
        let metrics = &self.commons.metrics;
        metrics.posted(range.records.len(), begun.elapsed());
        self.note_written();
        Ok(())
    }

    /// Waits for a checkpoint where the write-ahead log has grown too long.
    fn keep_log_short(&self) {
        if self.posting.log() > self.tuning.log.get() {
            self.checkpointer.catch_up();
        }
    }

    /// Notes that the ledger was written to. Its log is moved when it has grown, or else when
    /// nothing more is written: the same pages are written again and again.
    fn note_written(&mut self) {
        self.unmoved = self.posting.log() < TOGETHER;
        if !self.unmoved {
            self.checkpointer.nudge();
        }
    }

    /// Tells lanes and others what was posted.
    fn tell(&self, posted: Posted, gone: Gone, tickets: Ticket) {
        let Posted {
            due,
            changes,
            redriven,
            notices,
            called_off,
            turns,
        } = posted;
        self.tell_watchers(&notices, gone.redriven(&changes));
        self.bring_to_feeds(called_off, &gone);
        self.commons.metrics.redriven(redriven);
        self.commons.tell(gone.changed());
        self.commons.keys.note_posted(&gone.keyed(), (self.clock)());
        gone.tell(changes);
        for (target, due) in due {
            let waker = self.commons.feed(&target).note_due(due);
            waker.into_iter().for_each(Waiting::wake);
        }
        for (target, due) in turns {
            let waker = self.commons.feed(&target).note_turn(due);
            waker.into_iter().for_each(Waiting::wake);
        }
        for feed in self.commons.feeds() {
            let waker = feed.note_posted(tickets);
            waker.into_iter().for_each(Waiting::wake);
        }
    }

    /// Tells those who watch of what became known only now.
    fn tell_watchers<'r>(&self, notices: &[Notice], redriven: impl Iterator<Item = &'r Redrive>) {
        if !self.commons.watchers.are_there() {
            return;
        }
        let redriven = redriven.filter_map(|redrive| {
            let plan = self.commons.plan(redrive.plan)?;
            let (old, new) = (redrive.old, redrive.new);
            Some(Event {
                message: new.message,
                route: plan.route.clone(),
                what: What::Redriven { old, new },
            })
        });
        let accepted = notices.iter().map(|notice| Event {
            message: notice.message.id,
            route: notice.message.route.clone(),
            what: What::Accepted,
        });
        self.commons
            .watchers
            .tell(redriven.chain(accepted).collect());
    }

    /// Brings what was called off into the feeds, where its commit hasn't: what was made anew while
    /// the message was called off.
    fn bring_to_feeds(&self, called_off: Vec<CalledOff>, gone: &Gone) {
        for called_off in called_off {
            let delivery = called_off.delivery;
            if gone.was_told(delivery) || self.commons.tail().has_end(delivery) {
                continue;
            }
            let waker = self.commons.feed(&called_off.target).call_off(called_off);
            waker.into_iter().for_each(Waiting::wake);
        }
    }

    /// Notes what room the disk has. Shuts the gate where the journal can keep no outcomes, and opens it where it can again.
    fn look_at_disk(&self) {
        self.commons.headroom.note((self.free)());
        let health = self.journal.health();
        if health.poisoned.is_some() || health.full_for_outcomes {
            self.commons.gate.shut();
        } else if self.commons.gate.is_shut() {
            self.commons.gate.open();
        }
    }

    fn prune(&mut self) -> Result<(), Broken> {
        let period = self.tuning.prune;
        if self.pruned.is_some_and(|at| at.elapsed() < period) {
            return Ok(());
        }
        self.step(Step::Prune)?;
        let pruned = prune(self.posting.connection_mut(), &self.keep, (self.clock)())?;
        let Pruned { more, turns } = pruned;
        for (target, due) in turns {
            let waker = self.commons.feed(&target).note_turn(due);
            waker.into_iter().for_each(Waiting::wake);
        }
        self.pruned = if more { None } else { Some(Instant::now()) };
        Ok(())
    }

    fn step(&self, step: Step) -> Result<(), Broken> {
        if self.tuning.steps.makes(step) {
            Ok(())
        } else {
            Err(Broken::Died)
        }
    }
}

/// Tells those who waited for a turn.
fn tell(waiting: &mut Vec<oneshot::Sender<()>>) {
    for waiter in waiting.drain(..) {
        // Whoever waited may have gone away.
        let _gone = waiter.send(());
    }
}
