//! Looking whether a file of the config has changed, once a second.
//!
//! A look compares what the file system says of the files: reading them is for the reload. What
//! has changed since the last look is given a second to settle, so that a file that is still being
//! written isn't read half. A config that was just put to use is read once more after the first
//! look at its files: what has changed between its being read and that look would pass unseen.
//! Looking works where notifications of the kernel don't: network file
//! systems, folders that are mounted anew, links that are changed over to other folders.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::source::Source;
use crate::steering::{Steering, Why};

const EVERY: Duration = Duration::from_secs(1);

/// What is looked at; `None` where nothing is.
pub(crate) type Files = Option<Named>;

/// The files of a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) files: Vec<PathBuf>,
    /// The config that they belong to, as long as what they hold is to be that one.
    pub(crate) holds: Option<Arc<str>>,
}

/// What the file system says of files.
type Look = Vec<Option<Stamp>>;

/// What changes when a file does: its inode, size and time of change (seconds and nanoseconds).
type Stamp = (u64, u64, i64, i64);

/// Reloads the config whenever a file of it has changed, until it is dropped.
pub(crate) async fn watch(
    mut named: watch::Receiver<Files>,
    source: Arc<dyn Source>,
    steering: Steering,
) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut settling = Settling::default();
    loop {
        ticks.tick().await;
        let Some(Named { files, holds }) = named.borrow_and_update().clone() else {
            if named.changed().await.is_err() {
                return;
            }
            continue;
        };
        let source = Arc::clone(&source);
        let (is_new, known) = (settling.files != files, settling.checked == holds);
        let look = move || {
            let seen = look(&files);
            // Read after they were looked at: what changes from here on shows at the next look.
            let differs =
                (is_new || !known) && holds.as_ref().is_some_and(|it| differs(&*source, it));
            (seen, files, holds, differs)
        };
        let Ok((seen, files, holds, differs)) = tokio::task::spawn_blocking(look).await else {
            return;
        };
        settling.checked = holds;
        if settling.has_settled(files, seen) || differs {
            tracing::info!("a file of the config has changed");
            // What is wrong with it has been logged; the files are looked at on.
            let _refused = steering.reload_for(Why::Told("a changed file")).await;
        }
    }
}

/// Whether the source has another config than that of this fingerprint, or one that is wrong.
fn differs(source: &dyn Source, fingerprint: &str) -> bool {
    source
        .load_as_known()
        .map_or(true, |config| config.fingerprint != fingerprint)
}

fn look(files: &[PathBuf]) -> Look {
    let stamp = |file: &PathBuf| {
        let data = fs::metadata(file).ok()?;
        Some((data.ino(), data.size(), data.ctime(), data.ctime_nsec()))
    };
    files.iter().map(stamp).collect()
}

/// What was seen, and whether it stays.
#[derive(Default)]
struct Settling {
    files: Vec<PathBuf>,
    /// The config that the files were read for once more.
    checked: Option<Arc<str>>,
    /// As it was when nothing had to be done.
    known: Look,
    last: Look,
}

