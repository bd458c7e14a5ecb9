//! Connected sockets that no loop watches yet, on their way to one.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use mio::net::{TcpStream, UnixStream};
use socket2::{SockRef, Type};

use super::driver::Accepted;
use super::transport::Transport;

/// A connection that can go to another thread.
pub(crate) enum Handed {
    Tcp(TcpStream, Option<SocketAddr>),
    Unix(UnixStream),
}

impl Handed {
    /// What was accepted, if it is of this kernel: a connection in memory stays where it is.
    pub(crate) fn new((transport, peer): Accepted) -> Result<Self, Accepted> {
        match transport {
            Transport::Tcp(stream) => Ok(Self::Tcp(stream, peer)),
            Transport::Unix(stream) => Ok(Self::Unix(stream)),
            #[cfg(feature = "testing")]
            Transport::Memory(_) => Err((transport, peer)),
        }
    }

    /// A socket from elsewhere, made fit for a loop.
    pub(crate) fn adopt(socket: OwnedFd) -> Result<Self, (io::Error, OwnedFd)> {
        match prepare(&socket) {
            Ok(Some(peer)) => Ok(Self::Tcp(TcpStream::from(socket), Some(peer))),
            Ok(None) => Ok(Self::Unix(UnixStream::from(socket))),
            Err(error) => Err((error, socket)),
        }
    }
}

/// Checks that it is a connected stream. Returns the peer's address, `None` for a Unix socket.
fn prepare(socket: &OwnedFd) -> io::Result<Option<SocketAddr>> {
    let socket = SockRef::from(socket);
    let address = socket.peer_addr()?;
    let peer = address.as_socket();
    if socket.r#type()? != Type::STREAM || (peer.is_none() && !address.is_unix()) {
        let message = "not a stream socket of TCP or Unix";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    socket.set_nonblocking(true)?;
    if peer.is_some() {
        socket.set_tcp_nodelay(true)?;
    }
    Ok(peer)
}

impl From<Handed> for Accepted {
    fn from(handed: Handed) -> Self {
        match handed {
            Handed::Tcp(stream, peer) => (Transport::Tcp(stream), peer),
            Handed::Unix(stream) => (Transport::Unix(stream), None),
        }
    }
}

impl From<Handed> for OwnedFd {
    fn from(handed: Handed) -> Self {
        match handed {
            Handed::Tcp(stream, _) => stream.into(),
            Handed::Unix(stream) => stream.into(),
        }
    }
}
