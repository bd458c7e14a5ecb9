//! Gives the shared library its name for the loader: it changes when the interface breaks.

fn main() {
    let major = std::env::var("CARGO_PKG_VERSION_MAJOR").unwrap_or_default();
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libkeirin.so.{major}");
    println!("cargo::rerun-if-changed=build.rs");
}
