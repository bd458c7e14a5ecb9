//! A server: one event loop per core, each with its own listener on the same address.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::app::App;
use super::cx::{Cx, Remote};
use super::event_loop::{EventLoop, Parts};
use super::websocket::publication;
use crate::config::Config;
use crate::engine::Message;
use crate::error::Error;
use crate::net::address::ListenAddress;
use crate::net::listener::{Bound, Listener, Sharing};
use crate::observe::{Counters, Counts, Record, Sink, to_stderr};
use crate::pubsub::{Broker, BrokerCounts, Filter, Hub, Publication, Published, TopicError};

/// The most workers: ids have 8 bits for them, and one number is reserved.
const WORKERS_MAX: usize = 254;

type Setup<U> = dyn Fn(&mut App<U>) + Send + Sync;
type OnStart<U> = dyn Fn(&mut Cx<'_, U>) + Send + Sync;
type MakeState<U> = dyn Fn(usize) -> U + Send + Sync;

/// An HTTP server.
///
/// ```no_run
/// fn main() -> keirin::Result<()> {
///     keirin::Server::new(|app: &mut keirin::App| {
///         app.get("/", |res, _req| res.end(b"Hello world!"));
///     })
///     .listen("127.0.0.1:3000")?
///     .run()
/// }
/// ```
pub struct Server<U: 'static = ()> {
    setup: Arc<Setup<U>>,
    make_state: Arc<MakeState<U>>,
    on_start: Arc<OnStart<U>>,
    config: Config,
    workers: usize,
    sink: Arc<Sink>,
    bound: Vec<Bound>,
    control: Arc<Mutex<Control<U>>>,
    broker: Option<Arc<dyn Broker>>,
}

/// What handles reach of a server.
struct Control<U> {
    workers: Vec<(Remote<U>, Arc<Counters>)>,
    /// A stop that was asked for before the workers were there, or while they start.
    stopping: Option<Duration>,
    hub: Option<Arc<Hub>>,
}

/// Stops a server and reads its counters, from any thread.
pub struct ServerHandle<U: 'static = ()>(Arc<Mutex<Control<U>>>);

impl<U> Clone for ServerHandle<U> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Server<()> {
    /// A server whose routes are registered by `setup`, which is called once on each worker's
    /// thread.
    pub fn new(setup: impl Fn(&mut App) + Send + Sync + 'static) -> Self {
        Self::with_state(|_| (), setup)
    }
}

