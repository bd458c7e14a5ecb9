//! What every example does around its server: a port from the command line, a line that says where
//! it listens, and a graceful stop on SIGTERM and SIGINT.

use std::time::Duration;

use keirin::{Result, Server};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Serves on 127.0.0.1, at the port in the first argument: 3000 without one, any for 0.
pub(crate) fn serve<U: 'static>(server: Server<U>) -> Result<()> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".to_owned());
    let server = server.listen(&format!("127.0.0.1:{port}"))?;
    let handle = server.handle();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            handle.stop(Duration::from_secs(10));
        }
    });
    for address in server.addresses() {
        println!("listening on http://{address}");
    }
    server.run()
}
