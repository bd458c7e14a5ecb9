//! What is agreed on, as it stands in the answer (RFC 7692 section 7.1).

use keirin::{BrotliConfig, Compressor, Decompressor, DeflateConfig, WebSocketConfig};

use crate::talk::{Line, Talk, deflate, header, param, prose};

const SERVER_ALONE: &str = "server_no_context_takeover";
const CLIENT_ALONE: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

fn shared() -> WebSocketConfig {
    deflate(DeflateConfig::default())
}

fn dedicated(sent: u8, received: u8) -> WebSocketConfig {
    deflate(DeflateConfig {
        compressor: Compressor::Dedicated { window_bits: sent },
        decompressor: Decompressor::Dedicated {
            window_bits: received,
        },
        ..DeflateConfig::default()
    })
}

/// The answer to an offer; `None` when nothing was agreed to.
fn answer(config: WebSocketConfig, offer: &str) -> Option<String> {
    let mut talk = Talk::new(config);
    let line = talk.offer(offer);
    assert!(
        line.head.starts_with("HTTP/1.1 101 "),
        "{offer}: {}",
        line.head
    );
    let answer = extensions(&line)?;
    let mut params = answer.split(';').map(str::trim);
    assert_eq!(params.next(), Some("permessage-deflate"), "{answer}");
    let mut names: Vec<_> = params.map(|param| param.split('=').next()).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "{answer}: once each");
    Some(answer)
}

fn extensions(line: &Line) -> Option<String> {
    header(&line.head, "Sec-WebSocket-Extensions")
}

#[test]
fn nothing_is_agreed_to_without_an_offer_or_a_configuration() {
    assert_eq!(extensions(&Talk::new(shared()).connect("")), None);
    let config = WebSocketConfig::default();
    assert_eq!(answer(config, "permessage-deflate"), None);
}

#[test]
fn shared_states_mean_no_context_takeover() {
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ] {
        let answer = answer(shared(), offer).unwrap();
        assert_eq!(
            param(&answer, SERVER_ALONE).as_deref(),
            Some(""),
            "{answer}"
        );
        assert_eq!(
            param(&answer, CLIENT_ALONE).as_deref(),
            Some(""),
            "{answer}"
        );
    }
}

#[test]
fn dedicated_states_mean_takeover_unless_the_client_does_not_want_it() {
    let plain = answer(dedicated(15, 15), "permessage-deflate").unwrap();
    assert_eq!(plain, "permessage-deflate");
    let offer = "permessage-deflate; server_no_context_takeover";
    let alone = answer(dedicated(15, 15), offer).unwrap();
    assert_eq!(
        param(&alone, SERVER_ALONE).as_deref(),
        Some(""),
        "it must be answered"
    );
    assert_eq!(param(&alone, CLIENT_ALONE), None);
}

#[test]
fn the_servers_window_is_at_most_what_either_wants() {
    for own in 9..=15_u8 {
        for offered in 9..=15_u8 {
            let offer = format!("permessage-deflate; {SERVER_BITS}={offered}");
            let answer = answer(dedicated(own, 15), &offer).unwrap();
            let bits: u8 = param(&answer, SERVER_BITS).expect("named").parse().unwrap();
            assert_eq!(bits, own.min(offered), "{offer}");
        }
    }
}

#[test]
fn the_clients_window_is_limited_only_if_it_says_that_it_can_be() {
    for own in 9..=15_u8 {
        let offer = format!("permessage-deflate; {CLIENT_BITS}");
        let limited = answer(dedicated(15, own), &offer).unwrap();
        let bits = param(&limited, CLIENT_BITS).map_or(15, |bits| bits.parse().unwrap());
        assert_eq!(bits, own, "{limited}");
        assert_eq!(param(&limited, CLIENT_ALONE), None, "{limited}");
        for offered in 8..=15_u8 {
            let offer = format!("permessage-deflate; {CLIENT_BITS}={offered}");
            let limited = answer(dedicated(15, own), &offer).unwrap();
            let bits = param(&limited, CLIENT_BITS).map_or(15, |bits| bits.parse().unwrap());
            assert!(bits <= own, "{limited}: its window has no room for more");
            assert_eq!(param(&limited, CLIENT_ALONE), None, "{limited}");
        }
        // It must not be answered to a client that has not offered it.
        let unlimited = answer(dedicated(15, own), "permessage-deflate").unwrap();
        assert_eq!(param(&unlimited, CLIENT_BITS), None, "{unlimited}");
        let alone = param(&unlimited, CLIENT_ALONE).is_some();
        assert_eq!(alone, own < 15, "{unlimited}");
    }
}

