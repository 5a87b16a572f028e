//! A lane that makes deliveries of a step without expressions, one at a time, to a sink at the other
//! end of a loopback connection. The lane has the main thread for itself.
//!
//! A sink that answers as fast as it can would do so now before the lane looks for the answer and
//! now after, which takes the lane one way or another. So it answers once the lane's thread rests.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use fanway_dispatch::lane::{DEFAULT_WINDOW, Params};
use fanway_dispatch::{Addresses, Clock, Counts, Lane, Metrics, Plans, Stopper, shutdown};
use fanway_policy::concurrency::Concurrency;
use fanway_policy::{breaker, retry};
use fanway_store::Store;
use fanway_store::change::Control;
use fanway_store::trouble::Trouble;
use fanway_target::Target;
use fanway_target::http::{self, ConnectionBudget, HttpTarget, Roots, Timeouts, Version};
use fanway_testkit::{MemoryStore, build};
use fanway_transform::evaluator::{self, Evaluator};
use fanway_transform::plan::CompiledPlan;
use fanway_types::{Egress, End, Plan, Verdict};
use prometheus_client::registry::Registry;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::runtime;

use crate::{BODY, Failure, SEED};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// Longer than any run.
const LONG: Duration = Duration::from_secs(3600);

/// Has so many deliveries made.
pub(crate) fn run(count: u64) -> Result<(), Failure> {
    let plan = build::plan([build::step("inventory")]);
    let store = aside(|| filled(&plan, count))?;
    let sink = TcpListener::bind("127.0.0.1:0")?;
    let lane = lane(&store, &plan, sink.local_addr()?)?;
    let (stopper, stop) = shutdown();
    let rest = Arc::new(Rest::default());
    let (resting, waking) = (Arc::clone(&rest), Arc::clone(&rest));
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || resting.set(true))
        .on_thread_unpark(move || waking.set(false))
        .build()?;
    let sink = thread::spawn(move || {
        let answered = answer_all(&sink, count, &rest, &stopper);
        if answered.is_err() {
            stopper.abandon();
        }
        // Dropped here it would break off the last delivery.
        (answered, stopper)
    });
    let lane = runtime.spawn(lane.run(stop));
    runtime.block_on(lane)??;
    let (answered, _stopper) = sink.join().expect("it doesn't panic");
    answered?;
    aside(|| check(&store, count))
}

/// Does something on a thread of its own, which isn't counted.
fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join().expect("it doesn't panic"))
}

/// A store with so many messages of a plan.
fn filled(plan: &Arc<Plan>, count: u64) -> Result<MemoryStore, Failure> {
    let store = MemoryStore::default();
    let numbers = 0..count;
    let message = |number| build::message_with_body(plan, number, &BODY[..]);
    let runtime = runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        store.keep_plan(Arc::clone(plan)).await?;
        store.accept(numbers.map(message).collect()).await?;
        Ok(store)
    })
}

/// Checks that all of them were delivered, each by its first attempt.
fn check(store: &MemoryStore, count: u64) -> Result<(), Failure> {
    let outcomes = store.outcomes();
    let delivered = Verdict::Ended(End::Delivered);
    let strayed = outcomes.iter().find(|outcome| outcome.verdict != delivered);
    match strayed {
        None if outcomes.len() as u64 == count => Ok(()),
        None => Err("not all were delivered".into()),
        Some(outcome) => Err(format!("one wasn't delivered at once: {outcome:?}").into()),
    }
}

fn lane(store: &MemoryStore, plan: &Plan, sink: SocketAddr) -> Result<Lane, Failure> {
    let compiled = CompiledPlan::compile(plan).map_err(|mut errors| errors.swap_remove(0))?;
    let name = plan.steps[0].target.clone();
    let params = Params {
        target: Addresses::One(target(sink)?),
        counts: Counts::default(),
        retry: retry::Params::default(),
        breaker: breaker::Params::default(),
        concurrency: Concurrency::Fixed(NonZeroUsize::MIN),
        rate: None,
        fallback: None,
        control: Control::default(),
        trouble: Trouble::default(),
        window: DEFAULT_WINDOW,
        store: Arc::new(store.clone()),
        plans: Plans::new([Arc::new(compiled)]),
        evaluator: Evaluator::start(evaluator::Params::default(), Arc::new(()))?,
        crashed: HashSet::new(),
        metrics: Metrics::register(&mut Registry::default()).lane(&name),
        clock: Clock::system(),
        rng: StdRng::seed_from_u64(SEED),
        name,
    };
    let (lane, _handle) = Lane::open(params)?;
    Ok(lane)
}

fn target(sink: SocketAddr) -> Result<Arc<dyn Target>, Failure> {
    let target = HttpTarget::try_new(http::Params {
        url: format!("http://{sink}/stock").parse()?,
        credentials: http::Credentials::None,
        sign: None,
        timeouts: Timeouts {
            connect: LONG,
            first_byte: LONG,
            whole: LONG,
        },
        version: Version::Auto,
        connections: NonZeroUsize::MIN,
        idle: LONG,
        budget: ConnectionBudget::unlimited(),
        roots: Roots::system(),
        tls: http::Tls::default(),
        proxy: None,
        egress: Egress::default(),
    })?;
    Ok(Arc::new(target))
}

/// Whether the lane's thread rests: it has nothing to do before something comes from outside.
#[derive(Default)]
struct Rest {
    rests: Mutex<bool>,
    changed: Condvar,
}

impl Rest {
    fn set(&self, rests: bool) {
        *self.rests.lock().unwrap_or_else(PoisonError::into_inner) = rests;
        if rests {
            self.changed.notify_one();
        }
    }

    fn wait(&self) {
        let rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = self.changed.wait_while(rests, |rests| !*rests);
        drop(rested.unwrap_or_else(PoisonError::into_inner));
    }
}

/// The sink: answers so many requests on one connection, and stops the lane with the last.
fn answer_all(sink: &TcpListener, count: u64, rest: &Rest, stopper: &Stopper) -> io::Result<()> {
    let (mut lane, _) = sink.accept()?;
    lane.set_nodelay(true)?;
    let mut request = Vec::new();
    for left in (0..count).rev() {
        read_request(&mut lane, &mut request)?;
        rest.wait();
        if left == 0 {
            stopper.finish();
        }
        lane.write_all(ANSWER)?;
    }
    Ok(())
}

/// Reads a request whose body has the length that all have.
fn read_request(lane: &mut TcpStream, request: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 4096];
    request.clear();
    loop {
        let read = lane.read(&mut piece)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&piece[..read]);
        let head = request
            .windows(END_OF_HEAD.len())
            .position(|end| end == END_OF_HEAD);
        if head.is_some_and(|head| request.len() >= head + END_OF_HEAD.len() + BODY.len()) {
            return Ok(());
        }
    }
}
