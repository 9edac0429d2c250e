//! What is sent back: status, headers and body, and who asked when.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ids::{ClientId, ObjectId, ObjectKind};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::http_date;
use crate::refusal::Refusal;

/// One request being answered: its times and ids, and what the record should know of it.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// When the request reached the service: tokens and proofs are judged by this time.
    pub(crate) arrived: DateTime<Utc>,
    /// When it is carried out; later than `arrived` for a write that a fault holds back.
    pub(crate) now: DateTime<Utc>,
    pub(crate) request_id: Uuid,
    pub(crate) client_request_id: String,
    /// How far the replica lags that this request came to.
    pub(crate) lag: TimeDelta,
    pub(crate) caller: Option<ClientId>,
    pub(crate) object: Option<(ObjectKind, ObjectId)>,
    /// Resource units that it costs; 0 until that is known.
    pub(crate) units: usize,
    /// The highest share of a limit that is used.
    pub(crate) share: f64,
    /// The login host of this cloud, whose error page refusals name.
    pub(crate) login: &'static str,
}

/// Shares of a limit up to this one are not worth a header.
const NOTABLE_SHARE: f64 = 0.8;
const USED_SHARE: HeaderName = HeaderName::from_static("x-ms-throttle-limit-percentage");

/// An answer that was not sent yet.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Self { status, headers, body: body.into() }
    }

    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", body.to_string())
    }

    /// A body of Graph, in its content type.
    pub(crate) fn odata(body: &Value) -> Self {
        const TYPE: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
        Self::new(StatusCode::OK, TYPE, body.to_string())
    }

    /// 204, which has neither body nor content type.
    pub(crate) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(crate) fn refused(refusal: &Refusal, visit: &Visit) -> Self {
        let mut answer = Self::new(refusal.status, "application/json", refusal.body(visit).to_string());
        if let Some(after) = refusal.retry_after.as_deref() {
            answer.set(RETRY_AFTER, after);
        }
        if let Some(throttled) = &refusal.throttled {
            answer.set(HeaderName::from_static("x-ms-throttle-scope"), &throttled.scope);
            answer.set(HeaderName::from_static("x-ms-throttle-information"), throttled.information);
            answer.set(USED_SHARE, &format!("{:.2}", throttled.share));
        }
        answer
    }

    pub(crate) fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    /// The headers that every answer of Graph carries.
    pub(crate) fn with_graph_headers(mut self, visit: &Visit) -> Self {
        const DIAGNOSTIC: &str =
            r#"{"ServerInfo":{"DataCenter":"Emulator","Slice":"E","Ring":"5","ScaleUnit":"001","RoleInstance":"EM00000001"}}"#;
        self.set(HeaderName::from_static("request-id"), &visit.request_id.to_string());
        self.set(HeaderName::from_static("client-request-id"), &visit.client_request_id);
        self.set(HeaderName::from_static("x-ms-ags-diagnostic"), DIAGNOSTIC);
        self.set(HeaderName::from_static("odata-version"), "4.0");
        if visit.units > 0 {
            self.set(HeaderName::from_static("x-ms-resource-unit"), &visit.units.to_string());
        }
        if visit.share > NOTABLE_SHARE {
            self.set(USED_SHARE, &format!("{:.2}", visit.share));
        }
        self.set(HeaderName::from_static("strict-transport-security"), "max-age=31536000");
        self.set(CACHE_CONTROL, "no-cache");
        self
    }

    /// The headers that every answer of the login host carries.
    pub(crate) fn with_login_headers(mut self, visit: &Visit) -> Self {
        self.set(HeaderName::from_static("x-ms-request-id"), &visit.request_id.to_string());
        self.set(HeaderName::from_static("client-request-id"), &visit.client_request_id);
        self.set(HeaderName::from_static("strict-transport-security"), "max-age=31536000; includeSubDomains");
        self.set(CACHE_CONTROL, "no-store, no-cache");
        self
    }

    /// Dates it.
    pub(crate) fn dated(mut self, time: DateTime<Utc>) -> Self {
        self.set(DATE, &http_date(time));
        self
    }

    pub(crate) fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
