//! Requests to a node that is alone: what is refused, and how it is said.

use crate::{
    HttpOptions,
    alone::frontend,
    json::{HttpApi, response::whole, routes::ROUTES},
};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value as Json, json};
use tonic::body::Body;

const LISTED: &str = "https://ui.example.com";

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

fn api() -> HttpApi {
    let options = HttpOptions { cors_origins: vec![LISTED.into()], default_namespace: "first".into() };
    frontend().http_api(&options)
}

async fn ask(verb: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = http::Request::builder().method(verb).uri(path).header("host", "node:8233");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Body::new(Full::from(body.to_owned()).map_err(|never| match never {}));
    let answer = api().answer(request.body(body).unwrap()).await;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn every_route_leads_to_its_method() {
    let mut missing = 0;
    for (verb, route) in ROUTES.all() {
        let path = route.template.example("x");
        let answer = ask(verb.as_str(), &path, &[("grpc-timeout", "20m")], "").await;
        let error = answer.json();
        if answer.status == StatusCode::NOT_IMPLEMENTED {
            assert_eq!(error, json!({"code": 12, "message": format!("{} is not implemented", route.method.name())}));
            missing += 1;
        } else if answer.status != StatusCode::OK {
            assert!(error["code"].is_number() && error["message"].is_string(), "{verb} {path}: {error}");
            assert_ne!(error["message"], "Not Found", "{verb} {path}");
        }
    }
    assert!(missing > 0);
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_said_to_be_so() {
    let nothing = ask("GET", "/api/v1/nothing", &[], "").await;
    assert_eq!((nothing.status.as_u16(), nothing.json()), (404, json!({"code": 5, "message": "Not Found"})));
    let other = ask("PUT", "/api/v1/system-info", &[], "").await;
    assert_eq!((other.status.as_u16(), other.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(other.json(), json!({"code": 12, "message": "Method Not Allowed"}));
    assert_eq!(ask("OPTIONS", "/api/v1/system-info", &[], "").await.status.as_u16(), 405);
    assert_eq!(ask("GET", "/api/v1/namespaces/%ff", &[], "").await.status.as_u16(), 400);
    let long = format!("/api/v1/namespaces/{}", "x".repeat(tenure_limits::PATH));
    assert_eq!(ask("GET", &long, &[], "").await.status.as_u16(), 400);
    for odd in [
        "//",
        "/api/v1//namespaces",
        "/api/v1/../v1/namespaces",
        "/api/v1/namespaces/",
        "/%00",
        "/api/v1/namespaces?x=%zz",
    ] {
        let status = ask("GET", odd, &[], "").await.status.as_u16();
        assert!([404, 503].contains(&status), "{odd}: {status}");
    }
}

#[tokio::test]
async fn answers_are_json_and_nothing_that_a_browser_makes_of_it() {
    for (path, headers, kind) in [
        ("/api/v1/system-info", vec![], "application/json"),
        ("/api/v1/system-info?pretty", vec![], "application/json+pretty"),
        ("/api/v1/system-info?noPayloadShorthand", vec![], "application/json+no-payload-shorthand"),
        ("/api/v1/system-info", vec![("accept", "text/html, application/json+pretty")], "application/json+pretty"),
        ("/api/v1/system-info", vec![("accept", "text/html")], "application/json"),
        ("/api/v1/system-info", vec![("caller-type", "operator")], "application/json+no-payload-shorthand"),
        ("/<script>", vec![], "application/json"),
    ] {
        let path = path.replace('<', "%3c").replace('>', "%3e");
        let answer = ask("GET", &path, &headers, "").await;
        assert_eq!(answer.header("content-type"), Some(kind), "{path} {headers:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.body.contains('\n'), kind.contains("pretty"), "{}", answer.body);
        answer.json();
    }
    let head = ask("HEAD", "/api/v1/system-info", &[], "").await;
    assert_eq!(head.status, StatusCode::OK);
}

#[tokio::test]
async fn errors_have_the_status_of_their_code() {
    let failed = ask("GET", "/api/v1/namespaces", &[], "").await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(failed.json(), json!({"code": 14, "message": "namespaces: shard 0 has no leader"}));
    let start = "/api/v1/namespaces/n/workflows/w";
    for (body, status, code) in [("{", 400, 3), (r#"{"x": 1}"#, 400, 3), ("\u{0}", 400, 3)] {
        let refused = ask("POST", start, &[JSON], body).await;
        assert_eq!((refused.status.as_u16(), refused.json()["code"].clone()), (status, json!(code)), "{body:?}");
    }
    for query in [
        "maximumPageSize=x",
        "waitNewEvent=2",
        "nextPageToken=!",
        "execution=1",
        "maximumPageSize=1&maximumPageSize=1",
        "historyEventFilterType=7",
        "historyEventFilterType=Nonsense",
    ] {
        let refused = ask("GET", &format!("/api/v1/namespaces/n/workflows/w/history?{query}"), &[], "").await;
        assert_eq!(refused.json()["code"], json!(3), "{query}: {}", refused.body);
    }
}

/// What comes next, once the form is known to be good, is that nobody leads.
#[tokio::test]
async fn a_query_may_spell_a_field_in_many_ways() {
    for query in [
        "maximumPageSize=1&maximum_page_size=1",
        "waitNewEvent=t",
        "historyEventFilterType=2",
        "historyEventFilterType=HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT",
        "nextPageToken=_-8",
        "execution.runId=x&execution.nonsense=1&nonsense.x=1&nonsense",
        "namespace=other&execution.workflowId=other",
    ] {
        let taken = ask("GET", &format!("/api/v1/namespaces/n/workflows/w/history?{query}"), &[], "").await;
        assert_eq!(taken.json()["message"], "the key of tokens: shard 0 has no leader", "{query}");
    }
}

/// F6: bodies are bounded by what is announced, and by what comes.
#[tokio::test]
async fn large_bodies_are_refused() {
    let body = format!(r#"{{"identity": "{}"}}"#, "x".repeat(tenure_limits::MESSAGE));
    let refused = ask("POST", "/api/v1/namespaces/n/workflows/w", &[JSON], &body).await;
    assert_eq!((refused.status.as_u16(), refused.json()["code"].clone()), (413, json!(8)));
    let beyond = "x".repeat(10 * tenure_limits::MESSAGE);
    assert_eq!(ask("POST", "/api/v1/namespaces/n/workflows/w", &[JSON], &beyond).await.status.as_u16(), 413);
    let zipped = ask("POST", "/api/v1/namespaces/n/workflows/w", &[JSON, ("content-encoding", "gzip")], "x").await;
    assert_eq!(zipped.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn pages_of_others_may_not_call() {
    let start = "/api/v1/namespaces/n/workflows/w";
    let status = async |verb: &str, headers: &[(&str, &str)]| ask(verb, start, headers, "{}").await.status.as_u16();
    // The namespace is not known: nobody leads.
    const TAKEN: u16 = 503;
    for (headers, expected) in [
        (vec![JSON], TAKEN),
        (vec![("content-type", "application/json; charset=utf-8")], TAKEN),
        (vec![], TAKEN),
        // What forms can send.
        (vec![("content-type", "text/plain")], 415),
        (vec![("content-type", "application/x-www-form-urlencoded")], 415),
        (vec![("content-type", "multipart/form-data; boundary=x")], 415),
        (vec![JSON, ("origin", "http://evil.example.com")], 403),
        (vec![JSON, ("origin", "null")], 403),
        (vec![JSON, ("origin", "http://node:8234")], 403),
        // The official UI's pages, which do not say that they send JSON.
        (vec![("content-type", "text/plain;charset=UTF-8"), ("origin", "http://node:8233")], TAKEN),
        (vec![("content-type", "text/plain;charset=UTF-8"), ("origin", "https://NODE:8233")], TAKEN),
        (vec![JSON, ("origin", LISTED)], TAKEN),
    ] {
        assert_eq!(status("POST", &headers).await, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn pages_that_are_listed_may_read() {
    let ask = async |verb: &str, origin: &str, more: &[(&str, &str)]| {
        let headers = [&[("origin", origin)], more].concat();
        ask(verb, "/api/v1/system-info", &headers, "").await
    };
    let allowed = ask("GET", LISTED, &[]).await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some(LISTED));
    assert_eq!(allowed.header("vary"), Some("origin"));
    let own = ask("GET", "http://node:8233", &[]).await;
    assert_eq!((own.status.as_u16(), own.header("access-control-allow-origin")), (200, None));
    assert_eq!(ask("GET", "http://evil.example.com", &[]).await.status.as_u16(), 403);
    let question = [("access-control-request-method", "POST"), ("access-control-request-headers", "content-type")];
    let preflight = ask("OPTIONS", LISTED, &question).await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert_eq!(preflight.header("access-control-allow-headers"), Some("content-type"));
    assert_eq!(ask("OPTIONS", "http://evil.example.com", &question).await.status.as_u16(), 403);
}

#[tokio::test]
async fn the_official_pages_are_told_how_they_are_set_up() {
    let settings = ask("GET", "/api/v1/settings", &[], "").await;
    assert_eq!(settings.json()["DefaultNamespace"], "first");
    assert_eq!(settings.header("content-type"), Some("application/json"));
    assert!(HttpApi::serves("/api/v1/settings") && HttpApi::serves("/api/v1/namespaces") && !HttpApi::serves("/"));
    let form = crate::json::forms::Form { shorthand: true, pretty: true };
    let pretty = whole(r#"{"a":1}"#.into(), form).into_body().collect().await.unwrap().to_bytes();
    assert_eq!(pretty, "{\n  \"a\": 1\n}");
}
