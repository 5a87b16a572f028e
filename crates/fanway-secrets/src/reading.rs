//! Reading a config, in rounds: what it refers to and isn't known is asked for, and then it is
//! read again, until nothing is missing.
//!
//! A round finds out by reading what there is to ask for: only what a key of the config takes is,
//! and `${…}` within a comment or an expression isn't. Each round asks for something that was not
//! asked for before, so that they end. All rounds of a reading see the same answers.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::env::VarError;
use std::io;
use std::path::Path;

use fanway_config::{Config, Environment, Errors, ProcessEnvironment, Reference, Secrets};
use fanway_types::Secret;
use tokio::runtime;
use tokio::time::Instant;

use crate::ask::{Answer, AskError, Question};
use crate::known::Known;

/// Whether what is known is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// It is, but for what is leased and whose lease lasts.
    Anew,
    /// It isn't: only what isn't known is asked for.
    ForTheRest,
}

impl Known {
    /// Reads a config from a file, and what it refers to from wherever that is. Where a vault gives
    /// no answer at all, what it answered last is used. Blocks.
    ///
    /// # Errors
    /// With all that is wrong with it; a secret that can't be had is an error.
    ///
    /// # Panics
    /// Within an asynchronous task.
    pub fn load(&self, file: &Path, asking: Asking) -> Result<Config, Errors> {
        let mut answers = Answers::default();
        loop {
            let round = Round {
                known: self,
                asking,
                answers: RefCell::new(answers),
                missing: RefCell::default(),
                secrets: RefCell::default(),
            };
            let read = Config::load(file, &round);
            let missing = round.missing.into_inner();
            if missing.is_empty() {
                return read;
            }
            answers = round.answers.into_inner();
            let secrets = round.secrets.into_inner().unwrap_or_default();
            answers.extend(self.ask_blocking(missing, &secrets));
        }
    }

    /// Asks, on a runtime of its own, and keeps what is answered.
    fn ask_blocking(&self, questions: BTreeSet<Question>, secrets: &Secrets) -> Answers {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.ask_for_reading(questions, secrets)),
            Err(error) => {
                let why = AskError::Runtime(error).words();
                let none = questions
                    .into_iter()
                    .map(|question| (question, Err(why.clone())));
                none.collect()
            }
        }
    }

    pub(crate) async fn ask_for_reading(
        &self,
        questions: BTreeSet<Question>,
        secrets: &Secrets,
    ) -> Answers {
        let client = secrets.vault.as_ref().map(|vault| self.client(vault));
        let (client, no_client) = match client.transpose() {
            Ok(client) => (client, None),
            Err(error) => (None, Some(error.words())),
        };
        let asked = self.ask_all(questions, secrets, client.as_ref()).await;
        let answers = asked.into_iter().map(|(question, answered)| {
            let answered = match (answered, &no_client, &question) {
                (Ok(answer), ..) => {
                    self.keep(&question, &answer, secrets);
                    Ok(answer)
                }
                (Err(_), Some(why), Question::Vault(_)) => Err(why.clone()),
                (Err(error), ..) => self.in_place_of(&question, &error, secrets),
            };
            (question, answered)
        });
        answers.collect()
    }

    /// What was answered last, where there is only no answer for the moment.
    fn in_place_of(
        &self,
        question: &Question,
        error: &AskError,
        secrets: &Secrets,
    ) -> Result<Answer, String> {
        let why = error.words();
        let last = error.is_passing().then(|| self.answer(question, secrets));
        last.flatten()
            .inspect(|_| {
                tracing::warn!(%question, why, "a secret can't be asked for; what was answered last is used");
            })
            .ok_or(why)
    }
}

type Answers = BTreeMap<Question, Result<Answer, String>>;

/// One round of a reading.
struct Round<'k> {
    known: &'k Known,
    asking: Asking,
    /// What this reading goes by.
    answers: RefCell<Answers>,
    missing: RefCell<BTreeSet<Question>>,
    secrets: RefCell<Option<Secrets>>,
}

