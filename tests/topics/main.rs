//! Topics, and compression, as programs and their clients see them: on the worker in memory, and
//! over several workers on loopback.

mod backpressure;
mod batches;
mod brokers;
mod brotli_tags;
mod contract;
mod deflate;
mod events;
mod flate;
mod frames;
mod model;
mod negotiation;
mod patterns;
mod random;
mod script;
mod servers;
mod slow_codecs;
mod support;
mod talk;
mod world;
