//! The operating system: the only folder that names mio and socket2.
//!
//! Above it stands one seam, [`Driver`](driver::Driver): it says which connections became ready,
//! accepts new ones, and tells the time. Bytes go through [`Transport`](transport::Transport), in
//! by one call and out by one call.

pub(crate) mod address;
pub(crate) mod batch;
pub(crate) mod driver;
pub(crate) mod epoll;
pub(crate) mod handed;
pub(crate) mod listener;
pub(crate) mod listeners;
#[cfg(feature = "testing")]
pub(crate) mod memory;
pub(crate) mod peer;
pub(crate) mod transport;

/// Raises the soft limit on open files to the hard one, and returns it.
pub(crate) fn raise_open_files_limit() -> std::io::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX)
}
