//! One connection's socket.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};

use mio::net::{TcpStream, UnixStream};
use socket2::SockRef;

/// A connected socket of one of a few kinds. An enum, so that no call between the kernel and a
/// route goes through a table.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(feature = "testing")]
    Memory(super::memory::Pipe),
}

impl Transport {
    /// Reads what has arrived. `Ok(0)` is the end of the stream, `WouldBlock` that nothing has.
    #[inline]
    pub(crate) fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        retry(|| match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
            #[cfg(feature = "testing")]
            Self::Memory(pipe) => pipe.recv(into),
        })
    }

    /// Hands `first` and then `second` to the kernel in one call and returns how many bytes of both
    /// it took.
    #[inline]
    pub(crate) fn send(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        if second.is_empty() || first.is_empty() {
            let bytes = if second.is_empty() { first } else { second };
            return retry(|| match self {
                Self::Tcp(stream) => stream.write(bytes),
                Self::Unix(stream) => stream.write(bytes),
                #[cfg(feature = "testing")]
                Self::Memory(pipe) => pipe.send(bytes),
            });
        }
        let both = [IoSlice::new(first), IoSlice::new(second)];
        // Not `write_vectored`: that is writev(2), which has no MSG_NOSIGNAL, and a library must
        // not count on its host ignoring SIGPIPE.
        retry(|| match self {
            Self::Tcp(stream) => SockRef::from(&*stream).send_vectored_with_flags(&both, NO_SIGNAL),
            Self::Unix(stream) => {
                SockRef::from(&*stream).send_vectored_with_flags(&both, NO_SIGNAL)
            }
            #[cfg(feature = "testing")]
            Self::Memory(pipe) => pipe.send(&[first, second].concat()),
        })
    }

    /// The socket, if it is one.
    #[inline]
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tcp(stream) => Some(stream.as_fd()),
            Self::Unix(stream) => Some(stream.as_fd()),
            #[cfg(feature = "testing")]
            Self::Memory(_) => None,
        }
    }

    /// Ends the sending side; the peer sees the end of the stream.
    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(feature = "testing")]
            Self::Memory(pipe) => {
                pipe.shutdown_write();
                Ok(())
            }
        }
    }
}

/// `MSG_NOSIGNAL` of Linux's socket.h.
const NO_SIGNAL: i32 = 0x4000;

fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
