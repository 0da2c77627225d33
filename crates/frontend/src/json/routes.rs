//! Which method an HTTP request is for, read off the `google.api.http` annotations of the API's own descriptors; and, for
//! methods that have none there and that the pages need, off a table of our own.

use super::template::Template;
use crate::rpc::Method;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor, MethodDescriptor};
use std::{collections::HashMap, sync::LazyLock};

/// All types and services of the API, for everything that turns their messages into JSON and back.
pub(super) static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(tenure_api::DESCRIPTORS).expect("descriptors that are compiled in are complete")
});

/// The routes of all methods that have a path.
pub(super) static ROUTES: LazyLock<Routes> = LazyLock::new(|| Routes::of(&POOL));

/// Bindings for methods to which the API gives none: the method, the HTTP method, the path, the body (as annotations have
/// it).
const OWN: [(&str, &str, &str, &str); 2] = [
    (
        "/temporal.api.operatorservice.v1.OperatorService/AddSearchAttributes",
        "POST",
        "/tenure/api/v1/namespaces/{namespace}/search-attributes",
        "*",
    ),
    (
        "/temporal.api.operatorservice.v1.OperatorService/RemoveSearchAttributes",
        "DELETE",
        "/tenure/api/v1/namespaces/{namespace}/search-attributes",
        "",
    ),
];

/// A binding of a method to an HTTP method and a path.
pub(super) struct Route {
    pub(super) template: Template,
    pub(super) method: &'static Method,
    pub(super) input: MessageDescriptor,
    pub(super) output: MessageDescriptor,
    pub(super) body: BodyOf,
}

/// What the body of a request is.
#[derive(Debug, PartialEq)]
pub(super) enum BodyOf {
    /// Nothing: all fields are in the path and the query.
    Nothing,
    /// The whole message.
    Message,
    /// One field of it.
    Field(FieldDescriptor),
}

