//! Listening sockets: one per worker on the same TCP port, or one Unix socket shared by all.

use std::io;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net as unix;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::address::ListenAddress;
use super::driver::Accepted;
use super::transport::Transport;
use crate::error::Error;

const BACKLOG: i32 = 4096;

/// A socket that accepts for one worker.
pub(crate) enum Listener {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener),
}

impl Listener {
    fn tcp(socket: Socket) -> Self {
        Self::Tcp(mio::net::TcpListener::from_std(socket.into()))
    }

    fn unix(listener: unix::UnixListener) -> Self {
        Self::Unix(mio::net::UnixListener::from_std(listener))
    }

    pub(super) fn source(&mut self) -> &mut dyn mio::event::Source {
        match self {
            Self::Tcp(listener) => listener,
            Self::Unix(listener) => listener,
        }
    }

    pub(super) fn accept(&mut self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => listener
                .accept()
                .map(|(stream, peer)| (Transport::Tcp(stream), Some(peer))),
            Self::Unix(listener) => listener
                .accept()
                .map(|(stream, _)| (Transport::Unix(stream), None)),
        }
    }
}

/// Who else may listen on a TCP port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Nobody.
    Alone,
    /// Other workers of the same server, but nobody who holds the port already.
    Workers,
    /// Whoever else of the same user would share it.
    All,
}

/// An address that this process holds, from which each worker gets its listener.
pub(crate) struct Bound {
    address: ListenAddress,
    /// Taken by the first worker: once all workers have closed theirs, nothing listens.
    first: Option<First>,
    /// Removes a Unix socket's file when the server is gone.
    _file: Option<SocketFile>,
}

enum First {
    Tcp(Socket),
    Unix(unix::UnixListener),
}

impl Bound {
    /// Takes the address, or fails when another program has it and does not share it.
    pub(crate) fn new(address: &ListenAddress, sharing: Sharing) -> Result<Self, Error> {
        let bound = match address {
            ListenAddress::Tcp(address) => bind_tcp(*address, sharing),
            ListenAddress::UnixPath(path) => bind_path(path),
            ListenAddress::UnixAbstract(name) => bind_abstract(name),
        };
        bound.map_err(|error| Error::Listen(address.to_string(), error))
    }

    /// Where it listens: with the port that the kernel chose, where it was to choose.
    pub(crate) fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// A listener for each of `count` workers. To be called once.
    pub(crate) fn listeners(&mut self, count: usize) -> Result<Vec<Listener>, Error> {
        let more = (1..count).map(|_| self.another());
        let listeners: io::Result<Vec<Listener>> = more.collect();
        let first = self.first.take().map(|first| match first {
            First::Tcp(socket) => Listener::tcp(socket),
            First::Unix(listener) => Listener::unix(listener),
        });
        match listeners {
            Ok(listeners) => Ok(first.into_iter().chain(listeners).collect()),
            Err(error) => Err(Error::Listen(self.address.to_string(), error)),
        }
    }

    fn another(&self) -> io::Result<Listener> {
        match (&self.first, &self.address) {
            (Some(First::Unix(first)), _) => first.try_clone().map(Listener::unix),
            (Some(First::Tcp(_)), ListenAddress::Tcp(address)) => {
                let socket = tcp_socket(*address)?;
                socket.set_reuse_port(true)?;
                socket.bind(&SockAddr::from(*address))?;
                socket.listen(BACKLOG)?;
                Ok(Listener::tcp(socket))
            }
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` serves IPv4 as well; any other IPv6 address is itself alone.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it, which saves a system call for each.
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

/// Without `SO_REUSEPORT` an address which another program holds is an error even when that program
/// would share it. For the other workers sharing is allowed afterwards.
fn bind_tcp(address: SocketAddr, sharing: Sharing) -> io::Result<Bound> {
    let socket = tcp_socket(address)?;
    socket.set_reuse_port(sharing == Sharing::All)?;
    socket.bind(&SockAddr::from(address))?;
    socket.set_reuse_port(sharing != Sharing::Alone)?;
    socket.listen(BACKLOG)?;
    let address = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok(Bound {
        address: ListenAddress::Tcp(address),
        first: Some(First::Tcp(socket)),
        _file: None,
    })
}

fn bind_path(path: &Path) -> io::Result<Bound> {
    let listener = match unix::UnixListener::bind(path) {
        // A file whose server is gone refuses connections: take its place.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path) => {
            std::fs::remove_file(path)?;
            unix::UnixListener::bind(path)?
        }
        result => result?,
    };
    bound_unix(
        listener,
        ListenAddress::UnixPath(path.into()),
        Some(SocketFile::new(path)),
    )
}

fn is_abandoned(path: &Path) -> bool {
    // Connecting to a file that is no socket is refused as well.
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket
        && unix::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn bind_abstract(name: &str) -> io::Result<Bound> {
    let address = unix::SocketAddr::from_abstract_name(name)?;
    let listener = unix::UnixListener::bind_addr(&address)?;
    bound_unix(listener, ListenAddress::UnixAbstract(name.to_owned()), None)
}

fn bound_unix(
    listener: unix::UnixListener,
    address: ListenAddress,
    file: Option<SocketFile>,
) -> io::Result<Bound> {
    listener.set_nonblocking(true)?;
    Ok(Bound {
        address,
        first: Some(First::Unix(listener)),
        _file: file,
    })
}

/// A Unix socket's file: the one that was made here, not what may have taken its place since.
struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn new(path: &Path) -> Self {
        Self {
            path: path.into(),
            identity: Self::identity(path),
        }
    }

    fn identity(path: &Path) -> Option<(u64, u64)> {
        let file = std::fs::symlink_metadata(path).ok()?;
        Some((file.dev(), file.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && Self::identity(&self.path) == self.identity {
            // Nothing to do about a failure: somebody may have removed it already.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