#[test]
fn offers_that_cannot_be_accepted_are_declined() {
    for params in [
        "bogus",
        "server_no_context_takeover; server_no_context_takeover",
        "client_max_window_bits; client_max_window_bits=10",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=+9",
        "server_max_window_bits=1e1",
        "server_max_window_bits=4294967306",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=x",
    ] {
        let offer = format!("permessage-deflate; {params}");
        for config in [shared(), dedicated(15, 15)] {
            assert_eq!(answer(config, &offer), None, "{offer}");
        }
    }
    assert_eq!(
        answer(shared(), "x-webkit-deflate-frame, permessage-bzip2"),
        None
    );
    assert_eq!(answer(shared(), "permessage-deflate-2"), None);
}

#[test]
fn the_first_acceptable_offer_wins() {
    let config = || dedicated(15, 15);
    let wins = |offers: &str, bits: Option<&str>| {
        let answer = answer(config(), offers).unwrap();
        assert_eq!(param(&answer, SERVER_BITS).as_deref(), bits, "{offers}");
    };
    wins(
        "permessage-deflate; server_max_window_bits=10, permessage-deflate",
        Some("10"),
    );
    wins(
        "permessage-deflate, permessage-deflate; server_max_window_bits=10",
        None,
    );
    wins(
        "permessage-deflate; bogus, permessage-deflate; server_max_window_bits=11",
        Some("11"),
    );
    wins(
        "permessage-bzip2; x=\"a\", permessage-deflate;server_max_window_bits=\"12\"",
        Some("12"),
    );
    wins(
        " , permessage-deflate ; server_max_window_bits = 13 ,",
        Some("13"),
    );
    // Two header lines are one list.
    let mut talk = Talk::new(config());
    let line = talk.connect(
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n\
         sec-websocket-extensions: permessage-deflate; server_max_window_bits=14\r\n",
    );
    let answer = extensions(&line).unwrap();
    assert_eq!(param(&answer, SERVER_BITS).as_deref(), Some("14"));
}

#[test]
fn malformed_offers_are_answered_400() {
    for offer in [
        ";",
        "permessage-deflate;",
        "permessage-deflate; =1",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=\"10",
        "permessage-deflate; server_max_window_bits=\"\"",
        "permessage-deflate server_no_context_takeover",
        "permessage/deflate",
        "permessage-deflate; a=b=c",
        "permessage-deflate, @",
    ] {
        let line = Talk::new(shared()).offer(offer);
        assert!(
            line.head.starts_with("HTTP/1.1 400 "),
            "{offer}: {}",
            line.head
        );
    }
}

#[test]
fn whatever_was_agreed_on_messages_go_both_ways() {
    let offers = [
        "permessage-deflate".to_owned(),
        format!("permessage-deflate; {SERVER_BITS}=9; {CLIENT_BITS}"),
        format!("permessage-deflate; {SERVER_BITS}=8; {CLIENT_BITS}=8"),
        format!("permessage-deflate; {SERVER_BITS}=12; {CLIENT_BITS}=10; {SERVER_ALONE}"),
        format!("permessage-deflate; {CLIENT_ALONE}; {CLIENT_BITS}=15"),
    ];
    let configs = [
        shared(),
        dedicated(15, 15),
        dedicated(9, 9),
        dedicated(12, 11),
    ];
    for config in configs {
        for offer in &offers {
            let mut talk = Talk::new(config.clone());
            let mut line = talk.offer(offer);
            if extensions(&line).is_none() {
                // Only a window of 256 bytes, which nobody uses, may be declined.
                assert!(offer.contains("server_max_window_bits=8"), "{offer}");
                continue;
            }
            for n in 0..30 {
                let message = prose(100 + n as usize % 5, n / 3);
                let frame = talk.echo(&mut line, 1, message.as_bytes());
                assert!(line.open(&frame) == message.as_bytes(), "{offer}: {n}");
            }
        }
    }
}

#[test]
fn a_subprotocol_with_br_behind_it_is_chosen_with_it() {
    let brotli = || {
        WebSocketConfig::builder()
            .brotli(BrotliConfig::default())
            .build()
            .unwrap()
    };
    let protocol = |config: WebSocketConfig, offer: &str| {
        let line = Talk::new(config).connect(&format!("Sec-WebSocket-Protocol: {offer}\r\n"));
        assert!(line.head.starts_with("HTTP/1.1 101 "), "{}", line.head);
        header(&line.head, "Sec-WebSocket-Protocol")
    };
    for (offer, expected) in [
        ("chat+br, chat", Some("chat+br")),
        ("chat, chat+br", Some("chat+br")),
        ("chat", Some("chat")),
        ("br", Some("br")),
        ("x, br, y", Some("br")),
        ("other+br", None),
        ("other", None),
    ] {
        assert_eq!(protocol(brotli(), offer).as_deref(), expected, "{offer}");
    }
    // Not configured: the plain one.
    let plain = WebSocketConfig::default;
    assert_eq!(protocol(plain(), "chat+br, chat").as_deref(), Some("chat"));
    assert_eq!(protocol(plain(), "br"), None);
}
