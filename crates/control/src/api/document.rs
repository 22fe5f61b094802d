//! The OpenAPI document: what the routes say of themselves, and what holds for all of them.
//!
//! Every route can answer with problems that are not its own: of who asks, of what was sent, of what
//! stands behind. They are added here by what a route takes, so that none can be forgotten.

use utoipa::openapi::path::{HttpMethod, Operation, Parameter};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, Paths, Ref, RefOr, ResponseBuilder, Schema,
    SecurityRequirement, Server,
};
use utoipa::{PartialSchema, ToSchema};

use super::{PREFIX, input};
use crate::problem::{FieldError, ProblemDocument, ProblemKind};

const DESCRIPTION: &str = "\
Webhooks, their deliveries and dead letters. Whatever is no GET needs a token with the role `admin`. \
Times are RFC 3339 in UTC. Every error is a problem document (RFC 9457), whose `type` is one of the \
list below and never changes.";

/// Statuses that every route may answer with.
const ALWAYS: [u16; 7] = [400, 401, 403, 421, 429, 500, 503];

/// The document, whole.
pub(super) fn finished(mut document: OpenApi) -> OpenApi {
    let types: Vec<String> = ProblemKind::ALL
        .into_iter()
        .map(|kind| format!("- `{}` ({}): {}", kind.uri(), kind.status().as_u16(), kind.title()))
        .collect();
    document.info = InfoBuilder::new()
        .title("Boottify Webhooks")
        .version("1")
        .description(Some(format!("{DESCRIPTION}\n\n{}", types.join("\n"))))
        .build();
    document.servers = Some(vec![Server::new(PREFIX)]);
    document.security =
        Some(["token", "session"].map(|name| SecurityRequirement::new(name, [""; 0])).into());
    let components = document.components.get_or_insert_with(Components::new);
    secure(components);
    let problem = ProblemDocument::schema();
    components.schemas.insert("Problem".to_owned(), problem);
    components.schemas.insert(FieldError::name().into_owned(), FieldError::schema());
    for name in input::BODIES {
        if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(name) {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
    add_problems(&mut document.paths);
    document
}

fn secure(components: &mut Components) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description(
        "boottify-webhooks",
        "The page's session; what is no GET needs the header x-csrf-token, too",
    );
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
}

fn add_problems(paths: &mut Paths) {
    for (path, item) in &mut paths.paths {
        let operations = [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Patch, &mut item.patch),
            (HttpMethod::Delete, &mut item.delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            let body = operation.request_body.is_some();
            let checks = operation.parameters.iter().flatten().any(is_if_match);
            for status in statuses(path, &method, body, checks) {
                add(operation, status);
            }
        }
    }
}

/// The problems of a route, by what it takes.
fn statuses(path: &str, method: &HttpMethod, body: bool, checks: bool) -> Vec<u16> {
    let reads = matches!(method, HttpMethod::Get);
    let logged = ["deliveries", "stats"].iter().any(|word| path.contains(word));
    let mut all = ALWAYS.to_vec();
    // Dead letters are named in the body.
    all.extend((path.contains('{') || path == "/dead/replay").then_some(404));
    all.extend((!reads || logged).then_some(409));
    all.extend(checks.then_some(412));
    if body {
        all.extend([413, 415, 422]);
    }
    all
}

/// Whether it is the state that was seen, which may be another by now.
fn is_if_match(parameter: &RefOr<Parameter>) -> bool {
    matches!(parameter, RefOr::T(parameter) if parameter.name == "If-Match")
}

fn add(operation: &mut Operation, status: u16) {
    let kinds = ProblemKind::ALL.into_iter().filter(|kind| kind.status().as_u16() == status);
    let titles: Vec<&str> = kinds.map(ProblemKind::title).collect();
    let schema = Ref::from_schema_name("Problem");
    let response = ResponseBuilder::new()
        .description(titles.join("; "))
        .content("application/problem+json", ContentBuilder::new().schema(Some(schema)).build())
        .build();
    let responses = &mut operation.responses.responses;
    responses.entry(status.to_string()).or_insert(RefOr::T(response));
}
