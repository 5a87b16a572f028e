//! Making the parts and setting them going, in the order in which they need each other.
//!
//! What reads and writes the store comes first; then the admin API, so that it can be seen; ingress
//! is last, when all that follows from a request is there. Addresses are taken before any of that
//! runs, and listened on after.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use fanway_admin::{Admin, Readiness, redrive};
use fanway_config::Config;
use fanway_dispatch::{Clock, Plans};
use fanway_ingress::{Door, Incoming, Ingress};
use fanway_secrets::{InUse, Keeper};
use fanway_store::Store;
use fanway_store_local::{LocalStore, Turns};
use fanway_transform::evaluator::{self, Evaluator};
use fanway_types::{DeliveryId, MemoryBudget};
use prometheus_client::registry::Registry;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::core::Core;
use crate::crew::{Crew, Kit};
use crate::foreman::{self, Foreman};
use crate::group::{End, Group};
use crate::lanes::{Lanes, RoutePlans};
use crate::listener::{self, Bound, ListenError};
use crate::outward::Outward;
use crate::prepared::Prepared;
use crate::run::{Assembled, Wanted};
use crate::source::Source;
use crate::start::StartError;
use crate::steering::{Steering, Why};
use crate::{changes, orphans, parts, strikes};

/// What parts are made from.
pub(crate) struct Assembly {
    pub(crate) config: Arc<Config>,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) store: LocalStore,
    pub(crate) budget: MemoryBudget,
    /// What tells the store which cores are at work.
    pub(crate) turns: Turns,
    pub(crate) registry: Registry,
}

/// What those see who are not told of each change.
#[derive(Clone)]
struct Views {
    lanes: Lanes,
    plans: RoutePlans,
    steering: Steering,
    readiness: Readiness,
    /// Held by whoever changes what is set for a target.
    turn: Arc<Mutex<()>>,
}

impl Assembly {
    /// Makes the parts, and begins to listen.
    pub(crate) async fn assemble(mut self, wanted: Wanted) -> Result<Assembled, StartError> {
        let gateway = listener::bind(self.config.server.listen)?;
        let admin = listener::bind(self.config.server.admin)?;
        let addresses = (gateway.address(), admin.address());
        self.store.register_metrics(&mut self.registry);
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        let outward = Outward::new(&self.config);
        outward.register_metrics(&mut self.registry);
        let prepared = Prepared::new(Arc::clone(&self.config), &*store, &outward).await?;
        let cores = self.start_cores()?;
        let (steering, orders) = Steering::new(parts::generation(&self.config, 1));
        let views = Views {
            lanes: Lanes::default(),
            plans: RoutePlans::default(),
            steering,
            readiness: Readiness::default(),
            turn: Arc::default(),
        };
        views.plans.set(parts::route_plans(&self.config));
        let (evaluator, crashed) = self.start_evaluator().await?;
        let ingress = self.ingress(&prepared, &views.lanes, evaluator.clone())?;
        let (files, looked_at) = watch::channel(None);
        let (secrets, in_use) = watch::channel(InUse::from(&*self.config));
        let kit = Kit {
            store: Arc::clone(&store),
            plans: Plans::new(prepared.plans.iter().cloned()),
            evaluator,
            crashed,
            metrics: fanway_dispatch::Metrics::register(&mut self.registry),
            cores: cores.iter().map(|core| core.handle().clone()).collect(),
        };
        let crew = Crew::new(kit, views.lanes.clone());
        let told = foreman::Told {
            store: Arc::clone(&store),
            ingress: ingress.clone(),
            outward,
            source: Arc::clone(&self.source),
            lanes: views.lanes.clone(),
            plans: views.plans.clone(),
            files,
            secrets,
            steering: views.steering.clone(),
            turn: Arc::clone(&views.turn),
        };
        self.log_start(addresses, cores.len());
        let foreman = Foreman::begin(crew, told, orders, prepared).await?;
        let mut watch = Group::default();
        self.watch_orphans(&views, &mut watch).await?;
        let watch_files =
            changes::watch(looked_at, Arc::clone(&self.source), views.steering.clone());
        spawn_here(&mut watch, "watch", watch_files);
        self.keep_secrets(&views, in_use, &mut watch);
        let (redrives, end_redrives) = self.run_redrives(&views, &mut watch);

        let steering = views.steering.clone();
        let readiness = views.readiness.clone();
        let (admin, close_admin) = self.serve_admin(admin, views, redrives)?;
        let (doors, intake) = serve_ingress(gateway, &ingress, &cores, &store)?;
        Ok(Assembled {
            addresses,
            store,
            readiness,
            intake,
            doors,
            foreman,
            steering,
            admin,
            close_admin,
            watch,
            end_redrives,
            cores,
            wanted,
        })
    }

    fn start_cores(&self) -> Result<Vec<Core>, StartError> {
        let threads = self
            .config
            .server
            .threads
            .map_or_else(available_parallelism, Ok);
        let threads = threads.map_or(1, NonZeroUsize::get);
        (0..threads)
            .map(|index| Core::start(index, self.turns.thread()).map_err(StartError::Thread))
            .collect()
    }

    async fn start_evaluator(&self) -> Result<(Evaluator, HashSet<DeliveryId>), StartError> {
        let (slots, struck) = strikes::open(&self.config.store.path).map_err(StartError::Slots)?;
        let crashed = strikes::settle(&slots, struck, &self.store).await?;
        let evaluator = Evaluator::start(evaluator::Params::default(), Arc::new(slots));
        Ok((evaluator.map_err(StartError::Thread)?, crashed))
    }

