#[test]
fn a_426_names_upgrade_as_a_connection_option() {
    // RFC 9110 section 7.8: a sender of Upgrade MUST also send an "Upgrade" connection option.
    let mut sim = start(config());
    let (head, _) = ask(&mut sim, "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(status(&head), "426");
    let head = head.to_ascii_lowercase();
    let options = head.lines().filter_map(|line| line.strip_prefix("connection: "));
    let named = options.flat_map(|line| line.split(',')).any(|option| option.trim() == "upgrade");
    assert!(named, "{head}");
}

