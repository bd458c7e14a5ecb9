//! Server processes: started fresh, pinned, asked for their CPU time, and ended.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::AddAssign;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, getrlimit, kill_process_group,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Result;

/// How long a server may take until it accepts connections.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A server under test, in a process group of its own, so that a Ctrl-C is left to us. Dropping it
/// kills the group and reaps the process.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    address: SocketAddr,
    watch: Option<Watch>,
}

impl ServerProcess {
    /// Starts `command`, which must listen on `port` of 127.0.0.1, and waits until it accepts. The
    /// process runs where the calling thread is pinned.
    ///
    /// # Errors
    /// When the process cannot be started, ends, or does not listen in time.
    pub fn start(mut command: Command, port: u16) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = child.process_group(0).spawn();
        let child = child.map_err(|error| format!("cannot be started: {error}"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self {
            child,
            address,
            watch: None,
        };
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let accepts = TcpStream::connect_timeout(&address, START_TIMEOUT).is_ok();
            // Asked afterwards: whoever accepts must not be another that has the port.
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("ended at once: {status}").into());
            }
            if accepts {
                return Ok(server);
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "does not listen on {address} within {} s",
                    START_TIMEOUT.as_secs()
                )
                .into());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills the server when `limit` is over: whoever waits for it goes on then. At most once.
    #[must_use]
    pub fn killed_after(mut self, limit: Duration) -> Self {
        self.watch = group_of(&self.child).map(|group| Watch::start(group, limit));
        self
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What became of the server, if it is not there any more: that explains whatever else went
    /// wrong.
    ///
    /// # Errors
    /// That it was killed for taking too long, or ended by itself.
    pub fn check(&mut self) -> Result<()> {
        if let Some(watch) = &self.watch
            && watch.has_killed.load(Ordering::Acquire)
        {
            let limit_s = watch.limit.as_secs();
            return Err(format!("took more than {limit_s} s and was ended").into());
        }
        match self.child.try_wait()? {
            Some(status) => Err(format!("ended while it was measured: {status}").into()),
            None => Ok(()),
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Before the process is reaped, and its number may be another's.
        self.watch = None;
        // Fails only if all of them have ended by themselves; the first is reaped either way.
        let _ = group_of(&self.child).map(|group| kill_process_group(group, Signal::KILL));
        let _ = self.child.wait();
    }
}

fn group_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

/// A thread that kills a process group when its time is over, unless it is dropped before.
#[derive(Debug)]
struct Watch {
    limit: Duration,
    has_killed: Arc<AtomicBool>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn start(group: Pid, limit: Duration) -> Self {
        let has_killed = Arc::new(AtomicBool::new(false));
        let (end, ended) = mpsc::channel();
        let killed = Arc::clone(&has_killed);
        let thread = thread::spawn(move || {
            if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                killed.store(true, Ordering::Release);
                // Fails only if it has ended by itself.
                let _ = kill_process_group(group, Signal::KILL);
            }
        });
        Self {
            limit,
            has_killed,
            end: Some(end),
            thread: Some(thread),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Becomes the program of `words`, which the kernel ends when process `parent` ends, however that
/// happens.
///
/// # Errors
/// When the program cannot be started, or the parent has ended already.
pub fn become_child(parent: u32, words: &[std::ffi::OsString]) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let is_there =
        getppid().is_some_and(|id| u32::try_from(id.as_raw_nonzero().get()) == Ok(parent));
    let (program, arguments) = words.split_first().ok_or("the program is missing")?;
    if !is_there {
        return Err("the parent has ended".into());
    }
    let error = Command::new(program).args(arguments).exec();
    Err(format!("cannot start {}: {error}", program.display()).into())
}

/// A port of 127.0.0.1 on which nobody listens, below the range from which the kernel takes the
/// ports of outgoing connections.
///
/// # Errors
/// When all are taken.
pub fn free_port() -> Result<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that look at the same time start far apart, those with neighbouring ids too.
    let start = u16::try_from(std::process::id().wrapping_mul(6_181) % u32::from(COUNT))?;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port".into())
}

/// The cores this thread may run on.
///
/// # Errors
/// What the system reports.
pub fn allowed_cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|&core| set.is_set(core))
        .collect())
}

/// Keeps the calling thread, and the processes it starts from now on, on `core`.
///
/// # Errors
/// What the system reports.
pub fn pin(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Lets this process, and those it starts from now on, have as many files open as the system allows
/// without asking: thousands of connections need it.
///
/// # Errors
/// What the system reports.
pub fn raise_file_limit() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current, maximum })?)
}

/// The cores that share hardware with `core`, itself among them.
#[must_use]
pub fn siblings(core: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    let text = fs::read_to_string(path).unwrap_or_default();
    parse_list(text.trim()).unwrap_or_else(|| vec![core])
}

/// A list as the kernel writes it: `0,2-4`.
fn parse_list(text: &str) -> Option<Vec<usize>> {
    let mut list = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        list.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(list)
}