    fn ingress(
        &mut self,
        prepared: &Prepared,
        lanes: &Lanes,
        evaluator: Evaluator,
    ) -> Result<Ingress, StartError> {
        let ingress = Ingress::try_new(fanway_ingress::Params {
            table: parts::table(&self.config, &prepared.plans, lanes),
            budget: self.budget.clone(),
            clock: parts::now,
            metrics: fanway_ingress::metrics::Metrics::register(&mut self.registry),
            evaluator: Some(evaluator),
        });
        Ok(ingress?)
    }

    /// Carries redrives out; they end when what is returned is dropped.
    fn run_redrives(
        &self,
        views: &Views,
        group: &mut Group,
    ) -> (redrive::Handle, oneshot::Sender<()>) {
        let (runner, handle) = redrive::Runner::new(redrive::Params {
            store: Arc::new(self.store.clone()),
            plans: Arc::new(views.plans.clone()),
            lanes: Arc::new(views.lanes.clone()),
            clock: Clock::system(),
            rng: rand::make_rng(),
        });
        let (end, ended) = oneshot::channel();
        let ended = async {
            let _told: Result<(), _> = ended.await;
        };
        spawn_here(group, "redrives", runner.run(ended));
        (handle, end)
    }

    /// Keeps the secrets of the config in use fresh, where there may be some.
    fn keep_secrets(&mut self, views: &Views, in_use: watch::Receiver<InUse>, group: &mut Group) {
        let Some(known) = self.source.known() else {
            return;
        };
        known.register_metrics(&mut self.registry);
        let (steering, readiness) = (views.steering.clone(), views.readiness.clone());
        let told = fanway_secrets::Told {
            reload: Box::new(move || {
                let steering = steering.clone();
                Box::pin(async move { steering.reload_for(Why::Secret).await.is_ok() })
            }),
            notes: Box::new(move |notes| readiness.set_secrets(notes)),
        };
        spawn_here(group, "secrets", Keeper::new(known, in_use, told).run());
    }

    async fn watch_orphans(&self, views: &Views, group: &mut Group) -> Result<(), StartError> {
        let orphans = orphans::find(&self.store, &views.lanes).await?;
        for orphan in &orphans {
            let (target, pending) = (orphan.target.as_str(), orphan.pending);
            tracing::warn!(
                target_name = target,
                pending,
                "the config has no such target, and deliveries wait for it"
            );
        }
        views.readiness.set_orphans(orphans);
        let store = Arc::new(self.store.clone());
        let watch = orphans::watch(store, views.lanes.clone(), views.readiness.clone());
        spawn_here(group, "orphans", watch);
        Ok(())
    }

    /// Serves the admin API; it ends when what is returned is dropped.
    fn serve_admin(
        self,
        bound: Bound,
        views: Views,
        redrives: redrive::Handle,
    ) -> Result<(Group, oneshot::Sender<()>), StartError> {
        let admin = Admin::new(fanway_admin::Params {
            store: Arc::new(self.store),
            lanes: Arc::new(views.lanes),
            plans: Arc::new(views.plans),
            steering: Arc::new(views.steering),
            redrives,
            readiness: views.readiness,
            registry: self.registry,
            largest_body: self.config.server.max_body,
            turn: views.turn,
            clock: Clock::system(),
        });
        let address = bound.address();
        let io = |source| StartError::from(ListenError::Io { address, source });
        let listener = tokio::net::TcpListener::from_std(bound.listen()?).map_err(io)?;
        let (close, closed) = oneshot::channel();
        let closed = async {
            let _told: Result<(), _> = closed.await;
        };
        let serve = async move { Ok(admin.run(listener, closed).await?) };
        let mut group = Group::default();
        group.spawn(
            "admin".to_owned(),
            serve,
            &tokio::runtime::Handle::current(),
        );
        Ok((group, close))
    }

    fn log_start(&self, (gateway, admin): (SocketAddr, SocketAddr), cores: usize) {
        let data = self.config.store.path.display();
        let (targets, routes) = (self.config.targets.len(), self.config.routes.len());
        tracing::info!(%gateway, %admin, %data, cores, targets, routes, "starting");
        for note in self.store.health().notes {
            tracing::warn!(note, "the store");
        }
    }
}

/// Begins a part on this thread that ends only when it is told to.
fn spawn_here(group: &mut Group, name: &str, part: impl Future<Output = ()> + Send + 'static) {
    let part = async {
        part.await;
        Ok(())
    };
    group.spawn(name.to_owned(), part, &tokio::runtime::Handle::current());
}

/// Opens a door on each core, and begins to take connections in.
fn serve_ingress(
    bound: Bound,
    ingress: &Ingress,
    cores: &[Core],
    store: &Arc<dyn Store>,
) -> Result<(Group, Group), StartError> {
    let mut doors = Group::default();
    let mut handed = Vec::new();
    for (index, core) in cores.iter().enumerate() {
        let (sender, receiver) = mpsc::channel(listener::HANDED);
        let door = ingress.door(Arc::clone(store), rand::make_rng());
        doors.spawn(
            format!("door {index}"),
            open_door(door, receiver),
            core.handle(),
        );
        handed.push(sender);
    }
    let mut intake = Group::default();
    let listener = bound.listen()?;
    let take_in = async move { Ok(listener::hand_out(listener, handed).await?) };
    intake.spawn(
        "listener".to_owned(),
        take_in,
        &tokio::runtime::Handle::current(),
    );
    Ok((doors, intake))
}

/// Serves what a core is handed, until nobody hands it anything any more. How long what is in
/// progress then may take is for the stop to say.
async fn open_door(door: Door, handed: mpsc::Receiver<std::net::TcpStream>) -> End {
    let incoming = Incoming::Handed(handed);
    door.run(incoming, std::future::pending(), Duration::MAX)
        .await;
    Ok(())
}