impl<U: 'static> Server<U> {
    /// A server whose workers each keep a value of their own: `make_state` is called with the
    /// worker's number on its thread, and handlers reach the value through
    /// [`Cx::state_mut`](super::Cx::state_mut) without locks.
    pub fn with_state(
        make_state: impl Fn(usize) -> U + Send + Sync + 'static,
        setup: impl Fn(&mut App<U>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            setup: Arc::new(setup),
            make_state: Arc::new(make_state),
            on_start: Arc::new(|_| {}),
            config: Config::default(),
            workers: thread::available_parallelism()
                .map_or(1, usize::from)
                .min(WORKERS_MAX),
            sink: Arc::new(to_stderr),
            bound: Vec::new(),
            control: Arc::new(Mutex::new(Control {
                workers: Vec::new(),
                stopping: None,
                hub: None,
            })),
            broker: None,
        }
    }

    /// Sets limits and timeouts.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the number of workers, 1 to 254. The default is one for each core.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// Links what is published here with other servers. The default links the workers of this one.
    #[must_use]
    pub fn broker(mut self, broker: impl Broker) -> Self {
        self.broker = Some(Arc::new(broker));
        self
    }

    /// Has each worker call `on_start` on its thread, before it accepts connections: to arm timers,
    /// say, or to tell others of its [`Remote`].
    #[must_use]
    pub fn on_start(mut self, on_start: impl Fn(&mut Cx<'_, U>) + Send + Sync + 'static) -> Self {
        self.on_start = Arc::new(on_start);
        self
    }

    /// Has log records go to `sink`, called on the workers' threads between callbacks. The default
    /// writes warnings and errors to standard error, a line each.
    #[must_use]
    pub fn on_log(mut self, sink: impl Fn(&Record) + Send + Sync + 'static) -> Self {
        self.sink = Arc::new(sink);
        self
    }

    /// Takes an address, in the forms of [`ListenAddress`]. May be called several times.
    ///
    /// # Errors
    /// [`Error::Address`] when it does not parse, [`Error::Listen`] when it cannot be had: also
    /// when another program holds the port and would share it.
    pub fn listen(mut self, address: &str) -> Result<Self, Error> {
        self.listen_on(address)?;
        Ok(self)
    }

    /// The same for a server that is kept: says where it listens, with the port that the kernel
    /// chose.
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    pub fn listen_on(&mut self, address: &str) -> Result<ListenAddress, Error> {
        let bound = Bound::new(&address.parse()?, Sharing::Workers)?;
        let address = bound.address().clone();
        self.bound.push(bound);
        Ok(address)
    }

    /// Where the server listens, with the ports that the kernel chose.
    pub fn addresses(&self) -> Vec<ListenAddress> {
        self.bound
            .iter()
            .map(|bound| bound.address().clone())
            .collect()
    }

    /// A handle for other threads.
    pub fn handle(&self) -> ServerHandle<U> {
        ServerHandle(Arc::clone(&self.control))
    }

    /// Runs the workers, one of them on this thread, until the server is stopped and everything
    /// has ended.
    ///
    /// Raises the process's soft limit on open files to the hard one.
    ///
    /// # Errors
    /// [`Error::Route`] for a malformed route, [`Error::Config`] for a number of workers out of
    /// range or no address to listen on, [`Error::Listen`] and [`Error::Io`] when the kernel
    /// refuses what a worker needs. The other workers are stopped then.
    pub fn run(mut self) -> Result<(), Error> {
        if !(1..=WORKERS_MAX).contains(&self.workers) {
            return Err(Error::Config {
                name: "workers",
                expected: "1 to 254",
            });
        }
        if self.bound.is_empty() {
            return Err(Error::Config {
                name: "listen",
                expected: "called before run",
            });
        }
        // A process that may not raise it runs with what it has.
        let _ = crate::net::raise_open_files_limit();
        let seeds = self.seeds()?;
        let control = Arc::clone(&self.control);
        let outcome = thread::scope(|scope| {
            let mut seeds = seeds.into_iter();
            let first = seeds.next();
            let threads: Vec<_> = seeds
                .map(|seed| {
                    let control = &control;
                    let spawned = thread::Builder::new()
                        .name(format!("keirin-{}", seed.number))
                        .spawn_scoped(scope, move || run_worker(seed, control));
                    spawned.map_err(|error| {
                        lock(control).stop(Duration::ZERO);
                        Error::Io(error)
                    })
                })
                .collect();
            let mut outcome = first.map_or(Ok(()), |seed| run_worker(seed, &control));
            for thread in threads {
                let joined = thread.and_then(|thread| match thread.join() {
                    Ok(result) => result,
                    Err(_) => Err(Error::WorkerPanicked),
                });
                outcome = outcome.and(joined);
            }
            outcome
        });
        drop(self.bound);
        outcome
    }

    /// What each worker starts from, registered with the handles.
    fn seeds(&mut self) -> Result<Vec<Seed<U>>, Error> {
        let config = Arc::new(self.config.clone());
        let hub = Hub::new(self.workers, self.broker.take());
        let mut seeds = Vec::new();
        for number in 0..self.workers {
            seeds.push(Seed {
                number: number as u8,
                parts: Parts::new(
                    number as u8,
                    Arc::clone(&config),
                    Arc::clone(&hub),
                    Arc::clone(&self.sink),
                )?,
                listeners: Vec::new(),
                setup: Arc::clone(&self.setup),
                make_state: Arc::clone(&self.make_state),
                on_start: Arc::clone(&self.on_start),
            });
        }
        for bound in &mut self.bound {
            for (seed, listener) in seeds.iter_mut().zip(bound.listeners(self.workers)?) {
                seed.listeners.push((listener, bound.address().clone()));
            }
        }
        let mut control = lock(&self.control);
        control.hub = Some(hub);
        for seed in &seeds {
            let counters = Arc::clone(&seed.parts.counters);
            let remote = Remote {
                worker: seed.parts.remote.clone(),
                hub: Arc::clone(&seed.parts.hub),
            };
            control.workers.push((remote, counters));
        }
        if let Some(grace) = control.stopping {
            control.stop(grace);
        }
        drop(control);
        Ok(seeds)
    }
}

