//! From method and path to a route. Pure; knows nothing of handlers.
//!
//! A tree per method and one for routes of any method. A pattern is split at `/`; each segment is
//! text, `:name` (any segment that is not empty) or, as the last one, `*` (everything from there
//! on). Per segment text goes before `:name` before `*`, whatever the order of registration, and a
//! route that yields hands over to the next match in that order. A method's own routes go before
//! those for any method. Paths are compared as they were sent: case counts, nothing is decoded, no
//! dot segment is resolved, and a trailing `/` is a segment of its own that is empty.

use crate::proto::http1::find_byte;

/// Parameters that a pattern can have.
pub(crate) const PARAMETERS_MAX: usize = 16;

/// Where a path's parameters stand in it. A path is a part of a head, whose positions have 16 bits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parameters {
    spans: [(u16, u16); PARAMETERS_MAX],
    count: usize,
}

impl Parameters {
    pub(crate) fn get<'a>(&self, index: usize, path: &'a [u8]) -> Option<&'a [u8]> {
        let (start, end) = *self.spans[..self.count].get(index)?;
        path.get(usize::from(start)..usize::from(end))
    }
}

/// A malformed pattern.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadPattern;

/// Routes by segments: what stands below those that lead to here.
#[derive(Default)]
struct Tree {
    /// Those that go on with a text, sorted.
    texts: Vec<(Box<str>, Self)>,
    /// Those that go on with any segment.
    parameter: Option<Box<Self>>,
    /// The route that ends here.
    route: Option<usize>,
    /// The route that goes on with `*`.
    rest: Option<usize>,
}

struct Route {
    names: Vec<Box<str>>,
}

#[derive(Default)]
pub(crate) struct Router {
    /// By itself, since nearly every request is for it.
    get: Tree,
    methods: Vec<(Box<str>, Tree)>,
    any: Tree,
    routes: Vec<Route>,
}

impl Router {
    /// Adds a route and returns its index. The same method and pattern again replaces the route,
    /// whose index is never returned by a search from then on. `None` is any method.
    pub(crate) fn add(&mut self, method: Option<&str>, pattern: &str) -> Result<usize, BadPattern> {
        let path = pattern.strip_prefix('/').ok_or(BadPattern)?;
        let segments: Vec<&str> = path.split('/').collect();
        let names = check(&segments)?;
        let tree = match method {
            None => &mut self.any,
            Some("GET") => &mut self.get,
            Some(method) => {
                let at = self.methods.iter().position(|(name, _)| **name == *method);
                let at = at.unwrap_or_else(|| {
                    self.methods.push((method.into(), Tree::default()));
                    self.methods.len() - 1
                });
                &mut self.methods[at].1
            }
        };
        let route = self.routes.len();
        tree.add(&segments, route);
        self.routes.push(Route { names });
        Ok(route)
    }

    /// Takes a route away; false if there is none for exactly this method and pattern.
    pub(crate) fn remove(&mut self, method: Option<&str>, pattern: &str) -> bool {
        let Some(path) = pattern.strip_prefix('/') else {
            return false;
        };
        let mut methods = self.methods.iter_mut();
        let tree = match method {
            None => Some(&mut self.any),
            Some("GET") => Some(&mut self.get),
            Some(method) => methods
                .find(|(name, _)| **name == *method)
                .map(|(_, tree)| tree),
        };
        let segments: Vec<&str> = path.split('/').collect();
        tree.is_some_and(|tree| tree.remove(&segments))
    }

    /// The names of a route's parameters, in the order of the pattern.
    pub(crate) fn names(&self, route: usize) -> &[Box<str>] {
        &self.routes[route].names
    }

    /// The route that matches after `skip` others have, in the order of the rules above: the
    /// method's own first, then those for any method. Its parameters are left in `parameters`.
    #[inline]
    pub(crate) fn find(
        &self,
        method: &[u8],
        path: &[u8],
        mut skip: usize,
        parameters: &mut Parameters,
    ) -> Option<usize> {
        parameters.count = 0;
        if let Some(tree) = self.tree(method)
            && let Some(route) = tree.find(path, path.get(1..), &mut skip, parameters)
        {
            return Some(route);
        }
        self.find_other(method, path, skip, parameters)
    }

