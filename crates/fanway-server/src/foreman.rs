//! Who changes a server while it runs: reads its config again, checks all of it, puts it to use.
//!
//! A config is put to use in one go, with nothing awaited in between: first the lanes, so that
//! what is accepted from then on finds them as they are to be, then ingress, where a request that
//! is in progress finishes under the config that it began with. What was accepted keeps the plan
//! that it was accepted with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fanway_admin::steering::{Generation, Previous, Refused, RollbackError};
use fanway_config::Config;
use fanway_ingress::Ingress;
use fanway_secrets::InUse;
use fanway_store::change::Audit;
use fanway_store::{Error, Store};
use fanway_types::TargetName;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::changes::{Files, Named};
use crate::crew::Crew;
use crate::gone::Gone;
use crate::group::Ended;
use crate::kept::Kept;
use crate::lanes::{Lanes, RoutePlans};
use crate::origins::{Changes, Origins};
use crate::outward::Outward;
use crate::parts;
use crate::prepared::Prepared;
use crate::source::{Source, Unusable};
use crate::start::StartError;
use crate::steering::{Order, Steering, Why};

/// How often it is looked whether senders' callbacks go to new origins.
const LOOK: Duration = Duration::from_millis(500);

/// Changes a server that runs.
pub(crate) struct Foreman {
    crew: Crew,
    told: Told,
    orders: mpsc::Receiver<Order>,
    origins: Origins,
    gone: Gone,
    ticks: Interval,
    config: Arc<Config>,
    previous: Option<Arc<Config>>,
}

/// What a foreman is told of the other parts.
pub(crate) struct Told {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ingress: Ingress,
    pub(crate) outward: Outward,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) lanes: Lanes,
    pub(crate) plans: RoutePlans,
    pub(crate) files: watch::Sender<Files>,
    /// What is kept fresh.
    pub(crate) secrets: watch::Sender<InUse>,
    pub(crate) steering: Steering,
    /// Held by whoever changes what is set for a target.
    pub(crate) turn: Arc<Mutex<()>>,
}

impl Foreman {
    /// Opens the lanes of the first config, which ingress has already.
    ///
    /// # Errors
    /// Where the store failed, or gives no lane.
    pub(crate) async fn begin(
        mut crew: Crew,
        told: Told,
        orders: mpsc::Receiver<Order>,
        prepared: Prepared,
    ) -> Result<Self, StartError> {
        let turn = Arc::clone(&told.turn);
        let gone = Gone::new(Arc::clone(&told.store), told.lanes.clone(), turn);
        let config = prepared.config;
        gone.resume_moved(&config).await?;
        let kept = Kept::read(&*told.store).await?;
        crew.change(prepared.settings, adopted(&config), &kept)?;
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let foreman = Self {
            crew,
            told,
            orders,
            origins: Origins::default(),
            gone,
            ticks,
            config,
            previous: None,
        };
        foreman.look_at_files(Vec::new(), true);
        Ok(foreman)
    }

