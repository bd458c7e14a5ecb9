//! Negotiation of compression from any header.

use keirin::proto::ws::extensions::{Agreed, Compressor, Decompressor, DeflateConfig, negotiate};

/// Lines are the values of a header.
pub fn extensions(data: &[u8]) {
    let shared = DeflateConfig::default();
    let dedicated = DeflateConfig {
        compressor: Compressor::Dedicated { window_bits: 12 },
        decompressor: Decompressor::Dedicated { window_bits: 10 },
        ..shared
    };
    for config in [shared, dedicated] {
        let values = || data.split(|&byte| byte == b'\n');
        let result = negotiate(values(), &config);
        // Values are a list however they are divided into lines.
        let joined = values().collect::<Vec<_>>().join(&b',');
        assert_eq!(negotiate([&joined[..]].into_iter(), &config), result);
        if let Ok(Some(agreed)) = result {
            check(agreed, &config, data);
        }
    }
}

fn check(agreed: Agreed, config: &DeflateConfig, data: &[u8]) {
    assert!(find(data, b"permessage-deflate"));
    assert!((8..=15).contains(&agreed.server_max_window_bits));
    assert!((8..=15).contains(&agreed.client_max_window_bits));
    match config.compressor {
        Compressor::Shared => assert!(agreed.server_no_context_takeover),
        Compressor::Dedicated { window_bits } => {
            assert!(agreed.server_max_window_bits <= window_bits);
        }
    }
    if let Decompressor::Dedicated { window_bits } = config.decompressor {
        let bounded = agreed.client_max_window_bits <= window_bits;
        assert!(bounded || agreed.client_no_context_takeover);
    }
    let mut answer = Vec::new();
    agreed.encode(&mut answer);
    // What is only named when the client can be told is in the answer only if it was offered.
    if find(&answer, b"client_max_window_bits") {
        assert!(find(data, b"client_max_window_bits"));
    }
    // The answer is itself well formed.
    assert!(matches!(
        negotiate([&answer[..]].into_iter(), config),
        Ok(Some(_))
    ));
}

fn find(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