    /// The route of another method or of any that matches.
    #[inline(never)]
    fn find_other(
        &self,
        method: &[u8],
        path: &[u8],
        mut skip: usize,
        parameters: &mut Parameters,
    ) -> Option<usize> {
        let mut search = |tree: &Tree| tree.find(path, path.get(1..), &mut skip, parameters);
        // A GET route answers HEAD as well, unless there is one for HEAD.
        let get = (method == b"HEAD").then_some(&self.get);
        get.and_then(&mut search).or_else(|| search(&self.any))
    }

    #[inline]
    fn tree(&self, method: &[u8]) -> Option<&Tree> {
        // Nearly every request, without a comparison of unknown length.
        if method == b"GET" {
            return Some(&self.get);
        }
        let mut methods = self.methods.iter();
        let found = methods.find(|(name, _)| name.as_bytes() == method);
        found.map(|(_, tree)| tree)
    }

    /// Methods that have a route of their own, matching `path` or, for `None`, any.
    pub(crate) fn methods(&self, path: Option<&[u8]>) -> impl Iterator<Item = &str> {
        let matches = move |tree: &Tree| {
            let all = &mut Parameters::default();
            path.is_none_or(|path| tree.find(path, path.get(1..), &mut 0, all).is_some())
        };
        let get = (!self.get.is_empty()).then_some(("GET", &self.get));
        let methods = self.methods.iter().map(|(method, tree)| (&**method, tree));
        get.into_iter()
            .chain(methods)
            .filter(move |(_, tree)| matches(tree))
            .map(|(method, _)| method)
    }
}

/// The names of a pattern's parameters.
fn check(segments: &[&str]) -> Result<Vec<Box<str>>, BadPattern> {
    let mut names: Vec<Box<str>> = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        if segment.starts_with('*') && (segment.len() > 1 || at + 1 < segments.len()) {
            return Err(BadPattern);
        }
        if let Some(name) = segment.strip_prefix(':') {
            let known = names.iter().any(|known| **known == *name);
            if name.is_empty() || known || names.len() == PARAMETERS_MAX {
                return Err(BadPattern);
            }
            names.push(name.into());
        }
    }
    Ok(names)
}

impl Tree {
    fn is_empty(&self) -> bool {
        let Self {
            texts,
            parameter,
            route,
            rest,
        } = self;
        texts.is_empty() && parameter.is_none() && route.is_none() && rest.is_none()
    }

    fn add(&mut self, segments: &[&str], route: usize) {
        match segments {
            [] => self.route = Some(route),
            ["*"] => self.rest = Some(route),
            [segment, segments @ ..] => self.child(segment).add(segments, route),
        }
    }

    /// Whether there was such a route. What has become empty goes too: a search does not come back
    /// from it.
    fn remove(&mut self, segments: &[&str]) -> bool {
        let (segment, rest) = match segments {
            [] => return self.route.take().is_some(),
            ["*"] => return self.rest.take().is_some(),
            [segment, rest @ ..] => (segment, rest),
        };
        if segment.starts_with(':') {
            let Some(child) = &mut self.parameter else {
                return false;
            };
            let removed = child.remove(rest);
            self.parameter.take_if(|child| child.is_empty());
            return removed;
        }
        let found = self
            .texts
            .binary_search_by(|(text, _)| (**text).cmp(segment));
        found.is_ok_and(|at| {
            let removed = self.texts[at].1.remove(rest);
            if self.texts[at].1.is_empty() {
                self.texts.remove(at);
            }
            removed
        })
    }

    fn child(&mut self, segment: &str) -> &mut Self {
        if segment.starts_with(':') {
            return self.parameter.get_or_insert_default();
        }
        let at = self
            .texts
            .binary_search_by(|(text, _)| (**text).cmp(segment));
        let at = at.unwrap_or_else(|at| {
            self.texts.insert(at, (segment.into(), Self::default()));
            at
        });
        &mut self.texts[at].1
    }

    /// What goes on with this text.
    #[inline]
    fn text(&self, segment: &[u8]) -> Option<&Self> {
        match self.texts.as_slice() {
            // The root's empty segment: the path `/`.
            [(text, child), ..] if segment.is_empty() => text.is_empty().then_some(child),
            texts if texts.len() <= 4 => {
                let mut texts = texts.iter();
                let found = texts.find(|(text, _)| text.as_bytes() == segment);
                found.map(|(_, child)| child)
            }
            texts => {
                let found = texts.binary_search_by(|(text, _)| text.as_bytes().cmp(segment));
                found.ok().map(|at| &texts[at].1)
            }
        }
    }

