//! Making the parts and setting them going, in the order in which they need each other.
//!
//! What reads and writes the store comes first; then the admin API, so that it can be seen; ingress
//! is last, when all that follows from a request is there. Addresses are taken before any of that
//! runs, and listened on after.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use fanway_admin::{Admin, Readiness};
use fanway_config::Config;
use fanway_dispatch::lane::DEFAULT_WINDOW;
use fanway_dispatch::{Clock, Handle, Lane, Plans, Shutdown, lane};
use fanway_ingress::{Door, Incoming, Ingress};
use fanway_store::Store;
use fanway_store_local::LocalStore;
use fanway_target::http::Roots;
use fanway_transform::evaluator::{self, Evaluator};
use fanway_transform::plan::CompiledPlan;
use fanway_types::{DeliveryId, HeldBy, MemoryBudget, TargetName};
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};

use crate::core::Core;
use crate::group::{End, Group};
use crate::listener::{self, Bound, ListenError};
use crate::run::{Assembled, Wanted};
use crate::start::StartError;
use crate::{orphans, parts, strikes};

/// What parts are made from.
pub(crate) struct Assembly {
    pub(crate) config: Config,
    pub(crate) store: LocalStore,
    pub(crate) budget: MemoryBudget,
    pub(crate) registry: Registry,
}

/// Each route's plan, in the order of the config.
type Compiled = Vec<Arc<CompiledPlan>>;

impl Assembly {
    /// Makes the parts, and begins to listen.
    pub(crate) async fn assemble(mut self, wanted: Wanted) -> Result<Assembled, StartError> {
        let gateway = listener::bind(self.config.server.listen)?;
        let admin = listener::bind(self.config.server.admin)?;
        let addresses = (gateway.address(), admin.address());
        self.store.register_metrics(&mut self.registry);
        let ingress_metrics = fanway_ingress::metrics::Metrics::register(&mut self.registry);

        let plans = self.keep_plans().await?;
        let cores = self.start_cores()?;
        let (lanes_stopper, shutdown) = fanway_dispatch::shutdown();
        let (evaluator, crashed) = self.start_evaluator().await?;
        let lanes = self.open_lanes(&plans, &evaluator, &crashed)?;
        let handles: BTreeMap<_, _> = lanes
            .iter()
            .map(|(_, handle)| (handle.target().clone(), handle.clone()))
            .collect();
        let ingress = self.ingress(&plans, handles.clone(), ingress_metrics)?;
        let readiness = Readiness::default();
        let watch = self.watch_orphans(&readiness).await?;

        self.log_start(addresses, cores.len());
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        let lanes = run_lanes(lanes, &cores, &shutdown);
        let (admin, close_admin) = self.serve_admin(admin, handles, readiness.clone())?;
        let (doors, intake) = serve_ingress(gateway, &ingress, &cores, &store)?;
        Ok(Assembled {
            addresses,
            store,
            readiness,
            intake,
            doors,
            lanes,
            lanes_stopper,
            admin,
            close_admin,
            watch,
            cores,
            wanted,
        })
    }

    async fn keep_plans(&self) -> Result<Compiled, StartError> {
        let mut plans = Vec::new();
        for route in &self.config.routes {
            let plan = parts::plan(route)?;
            self.store.keep_plan(Arc::clone(plan.plan())).await?;
            plans.push(plan);
        }
        Ok(plans)
    }

    fn start_cores(&self) -> Result<Vec<Core>, StartError> {
        let threads = self
            .config
            .server
            .threads
            .map_or_else(available_parallelism, Ok);
        let threads = threads.map_or(1, NonZeroUsize::get);
        (0..threads)
            .map(|index| Core::start(index).map_err(StartError::Thread))
            .collect()
    }

    async fn start_evaluator(&self) -> Result<(Evaluator, HashSet<DeliveryId>), StartError> {
        let (slots, struck) = strikes::open(&self.config.store.path).map_err(StartError::Slots)?;
        let crashed = strikes::settle(&slots, struck, &self.store).await?;
        let evaluator = Evaluator::start(evaluator::Params::default(), Arc::new(slots));
        Ok((evaluator.map_err(StartError::Thread)?, crashed))
    }

