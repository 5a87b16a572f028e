//! Tells whoever started the server how it is, in the way of `sd_notify(3)`: that it is ready,
//! reloads, stops, and that it is well.
//!
//! Where nobody asked (there is no `NOTIFY_SOCKET`) nothing is said. What can't be said is told on
//! standard error: it stops no server.

use std::convert::Infallible;
use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::output::note;

/// Who watches over this process, if anybody does. Clones talk to the same one.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor {
    channel: Option<Arc<Channel>>,
    /// How often it wants to hear that all is well.
    watchdog: Option<Duration>,
}

/// Pings the supervisor until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the pings"]
pub(crate) struct Watchdog(
    #[expect(dead_code, reason = "its drop ends the thread")] SyncSender<Infallible>,
);

/// A datagram socket, and where to send to.
#[derive(Debug)]
struct Channel {
    socket: UnixDatagram,
    peer: SocketAddr,
    /// Whether it has been told of a stop: then it wants no more pings.
    is_stopping: AtomicBool,
}

impl Supervisor {
    /// Who the environment says that it is: `NOTIFY_SOCKET`, and where this process is the one
    /// that is meant, `WATCHDOG_USEC`.
    pub(crate) fn from_environment() -> Self {
        let watchdog = watchdog(
            env::var("WATCHDOG_USEC").ok().as_deref(),
            env::var("WATCHDOG_PID").ok().as_deref(),
        );
        let channel = env::var_os("NOTIFY_SOCKET").and_then(|address| {
            let opened = Channel::open(&address);
            opened
                .inspect_err(|error| note(format!("fanway: NOTIFY_SOCKET can't be used: {error}")))
                .ok()
        });
        Self {
            channel: channel.map(Arc::new),
            watchdog,
        }
    }

    /// Says that requests are taken: after a start, and after a reload.
    pub(crate) fn ready(&self) {
        self.say("READY=1");
    }

    /// Says that a reload has begun. [`ready`](Self::ready) says that it is over, however it ended.
    pub(crate) fn reloading(&self) {
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic()));
    }

    /// Says that a stop has begun.
    pub(crate) fn stopping(&self) {
        if let Some(channel) = &self.channel {
            channel.is_stopping.store(true, Ordering::Relaxed);
        }
        self.say("STOPPING=1");
    }

    /// From now on until a stop says twice in each of the supervisor's intervals that all is well,
    /// as often as `is_alive` returns true. That is asked on a thread of its own, and told how long
    /// it may take. `None` where nobody wants to hear it.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(crate) fn watch(
        &self,
        is_alive: impl Fn(Duration) -> bool + Send + 'static,
    ) -> io::Result<Option<Watchdog>> {
        let (Some(interval), Some(channel)) = (self.watchdog, self.channel.clone()) else {
            return Ok(None);
        };
        let (held, dropped) = sync_channel(0);
        let ping = move || {
            while let Err(RecvTimeoutError::Timeout) = dropped.recv_timeout(interval / 2) {
                if channel.is_stopping.load(Ordering::Relaxed) {
                    return;
                }
                if is_alive(interval / 4) {
                    channel.say("WATCHDOG=1");
                }
            }
        };
        thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(ping)?;
        Ok(Some(Watchdog(held)))
    }

    fn say(&self, state: &str) {
        if let Some(channel) = &self.channel {
            channel.say(state);
        }
    }
}

impl Channel {
    fn open(address: &OsStr) -> io::Result<Self> {
        let peer = match address.as_bytes() {
            [b'/', ..] => SocketAddr::from_pathname(address)?,
            [b'@', name @ ..] => abstract_address(name)?,
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        let socket = UnixDatagram::unbound()?;
        Ok(Self {
            socket,
            peer,
            is_stopping: AtomicBool::new(false),
        })
    }

    fn say(&self, state: &str) {
        if let Err(error) = self.socket.send_to_addr(state.as_bytes(), &self.peer) {
            note(format!("fanway: the supervisor can't be told: {error}"));
        }
    }
}

/// An address that is in no file system.
#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// How often to ping, going by `WATCHDOG_USEC` and `WATCHDOG_PID` (sd_watchdog_enabled(3)).
fn watchdog(micros: Option<&str>, process: Option<&str>) -> Option<Duration> {
    let ours = process.is_none_or(|id| id.parse() == Ok(process::id()));
    let micros = micros?.parse().ok().filter(|micros| *micros > 0)?;
    ours.then(|| Duration::from_micros(micros))
}

/// Microseconds by the clock that a supervisor compares a reload's beginning with.
fn monotonic() -> u128 {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::try_from(now).map_or(0, |since_boot| since_boot.as_micros())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::io::ErrorKind;
    use std::os::unix::net::UnixDatagram;
    use std::process;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::time::Duration;

    use rustix::time::{ClockId, Timespec, clock_gettime};
    use tempfile::TempDir;

    use super::{Channel, Supervisor, watchdog};

    /// What systemd is to a server.
    struct Systemd {
        socket: UnixDatagram,
        _folder: TempDir,
    }

    impl Systemd {
        fn start(watchdog: Option<Duration>) -> (Self, Supervisor) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("notify");
            let socket = UnixDatagram::bind(&path).expect("a socket");
            let systemd = Self {
                socket,
                _folder: folder,
            };
            (systemd, supervisor(path.as_os_str(), watchdog))
        }

        /// The next thing that it is told.
        fn told(&self) -> String {
            let mut text = [0; 256];
            let length = self.socket.recv(&mut text).expect("a datagram");
            String::from_utf8(text[..length].to_vec()).expect("text")
        }

        #[track_caller]
        fn expect_silence(&self) {
            self.socket.set_nonblocking(true).expect("set");
            let told = self.socket.recv(&mut [0; 256]);
            let error = told.expect_err("nothing was said");
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            self.socket.set_nonblocking(false).expect("set");
        }
    }

