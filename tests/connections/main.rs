//! Where connections come from, and what is told of them: listeners that open and close, and
//! sockets from elsewhere, on the loop of a real kernel.

mod children;
mod listeners;
mod support;