    /// Does what it is asked for, until a lane dies.
    pub(crate) async fn run(&mut self) -> Ended {
        loop {
            let ended = tokio::select! {
                ended = self.crew.next() => self.close(ended).await,
                Some(order) = self.orders.recv() => {
                    self.obey(order).await;
                    None
                }
                _ = self.ticks.tick() => {
                    self.gone.keep(&self.config).await;
                    self.look_for_origins().await
                }
            };
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    /// Opens lanes for origins that callbacks go to.
    async fn look_for_origins(&mut self) -> Option<Ended> {
        let lanes = &self.told.lanes;
        let look = self.origins.look(
            &self.config,
            &self.told.outward,
            &self.told.store,
            |target| lanes.get(target).map(|lane| lane.snapshot()),
        );
        let changed = match look.await {
            Ok(changes) if changes.is_nothing() => return None,
            Ok(changes) => self.change_some(changes).await,
            Err(error) => Err(error),
        };
        changed.err().map(|error| Ended {
            name: "callbacks".to_owned(),
            end: Err(error.into()),
        })
    }

    async fn change_some(&mut self, changes: Changes) -> Result<(), Error> {
        let kept = Kept::read(&*self.told.store).await?;
        self.crew.change_some(changes.add, &changes.remove, &kept)
    }

    async fn close(&mut self, ended: Ended) -> Option<Ended> {
        let name = ended.name.clone();
        let failed = |error: Error| Ended {
            name,
            end: Err(error.into()),
        };
        match Kept::read(&*self.told.store).await {
            Ok(kept) => self
                .crew
                .closed(ended, &kept)
                .unwrap_or_else(|error| Some(failed(error))),
            Err(error) => Some(failed(error)),
        }
    }

    /// Whoever gave an order may have gone away; it is done all the same.
    async fn obey(&mut self, order: Order) {
        self.gone.keep(&self.config).await;
        match order {
            Order::Reload(why, answer) => {
                let done = self.reload(why).await;
                match &done {
                    Ok(generation) => {
                        self.agree_on_controls().await;
                        self.note_reload(why, generation).await;
                    }
                    Err(errors) => self.note_refused(errors),
                }
                let _gone = answer.send(done);
            }
            Order::Rollback(answer) => {
                let done = self.roll_back().await;
                match &done {
                    Ok(_) => self.agree_on_controls().await,
                    Err(RollbackError::Refused(errors)) => self.note_refused(errors),
                    Err(RollbackError::NoPrevious) => {}
                }
                let _gone = answer.send(done);
            }
        }
    }

    /// Resumes targets that were gone and have moved, and tells lanes that were just opened what
    /// was set for their targets since it was read for them: who set it found no lane to tell. Done when nothing more has been set meanwhile.
    async fn agree_on_controls(&self) {
        if let Err(error) = self.gone.resume_moved(&self.config).await {
            tracing::error!(%error, "targets that have moved can't be resumed");
        }
        let mut told = None;
        loop {
            let set = match self.told.store.controls().await {
                Ok(set) => set,
                Err(error) => {
                    tracing::error!(%error, "what is set for targets can't be read");
                    return;
                }
            };
            if told.as_ref() == Some(&set) {
                return;
            }
            for lane in self.told.lanes.all() {
                let control = set.iter().find(|(target, _)| target == lane.target());
                lane.control(
                    control
                        .map(|(_, control)| control.clone())
                        .unwrap_or_default(),
                );
            }
            told = Some(set);
        }
    }

    fn note_refused(&self, errors: &[String]) {
        for error in errors {
            tracing::error!(error, "the config stays as it is");
        }
        self.told.steering.shown().refused = Some(Refused {
            at: parts::now(),
            errors: errors.to_vec(),
        });
    }

    /// Keeps an audit record of a reload that no operator has asked for by the admin API, which
    /// keeps its own.
    async fn note_reload(&self, why: Why, generation: &Generation) {
        let actor = match why {
            Why::Operator => return,
            Why::Told(actor) => actor,
            Why::Secret => "a changed secret",
        };
        let audit = Audit {
            at: parts::now(),
            actor: actor.into(),
            action: "config.reload".into(),
            subject: generation.fingerprint.as_str().into(),
            detail: Some(format!("generation {}", generation.number).into()),
        };
        if let Err(error) = self.told.store.note(audit).await {
            tracing::error!(%error, "the reload couldn't be noted");
        }
    }

    async fn reload(&mut self, why: Why) -> Result<Generation, Vec<String>> {
        tracing::info!(%why, "reading the config again");
        let source = Arc::clone(&self.told.source);
        let load = move || match why {
            Why::Operator | Why::Told(_) => source.load(),
            // Whoever says so has just asked for it.
            Why::Secret => source.load_as_known(),
        };
        let loaded = tokio::task::spawn_blocking(load).await;
        let loaded = loaded.map_err(|_| vec!["reading the config was broken off".to_owned()])?;
        let config = loaded.map_err(|Unusable { problems, files }| {
            // One that is mended is worth another try.
            self.look_at_files(files, false);
            problems
        })?;
        for warning in &config.warnings {
            tracing::warn!(%warning, "the config");
        }
        let generation = self.replace(Arc::new(config)).await?;
        self.look_at_files(Vec::new(), true);
        Ok(generation)
    }

    async fn roll_back(&mut self) -> Result<Generation, RollbackError> {
        let previous = self.previous.clone().ok_or(RollbackError::NoPrevious)?;
        tracing::info!("going back to the config before");
        let generation = self.replace(previous).await;
        let generation = generation.map_err(RollbackError::Refused)?;
        self.look_at_files(Vec::new(), false);
        Ok(generation)
    }

    async fn replace(&mut self, config: Arc<Config>) -> Result<Generation, Vec<String>> {
        let fixed = fanway_config::needs_restart(&self.config, &config);
        if !fixed.is_empty() {
            let needs = |key: &str| format!("a change of `{key}` needs a restart");
            return Err(fixed.into_iter().map(needs).collect());
        }
        let prepare = async {
            let prepared = Prepared::new(config, &*self.told.store, &self.told.outward).await?;
            let kept = Kept::read(&*self.told.store).await?;
            Ok::<_, StartError>((prepared, kept))
        };
        let (prepared, kept) = prepare.await.map_err(|error| vec![words(&error)])?;
        self.put_to_use(prepared, &kept)
            .map_err(|error| vec![words(&error)])
    }

    /// Nothing is awaited here, and what can be refused comes first: the server has the one config
    /// or the other, whole.
    fn put_to_use(&mut self, prepared: Prepared, kept: &Kept) -> Result<Generation, StartError> {
        let Prepared {
            config,
            plans,
            settings,
        } = prepared;
        let secrets = InUse::from(&*config);
        let table = parts::table(&config, &plans, &self.told.lanes);
        let table = self.told.ingress.arrange(table)?;
        let wanted = self.origins.with(&config, &self.told.outward, settings)?;
        self.told.outward.take_over(&config);
        self.crew.plans().set_current(plans);
        self.crew.change(wanted, adopted(&config), kept)?;
        self.told.ingress.replace(table);
        self.told.plans.set(parts::route_plans(&config));
        self.told.secrets.send_replace(secrets);
        self.previous = Some(std::mem::replace(&mut self.config, config));
        Ok(self.show())
    }

    /// Shows the config as the one that is in use now.
    fn show(&self) -> Generation {
        let mut shown = self.told.steering.shown();
        let before = &shown.current;
        let previous = Previous {
            number: before.number,
            fingerprint: before.fingerprint.clone(),
            loaded_at: before.loaded_at,
        };
        let generation = Generation {
            previous: Some(previous),
            ..parts::generation(&self.config, before.number + 1)
        };
        let (number, fingerprint) = (generation.number, &generation.fingerprint);
        let (targets, routes) = (self.config.targets.len(), self.config.routes.len());
        tracing::info!(number, fingerprint, targets, routes, "the config is in use");
        shown.current = generation.clone();
        shown.refused = None;
        generation
    }

    /// Has the config's files looked at, and others. Whether they hold the config that is in use is
    /// known of one that was just read, and not of one that was gone back to.
    fn look_at_files(&self, others: Vec<PathBuf>, hold_it: bool) {
        let config = &self.config;
        let is_watched = config.server.watch && self.told.source.has_files();
        let files = is_watched.then(|| {
            let mut files = config.files.clone();
            files.extend(others);
            files.sort_unstable();
            files.dedup();
            let holds = hold_it.then(|| config.fingerprint.as_str().into());
            Named { files, holds }
        });
        self.told.files.send_replace(files);
    }
}

impl Foreman {
    /// Ends all lanes; see [`Crew::stop`].
    pub(crate) async fn stop(self, deadline: Instant, last: Duration) {
        self.crew.stop(deadline, last).await;
    }
}

/// Who has what waits for targets of earlier configs.
fn adopted(config: &Config) -> BTreeMap<TargetName, TargetName> {
    let targets = config.targets.iter();
    let pairs = targets.flat_map(|(heir, target)| {
        let olds = target.was.iter().cloned();
        olds.map(move |old| (old, heir.clone()))
    });
    pairs.collect()
}

/// An error with what caused it.
fn words(error: &StartError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use fanway_admin::steering::RollbackError;
    use fanway_config::{Config, ProcessEnvironment};
    use fanway_dispatch::Plans;
    use fanway_secrets::InUse;
    use fanway_store::Store;
    use fanway_testkit::MemoryStore;
    use fanway_transform::evaluator::{self, Evaluator};
    use fanway_types::MemoryBudget;
    use prometheus_client::registry::Registry;
    use tokio::runtime::Handle;
    use tokio::sync::watch;

    use super::{Foreman, Told};
    use crate::crew::{Crew, Kit};
    use crate::lanes::{Lanes, RoutePlans};
    use crate::outward::Outward;
    use crate::parts;
    use crate::prepared::Prepared;
    use crate::source::Fixed;
    use crate::steering::Steering;

    impl Foreman {
        /// A foreman of the smallest config.
        pub(crate) async fn with_nothing_to_do(here: &Handle) -> (Self, Steering) {
            let text = "targets: { mail: { url: 'http://127.0.0.1:1' } }\n\
                        routes: { mails: { match: POST /, send: [mail] } }";
            let config = Config::parse(text, "test.yaml", &ProcessEnvironment);
            let config = Arc::new(config.expect("it is right"));
            let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
            let outward = Outward::new(&config);
            let mut registry = Registry::default();
            let prepared = Prepared::new(Arc::clone(&config), &*store, &outward).await;
            let prepared = prepared.expect("it compiles");
            let (steering, orders) = Steering::new(parts::generation(&config, 1));
            let lanes = Lanes::default();
            let ingress = fanway_ingress::Ingress::try_new(fanway_ingress::Params {
                table: parts::table(&config, &prepared.plans, &lanes),
                budget: MemoryBudget::new(config.server.memory),
                clock: parts::now,
                metrics: fanway_ingress::metrics::Metrics::register(&mut registry),
                evaluator: None,
            });
            let evaluator = Evaluator::start(evaluator::Params::default(), Arc::new(()));
            let kit = Kit {
                store: Arc::clone(&store),
                plans: Plans::new(prepared.plans.iter().cloned()),
                evaluator: evaluator.expect("threads"),
                crashed: HashSet::new(),
                metrics: fanway_dispatch::Metrics::register(&mut registry),
                cores: vec![here.clone()],
            };
            let told = Told {
                store,
                ingress: ingress.expect("one route"),
                outward,
                source: Arc::new(Fixed),
                lanes: lanes.clone(),
                plans: RoutePlans::default(),
                files: watch::channel(None).0,
                secrets: watch::channel(InUse::default()).0,
                steering: steering.clone(),
                turn: Arc::default(),
            };
            let crew = Crew::new(kit, lanes);
            let foreman = Self::begin(crew, told, orders, prepared).await;
            (foreman.expect("it begins"), steering)
        }
    }

    #[tokio::test]
    async fn what_is_refused_changes_nothing_and_is_shown() {
        use fanway_admin::steering::Steering as _;

        let (mut foreman, steering) = Foreman::with_nothing_to_do(&Handle::current()).await;
        let asking = async {
            let reloaded = steering.reload().await;
            assert_eq!(
                reloaded,
                Err(vec!["this server has no config file".to_owned()])
            );
            assert_eq!(steering.rollback().await, Err(RollbackError::NoPrevious));
        };
        tokio::select! {
            () = asking => {}
            ended = foreman.run() => panic!("{ended:?}"),
        }
        assert_eq!(steering.current().number, 1);
        assert_eq!(steering.refused().expect("it is kept").errors.len(), 1);
    }
}
