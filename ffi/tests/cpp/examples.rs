//! The examples, as they are.

use crate::build::program;
use crate::client::{ask, close_code, get, open, open_with, say, text};
use crate::process::Server;

fn start(name: &str, arguments: &[&str]) -> Server {
    let source = format!("ffi/examples/{name}.cpp");
    Server::start(&program(&[&source], &["-O1"], name), arguments)
}

#[test]
fn hello() {
    let server = start("hello", &["0"]);
    let answer = get(server.port, "/");
    assert_eq!(answer.body, "Hello world!");
    let content_type = answer.header("Content-Type");
    assert_eq!(content_type, Some("text/html; charset=utf-8"));
    assert_eq!(get(server.port, "/elsewhere").status(), 404);
    let ended = server.stop();
    assert_eq!(ended.stdout + &ended.stderr, "");
}

#[test]
fn echo() {
    for mode in ["off", "shared", "dedicated"] {
        let server = start("echo_ws", &["0", mode]);
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        let (_, head) = open_with(server.port, "/", offer).expect("it is upgraded");
        let agreed = head.contains("permessage-deflate");
        assert_eq!(agreed, mode != "off", "{mode}: {head}");
        let mut socket = open(server.port, "/anywhere");
        for length in [0, 1, 125, 126, 65536] {
            let message = "m".repeat(length);
            say(&mut socket, &message);
            assert_eq!(text(&mut socket), message);
        }
        drop(socket);
        server.stop();
    }
}

#[test]
fn upgrades_wait_for_a_session_store() {
    let server = start("upgrade", &["0"]);
    let port = server.port;
    let (mut coffee, _) =
        open_with(port, "/ws", "Authorization: Bearer coffee\r\n").expect("the store knows it");
    assert_eq!(text(&mut coffee), "hello Ines");
    for (number, said) in [(1, "one"), (2, "two")] {
        say(&mut coffee, said);
        assert_eq!(text(&mut coffee), format!("Ines {number}: {said}"));
    }
    let unknown = open_with(port, "/ws", "Authorization: Bearer water\r\n");
    let head = unknown.expect_err("the store does not know it");
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    assert_eq!(get(port, "/ws").status(), 426);
    coffee.close(None).expect("it is sent");
    assert_eq!(close_code(&mut coffee), 1005);
    let said = server.stop().stdout;
    assert_eq!(said, "Ines has left: 1005\n");
}

#[test]
fn a_chat_has_rooms() {
    let page = crate::build::in_tree("examples/chat.html");
    let page_name = page.to_str().expect("the path is text");
    let server = start("chat", &["0", page_name]);
    let port = server.port;
    let expected = std::fs::read_to_string(&page).expect("the tree is complete");
    assert_eq!(get(port, "/").body, expected);
    let mut ines = open(port, "/chat?name=Ines&room=garden");
    let mut tom = open(port, "/chat?name=Tom&room=garden");
    let mut aiko = open(port, "/chat?name=Aiko&room=hall");
    assert_eq!(
        news(&mut ines),
        r#"{"kind":"joined","name":"Tom","text":""}"#
    );
    say(&mut ines, r#"a "line" \ of text"#);
    let line = r#""name":"Ines","text":"a \"line\" \\ of text"}"#;
    assert_eq!(news(&mut ines), format!(r#"{{"kind":"sent",{line}"#));
    assert_eq!(news(&mut tom), format!(r#"{{"kind":"said",{line}"#));
    // The numbers come by themselves; in the other room there is one.
    while text(&mut aiko) != r#"{"kind":"numbers","here":1,"all":3,"rate":0}"# {}
    drop(ines);
    assert_eq!(news(&mut tom), r#"{"kind":"left","name":"Ines","text":""}"#);
    say(&mut tom, "two\nlines");
    assert_eq!(close_code(&mut tom), 1008);
    let foreign = "Origin: https://example.com\r\n";
    let refused = open_with(port, "/chat?name=Eve&room=garden", foreign);
    assert!(refused.is_err_and(|head| head.starts_with("HTTP/1.1 403 ")));
    let refused = open_with(port, "/chat?name=Eve&room=%0a", "");
    assert!(refused.is_err_and(|head| head.starts_with("HTTP/1.1 400 ")));
    assert_eq!(ask(port, "GET /chat", "", "").status(), 426);
    drop(aiko); // It would not answer the Close frame of the stop.
    server.stop();
}

/// The next that are not numbers.
fn news(socket: &mut crate::client::Socket) -> String {
    loop {
        let news = text(socket);
        if !news.contains("numbers") {
            return news;
        }
    }
}
