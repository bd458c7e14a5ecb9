//! Rust text taken apart, as far as the rules need: its code, its comments, its imports.

/// The same text twice, each byte in its place: once only its code, once only its comments. The
/// rest is blank. Comments, strings and characters can thus not be mistaken for code.
pub(super) struct Scan {
    pub(super) code: String,
    pub(super) comments: String,
}

impl Scan {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut code = bytes.to_vec();
        let mut comments = blank(bytes);
        let mut at = 0;
        while at < bytes.len() {
            if let Some(end) = comment_end(bytes, at) {
                comments[at..end].copy_from_slice(&bytes[at..end]);
                let blanks = blank(&bytes[at..end]);
                code[at..end].copy_from_slice(&blanks);
                at = end;
            } else if let Some(end) = literal_end(bytes, at) {
                let blanks = blank(&bytes[at..end]);
                code[at..end].copy_from_slice(&blanks);
                at = end;
            } else {
                at += 1;
            }
        }
        let valid = "only whole characters are blanked";
        Self {
            code: String::from_utf8(code).expect(valid),
            comments: String::from_utf8(comments).expect(valid),
        }
    }

    /// The paths that `use` brings in, each with the line of its `use`: `a::{b, c::d}` is two.
    pub(super) fn imports(&self) -> Vec<(usize, String)> {
        let mut imports = Vec::new();
        for at in words(&self.code, "use") {
            let Some((tree, _)) = self.code[at + "use".len()..].split_once(';') else {
                continue;
            };
            // `use<'a>` captures lifetimes, it imports nothing.
            if !tree.trim_start().starts_with('<') {
                let mut paths = Vec::new();
                expand("", tree, &mut paths);
                let line = line_at(&self.code, at);
                imports.extend(paths.into_iter().map(|path| (line, path)));
            }
        }
        imports
    }
}

/// The line, counted from 1, of a place in a text.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Where `word` stands in `code` by itself, not as a part of a longer name.
pub(super) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| {
            let before = code[..at].chars().next_back();
            let after = code[at + word.len()..].chars().next();
            let joins_before = joins(before) && joins(word.chars().next());
            let joins_after = joins(after) && joins(word.chars().next_back());
            !(joins_before || joins_after)
        })
}

/// Whether a character would be part of a name.
pub(super) fn joins(character: Option<char>) -> bool {
    character.is_some_and(|character| character.is_alphanumeric() || character == '_')
}

fn blank(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .map(|&byte| if byte == b'\n' { b'\n' } else { b' ' })
        .collect()
}

/// Where the comment that starts here ends.
fn comment_end(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = &bytes[start..];
    if rest.starts_with(b"//") {
        return Some(
            start
                + rest
                    .iter()
                    .position(|&byte| byte == b'\n')
                    .unwrap_or(rest.len()),
        );
    }
    if !rest.starts_with(b"/*") {
        return None;
    }
    let (mut depth, mut at) = (0, start);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if bytes[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    Some(at)
}

/// Where the string or character that starts here ends.
fn literal_end(bytes: &[u8], start: usize) -> Option<usize> {
    match bytes[start] {
        b'"' => Some(quoted_end(bytes, start, b'"')),
        b'\'' if bytes.get(start + 1) == Some(&b'\\') => Some(quoted_end(bytes, start, b'\'')),
        b'\'' => {
            // One character and a quote: otherwise it is a lifetime.
            let text = str::from_utf8(&bytes[start + 1..]).ok()?;
            let end = start + 1 + text.chars().next()?.len_utf8();
            (bytes.get(end) == Some(&b'\'')).then_some(end + 1)
        }
        b'r' => raw_string_end(bytes, start),
        _ => None,
    }
}

fn quoted_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let before = &bytes[..start];
    let before = match before {
        [before @ .., b'b' | b'c'] => before,
        before => before,
    };
    if joins(before.last().map(|&byte| char::from(byte))) {
        return None;
    }
    let hashes = bytes[start + 1..]
        .iter()
        .take_while(|&&byte| byte == b'#')
        .count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let length = bytes[open + 1..]
        .windows(close.len())
        .position(|window| window == close);
    Some(length.map_or(bytes.len(), |length| open + 1 + length + close.len()))
}

/// Adds the paths of one `use` tree, all of them below `prefix`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((path, group)) = tree.split_once('{') else {
        let name = tree.split_whitespace().next().unwrap_or_default();
        if !name.is_empty() {
            paths.push(format!("{prefix}{name}"));
        }
        return;
    };
    let prefix = format!("{prefix}{}", path.trim());
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start) = (0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&prefix, &group[start..at], paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    expand(&prefix, &group[start..], paths);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, code: &str) {
        assert_eq!(Scan::of(text).code, code);
    }

    #[test]
    fn comments_are_not_code() {
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", "a                   e");
        check("/// \"doc\nf", "        \nf");
        assert_eq!(Scan::of("a // b\nc").comments, "  // b\n ");
        assert_eq!(Scan::of("\"// b\"").comments, "      ");
    }

    #[test]
    fn literals_are_not_code() {
        check(r#"f("a\"b{", 'c')"#, "f(       ,    )");
        check(r"f('\'', '{', b'}')", "f(    ,    , b   )");
        check("f(r\"\\\", br#\"a\"b\"#)", "f(    , b        )");
        check("f(\"two\nlines\")", "f(    \n      )");
        check("f('é')", "f(    )");
    }

    #[test]
    fn lifetimes_and_raw_names_are_code() {
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
        check("r#type + for_r", "r#type + for_r");
    }

    #[test]
    fn unfinished_literals_end_with_the_text() {
        check("\"a\\", "   ");
        check("r#\"a", "    ");
        check("/* a", "    ");
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(
            Vec::from_iter(words("unsafe unsafe_code not_unsafe", "unsafe")),
            [0]
        );
        assert_eq!(
            Vec::from_iter(words("crate::net crate::network", "crate::net")),
            [0]
        );
        assert_eq!(Vec::from_iter(words("x.parse::<u8>()", ".parse::<")), [1]);
    }

    #[test]
    fn imports_are_expanded() {
        let scan =
            Scan::of("pub use a::{\n  b as x, c::{d, e},\n};\nuse f;\nfn g() -> h + use<'_>;");
        let imports = scan.imports();
        let expected = [(1, "a::b"), (1, "a::c::d"), (1, "a::c::e"), (4, "f")];
        assert_eq!(
            imports,
            expected.map(|(line, path)| (line, path.to_owned()))
        );
    }
}
