//! What operators have set and done, and what lanes have learnt: jobs, controls, audit records, trouble.

use std::collections::BTreeMap;

use fanway_store::change::{Audit, AuditPage, Control};
use fanway_store::job::Job;
use fanway_store::trouble::Trouble;
use fanway_types::{JobId, TargetName};

/// Jobs, controls, audit records, trouble.
#[derive(Debug, Default)]
pub(in super::super) struct Records {
    jobs: BTreeMap<JobId, Job>,
    controls: BTreeMap<TargetName, Control>,
    troubles: BTreeMap<TargetName, Trouble>,
    /// How often any was kept.
    troubles_kept: usize,
    /// The first has the number 1.
    audit: Vec<Audit>,
}

impl Records {
    pub(in super::super) fn keep_job(&mut self, job: Job) {
        self.jobs.insert(job.id, job);
    }

    pub(in super::super) fn jobs(&self) -> Vec<Job> {
        self.jobs.values().rev().cloned().collect()
    }

    pub(in super::super) fn keep_control(&mut self, target: TargetName, control: Control) {
        if control == Control::default() {
            self.controls.remove(&target);
        } else {
            self.controls.insert(target, control);
        }
    }

    pub(in super::super) fn controls(&self) -> Vec<(TargetName, Control)> {
        let controls = self.controls.iter();
        controls
            .map(|(target, control)| (target.clone(), control.clone()))
            .collect()
    }

    pub(in super::super) fn keep_trouble(&mut self, target: TargetName, trouble: Trouble) {
        self.troubles_kept += 1;
        if trouble == Trouble::default() {
            self.troubles.remove(&target);
        } else {
            self.troubles.insert(target, trouble);
        }
    }

    pub(in super::super) fn troubles(&self) -> Vec<(TargetName, Trouble)> {
        let troubles = self.troubles.iter();
        troubles
            .map(|(target, trouble)| (target.clone(), *trouble))
            .collect()
    }

    pub(in super::super) fn troubles_kept(&self) -> usize {
        self.troubles_kept
    }

    pub(in super::super) fn note(&mut self, audit: Option<Audit>) {
        self.audit.extend(audit);
    }

    pub(in super::super) fn audit(&self, below: Option<u64>, limit: usize) -> AuditPage {
        let latest = self.audit.len() as u64;
        let numbered = (1..=latest).rev().zip(self.audit.iter().rev());
        let mut records: Vec<(u64, Audit)> = numbered
            .filter(|(number, _)| below.is_none_or(|below| *number < below))
            .map(|(number, audit)| (number, audit.clone()))
            .collect();
        let more = records.len() > limit;
        records.truncate(limit);
        let last = records.last().map(|(number, _)| *number);
        let next = last.filter(|_| more);
        AuditPage { records, next }
    }
}
