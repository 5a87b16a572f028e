//! Processes that this program starts: each is ended with its handle, whatever happens.
//!
//! What Linux counts for a process is read from `/proc`.

use std::fs;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How often it is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(2);
/// Clock ticks of a second in `/proc/PID/stat`: 100 wherever Linux runs.
const TICKS: f64 = 100.0;

/// A process that was started here. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: &'static str,
}

impl Process {
    /// Starts one.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("{name} can't be started"))?;
        Ok(Self { child, name })
    }

    /// The handle, to read what it prints.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it with SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // One that has ended already can't be killed, and is waited for all the same.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }

    /// Asks it with SIGTERM to end.
    pub(crate) fn ask_to_end(&self) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::TERM)?)
    }

    /// Asks it with SIGHUP to read its config again.
    pub(crate) fn hang_up(&self) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::HUP)?)
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(LOOK);
        }
        bail!("{} didn't end within {limit:?}", self.name)
    }

    /// Its id and those of the processes that it has started.
    pub(crate) fn family(&self) -> Vec<u32> {
        let id = self.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(id).chain(children).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A master process that is asked ends its workers too.
        if self.family().len() > 1 && self.ask_to_end().is_ok() {
            let _late = self.wait(Duration::from_secs(5));
        }
        self.kill();
    }
}

/// Seconds that processes have had a processor, in user and system mode.
pub(crate) fn processor_time(processes: &[u32]) -> anyhow::Result<f64> {
    let of_one = |id: &u32| processor_time_of(*id).with_context(|| format!("{id} has ended"));
    processes.iter().map(of_one).sum()
}

fn processor_time_of(id: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The program's name, which comes before, may hold anything but its closing bracket.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Some(ticks / TICKS)
}

/// The resident memory that a process has now, in bytes.
pub(crate) fn resident(id: u32) -> Option<u64> {
    Some(status(id, "VmRSS:")? << 10)
}

/// The most resident memory that a process has had, in bytes.
pub(crate) fn peak(id: u32) -> Option<u64> {
    Some(status(id, "VmHWM:")? << 10)
}

fn status(id: u32, name: &str) -> Option<u64> {
    kilobytes(
        &fs::read_to_string(format!("/proc/{id}/status")).ok()?,
        name,
    )
}

/// A figure of `/proc/PID/status`, in KiB.
fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::{Process, kilobytes, peak, processor_time, resident};

    #[test]
    fn this_process_is_found_in_proc() {
        let me = std::process::id();
        assert!(processor_time(&[me]).is_ok());
        // How the two compare can't be asserted: the kernel counts them apart, and other threads go on.
        assert!(peak(me) > Some(100 << 10) && resident(me) > Some(100 << 10));
        assert!(processor_time(&[u32::MAX]).is_err());
    }

    #[test]
    fn a_figure_of_a_status_is_found_by_its_whole_name() {
        let status = "Name:\tfanway\nVmHWM:\t   81920 kB\nVmRSS:\t   65536 kB\n";
        assert_eq!(kilobytes(status, "VmHWM:"), Some(81920));
        assert_eq!(kilobytes(status, "VmRSS:"), Some(65536));
        assert_eq!(kilobytes(status, "VmSwap:"), None);
    }

    #[test]
    fn a_process_ends_when_it_is_asked() {
        let mut process = Process::start("sleep", Command::new("sleep").arg("60")).expect("sleeps");
        assert_eq!(process.family(), [process.id()]);
        process.ask_to_end().expect("asked");
        let status = process.wait(Duration::from_secs(60)).expect("ended");
        assert!(!status.success());
    }
}
