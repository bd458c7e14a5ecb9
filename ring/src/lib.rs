//! Sends to many sockets in one system call.
//!
//! On loopback and fast networks a server that answers small requests spends its time in `send(2)`,
//! and a good part of that on the way into the kernel and back. An `io_uring` takes any number of
//! sends in one call. This crate is that and nothing else: what each send does is what a `send(2)`
//! that does not wait would have done, and when the call returns, all of them are over, and the
//! kernel does not look at their bytes any more.
//!
//! That needs `MSG_DONTWAIT`, without which the kernel keeps a send that cannot complete, and
//! `MSG_WAITALL`, without which it does not tell of one that was completed in part. Whether the
//! running kernel means the same by them is tried out when a ring is made.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use io_uring::{IoUring, opcode, squeue, types};

/// One send: a socket, and what to hand to it.
pub type Send<'a> = (BorrowedFd<'a>, &'a [u8]);

/// A ring of a number of sends.
pub struct SendRing {
    ring: IoUring,
    /// What is about to be submitted. Kept for its memory.
    entries: Vec<squeue::Entry>,
    capacity: usize,
}

/// The rest of a batch was not tried, since the kernel refuses the ring. It is of no use any more.
#[derive(Debug)]
pub struct Broken {
    /// The first send that was not tried.
    pub from: usize,
    /// What the kernel said.
    pub error: io::Error,
}

const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;

impl SendRing {
    /// A ring that hands over at most `capacity` sends in one call, 1 to 4096.
    ///
    /// # Errors
    /// The kernel has no `io_uring`, does not allow it here, or does not do as described above.
    pub fn new(capacity: u32) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        // A send that fails must not end the submission of those behind it.
        let ring = builder.setup_submit_all().build(capacity)?;
        let mut ring = Self {
            ring,
            entries: Vec::with_capacity(capacity as usize),
            capacity: capacity as usize,
        };
        ring.try_out()?;
        Ok(ring)
    }

    /// Hands each send to the kernel, in order, and tells `short` of those that were not taken
    /// whole: their index, and how many bytes were taken, or why none: as `send(2)` does,
    /// `WouldBlock` for a socket that takes nothing now. All others were taken whole. A socket may
    /// be in a batch only once.
    ///
    /// # Errors
    /// The kernel refuses the ring; what was not tried is named.
    pub fn send_each<'a>(
        &mut self,
        sends: impl IntoIterator<Item = Send<'a>>,
        mut short: impl FnMut(usize, io::Result<usize>),
    ) -> Result<(), Broken> {
        let mut sends = sends.into_iter().enumerate().peekable();
        while let Some(&(from, _)) = sends.peek() {
            // Forgotten first: what an iterator that panicked has left here is not valid any more.
            self.entries.clear();
            for (index, (socket, bytes)) in sends.by_ref().take(self.capacity) {
                self.entries.push(entry(index, socket, bytes));
            }
            self.submit(from)?;
            for completion in self.ring.completion() {
                let result = match completion.result() {
                    taken @ 0.. => Ok(taken as usize),
                    error => Err(io::Error::from_raw_os_error(-error)),
                };
                short(completion.user_data() as usize, result);
            }
        }
        Ok(())
    }

    /// Submits the entries, and returns when the kernel has carried all of them out.
    fn submit(&mut self, from: usize) -> Result<(), Broken> {
        // SAFETY: what the entries point to is borrowed until `send_each`, our only caller,
        // returns, and the kernel looks at it only within `submit` below, since the sends do not
        // wait. If it does not take all of them there, the ring is marked as of no use, and never
        // submitted again.
        let pushed = unsafe { self.ring.submission().push_multiple(&self.entries) };
        if pushed.is_err() || self.capacity == 0 {
            let error = io::Error::other("the ring has no room");
            return Err(Broken { from, error });
        }
        let mut submitted = 0;
        while submitted < self.entries.len() {
            match self.ring.submit() {
                Ok(0) => return Err(self.broken(from + submitted, io::ErrorKind::Other.into())),
                Ok(count) => submitted += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(from + submitted, error)),
            }
        }
        Ok(())
    }

    fn broken(&mut self, from: usize, error: io::Error) -> Broken {
        // Whatever is called next finds no room to push into.
        self.capacity = 0;
        Broken { from, error }
    }

    /// Sees whether the kernel does what this crate says it does.
    fn try_out(&mut self) -> io::Result<()> {
        let (near, far) = UnixStream::pair()?;
        let (closed, peer) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        closed.shutdown(Shutdown::Write)?;
        let more_than_fits = vec![0; 8 << 20];
        let batches: [&[Send<'_>]; 3] = [
            // A failure, and behind it one that is taken whole, silently.
            &[(closed.as_fd(), b"x"), (near.as_fd(), b"whole")],
            // Taken in part.
            &[(near.as_fd(), &more_than_fits)],
            // Not taken.
            &[(near.as_fd(), b"full")],
        ];
        let mut seen = Vec::new();
        for batch in batches {
            let outcome = self.send_each(batch.iter().copied(), |index, result| {
                seen.push((index, result.map_err(|error| error.kind())));
            });
            outcome.map_err(|broken| broken.error)?;
        }
        drop((far, peer));
        match seen.as_slice() {
            [
                (0, Err(io::ErrorKind::BrokenPipe)),
                (0, Ok(1..)),
                (0, Err(io::ErrorKind::WouldBlock)),
            ] => Ok(()),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

fn entry(index: usize, socket: BorrowedFd<'_>, bytes: &[u8]) -> squeue::Entry {
    // More than 4 GiB is sent in part, and that is told.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    opcode::Send::new(types::Fd(socket.as_raw_fd()), bytes.as_ptr(), length)
        .flags(FLAGS)
        .build()
        .flags(squeue::Flags::SKIP_SUCCESS)
        .user_data(index as u64)
}
