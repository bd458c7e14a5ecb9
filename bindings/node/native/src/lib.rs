//! The native half of the Node addon.
