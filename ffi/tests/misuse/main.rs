//! What C programs can do wrong, tried through the functions of `include/keirin.h` alone: every
//! function that takes a loop, from within every callback, on every kind of id; random sequences
//! of calls; and panics of the engine.

mod abi;
mod callbacks;
mod extremes;
mod header;
mod matrix;
mod model;
mod numbers;
mod operations;
mod plan;
mod scenario;
mod sequence;
mod wire;
mod world;
