//! Connections that one loop accepts and another serves, and sockets from elsewhere.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use keirin::{
    AdoptError, App, Config, ConfigBuilder, EventLoop, ListenAddress, Remote, RemoteError,
};

use crate::support::{answer, ask, turn_until};

/// A loop whose value is its name, which it answers with.
fn named(name: &'static str, config: ConfigBuilder) -> EventLoop<&'static str> {
    let config = config.build().unwrap();
    EventLoop::new(config, name, |app: &mut App<&'static str>| {
        app.get("/", |mut res, req| {
            let peer = req.peer_address().map(|peer| peer.to_string());
            let name = *res.cx().state();
            res.header("X-Peer", peer.unwrap_or_default().as_bytes());
            res.end(format!("{name}.").as_bytes())
        });
    })
    .unwrap()
}

fn start(name: &'static str) -> EventLoop<&'static str> {
    named(name, Config::builder())
}

fn connect(address: &ListenAddress) -> TcpStream {
    let stream = TcpStream::connect(address.to_string()).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

/// Connects to whoever accepts here, and lets it do so.
fn connect_and_turn<U>(parent: &mut EventLoop<U>, address: &ListenAddress) -> TcpStream {
    let accepted = |parent: &EventLoop<U>| {
        let counts = parent.counts();
        counts.connections_accepted + counts.connections_handed + counts.connections_refused
    };
    let before = accepted(parent);
    let client = connect(address);
    turn_until(parent, |parent| accepted(parent) > before);
    client
}

fn who<U>(event_loop: &mut EventLoop<U>, client: &mut TcpStream) -> String {
    let answer = ask(event_loop, client);
    let peer = client.local_addr().unwrap();
    assert!(answer.contains(&format!("X-Peer: {peer}\r\n")), "{answer}");
    let (_, name) = answer.rsplit_once("\r\n").unwrap();
    name.to_owned()
}

#[test]
fn children_on_other_threads_take_turns_and_the_parent_serves_nobody() {
    let mut parent = EventLoop::new(Config::default(), (), |_| ()).unwrap();
    let address = parent.listen("127.0.0.1:0").unwrap();
    let (mut threads, mut remotes) = (Vec::new(), Vec::new());
    for name in ["one", "two", "three"] {
        let (send, receive) = mpsc::channel();
        threads.push(thread::spawn(move || {
            let mut child = start(name);
            send.send(child.remote()).unwrap();
            child.run().unwrap();
            child.counts().connections_accepted
        }));
        let remote: Remote<&'static str> = receive.recv().unwrap();
        assert!(parent.add_child(&remote) && !parent.add_child(&remote.clone()));
        remotes.push(remote);
    }
    assert_eq!(parent.children(), 3);
    let mut clients: Vec<_> = (0..30)
        .map(|_| connect_and_turn(&mut parent, &address))
        .collect();
    let mut names: Vec<_> = clients.iter_mut().map(|it| who(&mut parent, it)).collect();
    assert_eq!(names[..3], names[3..6], "they take turns");
    names.sort();
    names.dedup();
    assert_eq!(names, ["one.", "three.", "two."]);
    assert_eq!(
        (parent.connections(), parent.counts().connections_handed),
        (0, 30)
    );
    assert_eq!(parent.counts().connections_accepted, 0);
    for remote in &remotes {
        remote.stop(Duration::ZERO);
    }
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 10);
    }
    // The stopped ones are forgotten, and nothing is lost.
    let mut client = connect_and_turn(&mut parent, &address);
    assert_eq!((parent.children(), parent.connections()), (0, 1));
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(answer(&mut parent, &mut client).starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_full_inbox_passes_a_connection_on_and_the_parent_takes_what_nobody_does() {
    let mut parent = start("parent");
    let address = parent.listen("127.0.0.1:0").unwrap();
    let mut one = named("one", Config::builder().inbox_capacity(2));
    let mut two = named("two", Config::builder().inbox_capacity(1));
    assert!(parent.add_child(&one.remote()) && parent.add_child(&two.remote()));
    // To one, two, one in turn two's place; the last to the parent.
    let mut clients: Vec<_> = (0..4)
        .map(|_| connect_and_turn(&mut parent, &address))
        .collect();
    assert_eq!(
        (parent.counts().connections_handed, parent.connections()),
        (3, 1)
    );
    let served_by = ["one.", "two.", "one.", "parent."];
    let loops = [&mut one, &mut two];
    for child in loops {
        child.turn(Some(Duration::ZERO)).unwrap();
    }
    for (client, name) in clients.iter_mut().zip(served_by) {
        let event_loop = match name {
            "one." => &mut one,
            "two." => &mut two,
            _ => &mut parent,
        };
        assert_eq!(who(event_loop, client), name);
    }
    assert_eq!(
        (one.connections(), two.connections(), parent.children()),
        (2, 1, 2)
    );
}

#[test]
fn a_child_that_is_gone_is_forgotten_and_what_waited_for_it_is_closed() {
    let mut parent = start("parent");
    let address = parent.listen("127.0.0.1:0").unwrap();
    let (one, mut two) = (start("one"), start("two"));
    assert!(parent.add_child(&one.remote()) && parent.add_child(&two.remote()));
    let mut waiting = connect_and_turn(&mut parent, &address);
    drop(one);
    assert_eq!(
        answer(&mut parent, &mut waiting),
        "",
        "it is closed, and not left open"
    );
    let mut client = connect_and_turn(&mut parent, &address);
    assert_eq!(who(&mut two, &mut client), "two.");
    let mut client = connect_and_turn(&mut parent, &address);
    assert_eq!(
        (who(&mut two, &mut client), parent.children()),
        ("two.".to_owned(), 1)
    );

    // One that stops takes no more, and what it had got is answered within its grace.
    let mut late = connect_and_turn(&mut parent, &address);
    late.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    two.stop(Duration::from_secs(60));
    assert!(answer(&mut two, &mut late).ends_with("\r\n\r\ntwo."));
    let mut client = connect_and_turn(&mut parent, &address);
    assert_eq!(
        (who(&mut parent, &mut client), parent.children()),
        ("parent.".to_owned(), 0)
    );
}

#[test]
fn what_comes_to_a_loop_without_grace_is_closed_and_counted() {
    let mut parent = start("parent");
    let address = parent.listen("127.0.0.1:0").unwrap();
    let mut child = start("child");
    assert!(parent.add_child(&child.remote()));
    let mut clients: Vec<_> = (0..3)
        .map(|_| connect_and_turn(&mut parent, &address))
        .collect();
    child.stop(Duration::ZERO);
    turn_until(&mut child, |child| child.is_stopped());
    for client in &mut clients {
        assert_eq!(answer(&mut parent, client), "");
    }
    assert_eq!(
        (child.counts().connections_refused, child.connections()),
        (3, 0)
    );

    // Over the child's own limit it is the same.
    let mut small = named("small", Config::builder().connections_max(1));
    assert!(parent.add_child(&small.remote()));
    let mut first = connect_and_turn(&mut parent, &address);
    let mut second = connect_and_turn(&mut parent, &address);
    assert_eq!(who(&mut small, &mut first), "small.");
    assert_eq!(answer(&mut small, &mut second), "");
    assert_eq!(small.counts().connections_refused, 1);
}

#[test]
fn a_child_that_is_removed_keeps_what_it_has() {
    let mut parent = start("parent");
    let address = parent.listen("127.0.0.1:0").unwrap();
    let (mut one, mut two, three) = (start("one"), start("two"), start("three"));
    for child in [&one, &two, &three] {
        assert!(parent.add_child(&child.remote()));
    }
    let mut of_one = connect_and_turn(&mut parent, &address);
    assert_eq!(who(&mut one, &mut of_one), "one.");
    assert!(parent.remove_child(&one.remote()) && !parent.remove_child(&one.remote()));
    assert!(parent.remove_child(&three.remote()));
    assert_eq!(who(&mut one, &mut of_one), "one.");
    let mut of_two = connect_and_turn(&mut parent, &address);
    assert_eq!(who(&mut two, &mut of_two), "two.");
    // What waits on a listener that closes is theirs as well.
    let mut waiting = connect(&address);
    assert!(parent.unlisten(&address));
    assert_eq!(
        (parent.connections(), parent.counts().connections_handed),
        (0, 3)
    );
    assert_eq!(who(&mut two, &mut waiting), "two.");
    assert!(parent.enter(|cx| cx.remove_child(&two.remote())).unwrap());
    assert_eq!(parent.children(), 0);
}

#[test]
fn a_loop_adopts_sockets_from_elsewhere() {
    let mut event_loop = start("adopter");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let adopt = |event_loop: &mut EventLoop<_>, how: usize| {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nonblocking(true).unwrap();
        let socket = OwnedFd::from(listener.accept().unwrap().0);
        match how {
            0 => event_loop.adopt(socket).unwrap(),
            1 => event_loop.remote().adopt(socket).unwrap(),
            _ => event_loop.enter(|cx| cx.adopt(socket)).unwrap().unwrap(),
        }
        client
    };
    for how in 0..3 {
        let mut client = adopt(&mut event_loop, how);
        assert_eq!(who(&mut event_loop, &mut client), "adopter.");
    }
    let (mut client, socket) = UnixStream::pair().unwrap();
    client.set_nonblocking(true).unwrap();
    event_loop.remote().adopt(socket.into()).unwrap();
    let text = ask(&mut event_loop, &mut client);
    assert!(
        text.contains("X-Peer: \r\n") && text.ends_with("\r\n\r\nadopter."),
        "{text}"
    );
    assert_eq!(event_loop.counts().connections_accepted, 4);
    // What is adopted is not handed on.
    let child = start("child");
    event_loop.add_child(&child.remote());
    let mut client = adopt(&mut event_loop, 1);
    assert_eq!(who(&mut event_loop, &mut client), "adopter.");
}

#[test]
fn what_is_no_connection_comes_back() {
    let mut event_loop = named("x", Config::builder().inbox_capacity(1));
    let remote = event_loop.remote();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    datagrams.connect(datagrams.local_addr().unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    for socket in [OwnedFd::from(datagrams), listener.into(), reader.into()] {
        let error = remote.adopt(socket).unwrap_err();
        assert!(matches!(error, AdoptError::Socket(..)), "{error}");
        assert!(event_loop.adopt(error.into_socket()).is_err());
    }
    assert_eq!(event_loop.connections(), 0);

    let pair = || UnixStream::pair().unwrap();
    let (_kept, first) = pair();
    remote.adopt(first.into()).unwrap();
    let (mut client, second) = pair();
    let error = remote.adopt(second.into()).unwrap_err();
    assert!(matches!(error, AdoptError::Remote(RemoteError::Full, _)));
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    event_loop.stop(Duration::from_secs(60));
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    let error = remote.adopt(error.into_socket()).unwrap_err();
    assert!(matches!(error, AdoptError::Remote(RemoteError::Stopped, _)));
    drop(event_loop);
    let error = remote.adopt(error.into_socket()).unwrap_err();
    assert!(matches!(error, AdoptError::Remote(RemoteError::Stopped, _)));
    // It is as it was: its owner can still use it.
    UnixStream::from(error.into_socket())
        .write_all(b"x")
        .unwrap();
    assert_eq!(client.read(&mut [0; 2]).unwrap(), 1);
}

#[test]
fn whatever_children_come_and_go_every_connection_is_served_or_closed() {
    let mut parent = start("parent");
    let address = parent.listen("127.0.0.1:0").unwrap();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let (send, receive) = mpsc::channel();
        let child = thread::spawn(move || {
            let mut child = named("child", Config::builder().inbox_capacity(4));
            send.send(child.remote()).unwrap();
            child.run().unwrap();
        });
        let remote: Remote<&'static str> = receive.recv().unwrap();
        parent.add_child(&remote);
        for round in 0..20 {
            let mut client = connect(&address);
            client
                .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            clients.push(client);
            parent.turn(Some(Duration::ZERO)).unwrap();
            if round == 10 {
                remote.stop(Duration::ZERO);
            }
        }
        child.join().unwrap();
    }
    let mut served = 0;
    for client in &mut clients {
        let text = answer(&mut parent, client);
        assert!(
            text.is_empty()
                || text.ends_with("\r\n\r\nchild.")
                || text.ends_with("\r\n\r\nparent.")
        );
        served += usize::from(!text.is_empty());
    }
    assert!(served > clients.len() / 4, "{served}");
}
