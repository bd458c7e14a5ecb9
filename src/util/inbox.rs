//! A bounded queue from any thread to one loop, which takes it as a whole.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why a push was refused; the value comes back.
pub(crate) enum Refused<T> {
    Full(T),
    Closed(T),
}

pub(crate) struct Inbox<T> {
    queue: Mutex<Queue<T>>,
    /// Set by the first push after a drain, so that the loop's look costs one load when there is
    /// nothing and many pushes cost one wake-up.
    pending: AtomicBool,
    capacity: usize,
}

struct Queue<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Inbox<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let queue = Queue {
            items: VecDeque::new(),
            closed: false,
        };
        Self {
            queue: Mutex::new(queue),
            pending: AtomicBool::new(false),
            capacity,
        }
    }

    /// A panic cannot leave the queue half changed, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds `item`. `Ok(true)` asks the caller to wake the loop.
    pub(crate) fn push(&self, item: T) -> Result<bool, Refused<T>> {
        self.push_below(self.capacity, item)
    }

    /// The same for what must get through: it may go over the bound.
    pub(crate) fn push_urgent(&self, item: T) -> Result<bool, Refused<T>> {
        self.push_below(usize::MAX, item)
    }

    fn push_below(&self, capacity: usize, item: T) -> Result<bool, Refused<T>> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(Refused::Closed(item));
        }
        if queue.items.len() >= capacity {
            return Err(Refused::Full(item));
        }
        queue.items.push_back(item);
        Ok(!self.pending.swap(true, Ordering::Release))
    }

    /// Takes what is queued; `None` when nothing was pushed since the last time.
    #[inline]
    pub(crate) fn take(&self) -> Option<VecDeque<T>> {
        if !self.pending.load(Ordering::Acquire) {
            return None;
        }
        let mut queue = self.lock();
        self.pending.store(false, Ordering::Relaxed);
        Some(std::mem::take(&mut queue.items))
    }

    /// Refuses every later push and gives back what is queued.
    pub(crate) fn close(&self) -> VecDeque<T> {
        let mut queue = self.lock();
        queue.closed = true;
        std::mem::take(&mut queue.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wake_up_serves_many_pushes_and_the_bound_holds() {
        let inbox = Inbox::new(2);
        assert_eq!(inbox.take(), None);
        assert!(matches!(inbox.push(1), Ok(true)));
        assert!(matches!(inbox.push(2), Ok(false)));
        assert!(matches!(inbox.push(3), Err(Refused::Full(3))));
        assert!(matches!(inbox.push_urgent(9), Ok(false)));
        assert_eq!(inbox.take(), Some(VecDeque::from([1, 2, 9])));
        assert!(
            matches!(inbox.push(4), Ok(true)),
            "after a drain the loop has to be woken again"
        );
        assert_eq!(inbox.close(), [4]);
        assert!(matches!(inbox.push(5), Err(Refused::Closed(5))));
    }
}