impl Round<'_> {
    /// What is known already, where that will do.
    fn known(&self, question: &Question, secrets: &Secrets) -> Option<Answer> {
        let known = self.known.answer(question, secrets)?;
        let lasts = || {
            let lease = known.lease.as_ref();
            lease.is_some_and(|lease| lease.term.end() > Instant::now())
        };
        (self.asking == Asking::ForTheRest || lasts()).then_some(known)
    }
}

impl Environment for Round<'_> {
    fn variable(&self, name: &str) -> Result<String, VarError> {
        ProcessEnvironment.variable(name)
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        ProcessEnvironment.file(path)
    }

    fn secret(&self, reference: &Reference, secrets: &Secrets) -> Result<Secret, String> {
        if secrets.is_broken() {
            return Err("what stands under `secrets` is wrong".to_owned());
        }
        let question = Question::from(reference);
        if matches!(question, Question::Vault(_)) && secrets.vault.is_none() {
            return Err("no `secrets.vault` says where it is".to_owned());
        }
        let mut answers = self.answers.borrow_mut();
        if let Some(answered) = answers.get(&question) {
            return answered.as_ref().map_err(Clone::clone)?.value(reference);
        }
        if let Some(known) = self.known(&question, secrets) {
            let value = known.value(reference);
            answers.insert(question, Ok(known));
            return value;
        }
        self.missing.borrow_mut().insert(question);
        *self.secrets.borrow_mut() = Some(secrets.clone());
        Err("it hasn't been asked for yet".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::path::Path;
    use std::thread;

    use fanway_config::{Config, Credentials};

    use super::{Asking, Known};
    use crate::scripted::{PROOF, ROLE, Scripted};

    /// A config with these credentials.
    fn write(folder: &Path, credentials: &str) -> std::path::PathBuf {
        let text = format!(
            "secrets:\n  vault: {{ address: 'http://v/', approle: {{ role_id: {ROLE}, secret_id: {PROOF} }} }}\n\
             targets:\n  a: {{ url: 'http://h/', credentials: {credentials} }}\n  b: {{ url: 'http://h/', credentials: {credentials} }}\n\
             routes:\n  r: {{ match: POST /, send: [a, b] }}\n"
        );
        let file = folder.join("fanway.yaml");
        fs::write(&file, text).expect("written");
        file
    }

    const PAIR: &str = "{ basic: { user: '${vault:database/creds/shop#username}', password: '${vault:database/creds/shop#password}' } }";

    fn passwords(config: &Config) -> Vec<(&str, &str)> {
        let shown = config
            .targets
            .values()
            .map(|target| match &target.credentials {
                Some(Credentials::Basic { user, password }) => (user.expose(), password.expose()),
                other => panic!("{other:?}"),
            });
        shown.collect()
    }

    #[test]
    fn fields_of_one_path_come_from_one_read_for_a_whole_reading() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, vault) = (write(folder.path(), PAIR), Scripted::default());
        let known = vault.known();
        let config = known.load(&file, Asking::Anew).expect("it is right");
        assert_eq!(passwords(&config), [("user-1", "hunter2-password-1"); 2]);
        let calls = ["POST auth/approle/login", "GET database/creds/shop"];
        assert_eq!(vault.calls(), calls);
        // What is leased is kept as long as it lasts.
        let again = known.load(&file, Asking::Anew).expect("it is right");
        assert_eq!(again.fingerprint, config.fingerprint);
        assert_eq!(vault.calls(), [""; 0]);
    }

    const KEPT: &str = "{ bearer: '${vault:secret/data/shop#token}' }";

    #[test]
    fn what_has_no_lease_is_asked_for_at_each_reading_unless_it_shall_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, vault) = (write(folder.path(), KEPT), Scripted::default());
        let known = vault.known();
        let first = known.load(&file, Asking::Anew).expect("it is right");
        vault.calls();
        let changed = serde_json::json!({ "token": "hunter2-changed" });
        vault.state().kept.insert("shop", changed);
        let same = known.load(&file, Asking::ForTheRest).expect("it is right");
        assert_eq!(
            (vault.calls().len(), &same.fingerprint),
            (0, &first.fingerprint)
        );
        let other = known.load(&file, Asking::Anew).expect("it is right");
        assert_eq!(vault.calls(), ["GET secret/data/shop"]);
        assert_ne!(other.fingerprint, first.fingerprint);
    }

    #[test]
    fn a_vault_that_is_down_is_an_error_at_first_and_none_once_its_answer_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, vault) = (write(folder.path(), KEPT), Scripted::default());
        let known = vault.known();
        vault.state().is_down = true;
        let errors = known
            .load(&file, Asking::Anew)
            .expect_err("nothing is known");
        let errors = errors.to_string();
        let expected = "${vault:secret/data/shop#token} can't be had: the login at the vault failed: the vault can't be reached: connect to vault.example:8200: refused [FW0106]";
        assert!(errors.contains(expected), "{errors}");
        vault.state().is_down = false;
        let first = known.load(&file, Asking::Anew).expect("it is right");
        vault.state().is_down = true;
        let same = known.load(&file, Asking::Anew).expect("it is known");
        assert_eq!(same.fingerprint, first.fingerprint);
    }

    #[track_caller]
    fn check_refused(credentials: &str, change: impl FnOnce(&Scripted), expected: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, vault) = (write(folder.path(), credentials), Scripted::default());
        change(&vault);
        let errors = vault.known().load(&file, Asking::Anew);
        let errors = errors.expect_err("it can't be had").to_string();
        assert!(errors.contains(expected), "{errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
    }

    #[test]
    fn what_cannot_be_had_is_named_and_nothing_that_proves_who_asks() {
        check_refused(
            KEPT,
            |vault| vault.state().kept.clear(),
            "has nothing there (404)",
        );
        let other = "{ bearer: '${vault:secret/data/shop#other}' }";
        check_refused(other, |_| {}, "there is no `other` there, only token");
        check_refused(
            KEPT,
            |vault| vault.state().forgets_logins = true,
            "the vault refuses it (403)",
        );
    }

    #[test]
    fn commands_are_run_once_a_reading() {
        let folder = tempfile::tempdir().expect("a folder");
        let count = folder.path().join("count");
        let command = format!(
            "{{ bearer: \"${{command:sh -c 'echo x >>{0}; cat {0} | tr -d \\\\\\\\n'}}\" }}",
            count.display()
        );
        let file = write(folder.path(), &command);
        let known = Scripted::default().known();
        let config = known.load(&file, Asking::Anew);
        config.unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(fs::read_to_string(&count).expect("it ran"), "x\n");
    }

    /// Answers each request over HTTP in turn; gives what it was asked, with its token.
    fn serve(listener: &TcpListener, answers: &[&str]) -> Vec<(String, String)> {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut reader = BufReader::new(stream.try_clone().expect("the same"));
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("text");
                match line.trim_end() {
                    "" => break,
                    line => head.push(line.to_owned()),
                }
            }
            let field = |name: &str| head.iter().find_map(|line| line.strip_prefix(name));
            let length =
                field("content-length: ").map_or(0, |text| text.parse().expect("a number"));
            reader.read_exact(&mut vec![0; length]).expect("a body");
            let token = field("x-vault-token: ").unwrap_or_default();
            asked.push((head[0].clone(), token.to_owned()));
            let length = answer.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{answer}"
            )
            .expect("sent");
        }
        asked
    }

    #[test]
    fn a_vault_is_asked_over_http() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = write(folder.path(), "{ bearer: '${vault:kv/my shop#token}' }");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let text = fs::read_to_string(&file).expect("it was written");
        fs::write(
            &file,
            text.replace("http://v/", &format!("http://{address}/")),
        )
        .expect("written");
        let answers = [
            r#"{"auth": {"client_token": "t", "lease_duration": 60}}"#,
            r#"{"data": {"token": "over HTTP"}}"#,
        ];
        let server = thread::spawn(move || serve(&listener, &answers));
        let config = Known::default().load(&file, Asking::Anew);
        config.unwrap_or_else(|errors| panic!("{errors}"));
        let asked = server.join().expect("it doesn't panic");
        let asked: Vec<_> = asked
            .iter()
            .map(|(first, token)| (&**first, &**token))
            .collect();
        let login = ("POST /v1/auth/approle/login HTTP/1.1", "");
        assert_eq!(asked, [login, ("GET /v1/kv/my%20shop HTTP/1.1", "t")]);
    }
}
