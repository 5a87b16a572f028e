//! All paths, and the OpenAPI 3.1 document that describes them.
//!
//! Both are made of the same annotations: a path that isn't described isn't routed.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use fanway_types::ByteCount;
use utoipa::PartialSchema;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Info, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::problem::{Kind, PROBLEM_JSON, Problem, ProblemDocument};
use crate::{
    Admin, audit, config, dead, events, health, messages, metrics, problem, redrives, targets,
};

/// The largest body that is read, in bytes.
const LARGEST_BODY: usize = 16 << 10;

/// The document that describes the admin API, as JSON.
///
/// # Panics
/// Never: a document has only text keys.
#[must_use]
pub fn openapi() -> String {
    let (_, document) = described(LARGEST_BODY).split_for_parts();
    let mut text = finished(document)
        .to_pretty_json()
        .expect("a document has only text keys");
    text.push('\n');
    text
}

/// What answers requests. An edited body may have so many bytes.
pub(crate) fn router(largest_edited: ByteCount) -> Router<Arc<Admin>> {
    // In base 64, beside the rest of the request.
    let edited = usize::try_from(largest_edited.get()).unwrap_or(usize::MAX);
    let edited = (edited / 3).saturating_mul(4).saturating_add(LARGEST_BODY);
    let (router, _) = described(edited).split_for_parts();
    router
        .fallback(async || Problem::from(Kind::PathUnknown))
        .method_not_allowed_fallback(async || Problem::from(Kind::MethodNotAllowed))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
}

fn described(largest_edited: usize) -> OpenApiRouter<Arc<Admin>> {
    let edited = DefaultBodyLimit::max(largest_edited);
    OpenApiRouter::with_openapi(about())
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::scrape))
        .routes(routes!(document))
        .routes(routes!(problem::page))
        .routes(routes!(events::follow))
        .routes(routes!(messages::show, messages::cancel))
        .routes(routes!(targets::list))
        .routes(routes!(targets::show, targets::steer))
        .routes(routes!(dead::list))
        .routes(routes!(dead::show))
        .routes(routes!(dead::redrive::redrive).layer(edited))
        .routes(routes!(dead::discard))
        .routes(routes!(redrives::list, redrives::start))
        .routes(routes!(redrives::show))
        .routes(routes!(redrives::pause))
        .routes(routes!(redrives::resume))
        .routes(routes!(redrives::cancel))
        .routes(routes!(config::show))
        .routes(routes!(config::reload))
        .routes(routes!(config::roll_back))
        .routes(routes!(audit::list))
}

fn about() -> OpenApi {
    let mut info = Info::new("Fanway admin API", "1");
    info.description = Some(
        "For operators: what became of messages, and changing things while they run. \
         Loopback only; every change is kept as an audit record. \
         Lists are paged: `next` of a page is the `cursor` of the next one."
            .to_owned(),
    );
    OpenApiBuilder::new().info(info).build()
}

/// Adds what holds for every path: whatever is refused is refused with a problem.
fn finished(mut document: OpenApi) -> OpenApi {
    let schema = Ref::from_schema_name("Problem");
    let problem = ContentBuilder::new().schema(Some(schema)).build();
    let any = ResponseBuilder::new()
        .description("A problem; the end of its `type` is its code.")
        .build();
    let paths = document.paths.paths.values_mut();
    for operation in paths.flat_map(operations) {
        let responses = &mut operation.responses.responses;
        responses.insert("default".to_owned(), any.clone().into());
        for (status, response) in responses {
            let is_refusal = !status.starts_with('2');
            if let RefOr::T(response) = response
                && is_refusal
                && response.content.is_empty()
            {
                let content = &mut response.content;
                content.insert(PROBLEM_JSON.to_owned(), problem.clone().into());
            }
        }
    }
    let components = document.components.take().unwrap_or_default();
    let components = ComponentsBuilder::from(components)
        .schema("Problem", ProblemDocument::schema())
        .build();
    document.components = Some(components);
    document
}

/// All operations of a path, of the methods that are in use.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get,
        post,
        delete,
        patch,
        ..
    } = item;
    [get, post, delete, patch].into_iter().flatten()
}

/// Describes the admin API.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "server",
    operation_id = "openapi",
    responses((status = 200, description = "This document.", body = Object)),
)]
async fn document(State(admin): State<Arc<Admin>>) -> Response {
    let json = HeaderValue::from_static("application/json");
    let text = admin.document.clone();
    ([(header::CONTENT_TYPE, json)], text).into_response()
}
