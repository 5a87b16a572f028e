//! Time goes by, in virtual time, and a scripted vault says what is left of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanway_config::{Reference, Secrets};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use super::{InUse, Keeper, Told};
use crate::ask::Question;
use crate::known::Known;
use crate::scripted::{Scripted, secrets};

const LEASED: &str = "database/creds/shop";
const KEPT: &str = "secret/data/shop";

/// A keeper that runs.
struct Scene {
    vault: Scripted,
    known: Known,
    secrets: Secrets,
    _in_use: watch::Sender<InUse>,
    reloads: Arc<AtomicUsize>,
    notes: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    /// A config that refers to these paths was read and is in use.
    async fn begin(paths: &[&str]) -> Self {
        let (vault, secrets) = (Scripted::default(), secrets());
        let known = vault.known();
        let questions = paths.iter().map(|path| Question::Vault((*path).to_owned()));
        let questions: BTreeSet<_> = questions.collect();
        let read = known.ask_for_reading(questions.clone(), &secrets).await;
        assert!(read.values().all(Result::is_ok), "{read:?}");
        vault.calls();
        let in_use = InUse {
            secrets: secrets.clone(),
            questions,
        };
        let (in_use, receiver) = watch::channel(in_use);
        let (reloads, notes) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let told = told(&reloads, &notes);
        tokio::spawn(Keeper::new(known.clone(), receiver, told).run());
        Self {
            vault,
            known,
            secrets,
            _in_use: in_use,
            reloads,
            notes,
        }
    }

    /// Lets so many seconds go by, and half a second so that all that is due then is done.
    async fn pass(&self, seconds: u64) {
        sleep(Duration::from_millis(seconds * 1000 + 500)).await;
    }

    fn value(&self, path: &str, field: &str) -> String {
        let answer = self
            .known
            .answer(&Question::Vault(path.to_owned()), &self.secrets);
        let value = answer.expect("it is known").value(&Reference::Vault {
            path: path.to_owned(),
            field: field.to_owned(),
        });
        value.expect("it is there").expose().to_owned()
    }

    fn reloads(&self) -> usize {
        self.reloads.load(Ordering::Relaxed)
    }

    fn notes(&self) -> Vec<String> {
        self.notes.lock().expect("nobody panics with it").clone()
    }
}

fn told(reloads: &Arc<AtomicUsize>, notes: &Arc<Mutex<Vec<String>>>) -> Told {
    let (reloads, notes) = (Arc::clone(reloads), Arc::clone(notes));
    Told {
        reload: Box::new(move || {
            reloads.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::ready(true))
        }),
        notes: Box::new(move |told| {
            assert!(
                told.iter().all(|note| !note.contains("hunter2")),
                "{told:?}"
            );
            *notes.lock().expect("nobody panics with it") = told;
        }),
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_when_a_third_of_it_is_left() {
    let scene = Scene::begin(&[LEASED]).await;
    scene.pass(38).await;
    assert_eq!(scene.vault.calls(), [""; 0]);
    scene.pass(2).await;
    assert_eq!(scene.vault.calls(), ["PUT sys/leases/renew"]);
    scene.pass(40).await;
    assert_eq!(scene.vault.calls(), ["PUT sys/leases/renew"]);
    assert_eq!(
        (scene.reloads(), scene.value(LEASED, "username")),
        (0, "user-1".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_lease_near_its_last_end_is_asked_for_anew_and_put_to_use() {
    let scene = Scene::begin(&[LEASED]).await;
    scene.vault.state().renewed = 20;
    scene.pass(40).await;
    assert_eq!(
        scene.vault.calls(),
        ["PUT sys/leases/renew", "GET database/creds/shop"]
    );
    assert_eq!(scene.reloads(), 1);
    let pair = (
        scene.value(LEASED, "username"),
        scene.value(LEASED, "password"),
    );
    assert_eq!(pair, ("user-2".to_owned(), "hunter2-password-2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_revoked_is_asked_for_anew() {
    let scene = Scene::begin(&[LEASED]).await;
    scene.vault.state().renewed = 0;
    scene.pass(40).await;
    assert_eq!(
        (scene.reloads(), scene.value(LEASED, "username")),
        (1, "user-2".to_owned())
    );
    assert_eq!(scene.notes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_lease_is_asked_for_again_and_only_a_change_is_put_to_use() {
    let scene = Scene::begin(&[KEPT]).await;
    scene.pass(300).await;
    assert_eq!(scene.vault.calls(), ["GET secret/data/shop"]);
    assert_eq!(scene.reloads(), 0);
    scene
        .vault
        .state()
        .kept
        .insert("shop", json!({ "token": "hunter2-new" }));
    scene.pass(300).await;
    assert_eq!(
        (scene.reloads(), scene.value(KEPT, "token")),
        (1, "hunter2-new".to_owned())
    );
    scene.pass(300).await;
    assert_eq!(scene.reloads(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_used_while_the_vault_is_down() {
    let scene = Scene::begin(&[KEPT, LEASED]).await;
    scene.vault.state().is_down = true;
    scene.pass(50).await;
    let notes = scene.notes();
    assert_eq!(
        notes,
        [
            "${vault:database/creds/shop} can't be kept fresh, and is used as it is known: the vault can't be reached: connect to vault.example:8200: refused"
        ]
    );
    scene.pass(60).await;
    assert!(
        scene.notes()[0].contains("(its lease has run out)"),
        "{:?}",
        scene.notes()
    );
    assert_eq!(
        (scene.reloads(), scene.value(LEASED, "username")),
        (0, "user-1".to_owned())
    );
    // Once a minute at the latest.
    let calls = scene.vault.calls();
    assert!(calls.len() < 10, "{calls:?}");
    scene.vault.state().is_down = false;
    scene.pass(61).await;
    assert_eq!(scene.notes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_when_a_third_of_it_is_left() {
    let scene = Scene::begin(&[KEPT]).await;
    scene.pass(2400).await;
    let calls = scene.vault.calls();
    let renewals = calls
        .iter()
        .filter(|call| *call == "PUT auth/token/renew-self");
    assert_eq!(renewals.count(), 1, "{calls:?}");
    assert!(
        !calls.iter().any(|call| call.contains("login")),
        "{calls:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn after_another_login_all_leases_are_asked_for_anew() {
    let scene = Scene::begin(&[LEASED]).await;
    scene.vault.state().renews_tokens = false;
    scene.pass(2400).await;
    let calls = scene.vault.calls();
    let at = calls
        .iter()
        .position(|call| call == "POST auth/approle/login");
    let at = at.unwrap_or_else(|| panic!("{calls:?}"));
    assert_eq!(calls[at + 1], "GET database/creds/shop");
    assert_eq!(
        (scene.reloads(), scene.value(LEASED, "username")),
        (1, "user-2".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_vault_knows_no_more_is_replaced() {
    let scene = Scene::begin(&[KEPT]).await;
    scene.vault.state().tokens.clear();
    scene.pass(300).await;
    let calls = scene.vault.calls();
    assert_eq!(
        calls[2..],
        ["POST auth/approle/login", "GET secret/data/shop"],
        "{calls:?}"
    );
    assert_eq!(scene.notes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_from_the_vault_is_noted_and_used_as_it_was() {
    let scene = Scene::begin(&[KEPT]).await;
    scene.vault.state().kept.clear();
    scene.pass(300).await;
    assert_eq!(scene.value(KEPT, "token"), "hunter2-kept");
    assert!(
        scene.notes()[0].ends_with("the vault has nothing there (404)"),
        "{:?}",
        scene.notes()
    );
}