impl Settling {
    /// Whether something has changed, and is now as it was at the last look.
    fn has_settled(&mut self, files: Vec<PathBuf>, seen: Look) -> bool {
        if self.files != files {
            // A config that was just read names other files: it is known as they are now.
            self.files = files;
            self.known.clone_from(&seen);
            self.last = seen;
            return false;
        }
        let has_settled = seen != self.known && seen == self.last;
        if has_settled {
            self.known.clone_from(&seen);
        }
        self.last = seen;
        has_settled
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use fanway_config::Config;
    use tokio::sync::{mpsc, watch};

    use super::{Files, Named, Settling, look};
    use crate::parts;
    use crate::source::{ConfigFile, Source as _};
    use crate::steering::{Order, Steering};

    /// Writes a config that sends to this address, and reads it.
    fn write(file: &Path, url: &str) -> Config {
        let text = format!(
            "targets: {{ mail: {{ url: '{url}' }} }}\n\
             routes: {{ mails: {{ match: POST /, send: [mail] }} }}"
        );
        fs::write(file, text).expect("written");
        ConfigFile::new(file.to_owned())
            .load()
            .expect("it is right")
    }

    /// Begins to watch a file whose config is in use as far as `holds` says.
    fn begin(
        file: &Path,
        config: &Config,
        holds: bool,
    ) -> (watch::Sender<Files>, mpsc::Receiver<Order>) {
        let (steering, orders) = Steering::new(parts::generation(config, 1));
        let holds = holds.then(|| config.fingerprint.as_str().into());
        let files = config.files.clone();
        let (sender, named) = watch::channel(Some(Named { files, holds }));
        let source = Arc::new(ConfigFile::new(file.to_owned()));
        tokio::spawn(super::watch(named, source, steering));
        (sender, orders)
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_between_the_reading_and_the_first_look_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("fanway.yaml");
        let config = write(&file, "http://127.0.0.1:1");
        write(&file, "http://127.0.0.1:2");
        let (_files, mut orders) = begin(&file, &config, true);
        assert!(matches!(orders.recv().await, Some(Order::Reload(..))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_config_that_was_gone_back_to_is_kept_until_its_file_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("fanway.yaml");
        let config = write(&file, "http://127.0.0.1:1");
        write(&file, "http://127.0.0.1:2");
        let (files, mut orders) = begin(&file, &config, false);
        let quiet = tokio::time::timeout(super::EVERY * 5, orders.recv()).await;
        assert!(quiet.is_err(), "nothing has changed");
        write(&file, "http://127.0.0.1:33");
        assert!(matches!(orders.recv().await, Some(Order::Reload(..))));
        drop(files);
    }

    /// Looks at these stamps in turn; a change is to be told at the looks that are named.
    #[track_caller]
    fn check(stamps: &[Option<u64>], told: &[usize]) {
        let files = vec![PathBuf::from("fanway.yaml")];
        let mut settling = Settling::default();
        let mut look = |stamp: Option<u64>| {
            let seen = vec![stamp.map(|inode| (inode, 0, 0, 0))];
            settling.has_settled(files.clone(), seen)
        };
        let changes: Vec<_> = stamps.iter().map(|stamp| look(*stamp)).collect();
        let found: Vec<_> = (0..stamps.len()).filter(|at| changes[*at]).collect();
        assert_eq!(found, told, "{stamps:?}");
    }

    #[test]
    fn a_change_is_told_once_when_it_has_settled() {
        check(&[Some(1), Some(1), Some(1)], &[]);
        check(&[Some(1), Some(2), Some(2), Some(2)], &[2]);
        check(&[Some(1), Some(2), Some(3), Some(4), Some(4)], &[4]);
        check(&[Some(1), Some(2), Some(1), Some(1)], &[]);
        // Gone for a moment, as while it is replaced.
        check(&[Some(1), None, Some(2), Some(2)], &[3]);
    }

    #[test]
    fn other_files_are_known_as_they_are() {
        let mut settling = Settling::default();
        let one = vec![Some((1, 0, 0, 0))];
        assert!(!settling.has_settled(vec!["a".into()], one));
        let two = vec![Some((1, 0, 0, 0)), Some((2, 0, 0, 0))];
        assert!(!settling.has_settled(vec!["a".into(), "b".into()], two.clone()));
        assert!(!settling.has_settled(vec!["a".into(), "b".into()], two));
    }

    #[test]
    fn a_file_that_is_written_or_replaced_looks_different() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("fanway.yaml");
        let files = [file.clone()];
        let missing = look(&files);
        fs::write(&file, "a").expect("written");
        let first = look(&files);
        fs::write(&file, "ab").expect("written");
        let second = look(&files);
        let other = folder.path().join("other");
        fs::write(&other, "ab").expect("written");
        fs::rename(&other, &file).expect("replaced");
        let third = look(&files);
        assert!(missing != first && first != second && second != third);
    }

    /// As Kubernetes does it: the file leads through a link to a folder that is changed over.
    #[test]
    fn a_file_behind_a_link_that_is_changed_over_looks_different() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for version in ["..one", "..two"] {
            fs::create_dir(path(version)).expect("a folder");
            fs::write(path(version).join("token"), "same").expect("written");
        }
        symlink("..one", path("..data")).expect("a link");
        symlink("..data/token", path("token")).expect("a link");
        let files = [path("token")];
        let first = look(&files);
        symlink("..two", path("..data_tmp")).expect("a link");
        fs::rename(path("..data_tmp"), path("..data")).expect("changed over");
        let second = look(&files);
        assert!(first != second && second[0].is_some());
    }
}