/// Memory of a server that is in use, the pages of files included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryUse {
    /// Before the first connection.
    pub start_bytes: u64,
    /// The most there ever was.
    pub peak_bytes: u64,
    /// After the last connection.
    pub drained_bytes: u64,
}

/// What process `id` has in use now (`VmRSS`).
///
/// # Errors
/// When there is no such process.
pub fn memory_in_use(id: u32) -> Result<u64> {
    memory_of(id, "VmRSS:")
}

/// The most that process `id` ever had in use (`VmHWM`).
///
/// # Errors
/// When there is no such process.
pub fn memory_peak(id: u32) -> Result<u64> {
    memory_of(id, "VmHWM:")
}

fn memory_of(id: u32, name: &str) -> Result<u64> {
    sum_over_family(id, |id| {
        let text = fs::read_to_string(format!("/proc/{id}/status"))?;
        Ok(parse_kilobytes(&text, name).ok_or("unknown format of /proc/PID/status")?)
    })
}

/// The sum of a figure of process `id` and all that it has started, and they: a server may be a
/// script around the one that works.
///
/// # Errors
/// What `figure` reports of the first. One of the others may have ended meanwhile.
pub fn sum_over_family<T: AddAssign>(id: u32, figure: impl Fn(u32) -> Result<T>) -> Result<T> {
    let mut sum = figure(id)?;
    let mut family = children(id);
    while let Some(id) = family.pop() {
        if let Ok(more) = figure(id) {
            sum += more;
        }
        family.extend(children(id));
    }
    Ok(sum)
}

fn children(id: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{id}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(str::parse).collect::<Vec<_>>())
        .flatten()
        .collect()
}

/// The value of a line of a file such as `/proc/meminfo`, in bytes.
#[must_use]
pub fn parse_kilobytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = value.strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// What a process, with all its threads, has used since it began.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    /// Time on a core, from the scheduler's own clock where the kernel shows it, else from the
    /// ticks.
    pub total: Duration,
    /// Time spent ready to run but waiting for a core: somebody else was using it.
    pub waited: Duration,
    /// Clock ticks in user mode, by sampling.
    pub user_ticks: u64,
    /// Clock ticks in the kernel, by sampling.
    pub system_ticks: u64,
}

impl CpuTime {
    /// Reads the times of process `id` and all that it has started.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn read(id: u32) -> Result<Self> {
        sum_over_family(id, Self::read_one)
    }

    fn read_one(id: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
        let (user_ticks, system_ticks) =
            parse_stat(&stat).ok_or("unknown format of /proc/PID/stat")?;
        let mut time = Self {
            user_ticks,
            system_ticks,
            ..Self::default()
        };
        for task in fs::read_dir(format!("/proc/{id}/task"))? {
            // A thread that ends meanwhile takes its share along: servers keep their threads.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            let (ran, waited) = parse_schedstat(&text).ok_or("unknown format of schedstat")?;
            time.total += ran;
            time.waited += waited;
        }
        if time.total.is_zero() {
            let ticks = (user_ticks + system_ticks) as f64;
            let ticks_per_s = rustix::param::clock_ticks_per_second() as f64;
            time.total = Duration::from_secs_f64(ticks / ticks_per_s);
        }
        Ok(time)
    }

    /// What was used between `earlier` and this reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            total: self.total.saturating_sub(earlier.total),
            waited: self.waited.saturating_sub(earlier.waited),
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
        }
    }

    /// The share of the ticks that fell in user mode; `None` when there were none.
    #[must_use]
    pub fn user_share(&self) -> Option<f64> {
        let ticks = self.user_ticks + self.system_ticks;
        (ticks > 0).then(|| self.user_ticks as f64 / ticks as f64)
    }
}

impl AddAssign for CpuTime {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.waited += other.waited;
        self.user_ticks += other.user_ticks;
        self.system_ticks += other.system_ticks;
    }
}

/// How long the calling thread has waited for a core so far; zero where the kernel does not show
/// it.
#[must_use]
pub fn thread_waited() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    parse_schedstat(&text).map_or(Duration::ZERO, |(_, waited)| waited)
}

/// `utime` and `stime` of `/proc/PID/stat`: fields 14 and 15, counted behind the name, which may
/// itself hold spaces and parentheses.
fn parse_stat(stat: &str) -> Option<(u64, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    Some((times.next()?.parse().ok()?, times.next()?.parse().ok()?))
}

