use crate::{Frontend, alone::frontend};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use prost::Message;
use tonic::{Code, body::Body};
use tower::ServiceExt;

/// Calls a method with an empty request; the answer's code and message.
async fn call(frontend: &Frontend, service: &str, method: &str) -> (Code, String) {
    let request = http::Request::post(format!("http://node/{service}/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Full::new(Bytes::from_static(&[0; 5])).map_err(|never| match never {})))
        .unwrap();
    let response = frontend.services().routes.oneshot(request).await.unwrap();
    let headers = response.headers().clone();
    let collected = response.into_body().collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let field = |name: &str| trailers.get(name).or(headers.get(name)).map(|value| value.to_str().unwrap().to_owned());
    let code = field("grpc-status").map_or(Code::Unknown, |code| Code::from_i32(code.parse().unwrap()));
    (code, field("grpc-message").unwrap_or_default().replace("%20", " "))
}

/// Services and methods of the API, from the descriptors.
fn api_methods() -> Vec<(String, String)> {
    let set = prost_types::FileDescriptorSet::decode(tenure_api::DESCRIPTORS).unwrap();
    let wanted = ["temporal.api.workflowservice.v1", "temporal.api.operatorservice.v1", "tenure.api.v1"];
    let files = set.file.into_iter().filter(|file| wanted.contains(&file.package()));
    files
        .flat_map(|file| {
            let package = file.package().to_owned();
            file.service.into_iter().flat_map(move |service| {
                let name = format!("{package}.{}", service.name());
                service.method.into_iter().map(move |method| (name.clone(), method.name().to_owned()))
            })
        })
        .collect()
}

#[tokio::test]
async fn every_method_is_there_or_says_by_name_that_it_is_not() {
    let frontend = frontend();
    let (mut there, mut missing) = (0, 0);
    for (service, method) in api_methods() {
        let (code, message) = call(&frontend, &service, &method).await;
        if code == Code::Unimplemented {
            assert_eq!(message, format!("{method} is not implemented"), "{service}");
            missing += 1;
        } else {
            there += 1;
        }
    }
    assert_eq!(there, 90, "RPCs that are implemented");
    assert!(missing > 45, "{missing}");
}

#[tokio::test]
async fn without_a_leader_a_request_fails_in_time_and_says_why() {
    let frontend = frontend();
    let service = "temporal.api.workflowservice.v1.WorkflowService";
    let (code, message) = call(&frontend, service, "ListNamespaces").await;
    assert_eq!((code, message.as_str()), (Code::Unavailable, "namespaces: shard 0 has no leader"));
}

#[tokio::test]
async fn health_is_reported_under_the_names_that_clients_use() {
    let services = frontend().services();
    crate::set_serving(&services.health, true).await;
    let mut client = tonic_health::pb::health_client::HealthClient::new(services.routes);
    for name in ["", "temporal.api.workflowservice.v1.WorkflowService"] {
        let request = tonic_health::pb::HealthCheckRequest { service: name.into() };
        assert_eq!(client.check(request).await.unwrap().into_inner().status, 1, "{name}");
    }
}
