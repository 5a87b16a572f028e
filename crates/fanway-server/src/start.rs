//! From a config to a server that runs, on a thread that controls it.
//!
//! The store is opened first: its lock keeps a second process out, and tells who has it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::Builder;

use fanway_config::Config;
use fanway_journal::open::Error as JournalError;
use fanway_store::{Error, Store};
use fanway_store_local::{LocalStore, OpenError, Turns};
use fanway_target::http::HttpTargetError;
use fanway_transform::plan::StepError;
use fanway_types::{MemoryBudget, RouteName, TargetName};
use prometheus_client::registry::Registry;

use crate::assembly::Assembly;
use crate::listener::ListenError;
use crate::parts;
use crate::run::{Assembled, Running, Stopper, Wanted};
use crate::source::{Fixed, Source};

/// A Fanway gateway.
#[derive(Debug)]
pub struct Server;

/// Why a server didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the data folder.
    #[error("the data folder {} is in use by {holder}", path.display())]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// The process id, and what it calls itself.
        holder: String,
    },
    /// The data folder can't be opened.
    #[error("the data folder {} can't be opened", path.display())]
    Open {
        /// The data folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<OpenError>,
    },
    /// An address can't be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The admin API has no credentials, and its address isn't a loopback one.
    #[error("the admin API can't listen on {0}, which others can reach")]
    AdminExposed(SocketAddr),
    /// A route's plan doesn't compile.
    #[error("route `{route}` doesn't compile")]
    Plan {
        /// The route.
        route: RouteName,
        /// The first thing that is wrong with it.
        #[source]
        source: StepError,
    },
    /// A target can't be called as it is configured.
    #[error("target `{target}` can't be called")]
    Target {
        /// The target.
        target: TargetName,
        /// Why.
        #[source]
        source: HttpTargetError,
    },
    /// Ingress can't be as it is configured.
    #[error("requests can't be taken in")]
    Ingress(#[from] fanway_ingress::Error),
    /// The store failed.
    #[error("the store failed at start")]
    Store(#[from] Error),
    /// The notes on evaluations can't be read or written.
    #[error("the notes on running evaluations can't be used")]
    Slots(#[source] io::Error),
    /// The system gave no thread.
    #[error("a thread can't be started")]
    Thread(#[source] io::Error),
}

impl Server {
    /// Starts a server and waits until it takes requests. Blocks; a caller within an asynchronous
    /// runtime blocks that thread of it.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running then.
    ///
    /// # Panics
    /// Where a part panics while it is started.
    pub fn start(config: Config) -> Result<Running, StartError> {
        Self::start_from(config, Arc::new(Fixed))
    }

    /// The same for a config that can be read again from `source`.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running then.
    ///
    /// # Panics
    /// Where a part panics while it is started.
    pub fn start_from(config: Config, source: Arc<dyn Source>) -> Result<Running, StartError> {
        let (report, started) = sync_channel(1);
        let (stopper, wanted) = Stopper::new();
        let control = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let assembled = runtime.map_err(StartError::Thread).and_then(|runtime| {
                Ok((runtime.block_on(assemble(config, source, wanted))?, runtime))
            });
            let (report_start, assembled) = match assembled {
                Ok((assembled, runtime)) => (Ok(assembled.reached()), Some((assembled, runtime))),
                Err(error) => (Err(error), None),
            };
            // The receiver waits for it.
            let _received = report.send(report_start);
            assembled.map_or(Ok(()), |(assembled, runtime)| {
                runtime.block_on(assembled.run())
            })
        };
        let control = Builder::new()
            .name("fanway-control".to_owned())
            .spawn(control)
            .map_err(StartError::Thread)?;
        match started.recv() {
            Ok(Ok(reached)) => Ok(Running::new(reached, stopper, control)),
            Ok(Err(error)) => Err(error),
            Err(_) => std::panic::resume_unwind(control.join().expect_err("it reported nothing")),
        }
    }
}

async fn assemble(
    config: Config,
    source: Arc<dyn Source>,
    wanted: Wanted,
) -> Result<Assembled, StartError> {
    let admin = config.server.admin;
    if !admin.ip().is_loopback() {
        return Err(StartError::AdminExposed(admin));
    }
    let budget = MemoryBudget::new(config.server.memory);
    let turns = Turns::default();
    let store = open(&config, budget.clone(), turns.clone())?;
    let assembly = Assembly {
        config: Arc::new(config),
        source,
        store: store.clone(),
        budget,
        turns,
        registry: Registry::default(),
    };
    let assembled = assembly.assemble(wanted).await;
    if assembled.is_err() {
        // Why the start failed is what is told.
        let _closed = store.close().await;
    }
    assembled
}

fn open(config: &Config, budget: MemoryBudget, turns: Turns) -> Result<LocalStore, StartError> {
    let path = config.store.path.clone();
    LocalStore::open(parts::store(config, budget, turns)).map_err(|error| match error {
        OpenError::Journal(JournalError::Locked { holder, .. }) => {
            StartError::InUse { path, holder }
        }
        other => StartError::Open {
            path,
            source: Box::new(other),
        },
    })
}
