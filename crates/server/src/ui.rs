//! The web UI: pages that were built from `ui/` and are embedded in the binary, and the document that tells them how this
//! server is set up. What they show they ask of the API, as any client does.

use crate::config::Ui;
use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{Embed, EmbeddedFile};
use serde_json::json;
use std::fmt::Write;

#[derive(Embed)]
#[folder = "../../ui/dist"]
struct Files;

/// The document that the pages ask for first.
pub(crate) const SETTINGS: &str = "/tenure/ui/settings";

const INDEX: &str = "index.html";

/// Answers what no other part of the HTTP port owns.
#[derive(Clone)]
pub(crate) struct Pages {
    settings: serde_json::Value,
    policy: HeaderValue,
}

impl Pages {
    /// # Panics
    /// If the configuration was not validated: the codec server's origin goes into a header.
    pub(crate) fn new(config: &Ui, default_namespace: Option<&str>) -> Self {
        let codec = origin(&config.codec_endpoint).unwrap_or_default();
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
             connect-src 'self' {codec}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let settings = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "defaultNamespace": default_namespace.unwrap_or("default"),
            "codec": { "endpoint": config.codec_endpoint, "includeCredentials": config.codec_credentials },
        });
        Pages { settings, policy: HeaderValue::try_from(policy).expect("a validated address has only visible ASCII") }
    }

    /// A file by its name, the settings, and for any other path the page that finds its way by itself.
    pub(crate) fn answer(&self, method: &Method, path: &str, asked: &HeaderMap) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
        }
        if path == SETTINGS {
            return ([(header::CACHE_CONTROL, "no-cache")], Json(&self.settings)).into_response();
        }
        let name = path.trim_start_matches('/');
        let named = Files::get(name).map(|file| (name, file));
        // A script that another version had must not come back as a page.
        if named.is_none() && name.starts_with("assets/") {
            return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
        }
        match named.or_else(|| Files::get(INDEX).map(|file| (INDEX, file))) {
            Some((name, file)) => self.send(name, file, asked),
            None => (StatusCode::NOT_FOUND, "this binary was built without its pages\n").into_response(),
        }
    }

    fn send(&self, name: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
        // A weak one: it names what is in the file, whether the bytes that are sent are compressed or not.
        let tag = file.metadata.sha256_hash()[..16].iter().fold(String::from("W/\""), |mut tag, byte| {
            write!(tag, "{byte:02x}").expect("a string takes what is written");
            tag
        }) + "\"";
        // Names of assets change with what is in them.
        let kept = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        let headers = [
            (header::CACHE_CONTROL, HeaderValue::from_static(kept)),
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
            // Paths of the API without its prefix are the same as those of pages.
            (header::VARY, HeaderValue::from_static("Accept")),
            (header::ETAG, HeaderValue::try_from(&tag).expect("a tag is hexadecimal")),
        ];
        let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        if known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag)) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, [(header::CONTENT_TYPE, content_type(name))], file.data).into_response()
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Scheme, host and port of an address: a policy with a path in it would allow that path alone.
pub(crate) fn origin(address: &str) -> Option<&str> {
    let (scheme, rest) = address.split_once("://")?;
    let host = rest.split('/').next()?;
    let plain = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_'));
    (matches!(scheme, "http" | "https") && !host.is_empty() && plain).then(|| &address[..scheme.len() + 3 + host.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(codec: &str) -> Pages {
        Pages::new(&Ui { codec_endpoint: codec.to_owned(), codec_credentials: false }, Some("shop"))
    }

    fn get(path: &str) -> Response {
        pages("").answer(&Method::GET, path, &HeaderMap::new())
    }

    fn header<'a>(response: &'a Response, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The one file of a kind that all pages load.
    fn asset(extension: &str) -> String {
        let name = Files::iter().find(|name| name.starts_with("assets/index-") && name.ends_with(extension));
        name.expect("the pages are built").into_owned()
    }

    #[test]
    fn any_path_is_the_page_with_its_policy() {
        for path in ["/", "/cluster", "/namespaces/default/workflows/a%2Fb/latest", "/../../etc/passwd"] {
            let page = get(path);
            assert_eq!(
                (page.status(), header(&page, "content-type")),
                (StatusCode::OK, "text/html; charset=utf-8"),
                "{path}"
            );
            assert_eq!(header(&page, "cache-control"), "no-cache");
            assert!(header(&page, "content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
            assert!(!header(&page, "content-security-policy").contains("unsafe"));
            assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        }
    }

    #[test]
    fn assets_are_kept_for_good_and_a_missing_one_is_no_page() {
        for (extension, kind) in [(".js", "text/javascript; charset=utf-8"), (".css", "text/css; charset=utf-8")] {
            let file = get(&format!("/{}", asset(extension)));
            assert_eq!((file.status(), header(&file, "content-type")), (StatusCode::OK, kind));
            assert!(header(&file, "cache-control").contains("immutable"));
        }
        assert_eq!(get("/assets/index-of-before.js").status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn what_is_known_is_not_sent_again() {
        let tag = header(&get("/"), "etag").to_owned();
        assert!(tag.starts_with("W/\""), "{tag} would say that bytes are the same, and they may be compressed");
        for known in [tag.clone(), format!("\"other\", {tag}")] {
            let mut asked = HeaderMap::new();
            asked.insert(header::IF_NONE_MATCH, HeaderValue::try_from(known).unwrap());
            assert_eq!(pages("").answer(&Method::GET, "/", &asked).status(), StatusCode::NOT_MODIFIED);
        }
    }

    #[test]
    fn only_reading_is_allowed() {
        assert_eq!(pages("").answer(&Method::POST, "/", &HeaderMap::new()).status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn the_codec_server_is_the_only_other_host() {
        let page = pages("https://codec.example:8081/tenure").answer(&Method::GET, "/", &HeaderMap::new());
        assert!(header(&page, "content-security-policy").contains("connect-src 'self' https://codec.example:8081;"));
        assert_eq!(origin("https://a.example; script-src *"), None);
        assert_eq!(origin("ftp://a.example"), None);
        assert_eq!(origin("https:///x"), None);
    }
}