    fn open_lanes(
        &mut self,
        plans: &Compiled,
        evaluator: &Evaluator,
        crashed: &HashSet<DeliveryId>,
    ) -> Result<Vec<(Lane, Handle)>, StartError> {
        let metrics = fanway_dispatch::Metrics::register(&mut self.registry);
        let plans = Plans::new(plans.iter().cloned());
        let roots = Roots::system();
        let open = |(name, target): (&TargetName, &fanway_config::Target)| {
            let http = parts::target(target, &roots).map_err(|source| StartError::Target {
                target: name.clone(),
                source,
            })?;
            let lane = Lane::open(lane::Params {
                name: name.clone(),
                target: Arc::new(http),
                retry: target.retry.clone(),
                breaker: target.breaker.clone(),
                concurrency: target.concurrency,
                window: DEFAULT_WINDOW,
                store: Arc::new(self.store.clone()),
                plans: plans.clone(),
                evaluator: evaluator.clone(),
                crashed: crashed.clone(),
                metrics: metrics.lane(name),
                clock: Clock::system(),
                rng: rand::make_rng(),
            });
            Ok(lane?)
        };
        self.config.targets.iter().map(open).collect()
    }

    fn ingress(
        &self,
        plans: &Compiled,
        lanes: BTreeMap<TargetName, Handle>,
        metrics: fanway_ingress::metrics::Metrics,
    ) -> Result<Ingress, StartError> {
        let routes = self.config.routes.iter().zip(plans);
        let url = self.config.server.public_url.as_ref();
        let ingress = Ingress::try_new(fanway_ingress::Params {
            routes: routes
                .map(|(route, plan)| parts::route(route, plan))
                .collect(),
            limits: parts::limits(&self.config),
            budget: self.budget.clone(),
            public_url: url.map(|url| url.as_str().to_owned()),
            held: Arc::new(move |target| match lanes.get(target) {
                Some(lane) => lane.snapshot().held_by,
                None => Some(HeldBy::Target),
            }),
            clock: parts::now,
            metrics,
        });
        Ok(ingress?)
    }

    async fn watch_orphans(&self, readiness: &Readiness) -> Result<Group, StartError> {
        let targets: BTreeSet<_> = self.config.targets.keys().cloned().collect();
        let orphans = orphans::find(&self.store, &targets).await?;
        for orphan in &orphans {
            let (target, pending) = (orphan.target.as_str(), orphan.pending);
            tracing::warn!(
                target_name = target,
                pending,
                "the config has no such target, and deliveries wait for it"
            );
        }
        readiness.set_orphans(orphans);
        let watch = orphans::watch(Arc::new(self.store.clone()), targets, readiness.clone());
        let watch = async {
            watch.await;
            Ok(())
        };
        let mut group = Group::default();
        group.spawn(
            "orphans".to_owned(),
            watch,
            &tokio::runtime::Handle::current(),
        );
        Ok(group)
    }

    /// Serves the admin API; it ends when what is returned is dropped.
    fn serve_admin(
        self,
        bound: Bound,
        lanes: BTreeMap<TargetName, Handle>,
        readiness: Readiness,
    ) -> Result<(Group, oneshot::Sender<()>), StartError> {
        let look = |(target, lane): (TargetName, Handle)| {
            let look: fanway_admin::Look = Box::new(move || lane.snapshot());
            (target, look)
        };
        let routes = self.config.routes.iter();
        let admin = Admin::new(fanway_admin::Params {
            store: Arc::new(self.store),
            lanes: lanes.into_iter().map(look).collect(),
            plans: routes
                .map(|route| (route.name.clone(), Arc::clone(&route.plan)))
                .collect(),
            readiness,
            registry: self.registry,
            clock: parts::now,
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

/// Deals the lanes out to the cores in turn.
fn run_lanes(lanes: Vec<(Lane, Handle)>, cores: &[Core], shutdown: &Shutdown) -> Group {
    let mut group = Group::default();
    for ((lane, handle), core) in lanes.into_iter().zip(cores.iter().cycle()) {
        let shutdown = shutdown.clone();
        let run = async move { Ok(lane.run(shutdown).await?) };
        group.spawn(format!("lane {}", handle.target()), run, core.handle());
    }
    group
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