/// Nanoseconds run and nanoseconds waited of a `schedstat` file.
fn parse_schedstat(text: &str) -> Option<(Duration, Duration)> {
    let mut fields = text.split_ascii_whitespace();
    let ran = fields.next()?.parse().ok()?;
    let waited = fields.next()?.parse().ok()?;
    Some((Duration::from_nanos(ran), Duration::from_nanos(waited)))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn stat_is_read_behind_a_name_with_parentheses() {
        let stat = "4711 (a) R 1 (b) S 1 2 3 4 5 6 7 8 9 10 120 45 0 0 20 0 1 0 12345\n";
        assert_eq!(parse_stat(stat), Some((120, 45)));
        assert_eq!(parse_stat("4711 (a) S 1 2 3"), None);
    }

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(parse_list("0,2-4"), Some(vec![0, 2, 3, 4]));
        assert_eq!(parse_list("7"), Some(vec![7]));
        assert_eq!(parse_list(""), None);
    }

    #[test]
    fn memory_is_read_in_kilobytes() {
        let text = "Name: x\nVmHWM:   12 kB\nVmRSS:\t 3 kB\nThreads: 1\n";
        assert_eq!(parse_kilobytes(text, "VmHWM:"), Some(12 * 1024));
        assert_eq!(parse_kilobytes(text, "VmRSS:"), Some(3 * 1024));
        assert_eq!(parse_kilobytes(text, "Threads:"), None);
        let id = std::process::id();
        assert!(memory_peak(id).unwrap() > 0 && memory_in_use(id).unwrap() > 0);
    }

    #[test]
    fn schedstat_is_nanoseconds() {
        let expected = (Duration::from_nanos(860_291), Duration::from_nanos(65_728));
        assert_eq!(parse_schedstat("860291 65728 2\n"), Some(expected));
        assert_eq!(parse_schedstat("860291"), None);
    }

    #[test]
    fn own_cpu_time_grows_with_work() {
        let before = CpuTime::read(std::process::id()).unwrap();
        let mut sum = 0_u64;
        // Until the clock of the scheduler, which advances at each tick, has moved.
        let after = loop {
            sum = std::hint::black_box((0..1_000_000).fold(sum, u64::wrapping_add));
            let now = CpuTime::read(std::process::id()).unwrap();
            if now.total > before.total {
                break now;
            }
        };
        let used = after.since(&before);
        assert!(!used.total.is_zero());
        assert!(before.since(&after).total.is_zero(), "never negative");
    }

    #[test]
    fn what_a_process_has_started_counts_with_it() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "while :; do :; done & while :; do wait; done"]);
        let mut shell = shell.process_group(0).spawn().unwrap();
        let id = shell.id();
        let alone = || CpuTime::read_one(id).unwrap().total;
        let ms = Duration::from_millis;
        // The child works, and the shell waits.
        while CpuTime::read(id).unwrap().total < alone() + ms(100) {
            thread::yield_now();
        }
        let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let own_bytes = parse_kilobytes(&text, "VmRSS:").unwrap();
        assert!(memory_in_use(id).unwrap() > own_bytes);
        kill_process_group(group_of(&shell).unwrap(), Signal::KILL).unwrap();
        shell.wait().unwrap();
    }

    #[test]
    fn the_file_limit_is_raised_to_what_is_allowed() {
        raise_file_limit().unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn free_ports_differ_and_can_be_bound() {
        let (one, other) = (free_port().unwrap(), free_port().unwrap());
        assert_ne!(one, other);
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, one)).is_ok());
    }

    /// A server that accepts, as far as the kernel does that for it, and is silent.
    fn silent() -> ServerProcess {
        let port = free_port().unwrap();
        let mut command = Command::new("python3");
        let program = "import socket, sys, time\n\
                       s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n\
                       time.sleep(600)";
        command.args(["-c", program, &port.to_string()]);
        ServerProcess::start(command, port).unwrap()
    }

    #[test]
    fn a_server_that_takes_too_long_is_killed_and_that_is_told() {
        let mut server = silent().killed_after(Duration::from_secs(600));
        assert!(server.check().is_ok());
        let mut server = silent().killed_after(Duration::from_millis(1));
        let mut stream = TcpStream::connect(server.address()).unwrap();
        // Until it is gone.
        assert!(!matches!(stream.read(&mut [0]), Ok(1)));
        let error = server.check().unwrap_err().to_string();
        assert!(error.contains("and was ended"), "{error}");
    }

    #[test]
    fn a_server_that_ended_is_named_as_the_reason() {
        let mut server = silent();
        server.child.kill().unwrap();
        let error = loop {
            match server.check() {
                Ok(()) => thread::yield_now(),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("ended while it was measured"), "{error}");
    }

    #[test]
    fn all_of_a_server_is_gone_with_it() {
        let port = free_port().unwrap();
        let mut command = Command::new("sh");
        let program = "import socket, sys, time\n\
                       s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n\
                       time.sleep(600)";
        // The shell waits for its child, which is what listens.
        let line = format!("python3 -c \"$0\" {port}; true");
        command.args(["-c", &line, program]);
        let server = ServerProcess::start(command, port).unwrap();
        let address = server.address();
        drop(server);
        // The kernel closes what it had open a moment later.
        while TcpStream::connect(address).is_ok() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error() {
        let error = ServerProcess::start(Command::new("false"), free_port().unwrap()).unwrap_err();
        assert!(error.to_string().contains("ended at once"), "{error}");
    }
}
