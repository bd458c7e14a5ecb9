//! A page that is one file: served so that nothing runs in it but the script and the style that it
//! came with, whatever text it shows.

use data_encoding::BASE64;
use keirin::{Reply, Request, Response};
use sha2::{Digest, Sha256};

/// A handler that answers with a page, which has one `<script>` and one `<style>`.
pub(crate) fn serve(page: &'static str) -> impl Fn(Response<'_>, &Request<'_>) -> Reply {
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        source(page, "script"),
        source(page, "style"),
    );
    move |mut res, _req| {
        res.header("Content-Type", b"text/html; charset=utf-8");
        res.header("Content-Security-Policy", policy.as_bytes());
        res.header("X-Content-Type-Options", b"nosniff");
        res.end(page.as_bytes())
    }
}

/// Names what is between two tags, as the policy does: by its hash (CSP3 section 2.3.1).
fn source(page: &str, tag: &str) -> String {
    let inner = page
        .split_once(&format!("<{tag}>"))
        .and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")))
        .map(|(inner, _)| inner)
        .expect("the page has this tag");
    let hash = Sha256::digest(inner);
    format!("'sha256-{}'", BASE64.encode_display(&hash))
}