    fn supervisor(address: &OsStr, watchdog: Option<Duration>) -> Supervisor {
        let channel = Channel::open(address).expect("an address");
        Supervisor {
            channel: Some(Arc::new(channel)),
            watchdog,
        }
    }

    #[test]
    fn each_change_is_told_in_systemds_words() {
        let (systemd, supervisor) = Systemd::start(None);
        supervisor.ready();
        assert_eq!(systemd.told(), "READY=1");
        supervisor.stopping();
        assert_eq!(systemd.told(), "STOPPING=1");
        systemd.expect_silence();
    }

    #[test]
    fn a_reload_says_when_it_began() {
        let (systemd, supervisor) = Systemd::start(None);
        let before = clock_gettime(ClockId::Monotonic);
        supervisor.reloading();
        let after = clock_gettime(ClockId::Monotonic);
        let told = systemd.told();
        let began = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        let began: i64 = began.expect("two lines").parse().expect("a number");
        let micros = |time: Timespec| time.tv_sec * 1_000_000 + time.tv_nsec / 1000;
        assert!((micros(before)..=micros(after)).contains(&began), "{told}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_address_may_be_in_no_file_system() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;

        let name = format!("fanway-test-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        supervisor(format!("@{name}").as_ref(), None).ready();
        let mut text = [0; 256];
        let length = socket.recv(&mut text).expect("a datagram");
        assert_eq!(&text[..length], b"READY=1");
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        for address in ["", "notify", "vsock:2:1234"] {
            let error = Channel::open(address.as_ref()).expect_err(address);
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{address}");
        }
    }

    #[test]
    fn a_supervisor_that_has_gone_stops_nobody() {
        let (systemd, supervisor) = Systemd::start(None);
        drop(systemd);
        supervisor.ready();
    }

    /// A check that asks the test.
    fn asking() -> (
        impl Fn(Duration) -> bool + Send,
        Receiver<()>,
        SyncSender<bool>,
    ) {
        let (ask, asked) = sync_channel(0);
        let (answer, answers) = sync_channel(0);
        let check = move |_: Duration| ask.send(()).is_ok() && answers.recv().unwrap_or(false);
        (check, asked, answer)
    }

    #[test]
    fn the_watchdog_is_fed_only_while_the_server_is_well() {
        let (systemd, supervisor) = Systemd::start(Some(Duration::from_millis(2)));
        let (check, asked, answer) = asking();
        let watchdog = supervisor.watch(check).expect("a thread").expect("wanted");
        for alive in [true, false, true] {
            asked.recv().expect("asked");
            systemd.expect_silence();
            answer.send(alive).expect("taken");
            if alive {
                assert_eq!(systemd.told(), "WATCHDOG=1");
            }
        }
        drop(watchdog);
        // At most one more question was under way.
        if asked.recv().is_ok() {
            answer.send(false).expect("taken");
        }
        asked.recv().expect_err("the thread has ended");
        systemd.expect_silence();
    }

    #[test]
    fn the_watchdog_rests_once_a_stop_has_begun() {
        let (systemd, supervisor) = Systemd::start(Some(Duration::from_millis(2)));
        let (check, asked, answer) = asking();
        let _watchdog = supervisor.watch(check).expect("a thread").expect("wanted");
        asked.recv().expect("asked");
        supervisor.stopping();
        answer.send(false).expect("taken");
        asked.recv().expect_err("the thread has ended");
        assert_eq!(systemd.told(), "STOPPING=1");
        systemd.expect_silence();
    }

    #[test]
    fn nobody_is_asked_where_nobody_wants_to_hear() {
        let (_systemd, supervisor) = Systemd::start(None);
        let watchdog = supervisor.watch(|_| unreachable!("nobody asks"));
        assert!(watchdog.expect("no thread is needed").is_none());
    }

    #[track_caller]
    fn check(micros: Option<&str>, process: Option<&str>, expected: Option<u64>) {
        let expected = expected.map(Duration::from_micros);
        assert_eq!(watchdog(micros, process), expected);
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_is_meant() {
        let this = process::id().to_string();
        check(None, None, None);
        check(Some("30000000"), None, Some(30_000_000));
        check(Some("30000000"), Some(&this), Some(30_000_000));
        check(Some("30000000"), Some("1"), None);
        check(Some("30000000"), Some("none"), None);
        check(Some("0"), None, None);
        check(Some("often"), None, None);
    }
}