    /// `rest` is what is left of `path`; `None` is behind the last segment. Every tree can be
    /// reached in one way only, so the search visits each at most once.
    ///
    /// As long as there is nothing to come back to, it goes on without recursion.
    #[inline(always)]
    fn find(
        &self,
        path: &[u8],
        mut rest: Option<&[u8]>,
        skip: &mut usize,
        parameters: &mut Parameters,
    ) -> Option<usize> {
        let mut tree = self;
        loop {
            let Some(text) = rest else {
                return unless_skipped(tree.route, skip);
            };
            if tree.parameter.is_some() || tree.rest.is_some() {
                return tree.find_below(path, text, skip, parameters);
            }
            let (segment, next) = split_segment(text);
            (tree, rest) = (tree.text(segment)?, next);
        }
    }

    /// Tries one way after the other.
    #[inline(never)]
    fn find_below(
        &self,
        path: &[u8],
        rest: &[u8],
        skip: &mut usize,
        parameters: &mut Parameters,
    ) -> Option<usize> {
        let (segment, next) = split_segment(rest);
        if let Some(child) = self.text(segment)
            && let Some(route) = child.find(path, next, skip, parameters)
        {
            return Some(route);
        }
        if let Some(child) = &self.parameter
            && !segment.is_empty()
        {
            let begin = path.len() - rest.len();
            let end = begin + segment.len();
            parameters.spans[parameters.count] = (begin as u16, end as u16);
            parameters.count += 1;
            let found = child.find(path, next, skip, parameters);
            if found.is_some() {
                return found;
            }
            parameters.count -= 1;
        }
        unless_skipped(self.rest, skip)
    }
}

/// The first segment, and what follows its `/`.
#[inline]
fn split_segment(rest: &[u8]) -> (&[u8], Option<&[u8]>) {
    match find_byte(b'/', rest) {
        Some(len) => (&rest[..len], Some(&rest[len + 1..])),
        None => (rest, None),
    }
}

/// The route, unless it is one of those to be left out.
fn unless_skipped(route: Option<usize>, skip: &mut usize) -> Option<usize> {
    if route.is_some() && *skip > 0 {
        *skip -= 1;
        return None;
    }
    route
}

