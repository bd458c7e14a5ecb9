//! The C++ interface: its examples and test programs, compiled as users compile theirs, run under
//! sanitizers, and met by real clients.

#[path = "cpp/build.rs"]
mod build;
#[path = "cpp/client.rs"]
mod client;
#[path = "cpp/complete.rs"]
mod complete;
#[path = "cpp/examples.rs"]
mod examples;
#[path = "cpp/exceptions.rs"]
mod exceptions;
#[path = "cpp/lifetimes.rs"]
mod lifetimes;
#[path = "cpp/misuse.rs"]
mod misuse;
#[path = "cpp/pages.rs"]
mod pages;
#[path = "cpp/process.rs"]
mod process;
#[path = "cpp/surface.rs"]
mod surface;
