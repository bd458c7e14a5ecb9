//! The engine on the worker in memory: a virtual clock, clients whose windows the test sets, and
//! exact bytes and counters for what comes of it.

mod abort;
mod accept;
mod access;
mod backpressure;
mod bodies;
mod config;
mod connections;
mod http;
mod pipelining;
mod proxy;
mod remote;
mod stop;
mod support;
mod timeouts;
mod timers;
