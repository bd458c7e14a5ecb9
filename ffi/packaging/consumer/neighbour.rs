//! Another static library in Rust, with a standard library of its own, for `beside_rust.c`.

use std::cell::Cell;
use std::panic::catch_unwind;
use std::thread;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Panics and catches that, starts a thread, and returns how often it was called.
#[unsafe(no_mangle)]
pub extern "C" fn neighbour_call() -> u32 {
    let caught = catch_unwind(|| std::panic::resume_unwind(Box::new("on purpose")));
    assert!(caught.is_err());
    let other_thread = thread::spawn(|| CALLS.get()).join();
    assert_eq!(other_thread.ok(), Some(0));
    CALLS.set(CALLS.get() + 1);
    CALLS.get()
}
