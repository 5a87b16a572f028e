//! Running the binary.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How a run ended.
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> Done {
    finish(program(arguments))
}

/// Runs it to its end, as it was prepared.
pub(crate) fn finish(mut command: Command) -> Done {
    let output = command.output().expect("it runs");
    Done {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

impl Done {
    /// What was printed by a run that ended with this status.
    #[track_caller]
    pub(crate) fn out(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self.out.trim_end()
    }

    /// The same as JSON.
    #[track_caller]
    pub(crate) fn json(&self, code: i32) -> Value {
        serde_json::from_str(self.out(code)).expect("JSON")
    }

    /// What was said beside the data by a run that ended with this status.
    #[track_caller]
    pub(crate) fn err(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self.err.trim_end()
    }
}

/// The binary with these arguments, to be prepared further.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanway"));
    command.args(arguments);
    for inherited in ["RUST_LOG", "NOTIFY_SOCKET", "WATCHDOG_USEC"] {
        command.env_remove(inherited);
    }
    command
}

/// A folder with a config in it.
pub(crate) struct Folder {
    folder: TempDir,
}

impl Folder {
    /// One whose config is this.
    pub(crate) fn with_config(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("fanway.yaml"), text).expect("written");
        Self { folder }
    }

    /// One whose config has a data folder in it, free ports, and a target at this address.
    pub(crate) fn with_target(address: &str) -> Self {
        let folder = Self::with_config("");
        let text = format!(
            "server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0 }}\n\
             store: {{ path: {:?} }}\n\
             targets: {{ mail: {{ url: 'http://{address}' }} }}\n\
             routes: {{ mails: {{ match: POST /mails, send: [mail] }} }}\n",
            folder.data()
        );
        fs::write(folder.path().join("fanway.yaml"), text).expect("written");
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> String {
        self.path().join("fanway.yaml").display().to_string()
    }

    pub(crate) fn data(&self) -> String {
        self.path().join("data").display().to_string()
    }
}

/// A server that runs; killed when it is dropped.
pub(crate) struct Serving {
    child: Child,
    logs: BufReader<ChildStderr>,
    /// The gateway's URL.
    pub(crate) gateway: String,
    /// The admin API's URL.
    pub(crate) admin: String,
}

impl Serving {
    pub(crate) fn start(folder: &Folder) -> Self {
        Self::start_with(folder, &[])
    }

    /// One with this added to its environment.
    pub(crate) fn start_with(folder: &Folder, environment: &[(&str, &str)]) -> Self {
        let mut child = program(&["serve", "--json", "-c", &folder.config()])
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let logs = BufReader::new(child.stderr.take().expect("piped"));
        let mut serving = Self {
            child,
            logs,
            gateway: String::new(),
            admin: String::new(),
        };
        let ready = serving.wait_for_log("ready");
        let url = |field: &str| format!("http://{}", ready[field].as_str().expect("an address"));
        (serving.gateway, serving.admin) = (url("gateway"), url("admin"));
        serving
    }

    /// Reads logs up to one with this message; returns its fields.
    pub(crate) fn wait_for_log(&mut self, message: &str) -> Value {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let length = self.logs.read_line(&mut line).expect("text");
            assert_ne!(length, 0, "it ended, and had logged\n{seen}");
            seen.push_str(&line);
            let Ok(log) = serde_json::from_str::<Value>(&line) else {
                continue;
            };
            if log["fields"]["message"] == message {
                return log["fields"].clone();
            }
        }
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal to stop.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits for its end; returns its status and the rest of its logs.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut logs = String::new();
        self.logs.read_to_string(&mut logs).expect("text");
        let status = self.child.wait().expect("it ends");
        (status.code(), logs)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A run that isn't over; killed when it is dropped.
pub(crate) struct Going {
    child: Child,
    /// There until nobody reads it any more.
    out: Option<BufReader<ChildStdout>>,
    err: BufReader<ChildStderr>,
}

impl Going {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = program(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let out = child.stdout.take().map(BufReader::new);
        let err = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, out, err }
    }

    /// The next line that it prints; empty at its end.
    pub(crate) fn line(&mut self) -> String {
        line_of(self.out.as_mut().expect("it is read"))
    }

    /// The next line that it says beside; empty at its end.
    pub(crate) fn note(&mut self) -> String {
        line_of(&mut self.err)
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
    }

    /// Reads no more, and waits for its end.
    pub(crate) fn leave(mut self) -> Option<i32> {
        self.out = None;
        self.child.wait().expect("it ends").code()
    }

    /// Waits for its end; returns what it has printed and said since.
    pub(crate) fn end(mut self) -> Done {
        let (mut out, mut err) = (String::new(), String::new());
        let rest = self.out.as_mut().expect("it is read");
        rest.read_to_string(&mut out).expect("text");
        self.err.read_to_string(&mut err).expect("text");
        let code = self.child.wait().expect("it ends").code();
        Done { code, out, err }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

fn line_of(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).expect("text");
    line.trim_end().to_owned()
}

/// A server that gives each request the next of these answers, whole and as they are, and closes
/// its connection; returns its address, and the requests as they come.
pub(crate) fn scripted(answers: &[&str]) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
    let (sender, requests) = sync_channel(answers.len());
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            let request = read_request(&mut BufReader::new(&stream));
            sender.send(request).expect("there is room");
            write_all(&mut stream, &answer);
        }
    });
    (address, Requests(requests))
}

/// The requests that a server gets.
pub(crate) struct Requests(Receiver<String>);

impl Requests {
    /// The next one. Only what sends none takes longer than a minute.
    pub(crate) fn next(&self) -> String {
        let limit = Duration::from_secs(60);
        self.0.recv_timeout(limit).expect("there is a request")
    }

    /// All of a server that has given all of its answers.
    pub(crate) fn all(self) -> Vec<String> {
        self.0.into_iter().collect()
    }
}

/// An answer with a body of JSON.
pub(crate) fn answer(status: &str, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// An answer that is a stream of these events, and is closed behind them.
pub(crate) fn stream(events: &str) -> String {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    format!("{head}{events}")
}

fn write_all(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("it reads");
}

/// A target API that answers each request with this status, or never where there is none.
pub(crate) fn target(status: Option<u16>) -> String {
    let (address, requests) = heard(status);
    // Nobody asks for them.
    thread::spawn(move || requests.0.into_iter().for_each(drop));
    address
}

/// The same; returns the requests as they come, too.
pub(crate) fn heard(status: Option<u16>) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let (sender, requests) = sync_channel(100);
    thread::spawn(move || {
        let mut unanswered = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let Some(status) = status else {
                unanswered.push(stream);
                continue;
            };
            let request = read_request(&mut BufReader::new(&stream));
            // The test may be over.
            let _unheard = sender.send(request);
            let answer = format!(
                "HTTP/1.1 {status} Status\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            write_all(&mut stream, &answer);
        }
    });
    (address, Requests(requests))
}

/// Reads a request: its head, in lower case, and its body.
fn read_request(stream: &mut impl BufRead) -> String {
    let mut length = 0;
    let mut request = String::new();
    for line in stream.by_ref().lines() {
        let line = line.expect("text").to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        request.push_str(&line);
        request.push('\n');
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    request + str::from_utf8(&body).expect("text")
}
