//! All gRPC services of the API's port: the API itself, health, reflection.

use crate::{Frontend, HandoverLayer, grpc::ApiService, test_service::TimeSkipping};
use tenure_api::{
    operatorservice::v1::operator_service_server::OperatorServiceServer,
    tenure::v1::tenure_service_server::TenureServiceServer, testservice::v1::test_service_server::TestServiceServer,
    workflowservice::v1::workflow_service_server::WorkflowServiceServer,
};
use tonic::{codec::CompressionEncoding, service::Routes};
use tonic_health::server::HealthReporter;

/// The names by which clients ask for our health; the empty one is the whole server.
const HEALTH_NAMES: [&str; 3] =
    ["", "temporal.api.workflowservice.v1.WorkflowService", "temporal.api.operatorservice.v1.OperatorService"];

/// What the API's port serves.
pub struct Services {
    pub routes: Routes,
    /// Says NOT_SERVING until told otherwise by [`set_serving`].
    pub health: HealthReporter,
    /// To be put around the routes: it ties tasks to the responses that carry them.
    pub layer: HandoverLayer,
}

impl Frontend {
    /// The services, ready to be mounted.
    ///
    /// # Panics
    /// If the descriptors that reflection shows cannot be decoded: they are compiled in.
    pub fn services(&self) -> Services {
        let (health, health_service) = tonic_health::server::health_reporter();
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(tenure_api::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        // What these are asked is short.
        const QUESTION: usize = tenure_limits::SMALL_CALL;
        const COMPILED_IN: &str = "our own descriptors can be decoded";
        let mut routes = Routes::builder();
        routes
            .add_service(ApiService::<WorkflowServiceServer<()>>::new(self.clone()))
            .add_service(ApiService::<OperatorServiceServer<()>>::new(self.clone()))
            .add_service(ApiService::<TenureServiceServer<()>>::new(self.clone()))
            .add_service(
                health_service.accept_compressed(CompressionEncoding::Gzip).max_decoding_message_size(QUESTION),
            )
            .add_service(
                reflection()
                    .build_v1()
                    .expect(COMPILED_IN)
                    .accept_compressed(CompressionEncoding::Gzip)
                    .max_decoding_message_size(QUESTION),
            )
            // The older name, which grpcurl and others still ask for.
            .add_service(
                reflection()
                    .build_v1alpha()
                    .expect(COMPILED_IN)
                    .accept_compressed(CompressionEncoding::Gzip)
                    .max_decoding_message_size(QUESTION),
            );
        if let Some(time) = self.shards().virtual_time() {
            let test = TestServiceServer::new(TimeSkipping(time.clone()));
            routes.add_service(test.accept_compressed(CompressionEncoding::Gzip).max_decoding_message_size(QUESTION));
        }
        Services { routes: routes.routes(), health, layer: HandoverLayer }
    }
}

/// What health checks hear.
pub async fn set_serving(health: &HealthReporter, serving: bool) {
    let status = if serving { tonic_health::ServingStatus::Serving } else { tonic_health::ServingStatus::NotServing };
    for name in HEALTH_NAMES {
        health.set_service_status(name, status).await;
    }
}
