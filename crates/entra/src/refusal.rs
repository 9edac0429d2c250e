//! What an error body says. Graph's form, the older one of Azure AD Graph, and OAuth's; all leniently: forms vary between services.

use serde_json::Value;

/// The longest error body that is looked into. Real ones are a kilobyte.
const MAX_BODY: usize = 256 * 1024;

/// The parts of an error body that we use, as written by the other side.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
}

impl Refusal {
    /// Reads any of the forms; whatever is not there is absent.
    pub(crate) fn read(body: &[u8]) -> Self {
        let body = body.get(..MAX_BODY).map_or(body, |_| &[]);
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        match body.get("error").or_else(|| body.get("odata.error")) {
            Some(Value::String(error)) => Self::of_login(&body, error),
            Some(error @ Value::Object(_)) => Self::of_graph(error),
            _ => Self::default(),
        }
    }

    /// `{"error": "invalid_client", "error_description": "AADSTS7000215: …", "error_codes": [7000215], "trace_id": …}`
    fn of_login(body: &Value, error: &str) -> Self {
        let description = text(body.get("error_description"));
        let listed = body["error_codes"].get(0).and_then(Value::as_u64).map(|number| number.to_string());
        let number = listed.or_else(|| number_in(description.as_deref()?));
        Self {
            code: Some(number.map_or_else(|| error.to_owned(), |number| format!("AADSTS{number}"))),
            message: description.or_else(|| Some(error.to_owned())),
            request_id: text(body.get("trace_id")),
        }
    }

    /// `{"code": …, "message": …, "details": [{"message": …}], "innerError": {"request-id": …}}`
    fn of_graph(error: &Value) -> Self {
        let inner = ["innerError", "innererror", "inner_error"].iter().find_map(|name| error.get(name));
        Self {
            code: text(error.get("code")).filter(|code| !code.is_empty()),
            message: with_details(text(error.get("message")), error.get("details")),
            request_id: inner.and_then(|inner| text(inner.get("request-id").or_else(|| inner.get("requestId")))),
        }
    }
}

/// A text, also where it is wrapped as `{"value": …}` or `{"message": …}`.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(fields) => text(fields.get("value").or_else(|| fields.get("message"))),
        _ => None,
    }
}

/// The message and what the first few details add to it.
fn with_details(message: Option<String>, details: Option<&Value>) -> Option<String> {
    let details: &[Value] = match details {
        Some(Value::Array(list)) => list,
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    };
    let mut parts: Vec<String> = message.into_iter().collect();
    for detail in details.iter().take(4).filter_map(|detail| text(detail.get("message"))) {
        if !parts.contains(&detail) {
            parts.push(detail);
        }
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The number in `AADSTS7000215: Invalid client secret provided.`
fn number_in(description: &str) -> Option<String> {
    let (_, rest) = description.split_once("AADSTS")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).take(12).collect();
    (!digits.is_empty()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::graph(
        r#"{"error":{"code":"Request_BadRequest","message":"No.","innerError":{"request-id":"r1"}}}"#,
        "Request_BadRequest",
        "No.",
        "r1"
    )]
    #[case::lower_case_inner(r#"{"error":{"code":"X","message":"No.","innererror":{"request-id":"r1"}}}"#, "X", "No.", "r1")]
    #[case::message_as_object(r#"{"error":{"code":"X","message":{"lang":"en","value":"No."}}}"#, "X", "No.", "")]
    #[case::details(
        r#"{"error":{"code":"X","message":"No.","details":[{"message":"No."},{"message":"Too long."}]}}"#,
        "X",
        "No.; Too long.",
        ""
    )]
    #[case::details_as_object(r#"{"error":{"code":"X","details":{"message":"Too long."}}}"#, "X", "Too long.", "")]
    #[case::azure_ad_graph(r#"{"odata.error":{"code":"X","message":{"lang":"en","value":"No."}}}"#, "X", "No.", "")]
    #[case::login(
        r#"{"error":"invalid_client","error_description":"AADSTS7000215: No.","error_codes":[7000215],"trace_id":"t"}"#,
        "AADSTS7000215",
        "AADSTS7000215: No.",
        "t"
    )]
    #[case::login_without_numbers(
        r#"{"error":"invalid_client","error_description":"AADSTS700027: No."}"#,
        "AADSTS700027",
        "AADSTS700027: No.",
        ""
    )]
    #[case::oauth_only(r#"{"error":"invalid_client"}"#, "invalid_client", "invalid_client", "")]
    #[case::empty_code(r#"{"error":{"code":"","message":"No."}}"#, "", "No.", "")]
    #[case::html("<html>", "", "", "")]
    #[case::nothing("", "", "", "")]
    #[case::null(r#"{"error":null}"#, "", "", "")]
    #[case::list("[]", "", "", "")]
    fn every_known_form_of_an_error_is_read(#[case] body: &str, #[case] code: &str, #[case] message: &str, #[case] request_id: &str) {
        let read = Refusal::read(body.as_bytes());
        let shown = |part: &Option<String>| part.clone().unwrap_or_default();
        assert_eq!(
            (shown(&read.code).as_str(), shown(&read.message).as_str(), shown(&read.request_id).as_str()),
            (code, message, request_id)
        );
    }
}