/// For the fuzzer: patterns, a line each, then a path; the tree against a plain search.
#[cfg(fuzzing)]
pub fn fuzz_router(text: &str) {
    let Some((patterns, path)) = text.rsplit_once('\n') else {
        return;
    };
    if !path.starts_with('/') {
        return;
    }
    let mut router = Router::default();
    // By what counts of each pattern's segments: the same again replaces the route.
    let mut routes: std::collections::BTreeMap<Vec<(u8, &str)>, usize> = Default::default();
    for pattern in patterns.split('\n').take(64) {
        let Ok(route) = router.add(Some("GET"), pattern) else {
            continue;
        };
        let segments = pattern[1..].split('/').map(|segment| match segment {
            "*" => (2, ""),
            name if name.starts_with(':') => (1, ""),
            text => (0, text),
        });
        routes.insert(segments.collect(), route);
    }
    let parts: Vec<&str> = path[1..].split('/').collect();
    let fits = |segments: &[(u8, &str)]| {
        let rest = segments.last() == Some(&(2, ""));
        let length = segments.len() == parts.len() || (rest && segments.len() < parts.len());
        let fits = |(segment, part): (&(u8, &str), &&str)| match segment.0 {
            0 => segment.1 == *part,
            1 => !part.is_empty(),
            _ => true,
        };
        length && segments.iter().zip(&parts).all(fits)
    };
    // Sorted as they are tried: text before parameter before rest, segment by segment.
    let fitting = routes.iter().filter(|(segments, _)| fits(segments));
    let expected: Vec<usize> = fitting.map(|(_, &route)| route).collect();

    let mut found = Vec::new();
    let mut parameters = Parameters::default();
    while let Some(route) = router.find(b"GET", path.as_bytes(), found.len(), &mut parameters) {
        let value = |index| parameters.get(index, path.as_bytes());
        let values = (0..router.names(route).len()).map(value);
        let known = routes.iter().find(|(_, known)| **known == route);
        let (segments, _) = known.expect("a route that was replaced");
        let named = segments
            .iter()
            .zip(&parts)
            .filter(|(segment, _)| segment.0 == 1);
        assert!(values.eq(named.map(|(_, part)| Some(part.as_bytes()))));
        found.push(route);
    }
    assert_eq!(found, expected, "{patterns:?} {path:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every route that matches, in order.
    fn routes(router: &Router, method: &str, path: &str) -> Vec<(usize, Parameters)> {
        let mut found = Vec::new();
        let mut parameters = Parameters::default();
        let (method, path) = (method.as_bytes(), path.as_bytes());
        while let Some(route) = router.find(method, path, found.len(), &mut parameters) {
            found.push((route, parameters));
        }
        found
    }

    /// The patterns that match, in order, with their parameters.
    fn matches(router: &Router, patterns: &[&str], method: &str, path: &str) -> Vec<String> {
        let with_values = |(route, parameters): (usize, Parameters)| {
            let names = router.names(route).iter().enumerate();
            let values = names.map(|(at, name)| {
                let value = parameters.get(at, path.as_bytes()).unwrap();
                format!(" {name}={}", value.escape_ascii())
            });
            format!("{}{}", patterns[route], values.collect::<String>())
        };
        routes(router, method, path)
            .into_iter()
            .map(with_values)
            .collect()
    }

    #[test]
    fn text_before_parameter_before_rest_whatever_the_order() {
        let mut patterns = [
            "/*", "/:a", "/a", "/a/*", "/a/:b", "/a/b", "/:a/:b", "/:x/b/*", "/", "//x",
        ];
        for _ in 0..patterns.len() {
            patterns.rotate_left(1);
            let mut router = Router::default();
            for pattern in patterns {
                router.add(Some("GET"), pattern).unwrap();
            }
            for (path, expected) in [
                ("/", vec!["/", "/*"]),
                ("/a", vec!["/a", "/:a a=a", "/*"]),
                ("/b", vec!["/:a a=b", "/*"]),
                ("/A", vec!["/:a a=A", "/*"]),
                ("/a/", vec!["/a/*", "/*"]),
                (
                    "/a/b",
                    vec!["/a/b", "/a/:b b=b", "/a/*", "/:a/:b a=a b=b", "/*"],
                ),
                ("/a/b/", vec!["/a/*", "/:x/b/* x=a", "/*"]),
                ("/c/b", vec!["/:a/:b a=c b=b", "/*"]),
                ("//x", vec!["//x", "/*"]),
                ("//", vec!["/*"]),
                ("/%61", vec!["/:a a=%61", "/*"]),
            ] {
                assert_eq!(matches(&router, &patterns, "GET", path), expected, "{path}");
            }
        }
    }

    #[test]
    fn a_methods_own_routes_go_first_and_head_falls_back_to_get() {
        let patterns = ["/x", "/x", "/x", "/y"];
        let mut router = Router::default();
        router.add(None, "/x").unwrap();
        router.add(Some("GET"), "/x").unwrap();
        router.add(Some("HEAD"), "/x").unwrap();
        router.add(Some("GET"), "/y").unwrap();
        let order = |method, path| {
            let found = routes(&router, method, path).into_iter();
            found.map(|(route, _)| route).collect::<Vec<_>>()
        };
        assert_eq!(order("GET", "/x"), [1, 0]);
        assert_eq!(order("HEAD", "/x"), [2, 1, 0]);
        assert_eq!(order("POST", "/x"), [0]);
        assert_eq!(order("HEAD", "/y"), [3]);
        assert_eq!(order("POST", "/y"), []);
        assert_eq!(matches(&router, &patterns, "get", "/y"), [""; 0]);
        assert_eq!(router.methods(Some(b"/y")).collect::<Vec<_>>(), ["GET"]);
        assert_eq!(router.methods(None).collect::<Vec<_>>(), ["GET", "HEAD"]);
    }

    #[test]
    fn the_same_pattern_again_replaces() {
        let mut router = Router::default();
        let first = router.add(None, "/:a/x").unwrap();
        let second = router.add(None, "/:b/x").unwrap();
        let found: Vec<usize> = routes(&router, "GET", "/1/x")
            .into_iter()
            .map(|(route, _)| route)
            .collect();
        assert_ne!(first, second);
        assert_eq!(found, [second]);
        assert_eq!(*router.names(second)[0], *"b");
    }

    #[test]
    fn patterns_are_checked() {
        let most = "/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p";
        for (pattern, good) in [
            ("/", true),
            ("/a//b", true),
            (most, true),
            (&format!("{most}/:q"), false),
            ("", false),
            ("a", false),
            ("*", false),
            ("/:", false),
            ("/:a/:a", false),
            ("/*/a", false),
            ("/*a", false),
            ("/a*", true),
        ] {
            assert_eq!(
                Router::default().add(None, pattern).is_ok(),
                good,
                "{pattern}"
            );
        }
    }
}
