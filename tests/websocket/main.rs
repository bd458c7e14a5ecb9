//! WebSockets on the worker in memory, by RFC 6455 and the public documentation: exact frames to
//! and from clients, what the handlers are told, and in which order.

mod backpressure;
mod by_id;
mod close_order;
mod closing;
mod edges;
mod endings;
mod errors;
mod fairness;
mod messages;
mod model;
mod model_app;
mod order;
mod refusals;
mod slow_peers;
mod stop;
mod support;
mod timers;
mod upgrade;
mod upgrade_later;
mod wire;
