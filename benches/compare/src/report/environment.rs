//! The machine, and how it was measured.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use keirin_ring::SendRing;
use serde::Serialize;

use crate::load::verify::Content;
use crate::run::Options;
use crate::run::measure::Cores;

/// Settings of the kernel that figures depend on.
const SYSCTLS: [&str; 14] = [
    "fs/file-max",
    "kernel/sched_autogroup_enabled",
    "net/core/rmem_max",
    "net/core/somaxconn",
    "net/core/wmem_max",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/tcp_congestion_control",
    "net/ipv4/tcp_mem",
    "net/ipv4/tcp_max_syn_backlog",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_syncookies",
    "net/ipv4/tcp_tw_reuse",
    "net/ipv4/tcp_wmem",
    "vm/overcommit_memory",
];

/// How a report came about.
#[derive(Clone, Debug, Serialize)]
pub struct Environment {
    /// The command that made it.
    pub command: String,
    /// When it began, in seconds since 1970.
    pub unix_time_s: u64,
    /// Version of this program.
    pub version: &'static str,
    /// Whether this program was built with optimisation.
    pub optimised: bool,
    /// The kernel.
    pub kernel: String,
    /// The distribution.
    pub system: String,
    /// The processor.
    pub processor: String,
    /// How many cores it has, and how many threads they run: `2 threads of 2 cores`.
    pub topology: String,
    /// How many cores may be used.
    pub cores: usize,
    /// Memory of the machine.
    pub memory: String,
    /// What decides about clock rates, where the kernel tells.
    pub governor: String,
    /// Whether cores may run faster than they always can, where the kernel tells.
    pub boost: String,
    /// What the kernel does against attacks through the processor.
    pub mitigations: BTreeMap<String, String>,
    /// Settings of the kernel.
    pub sysctls: BTreeMap<String, String>,
    /// The largest packet of the loopback device, in bytes.
    pub loopback_mtu: String,
    /// The server's core, with every thread it starts; none if there were not two.
    pub server_core: Option<usize>,
    /// The generator's cores.
    pub generator_cores: Vec<usize>,
    /// Connections of the generator.
    pub connections: usize,
    /// Runs per server and row.
    pub runs: usize,
    /// Seconds before each window; servers that are compiled while they run have more.
    pub warm_up_s: f64,
    /// Seconds of each window.
    pub window_s: f64,
    /// The server that others are compared with.
    pub base: String,
    /// How servers compress where there is compression.
    pub deflate: String,
    /// Whether all contents are compared, and not one in 61.
    pub verifies_all: bool,
    /// Whether the generator hands many sends to the kernel in one call.
    pub io_uring: bool,
}

