//! What callers can do wrong, tried in every place where a caller can do it: callback by operation
//! by target, generated, on the worker in memory. After each cell the connections' bytes are parsed
//! back strictly, and every counter has to stand where the model in `model.rs` says.

mod drops;
mod matrix;
mod model;
mod panics;
mod parser;
mod stop;
mod world;
