//! Calling code that may panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`; `None` when it panicked. What it panicked with may panic when it is dropped, so that
/// is guarded too, and whatever comes of that is left alone.
#[inline]
pub(crate) fn guarded<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(value) => Some(value),
        Err(payload) => {
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
            dropped.map_err(std::mem::forget).ok();
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any("and so does what it panicked with");
        }
    }

    #[test]
    fn no_panic_gets_out() {
        assert_eq!(guarded(|| 1), Some(1));
        assert_eq!(guarded(|| std::panic::panic_any(Bomb)), None::<()>);
    }
}
