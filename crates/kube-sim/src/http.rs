//! From HTTP requests to answers.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use serde_json::{Value, json};

use crate::{
    Failure, RequestInfo, Shared, Verb, Verdict,
    delete::Deleted,
    describe::describe,
    kind::Kind,
    options,
    render::View,
    request::{Query, Route},
    selector::Selector,
    store::State,
    watch::Watch,
    write::{Call, PatchType, Written},
};

/// The body of an answer; that of a watch goes on for as long as the watch.
pub type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

/// The connection broke: there is no answer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("connection reset by the simulated API server")]
pub struct ConnectionLost;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The largest body that is read.
const MAX_BODY: usize = 3 * 1024 * 1024;

struct Incoming {
    request: RequestInfo,
    query: Query,
    headers: HeaderMap,
    /// If it cannot be read, why.
    body: Result<Arc<Value>, Failure>,
}

enum Answer {
    Json(u16, Value, Vec<String>),
    Watch(Box<Watch>),
}

/// Serves one request.
pub(crate) async fn handle<B>(server: Arc<Shared>, request: Request<B>) -> Result<Response<AnswerBody>, ConnectionLost>
where
    B: http_body::Body<Error: Into<BoxError>>,
{
    let (parts, body) = request.into_parts();
    let query = Query::read(&parts.uri);
    let mut request = match Route::read(&parts.method, &parts.uri, &parts.headers, &query) {
        Route::Resource(request) => request,
        Route::Description(path) => return Ok(describe_server(&server, &path)),
    };
    let body = http_body_util::Limited::new(body, MAX_BODY).collect().await;
    let body = body
        .map(http_body_util::Collected::to_bytes)
        .map_err(|_| Failure::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {MAX_BODY}")));
    let body = body.and_then(|bytes| parse(&parts.headers, request.verb, &bytes)).map(Arc::new);
    request.body = body.as_ref().ok().cloned();
    if request.verb == Verb::Create {
        request.name = request.body().and_then(|body| body["metadata"]["name"].as_str()).map(str::to_owned);
    }
    server.judge(Incoming { request, query, headers: parts.headers, body }).await
}

fn describe_server(server: &Shared, path: &[String]) -> Response<AnswerBody> {
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    match describe(&path, &server.state().catalogue) {
        Ok(Value::String(text)) => response(200, "text/plain", whole(text)),
        Ok(value) => json_response(200, &value),
        Err(failure) => refusal(&failure),
    }
}

fn parse(headers: &HeaderMap, verb: Verb, bytes: &Bytes) -> Result<Value, Failure> {
    if content_type(headers).contains("protobuf") {
        let message = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml";
        return Err(Failure::new(415, "UnsupportedMediaType", message));
    }
    if bytes.is_empty() {
        let needed = matches!(verb, Verb::Create | Verb::Update | Verb::Patch);
        return if needed { Err(Failure::bad_request("the request has no body: send one")) } else { Ok(Value::Null) };
    }
    serde_json::from_slice(bytes)
        .or_else(|_| std::str::from_utf8(bytes).map_err(|_| ()).and_then(|text| serde_saphyr::from_str(text).map_err(|_| ())))
        .map_err(|()| Failure::bad_request("the body is neither JSON nor YAML: send one of them"))
}

impl Shared {
    async fn judge(self: Arc<Self>, incoming: Incoming) -> Result<Response<AnswerBody>, ConnectionLost> {
        let interceptor = self.interceptor();
        let verdict = interceptor.as_ref().map_or(Verdict::Pass, |one| one.before(&incoming.request));
        let (answer, status) = match &verdict {
            Verdict::Drop => (Err(ConnectionLost), 0),
            Verdict::Fail(failure) => (Ok(refusal(failure)), failure.code),
            Verdict::Delay(pause) => {
                tokio::time::sleep(*pause).await;
                self.serve(&incoming)
            }
            Verdict::Pass | Verdict::ApplyThenDrop | Verdict::ApplyThenDelay(_) => self.serve(&incoming),
        };
        self.record().add((self.clock)(), &incoming.request, status);
        if let Some(interceptor) = interceptor {
            interceptor.after(&incoming.request, status);
        }
        match verdict {
            Verdict::ApplyThenDrop => return Err(ConnectionLost),
            Verdict::ApplyThenDelay(pause) => tokio::time::sleep(pause).await,
            _ => {}
        }
        answer
    }

    fn serve(self: &Arc<Self>, incoming: &Incoming) -> (Result<Response<AnswerBody>, ConnectionLost>, u16) {
        let answer = match self.answer(incoming) {
            Ok(Answer::Json(code, value, warnings)) => with_warnings(json_response(code, &value), &warnings),
            Ok(Answer::Watch(watch)) => {
                let body = StreamBody::new(watch.stream());
                response(200, "application/json", BodyExt::boxed_unsync(body))
            }
            Err(failure) => refusal(&failure),
        };
        let status = answer.status().as_u16();
        (Ok(answer), status)
    }

    fn answer(self: &Arc<Self>, incoming: &Incoming) -> Result<Answer, Failure> {
        let Incoming { request, query, headers, body } = incoming;
        let mut state = self.state();
        let kind = find(&state, request)?;
        let view = View::negotiate(&kind, headers, query.text("includeObject"))?;
        let how = if request.verb == Verb::Patch { Some(patch_type(headers, &kind)?) } else { None };
        let is_apply = how == Some(PatchType::Apply);
        options::check(request.verb, is_apply, query, body)?;
        let name = request.name.as_deref();
        let call = Call {
            kind: &kind,
            key: (request.namespace.clone().unwrap_or_default(), name.unwrap_or_default().to_owned()),
            subresource: request.subresource.as_deref(),
            manager: manager(request),
            query,
        };
        if request.verb == Verb::Patch && !is_apply {
            // What is not there is not patched, whatever the patch.
            state.existing(&call)?;
        }
        let body = || readable(&kind, request.verb, body);
        let written = |state: &State, written: Written| {
            let code = if written.created { 201 } else { 200 };
            Answer::Json(code, view.object(&kind, &written.object, state.now()), written.warnings)
        };
        match request.verb {
            Verb::Get => {
                read_version(query).map_err(|why| match kind.plural.as_str() {
                    "events" => Failure::bad_request(format!("invalid resource version: {why}")),
                    _ => Failure::new(500, "", why),
                })?;
                let object = state.get(&kind.table, &call.key).ok_or_else(|| Failure::not_found(&kind, &call.key.1))?;
                Ok(Answer::Json(200, view.object(&kind, &object, state.now()), Vec::new()))
            }
            Verb::List => {
                let selector = Selector::read(&kind, name, query)?;
                read_version(query).map_err(|why| Failure::bad_request(format!("invalid resource version: {why}")))?;
                let objects = state.list(&kind.table, request.namespace.as_deref());
                let matching = objects.iter().map(|object| &**object).filter(|object| selector.matches(object));
                Ok(Answer::Json(200, view.list(&kind, matching, state.revision, state.now()), Vec::new()))
            }
            Verb::Watch => {
                let selector = Selector::read(&kind, name, query)?;
                let watch = Watch::start(self, &mut state, &kind, request.namespace.as_deref(), selector, view, query)?;
                Ok(Answer::Watch(Box::new(watch)))
            }
            Verb::Create => {
                let call = Call { key: (call.key.0, String::new()), ..call };
                state.create(&call, body()?).map(|done| written(&state, done))
            }
            Verb::Update => state.replace(&call, body()?).map(|done| written(&state, done)),
            Verb::Patch => state.patch(&call, body()?, how.unwrap_or(PatchType::Merge)).map(|done| written(&state, done)),
            Verb::Delete => {
                let deleted = state.delete(&call, &body()?)?;
                Ok(answer_deletion(&kind, &view, deleted, &state))
            }
            Verb::DeleteCollection => {
                let selector = Selector::read(&kind, None, query)?;
                delete_all(&mut state, call, &selector, &view, &body()?)
            }
        }
    }
}

/// The body of a request. A null stands for an object of a built-in kind in which nothing is set.
fn readable(kind: &Kind, verb: Verb, body: &Result<Arc<Value>, Failure>) -> Result<Value, Failure> {
    let body = body.as_ref().map_err(Failure::clone)?;
    let is_object = matches!(verb, Verb::Create | Verb::Update);
    Ok(if body.is_null() && is_object && !kind.is_custom() { json!({}) } else { Value::clone(body) })
}

fn find(state: &State, request: &RequestInfo) -> Result<Arc<Kind>, Failure> {
    let found = state.catalogue.find(&request.group, &request.version, &request.resource);
    let is_builtin = |kind: &&Arc<Kind>| !kind.is_custom() && kind.group == request.group && kind.version == request.version;
    let unknown =
        || if state.catalogue.all().any(|kind| is_builtin(&kind)) { Failure::no_such_resource() } else { Failure::no_such_path() };
    let kind = found.ok_or_else(unknown)?;
    match request.subresource.as_deref() {
        None => {}
        Some("status") if kind.has_status => {}
        Some(_) if kind.is_custom() => return Err(Failure::not_found(kind, request.name.as_deref().unwrap_or_default())),
        Some(_) => return Err(Failure::no_such_resource()),
    }
    if !is_offered(kind, request) {
        return Err(Failure::method_not_allowed());
    }
    let homeless = kind.namespaced && request.namespace.is_none() && !matches!(request.verb, Verb::List | Verb::Watch);
    if homeless || (!kind.namespaced && request.namespace.is_some()) {
        return Err(Failure::no_such_path());
    }
    Ok(kind.clone())
}

/// The resourceVersion that a read asks for must be a number. (What is read is always the latest.)
fn read_version(query: &Query) -> Result<(), String> {
    match query.text("resourceVersion") {
        Some(text) if text.parse::<u64>().is_err() => {
            Err(format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"))
        }
        _ => Ok(()),
    }
}

fn is_offered(kind: &Kind, request: &RequestInfo) -> bool {
    match request.verb {
        Verb::Create => !request.in_path || kind.is_custom(),
        Verb::Update | Verb::Patch => request.in_path,
        Verb::Delete => request.subresource.is_none(),
        Verb::DeleteCollection => kind.table != "namespaces",
        Verb::Get | Verb::List | Verb::Watch => true,
    }
}

fn manager(request: &RequestInfo) -> String {
    let agent = || request.user_agent.as_deref().and_then(|agent| agent.split('/').next());
    request.manager.as_deref().or_else(agent).unwrap_or("unknown").to_owned()
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn patch_type(headers: &HeaderMap, kind: &Kind) -> Result<PatchType, Failure> {
    match content_type(headers).split(';').next().unwrap_or_default().trim() {
        "application/apply-patch+yaml" => Ok(PatchType::Apply),
        "application/json-patch+json" => Ok(PatchType::Json),
        "application/merge-patch+json" => Ok(PatchType::Merge),
        "application/strategic-merge-patch+json" if !kind.is_custom() => Ok(PatchType::Merge),
        _ => {
            let message = "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
            let failure = Failure::new(415, "UnsupportedMediaType", message);
            Err(if kind.is_custom() { failure } else { failure.with_details(json!({})) })
        }
    }
}

fn answer_deletion(kind: &Kind, view: &View, deleted: Deleted, state: &State) -> Answer {
    match deleted {
        Deleted::Pending(object) => Answer::Json(200, view.object(kind, &object, state.now()), Vec::new()),
        Deleted::Gone(object) => {
            let mut details = kind.details(object["metadata"]["name"].as_str().unwrap_or_default());
            details["uid"] = object["metadata"]["uid"].clone();
            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
            Answer::Json(200, status, Vec::new())
        }
    }
}

fn delete_all(state: &mut State, call: Call<'_>, selector: &Selector, view: &View, options: &Value) -> Result<Answer, Failure> {
    let namespace = call.kind.namespaced.then(|| call.key.0.clone());
    let mut objects = state.list(&call.kind.table, namespace.as_deref());
    objects.retain(|object| selector.matches(object));
    let mut call = call;
    for object in &objects {
        call.key.1 = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        state.delete(&call, options)?;
    }
    let list = view.list(call.kind, objects.iter().map(|object| &**object), state.revision, state.now());
    Ok(Answer::Json(200, list, Vec::new()))
}

fn refusal(failure: &Failure) -> Response<AnswerBody> {
    if failure.is_about_path() {
        return response(failure.code, "text/plain", whole(format!("{}\n", failure.message)));
    }
    let mut answer = json_response(failure.code, &failure.status());
    if let Some(seconds) = failure.details["retryAfterSeconds"].as_u64() {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

fn json_response(code: u16, value: &Value) -> Response<AnswerBody> {
    response(code, "application/json", whole(value.to_string()))
}

fn with_warnings(mut answer: Response<AnswerBody>, warnings: &[String]) -> Response<AnswerBody> {
    for warning in warnings {
        if let Ok(value) = header::HeaderValue::from_str(&format!("299 - {warning:?}")) {
            answer.headers_mut().append(header::WARNING, value);
        }
    }
    answer
}

fn response(code: u16, content_type: &'static str, body: AnswerBody) -> Response<AnswerBody> {
    let mut answer = Response::new(body);
    *answer.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    answer
}

fn whole(text: String) -> AnswerBody {
    Full::from(text).boxed_unsync()
}
