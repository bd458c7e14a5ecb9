//! Takes out of a report what is nobody's business: where things lie on this machine, and whom it
//! asks for packages.

use std::env;
use std::path::Path;

use crate::peers::build;

/// What stands in a report instead of paths.
#[derive(Clone, Debug)]
pub struct Places {
    /// Paths, the longest first, and what is written in their place.
    names: Vec<(String, &'static str)>,
}

impl Places {
    /// Those of this machine: the project, what is made of it, the home, and what is temporary.
    ///
    /// # Errors
    /// When this program cannot be found.
    pub fn here() -> crate::Result<Self> {
        let places = build::Places::find()?;
        let target = places.made.parent().unwrap_or(&places.root);
        let home = env::home_dir().unwrap_or_default();
        Ok(Self::of([
            (places.root.as_path(), "."),
            (target, "target"),
            (&env::temp_dir(), "$TMPDIR"),
            (&home, "~"),
        ]))
    }

    fn of<'a>(names: impl IntoIterator<Item = (&'a Path, &'static str)>) -> Self {
        let names = names.into_iter().filter_map(|(path, name)| {
            let path = path.to_str()?.trim_end_matches('/').to_owned();
            (!path.is_empty()).then_some((path, name))
        });
        let mut names: Vec<_> = names.collect();
        names.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Self { names }
    }

    /// `text` with other names for paths, and none for hosts that are not this one.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let names = self.names.iter();
        names.fold(without_hosts(text), |text, (path, name)| {
            without_path(&text, path, name)
        })
    }
}

fn without_path(text: &str, path: &str, name: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(path) {
        let (before, after) = (&rest[..at], &rest[at + path.len()..]);
        hidden.push_str(before);
        // Neither the middle of a longer path, nor the beginning of a longer name.
        let inside = |c: char| !c.is_whitespace() && !"\"'`=,:;()".contains(c);
        let word = &hidden[hidden.trim_end_matches(inside).len()..];
        let begins = !word.contains('/') || word.chars().all(|c| c == '/');
        let ends = !after.starts_with(|c: char| c.is_alphanumeric() || "-_".contains(c));
        if begins && ends {
            hidden.push_str(name);
        } else {
            hidden.push_str(path);
        }
        rest = after;
    }
    hidden + rest
}

/// Without user names and passwords either, which may be in front of them.
fn without_hosts(text: &str) -> String {
    let mut parts = text.split("://");
    let mut hidden = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let ends = |c: char| c.is_whitespace() || "/\"'`)<>&\\".contains(c);
        let (host, rest) = part.split_at(part.find(ends).unwrap_or(part.len()));
        let here = ["127.", "localhost", "[::1]"];
        let is_here = host.is_empty() || here.iter().any(|name| host.starts_with(name));
        hidden.push_str("://");
        hidden.push_str(if is_here { host } else { "..." });
        hidden.push_str(rest);
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(text: &str) -> String {
        let names = [
            ("/home/ada", "~"),
            ("/home/ada/keirin/", "."),
            ("/home/ada/keirin/target", "target"),
            ("/tmp", "$TMPDIR"),
            ("/", "all of it"),
        ];
        Places::of(names.map(|(path, name)| (Path::new(path), name))).hide(text)
    }

    #[test]
    fn paths_have_other_names() {
        for (text, hidden) in [
            (
                "/home/ada/keirin/benches/a.js is not there",
                "./benches/a.js is not there",
            ),
            (
                r#""/home/ada/keirin/target/bin/a" ended"#,
                r#""target/bin/a" ended"#,
            ),
            (r#"\"/tmp/x\""#, r#"\"$TMPDIR/x\""#),
            ("-I/home/ada/include --to=/tmp", "-I~/include --to=$TMPDIR"),
            ("file:///home/ada: no", "file://~: no"),
            ("/home/ada /home/ada.", "~ ~."),
        ] {
            assert_eq!(hide(text), hidden);
        }
    }

    #[test]
    fn what_only_looks_like_them_stays() {
        for text in [
            "/var/tmp/x",
            "/home/adam",
            "/tmp-x",
            "/srv/home/ada/x",
            "/usr/bin/cc",
            "",
        ] {
            assert_eq!(hide(text), text);
        }
    }

    #[test]
    fn hosts_have_none() {
        for (text, hidden) in [
            (
                "GET https://me:word@mirror.example/npm/ws failed",
                "GET https://.../npm/ws failed",
            ),
            (
                "from \"http://10.0.0.1:8080\", twice http://a",
                "from \"http://...\", twice http://...",
            ),
            (
                "load http://127.0.0.1:80/ http://localhost",
                "load http://127.0.0.1:80/ http://localhost",
            ),
        ] {
            assert_eq!(hide(text), hidden);
        }
    }
}
