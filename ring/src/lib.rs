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
    /// 0 once it is of no use.
    capacity: usize,
    /// How many entries the next call takes; the one after it is refused.
    #[cfg(test)]
    cut: std::cell::Cell<Option<u32>>,
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
            #[cfg(test)]
            cut: std::cell::Cell::default(),
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
        // What a `short` that has panicked has left behind is nobody's.
        self.ring.completion().for_each(drop);
        let mut sends = sends.into_iter().enumerate().peekable();
        while let Some(&(from, _)) = sends.peek() {
            // Forgotten first: what an iterator that panicked has left here is not valid any more.
            self.entries.clear();
            for (index, (socket, bytes)) in sends.by_ref().take(self.capacity) {
                self.entries.push(entry(index, socket, bytes));
            }
            let submitted = self.submit(from);
            for completion in self.ring.completion() {
                let result = match completion.result() {
                    taken @ 0.. => Ok(taken as usize),
                    error => Err(io::Error::from_raw_os_error(-error)),
                };
                short(completion.user_data() as usize, result);
            }
            submitted?;
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
            match self.enter() {
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

    fn enter(&self) -> io::Result<usize> {
        #[cfg(test)]
        if let Some(cut) = self.cut.get() {
            self.cut.set(Some(0));
            return if cut == 0 {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                // SAFETY: as for `submit`; without flags there is no argument.
                unsafe { self.ring.submitter().enter::<()>(cut, 0, 0, None) }
            };
        }
        self.ring.submit()
    }

    /// Sees whether the kernel does what this crate says it does.
    fn try_out(&mut self) -> io::Result<()> {
        let (near, _far) = UnixStream::pair()?;
        let (closed, _peer) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        closed.shutdown(Shutdown::Write)?;
        // A failure, and behind it one that is taken whole, silently.
        let told = self.told(&[(closed.as_fd(), b"x"), (near.as_fd(), b"whole")])?;
        if told != [(0, Err(io::ErrorKind::BrokenPipe))] {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // Whole ones until one is taken in part, or there is no room at all; then none.
        let chunk = vec![0; TRIAL_BYTES];
        for _ in 0..TRIALS_MAX {
            let told = self.told(&[(near.as_fd(), &chunk)])?;
            match told[..] {
                [] => {}
                [(0, Ok(1..TRIAL_BYTES))] => {}
                [(0, Err(io::ErrorKind::WouldBlock))] => return Ok(()),
                _ => break,
            }
        }
        Err(io::ErrorKind::Unsupported.into())
    }

    /// What a batch is told of.
    fn told(&mut self, batch: &[Send<'_>]) -> io::Result<Vec<(usize, Told)>> {
        let mut told = Vec::new();
        let outcome = self.send_each(batch.iter().copied(), |index, result| {
            told.push((index, result.map_err(|error| error.kind())));
        });
        outcome.map_err(|broken| broken.error)?;
        Ok(told)
    }
}

type Told = Result<usize, io::ErrorKind>;

/// What is sent at once to try a ring out: little, since large blocks change how the process's
/// memory is managed. And how often at most, before a socket has to be full.
const TRIAL_BYTES: usize = 64 << 10;
const TRIALS_MAX: usize = 4096;

/// The most that Linux sends at once (`MAX_RW_COUNT`).
const SEND_BYTES_MAX: usize = 0x7fff_f000;

fn entry(index: usize, socket: BorrowedFd<'_>, bytes: &[u8]) -> squeue::Entry {
    let length = bytes.len().min(SEND_BYTES_MAX);
    let entry = opcode::Send::new(types::Fd(socket.as_raw_fd()), bytes.as_ptr(), length as u32);
    let entry = entry.flags(FLAGS).build().user_data(index as u64);
    if length < bytes.len() {
        // To have sent all of that is to be told of.
        return entry;
    }
    entry.flags(squeue::Flags::SKIP_SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_was_carried_out_before_the_kernel_refuses_is_told_of() {
        let Ok(mut ring) = SendRing::new(8) else {
            return; // The tests of the crate's surface say so.
        };
        let pairs: Vec<_> = (0..4).map(|_| UnixStream::pair().unwrap()).collect();
        pairs[0].0.shutdown(Shutdown::Write).unwrap();
        ring.cut.set(Some(2));
        let mut told = Vec::new();
        let sends = pairs.iter().map(|(near, _)| (near.as_fd(), &b"x"[..]));
        let broken = ring
            .send_each(sends.clone(), |index, result| {
                told.push((index, result.map_err(|error| error.kind())));
            })
            .unwrap_err();
        assert_eq!(broken.from, 2);
        assert_eq!(told, [(0, Err(io::ErrorKind::BrokenPipe))]);
        let mut got = [0];
        assert_eq!((&pairs[1].1).read(&mut got).unwrap(), 1);
        pairs[2].1.set_nonblocking(true).unwrap();
        let error = (&pairs[2].1).read(&mut got).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        // It is of no use any more, whatever it is asked.
        let broken = ring.send_each(sends, |_, _| unreachable!()).unwrap_err();
        assert_eq!(broken.from, 0);
    }

    #[test]
    fn a_panic_while_being_told_leaves_nothing_for_the_next_batch() {
        let Ok(mut ring) = SendRing::new(8) else {
            return;
        };
        let pairs: Vec<_> = (0..4).map(|_| UnixStream::pair().unwrap()).collect();
        let closed = UnixStream::pair().unwrap().0;
        closed.shutdown(Shutdown::Write).unwrap();
        let panicking = std::panic::AssertUnwindSafe(|| {
            let sends = (0..3).map(|_| (closed.as_fd(), &b"x"[..]));
            let _ = ring.send_each(sends, |index, _| assert!(index > 0));
        });
        assert!(std::panic::catch_unwind(panicking).is_err());
        let sends = pairs.iter().map(|(near, _)| (near.as_fd(), &b"x"[..]));
        ring.send_each(sends, |index, result| panic!("{index}: {result:?}"))
            .unwrap();
    }
}
