//! Listeners that open and close while others, and all connections, live on.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use keirin::{App, Config, Error, EventLoop, ListenAddress};

use crate::support::{answer, ask, turn_until};

/// A loop whose value is an address for its handlers.
type Loop = EventLoop<Option<ListenAddress>>;

fn start() -> Loop {
    EventLoop::new(
        Config::default(),
        None,
        |app: &mut App<Option<ListenAddress>>| {
            app.get("/", |res, _| res.end(b"here."));
            app.get("/move", |mut res, _| {
                let mut cx = res.cx();
                let address = cx.state_mut().take().unwrap();
                assert!(cx.unlisten(&address) && !cx.unlisten(&address));
                assert_eq!((cx.listeners(), cx.connections()), (0, 1));
                // It is free at once.
                let again = cx.listen(&address.to_string()).unwrap();
                assert_eq!((cx.listeners(), again), (1, address));
                res.end(b"moved.")
            });
        },
    )
    .unwrap()
}

fn connect(address: &ListenAddress) -> TcpStream {
    let stream = TcpStream::connect(address.to_string()).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

fn is_refused(address: &ListenAddress) -> bool {
    TcpStream::connect(address.to_string())
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn closing_one_listener_leaves_the_others_and_every_connection() {
    let mut event_loop = start();
    assert_eq!((event_loop.listeners(), event_loop.connections()), (0, 0));
    let first = event_loop.listen("127.0.0.1:0").unwrap();
    let second = event_loop.listen("127.0.0.1:0").unwrap();
    assert_eq!(event_loop.listeners(), 2);
    let mut before = connect(&first);
    assert!(ask(&mut event_loop, &mut before).ends_with("here."));

    assert!(event_loop.unlisten(&first));
    assert!(!event_loop.unlisten(&first), "it is closed already");
    assert_eq!((event_loop.listeners(), event_loop.connections()), (1, 1));
    assert!(is_refused(&first));
    assert!(ask(&mut event_loop, &mut before).ends_with("here."));
    let mut after = connect(&second);
    assert!(ask(&mut event_loop, &mut after).ends_with("here."));

    // What it had is free, and news still finds the right listener.
    assert_eq!(event_loop.listen(&first.to_string()).unwrap(), first);
    let mut again = connect(&first);
    assert!(ask(&mut event_loop, &mut again).ends_with("here."));
    assert_eq!(event_loop.connections(), 3);
    drop((before, after, again));
    turn_until(&mut event_loop, |it| it.connections() == 0);
    assert!(event_loop.unlisten(&first) && event_loop.unlisten(&second));
    assert_eq!(event_loop.listeners(), 0);
}

#[test]
fn what_the_kernel_has_accepted_is_served_though_its_listener_closes() {
    let mut event_loop = start();
    let address = event_loop.listen("127.0.0.1:0").unwrap();
    let mut clients: Vec<_> = (0..300).map(|_| connect(&address)).collect();
    assert!(event_loop.unlisten(&address) && is_refused(&address));
    assert_eq!((event_loop.listeners(), event_loop.connections()), (0, 300));
    assert_eq!(event_loop.next_timeout(), Some(std::time::Duration::ZERO));
    for client in &mut clients {
        assert!(ask(&mut event_loop, client).ends_with("here."));
    }
    assert_eq!(event_loop.counts().connections_accepted, 300);
    // A stop without grace takes what was not opened with it.
    let address = event_loop.listen("127.0.0.1:0").unwrap();
    let mut late = connect(&address);
    assert!(event_loop.unlisten(&address));
    event_loop.stop(std::time::Duration::ZERO);
    turn_until(&mut event_loop, |it| it.is_stopped());
    assert_eq!(event_loop.connections(), 0);
    assert_eq!(event_loop.counts().connections_refused, 1);
    assert_eq!(answer(&mut event_loop, &mut late), "");
}

#[test]
fn a_handler_closes_and_opens_listeners() {
    use std::io::Write;
    let mut event_loop = start();
    let address = event_loop.listen("127.0.0.1:0").unwrap();
    event_loop
        .enter(|cx| *cx.state_mut() = Some(address.clone()))
        .unwrap();
    let mut client = connect(&address);
    client
        .write_all(b"GET /move HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert!(answer(&mut event_loop, &mut client).ends_with("moved."));
    assert!(ask(&mut event_loop, &mut connect(&address)).ends_with("here."));
}

#[test]
fn a_unix_socket_is_gone_with_its_listener() {
    let mut event_loop = start();
    let path = std::env::temp_dir().join(format!("keirin-unlisten-{}", std::process::id()));
    let address = event_loop
        .listen(&format!("unix:{}", path.display()))
        .unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    client.set_nonblocking(true).unwrap();
    assert!(path.exists() && event_loop.unlisten(&address));
    assert!(!path.exists());
    assert!(ask(&mut event_loop, &mut client).ends_with("here."));
}

#[test]
fn a_port_is_shared_by_those_who_all_ask_for_it() {
    let (mut one, mut other) = (start(), start());
    let address = one.listen_shared("127.0.0.1:0").unwrap();
    let text = address.to_string();
    assert_eq!(other.listen_shared(&text).unwrap(), address);
    assert!(
        matches!(other.listen(&text), Err(Error::Listen(..))),
        "not alone"
    );
    // Twice in one loop counts twice.
    one.listen_shared(&text).unwrap();
    assert_eq!((one.listeners(), other.listeners()), (2, 1));
    let clients: Vec<_> = (0..64).map(|_| connect(&address)).collect();
    for _ in 0..1000 {
        one.turn(Some(std::time::Duration::from_millis(1))).unwrap();
        other
            .turn(Some(std::time::Duration::from_millis(1)))
            .unwrap();
        if one.connections() + other.connections() == clients.len() {
            break;
        }
    }
    assert_eq!(one.connections() + other.connections(), clients.len());
    assert!(
        one.connections() > 0 && other.connections() > 0,
        "the kernel spreads them"
    );
    assert!(one.unlisten(&address) && one.unlisten(&address) && !one.unlisten(&address));
    assert!(!is_refused(&address) && other.unlisten(&address) && is_refused(&address));

    // Whoever is alone lets nobody share.
    one.listen(&text).unwrap();
    assert!(matches!(other.listen_shared(&text), Err(Error::Listen(..))));
}
