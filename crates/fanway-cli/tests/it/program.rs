//! Running the binary.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

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
    let output = program(arguments).output().expect("it runs");
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

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanway"));
    command.args(arguments).env_remove("RUST_LOG");
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
        let mut child = program(&["serve", "--json", "-c", &folder.config()])
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
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
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

/// A target API that answers each request with this status, or never where there is none.
pub(crate) fn target(status: Option<u16>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        let mut unanswered = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let Some(status) = status else {
                unanswered.push(stream);
                continue;
            };
            read_request(&mut BufReader::new(&stream));
            let answer = format!(
                "HTTP/1.1 {status} Status\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).expect("it reads");
        }
    });
    address
}

fn read_request(stream: &mut impl BufRead) {
    let mut length = 0;
    for line in stream.by_ref().lines() {
        let line = line.expect("text").to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        if line.is_empty() {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length]).expect("a body");
}
