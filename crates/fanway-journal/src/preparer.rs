//! The thread that keeps segments ready: it fills, activates and recycles them, so that the committer never
//! waits for a file to grow or for a folder to be synced.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::format::SegmentHeader;
use crate::fs::Fs;
use crate::poison::{Doing, Poison};
use crate::pool::{Sealed, Task};
use crate::position::Position;
use crate::shared::Shared;
use crate::spare::{self, Filling, Spare};
use crate::standing::step_back;

pub(crate) struct Preparer<E> {
    pub(crate) shared: Arc<Shared<E>>,
    /// The number of the next spare's name.
    pub(crate) number: u64,
    pub(crate) filling: Option<Filling>,
}

impl<E> Preparer<E> {
    pub(crate) fn run(mut self) {
        step_back();
        while let Some(task) = self.next_task() {
            if let Err(poison) = self.perform(task) {
                self.shared.poison(poison);
            }
        }
        if let Some(filling) = &self.filling {
            filling.abandon(self.fs(), self.dir());
        }
    }

    /// Waits for something to do; `None` once the committer has ended.
    fn next_task(&mut self) -> Option<Task> {
        let mut state = self.shared.state();
        let mut retry_at = None;
        loop {
            if state.ended {
                return None;
            }
            let durable = state.durable;
            if state.poison.is_none()
                && let Some(task) = state.pool.next_task(durable)
            {
                state.idle = false;
                return Some(task);
            }
            let rests_now = !std::mem::replace(&mut state.idle, true);
            self.shared.done.notify_all();
            if rests_now && state.awaited {
                drop(state);
                self.shared.tell_progress();
                state = self.shared.state();
                continue;
            }
            if state.pool.starved.is_none() {
                state = self
                    .shared
                    .prepare
                    .wait(state)
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                continue;
            }
            let retry_at =
                *retry_at.get_or_insert_with(|| Instant::now() + self.shared.params.retry);
            let left = retry_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.pool.starved = None;
                continue;
            }
            state = self
                .shared
                .prepare
                .wait_timeout(state, left)
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .0;
        }
    }

    fn perform(&mut self, task: Task) -> Result<(), Poison> {
        match task {
            Task::Activate(spare, generation, base) => self.activate(spare, generation, base),
            Task::Recycle(sealed) => self.recycle(sealed),
            Task::Remove(sealed) => self.remove(&sealed),
            Task::Fill => {
                if let Err(error) = self.fill() {
                    self.stop_filling();
                    self.shared.state().pool.starved = Some(Arc::new(error));
                }
                Ok(())
            }
            Task::StopFilling => {
                self.stop_filling();
                Ok(())
            }
        }
    }

    fn activate(&self, spare: Spare, generation: u64, base: Position) -> Result<(), Poison> {
        let path = spare.path.clone();
        let header = SegmentHeader::new(generation, base, self.shared.params.segment_size, None);
        let next = spare::activate(self.fs(), self.dir(), spare, header)
            .map_err(|error| Poison::new(Doing::Activate, &path, error))?;
        self.shared.state().pool.activated(next);
        self.shared.work.notify_one();
        Ok(())
    }

    fn recycle(&mut self, sealed: Sealed) -> Result<(), Poison> {
        let number = self.take_number();
        let spare = spare::recycle(self.fs(), self.dir(), &sealed.path, sealed.file, number)
            .map_err(|error| Poison::new(Doing::Recycle, &sealed.path, error))?;
        let mut state = self.shared.state();
        state.pool.recycled(spare);
        state.room.prepared();
        drop(state);
        self.shared.tell_progress();
        Ok(())
    }

    /// The folder is synced after each: were a later segment's removal to outlive an earlier one's, the log would
    /// have a gap.
    fn remove(&self, sealed: &Sealed) -> Result<(), Poison> {
        let removed = self
            .fs()
            .remove(&sealed.path)
            .and_then(|()| self.fs().sync_dir(self.dir()));
        removed.map_err(|error| Poison::new(Doing::Recycle, &sealed.path, error))?;
        self.shared.state().pool.removed(sealed.size);
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut filling = match self.filling.take() {
            Some(filling) => filling,
            None => {
                let number = self.take_number();
                Filling::begin(
                    self.fs(),
                    self.dir(),
                    number,
                    self.shared.params.segment_size,
                )?
            }
        };
        let stepped = filling.step();
        let filling = self.filling.insert(filling);
        if !stepped? {
            return Ok(());
        }
        let spare = filling.finish(&*self.shared.fs, &self.shared.params.dir)?;
        self.filling = None;
        let mut state = self.shared.state();
        state.pool.filled(spare);
        state.room.prepared();
        drop(state);
        self.shared.tell_progress();
        Ok(())
    }

    fn stop_filling(&mut self) {
        if let Some(filling) = self.filling.take() {
            filling.abandon(self.fs(), self.dir());
        }
        self.shared.state().pool.stopped_filling();
    }

    fn take_number(&mut self) -> u64 {
        let number = self.number;
        self.number += 1;
        number
    }

    fn fs(&self) -> &dyn Fs {
        &*self.shared.fs
    }

    fn dir(&self) -> &Path {
        &self.shared.params.dir
    }
}