impl Environment {
    /// Of this machine.
    #[must_use]
    pub fn read(options: &Options, cores: &Cores) -> Self {
        let cpus = read("/proc/cpuinfo");
        let system = read("/etc/os-release");
        let memory = read("/proc/meminfo");
        Self {
            command: options.command.clone(),
            unix_time_s: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |time| time.as_secs()),
            version: env!("CARGO_PKG_VERSION"),
            optimised: !cfg!(debug_assertions),
            kernel: read("/proc/sys/kernel/osrelease"),
            system: value(&system, "PRETTY_NAME=").trim_matches('"').to_owned(),
            processor: value(&cpus, "model name")
                .trim_start_matches([' ', '\t', ':'])
                .to_owned(),
            topology: topology(&cpus),
            // Where there is but one, nobody is pinned to it.
            cores: (cores.generator.len() + usize::from(cores.server.is_some())).max(1),
            memory: value(&memory, "MemTotal:").trim().to_owned(),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            boost: ["cpufreq/boost", "intel_pstate/no_turbo"]
                .map(|name| (name, read(format!("/sys/devices/system/cpu/{name}"))))
                .into_iter()
                .find(|(_, value)| !value.is_empty())
                .map_or_else(String::new, |(name, value)| format!("{name} {value}")),
            mitigations: folder("/sys/devices/system/cpu/vulnerabilities"),
            sysctls: SYSCTLS
                .map(|name| (name.replace('/', "."), read(format!("/proc/sys/{name}"))))
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect(),
            loopback_mtu: read("/sys/class/net/lo/mtu"),
            server_core: cores.server,
            generator_cores: cores.generator.clone(),
            connections: options.connections,
            runs: options.runs,
            warm_up_s: options.warm_up.as_secs_f64(),
            window_s: options.window.as_secs_f64(),
            base: options.base.clone(),
            deflate: options.deflate.clone(),
            verifies_all: options.content == Content::All,
            io_uring: SendRing::new(1).is_ok(),
        }
    }

    /// Two lines about the machine and the measurement, and a warning where there is one due.
    #[must_use]
    pub fn describe(&self) -> String {
        let place = match self.server_core {
            Some(server) => {
                let cores: Vec<_> = self.generator_cores.iter().map(usize::to_string).collect();
                format!(
                    "server on core {server}, generator on core {}",
                    cores.join(", ")
                )
            }
            None => "NOT PINNED: server and generator share one core".to_owned(),
        };
        let warning = if self.optimised {
            ""
        } else {
            "\nBUILT WITHOUT OPTIMISATION: the figures mean nothing"
        };
        format!(
            "Loopback, {} connections; Linux {}, {}\n{place}; {} runs of {:.2} s after {:.2} s of \
             warm-up: median (min..max){warning}",
            self.connections, self.kernel, self.processor, self.runs, self.window_s, self.warm_up_s
        )
    }
}

/// Of `/proc/cpuinfo`.
fn topology(cpus: &str) -> String {
    let all = |name| cpus.lines().filter(move |line| line.starts_with(name));
    let threads = all("processor").count();
    let (mut package, mut cores) = ("", BTreeSet::new());
    for line in cpus.lines() {
        if line.starts_with("physical id") {
            package = line;
        } else if line.starts_with("core id") {
            cores.insert((package, line));
        }
    }
    match cores.len() {
        0 => format!("{threads} threads"),
        cores => format!("{threads} threads of {cores} cores"),
    }
}

/// Empty where there is nothing to read.
fn read(path: impl AsRef<Path>) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    match text.trim() {
        one_line if !one_line.contains('\n') => {
            one_line.split_whitespace().collect::<Vec<_>>().join(" ")
        }
        _ => text,
    }
}

fn folder(path: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                read(entry.path()),
            )
        })
        .collect()
}

/// The rest of the first line that begins with `name`.
fn value<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or("unknown")
}

#[cfg(test)]
impl Environment {
    /// Of no machine.
    pub(crate) fn for_tests(runs: usize) -> Self {
        Self {
            command: "keirin-bench compare".to_owned(),
            unix_time_s: 1_800_000_000,
            version: "0.1.0",
            optimised: true,
            kernel: "6.1".to_owned(),
            system: "Linux".to_owned(),
            processor: "a <processor>".to_owned(),
            topology: "2 threads of 2 cores".to_owned(),
            cores: 2,
            memory: "1 kB".to_owned(),
            governor: String::new(),
            boost: String::new(),
            mitigations: BTreeMap::new(),
            sysctls: BTreeMap::from([("net.core.somaxconn".to_owned(), "4096".to_owned())]),
            loopback_mtu: "65536".to_owned(),
            server_core: Some(0),
            generator_cores: vec![1],
            connections: 64,
            runs,
            warm_up_s: 0.1,
            window_s: 0.3,
            base: "keirin".to_owned(),
            deflate: "shared".to_owned(),
            verifies_all: false,
            io_uring: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_counted_by_cores_and_packages() {
        let thread = |number, package, core| {
            format!("processor\t: {number}\nphysical id\t: {package}\ncore id\t: {core}\n\n")
        };
        let cpus = thread(0, 0, 0) + &thread(1, 0, 0) + &thread(2, 1, 0) + &thread(3, 1, 0);
        assert_eq!(topology(&cpus), "4 threads of 2 cores");
        assert_eq!(topology("processor\t: 0\n"), "1 threads");
    }
}