/// What a request's method and path lead to.
pub(super) enum Found {
    /// A route, with the values of its variables in the order in which they stand in the path.
    Route(&'static Route, Vec<String>),
    /// The path is served with these other methods.
    OtherMethods(Vec<&'static http::Method>),
    Nothing,
}

/// The routes by HTTP method, those first that say more of their path.
pub(super) struct Routes(HashMap<http::Method, Vec<Route>>);

impl Routes {
    fn of(pool: &DescriptorPool) -> Routes {
        let mut routes: HashMap<http::Method, Vec<Route>> = HashMap::new();
        for service in pool.services() {
            for described in service.methods() {
                let path = format!("/{}/{}", service.full_name(), described.name());
                let Some(method) = Method::at(&path) else { continue };
                for binding in bindings(&path, &described) {
                    let route = binding.and_then(|binding| route(binding, &described, method));
                    let (verb, route) = route.unwrap_or_else(|| panic!("a binding of {path} is not understood"));
                    routes.entry(verb).or_default().push(route);
                }
            }
        }
        for routes in routes.values_mut() {
            routes.sort_by(|a, b| a.template.rank().cmp(b.template.rank()));
        }
        Routes(routes)
    }

    /// The route for a request with a path whose escapes are undone, segment by segment.
    pub(super) fn find(&'static self, verb: &http::Method, segments: &[String]) -> Found {
        let matching = |route: &'static Route| Some((route, route.template.match_segments(segments)?));
        if let Some((route, values)) = self.0.get(verb).and_then(|routes| routes.iter().find_map(matching)) {
            return Found::Route(route, values);
        }
        let serves = |routes: &'static Vec<Route>| routes.iter().any(|route| matching(route).is_some());
        let mut others: Vec<_> = self.0.iter().filter(|(_, routes)| serves(routes)).map(|(verb, _)| verb).collect();
        others.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn all(&'static self) -> impl Iterator<Item = (&'static http::Method, &'static Route)> {
        let mut all: Vec<_> =
            self.0.iter().flat_map(|(verb, routes)| routes.iter().map(move |route| (verb, route))).collect();
        all.sort_by(|(a, one), (b, other)| (one.template.rank(), a.as_str()).cmp(&(other.template.rank(), b.as_str())));
        all.into_iter()
    }
}

/// A way to a method, as an annotation has it.
struct Binding {
    verb: http::Method,
    path: String,
    body: String,
}

/// The ways to the method at a path of gRPC; `None` for one that has what no annotation that is served may have.
fn bindings(path: &str, method: &MethodDescriptor) -> Vec<Option<Binding>> {
    let own = OWN.iter().filter(|(of, ..)| *of == path).map(|(_, verb, path, body)| {
        Some(Binding { verb: verb.parse().ok()?, path: (*path).to_owned(), body: (*body).to_owned() })
    });
    rules(method).iter().map(binding).chain(own).collect()
}

/// The annotation of a method, and the additional bindings in it.
fn rules(method: &MethodDescriptor) -> Vec<DynamicMessage> {
    let options = method.options();
    let pool = method.parent_pool();
    let Some(http) = pool.get_extension_by_name("google.api.http") else { return Vec::new() };
    if !options.has_extension(&http) {
        return Vec::new();
    }
    let Some(rule) = options.get_extension(&http).as_message().cloned() else { return Vec::new() };
    let additional = rule.get_field_by_name("additional_bindings").map(|bindings| bindings.into_owned());
    let additional = additional.as_ref().and_then(|bindings| bindings.as_list()).unwrap_or_default();
    let additional: Vec<_> = additional.iter().filter_map(|binding| binding.as_message().cloned()).collect();
    std::iter::once(rule).chain(additional).collect()
}

fn binding(rule: &DynamicMessage) -> Option<Binding> {
    use http::Method as Verb;
    let text = |name: &str| rule.get_field_by_name(name)?.as_str().map(str::to_owned).filter(|text| !text.is_empty());
    let verbs = [
        ("get", Verb::GET),
        ("put", Verb::PUT),
        ("post", Verb::POST),
        ("delete", Verb::DELETE),
        ("patch", Verb::PATCH),
    ];
    let (verb, path) = verbs.into_iter().find_map(|(name, verb)| Some((verb, text(name)?)))?;
    if text("response_body").is_some() {
        return None;
    }
    Some(Binding { verb, path, body: text("body").unwrap_or_default() })
}

/// The route that a binding describes; `None` if it names what the method's message does not have.
fn route(
    Binding { verb, path, body }: Binding,
    described: &MethodDescriptor,
    method: &'static Method,
) -> Option<(http::Method, Route)> {
    let input = described.input();
    let body = match body.as_str() {
        "" => BodyOf::Nothing,
        "*" => BodyOf::Message,
        field => BodyOf::Field(input.get_field_by_name(field)?),
    };
    let template = Template::parse(&path, &input)?;
    Some((verb, Route { template, method, input, output: described.output(), body }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn segments(path: &str) -> Vec<String> {
        path[1..].split('/').map(str::to_owned).collect()
    }

    fn find(verb: &str, path: &str) -> String {
        let segments = segments(path);
        match ROUTES.find(&verb.parse().unwrap(), &segments) {
            Found::Route(route, values) => format!("{} {values:?}", route.method.name()),
            Found::OtherMethods(others) => format!("{others:?}"),
            Found::Nothing => "nothing".to_owned(),
        }
    }

    /// Also of methods that are not there yet: they answer by name.
    #[test]
    fn every_annotated_method_has_all_its_routes() {
        let mut annotated = BTreeMap::new();
        for service in POOL.services().filter(|service| service.name() != "TestService") {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                let own = OWN.iter().filter(|(of, ..)| *of == path).count();
                assert!(own == 0 || rules(&method).is_empty(), "{path} has a path of the API's by now");
                if rules(&method).len() + own > 0 {
                    annotated.insert(method.name().to_owned(), rules(&method).len() + own);
                }
            }
        }
        let mut served = BTreeMap::new();
        for (_, route) in ROUTES.all() {
            *served.entry(route.method.name().to_owned()).or_insert(0) += 1;
        }
        assert_eq!(served, annotated);
        assert!(annotated.len() > 100, "{}", annotated.len());
    }

    /// Paths of which one is hidden behind another are found by nobody.
    #[test]
    fn every_route_is_found_by_its_own_path() {
        for (verb, route) in ROUTES.all() {
            let path = route.template.example("x");
            let segments = segments(&path);
            let Found::Route(found, values) = ROUTES.find(verb, &segments) else { panic!("{verb} {path}") };
            assert_eq!(found.method.name(), route.method.name(), "{verb} {path}");
            assert!(values.iter().all(|value| value.starts_with('x')), "{values:?}");
        }
    }

    #[test]
    fn paths_are_under_the_names_that_clients_use() {
        let first =
            |(_, route): (_, &'static Route)| route.template.example("x")[1..].split('/').next().map(str::to_owned);
        let first: BTreeSet<_> = ROUTES.all().filter_map(first).collect();
        let known =
            ["api", "tenure", "cluster", "namespaces", "nexus", "system-info", "cluster-info", "history", "archived"];
        assert!(first.iter().all(|name| known.contains(&name.as_str())), "{first:?}");
    }

    #[test]
    fn requests_find_their_methods() {
        for (verb, path, found) in [
            ("GET", "/api/v1/namespaces", "ListNamespaces []"),
            ("POST", "/api/v1/namespaces", "RegisterNamespace []"),
            ("GET", "/api/v1/namespaces/n", r#"DescribeNamespace ["n"]"#),
            ("POST", "/namespaces/n/workflows/w", r#"StartWorkflowExecution ["n", "w"]"#),
            ("GET", "/api/v1/namespaces/n/workflows/a b/history", r#"GetWorkflowExecutionHistory ["n", "a b"]"#),
            (
                "POST",
                "/api/v1/namespaces/n/workflows/w/signal-with-start/s",
                r#"SignalWithStartWorkflowExecution ["n", "w", "s"]"#,
            ),
            ("POST", "/api/v1/namespaces/n/activity-complete", r#"RespondActivityTaskCompleted ["n"]"#),
            ("GET", "/api/v1/namespaces/n/schedules/s/matching-times", r#"ListScheduleMatchingTimes ["n", "s"]"#),
            ("POST", "/tenure/api/v1/namespaces/n/search-attributes", r#"AddSearchAttributes ["n"]"#),
            ("DELETE", "/tenure/api/v1/namespaces/n/search-attributes", r#"RemoveSearchAttributes ["n"]"#),
            ("GET", "/tenure/api/v1/namespaces/n/search-attributes", "[DELETE, POST]"),
            ("PUT", "/api/v1/system-info", "[GET]"),
            ("GET", "/api/v1/namespaces//workflows", "nothing"),
            ("GET", "/api/v1/namespaces/", "nothing"),
            ("GET", "/api/v1", "nothing"),
            ("GET", "/", "nothing"),
        ] {
            assert_eq!(find(verb, path), found, "{verb} {path}");
        }
    }
}
