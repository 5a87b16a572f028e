//! Running a program for what it prints. No shell, nothing to read from, a time to end by.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use fanway_config::CommandLine;
use fanway_types::{ByteCount, Secret};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The most that a program may print.
const MOST: ByteCount = ByteCount::kib(64);

/// The most of what it says on standard error that is kept.
const MOST_SAID: u64 = 4096;

/// The most characters of that in an error.
const SHOWN: usize = 200;

/// Why a program printed nothing that can be used. Never has anything of what it printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("it can't be started")]
    Start(#[source] io::Error),
    #[error("it took longer than {0:?} (`secrets.command_timeout`) and was killed")]
    Timeout(Duration),
    #[error("what it printed can't be read")]
    Read(#[source] io::Error),
    #[error("it ended with {status}{said}")]
    Failed { status: String, said: String },
    #[error("it printed more than {MOST}")]
    TooLong,
    #[error("what it printed isn't UTF-8")]
    NotUtf8,
}

/// Runs a program, and gives what it has printed less one newline at its end.
///
/// # Errors
/// See [`CommandError`]; nothing of what was started runs on then.
pub(crate) async fn run(line: &CommandLine, patience: Duration) -> Result<Secret, CommandError> {
    let (program, arguments) = line
        .words()
        .split_first()
        .expect("a command line has a program");
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that all of it can be killed.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(CommandError::Start)?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)));
    let (status, printed, said) = timeout(patience, finish(child))
        .await
        .map_err(|_| CommandError::Timeout(patience))?
        .map_err(CommandError::Read)?;
    group.0 = None;
    if !status.success() {
        return Err(CommandError::Failed {
            status: words(status),
            said: first_line(&said),
        });
    }
    if u64::try_from(printed.len()).map_or(true, |length| length > MOST.get()) {
        return Err(CommandError::TooLong);
    }
    let text = String::from_utf8(printed).map_err(|_| CommandError::NotUtf8)?;
    Ok(Secret::new(without_newline(text)))
}

/// Kills the processes of a group when it is dropped, unless they have ended.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // One that has just ended is as good.
            let _gone = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Reads both outputs to their ends, and waits for the program's.
async fn finish(mut child: Child) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let stdout = child.stdout.take().expect("it is piped");
    let stderr = child.stderr.take().expect("it is piped");
    let (printed, said) = tokio::try_join!(read(stdout, MOST.get() + 1), read(stderr, MOST_SAID))?;
    Ok((child.wait().await?, printed, said))
}

/// Reads all, and keeps the beginning.
async fn read(mut from: impl AsyncRead + Unpin, most: u64) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    (&mut from).take(most).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(kept)
}

/// `status 3`, or `signal 9`.
fn words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no status".to_owned(),
    }
}

/// `: ` and the first line that says something, or nothing.
fn first_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    line.map_or(String::new(), |line| {
        let shown = line.chars().filter(|character| !character.is_control());
        format!(": {}", shown.take(SHOWN).collect::<String>())
    })
}

fn without_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fanway_config::{Config, Environment, Reference, Secrets};
    use fanway_types::Secret;

    use super::run;
    use crate::ask::AskError;

    /// Finds the command of a config.
    #[derive(Default)]
    struct Finding(std::cell::RefCell<Option<Reference>>);

    impl Environment for Finding {
        fn variable(&self, _: &str) -> Result<String, std::env::VarError> {
            Err(std::env::VarError::NotPresent)
        }

        fn file(&self, _: &std::path::Path) -> std::io::Result<String> {
            Err(std::io::ErrorKind::NotFound.into())
        }

        fn secret(&self, reference: &Reference, _: &Secrets) -> Result<Secret, String> {
            *self.0.borrow_mut() = Some(reference.clone());
            Err("it was found".to_owned())
        }
    }

    async fn printed(command: &str, patience: Duration) -> Result<String, String> {
        let text = format!(
            "targets:\n  a:\n    url: http://h/\n    credentials:\n      bearer: >-\n        ${{command:{command}}}\n"
        );
        let finding = Finding::default();
        Config::parse(&text, "test.yaml", &finding).expect_err("it is only looked at");
        let found = finding.0.into_inner();
        let Some(Reference::Command(line)) = found else {
            panic!("{found:?}");
        };
        let printed = run(&line, patience).await;
        let printed = printed.map(|secret| secret.expose().to_owned());
        printed.map_err(|error| AskError::from(error).words())
    }

    async fn check(command: &str, expected: Result<&str, &str>) {
        let printed = printed(command, Duration::from_secs(60)).await;
        let printed = printed.as_ref().map(String::as_str).map_err(String::as_str);
        assert_eq!(printed, expected, "{command}");
    }

    #[tokio::test]
    async fn a_commands_output_is_taken_less_one_newline() {
        check("echo abc", Ok("abc")).await;
        check("printf 'a\\n\\n'", Ok("a\n")).await;
        check("echo '$HOME' *", Ok("$HOME *")).await;
        check("sh -c 'echo $(echo inner)'", Ok("inner")).await;
        check("cat", Ok("")).await;
    }

    #[tokio::test]
    async fn a_command_that_fails_is_told_by_its_status_and_what_it_says_of_it() {
        let command = "sh -c 'echo hunter2; echo; echo first >&2; echo second >&2; exit 3'";
        check(command, Err("it ended with status 3: first")).await;
        check("false", Err("it ended with status 1")).await;
        check("sh -c 'kill -9 $$'", Err("it ended with signal 9")).await;
        let none = printed("fanway-no-such-command", Duration::from_secs(60)).await;
        assert!(
            none.expect_err("there is none")
                .starts_with("it can't be started: ")
        );
    }

    #[tokio::test]
    async fn what_is_no_short_text_is_refused() {
        check("printf '\\377'", Err("what it printed isn't UTF-8")).await;
        check("head -c 65537 /dev/zero", Err("it printed more than 64KiB")).await;
        let most = printed("head -c 65536 /dev/zero", Duration::from_secs(60)).await;
        assert_eq!(most.map(|text| text.len()), Ok(65536));
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_takes_too_long_is_killed() {
        let slow = printed("sleep 1000000", Duration::from_secs(7)).await;
        let expected = "it took longer than 7s (`secrets.command_timeout`) and was killed";
        assert_eq!(slow, Err(expected.to_owned()));
    }
}