/// What a worker's thread starts from.
struct Seed<U: 'static> {
    number: u8,
    parts: Parts<U>,
    listeners: Vec<(Listener, ListenAddress)>,
    setup: Arc<Setup<U>>,
    make_state: Arc<MakeState<U>>,
    on_start: Arc<OnStart<U>>,
}

fn run_worker<U: 'static>(seed: Seed<U>, control: &Mutex<Control<U>>) -> Result<(), Error> {
    /// Whatever ends one worker early ends the others: half a server is worse than none.
    struct StopOthers<'a, U: 'static>(&'a Mutex<Control<U>>);
    impl<U> Drop for StopOthers<'_, U> {
        fn drop(&mut self) {
            lock(self.0).stop(Duration::ZERO);
        }
    }
    let guard = StopOthers(control);
    let Seed {
        number,
        parts,
        listeners,
        setup,
        make_state,
        on_start,
    } = seed;
    let user = make_state(usize::from(number));
    let mut event_loop = EventLoop::from_parts(parts, user, &*setup)?;
    event_loop.enter(|cx| on_start(cx));
    for (listener, address) in listeners {
        event_loop.add_listener(listener, address)?;
    }
    event_loop.run()?;
    // It was asked to stop, and so were the others.
    std::mem::forget(guard);
    Ok(())
}

fn lock<U>(control: &Mutex<Control<U>>) -> MutexGuard<'_, Control<U>> {
    // Nothing in there can be half changed.
    control.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<U: 'static> Control<U> {
    fn stop(&mut self, grace: Duration) {
        self.stopping = Some(self.stopping.map_or(grace, |before| before.min(grace)));
        for (remote, _) in &self.workers {
            remote.stop(grace);
        }
    }
}

impl<U: 'static> ServerHandle<U> {
    /// Begins a graceful stop: nothing new is accepted, idle connections are closed, answers that
    /// have begun are completed with `Connection: close`, and what is not done after `grace` is
    /// cut. A second call can shorten the time.
    pub fn stop(&self, grace: Duration) {
        lock(&self.0).stop(grace);
    }

    /// A way into one worker; `None` for one that is not there, and before the server runs.
    pub fn remote(&self, worker: usize) -> Option<Remote<U>> {
        let control = lock(&self.0);
        control
            .workers
            .get(worker)
            .map(|(remote, _)| remote.clone())
    }

    /// How many sockets of all workers are subscribed to exactly this topic, patterns aside.
    pub fn subscribers(&self, topic: &str) -> usize {
        let hub = lock(&self.0).hub.clone();
        let filter = Filter::topic(topic).ok();
        hub.zip(filter).map_or(0, |(hub, filter)| hub.count(filter))
    }

    /// What all workers have counted so far.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, counters) in &lock(&self.0).workers {
            counts.add(counters);
        }
        counts
    }

    /// Publishes to all subscribers of a topic on all workers, and through the broker. Before the
    /// server runs there are none.
    ///
    /// # Errors
    /// The topic is empty or has more than 65,535 bytes.
    pub fn publish(&self, topic: &str, message: Message<'_>) -> Result<Published, TopicError> {
        self.publish_as(&publication(topic, message))
    }

    /// The same, with a choice about compression.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_as(&self, publication: &Publication<'_>) -> Result<Published, TopicError> {
        let hub = lock(&self.0).hub.clone();
        match hub {
            Some(hub) => hub.publish(publication),
            None => Ok(Published::default()),
        }
    }

    /// What has gone to the broker, come from it, and failed.
    pub fn broker_counts(&self) -> BrokerCounts {
        let hub = lock(&self.0).hub.clone();
        hub.map(|hub| hub.broker_counts()).unwrap_or_default()
    }

    /// A way into each worker; empty before the server runs.
    pub fn remotes(&self) -> Vec<Remote<U>> {
        lock(&self.0)
            .workers
            .iter()
            .map(|(remote, _)| remote.clone())
            .collect()
    }
}
