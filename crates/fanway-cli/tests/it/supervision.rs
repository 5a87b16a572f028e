//! A server under something like systemd.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use crate::program::{Folder, Serving};

fn told(socket: &UnixDatagram) -> String {
    let mut text = [0; 256];
    let length = socket.recv(&mut text).expect("a datagram");
    String::from_utf8(text[..length].to_vec()).expect("text")
}

#[test]
fn systemd_is_told_of_a_servers_life() {
    let folder = Folder::with_target("127.0.0.1:9");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    // Only a server that says nothing takes that long.
    let limit = Duration::from_secs(60);
    socket.set_read_timeout(Some(limit)).expect("set");
    let path = path.display().to_string();
    let environment = [("NOTIFY_SOCKET", &*path), ("WATCHDOG_USEC", "1000000")];
    let serving = Serving::start_with(&folder, &environment);
    assert_eq!(told(&socket), "READY=1");
    assert_eq!(told(&socket), "WATCHDOG=1");
    serving.terminate();
    let last = std::iter::from_fn(|| Some(told(&socket))).find(|told| told != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    let (code, logs) = serving.end();
    assert_eq!(code, Some(0), "{logs}");
}

#[test]
fn systemd_is_told_of_a_reload() {
    let folder = Folder::with_target("127.0.0.1:9");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let path = path.display().to_string();
    let serving = Serving::start_with(&folder, &[("NOTIFY_SOCKET", &*path)]);
    assert_eq!(told(&socket), "READY=1");
    serving.signal(Signal::HUP);
    let reloading = told(&socket);
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(told(&socket), "READY=1");
}

#[test]
fn a_supervisor_that_cant_be_told_stops_nobody() {
    let folder = Folder::with_target("127.0.0.1:9");
    let environment = [("NOTIFY_SOCKET", "vsock:2:1234")];
    let serving = Serving::start_with(&folder, &environment);
    serving.terminate();
    let (code, logs) = serving.end();
    assert_eq!(code, Some(0), "{logs}");
}
