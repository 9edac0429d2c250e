//! Answers as they are documented and were seen, damaged: read whole or refused, in few words and none of them secret.

use bytes::Bytes;
use entra::{MAX_ANSWER, Retry};
use http::Response;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::hostile::every_call;
use crate::stand_in::{CLIENT, OBJECT, StandIn, application};

/// In every secret of the corpus.
const CANARY: &str = "c4n4ry";

fn corpus() -> Vec<Vec<u8>> {
    spoil::corpus(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/answers")).into_iter().map(|sample| sample.content).collect()
}

/// Bodies damaged as bytes, or as the JSON that they are.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let json: Vec<Value> = corpus().iter().filter_map(|body| serde_json::from_slice(body).ok()).collect();
    prop_oneof![spoil::bytes(corpus()), spoil::json(json).prop_map(|value| value.to_string().into_bytes())]
}

fn retry_after() -> impl Strategy<Value = Option<String>> {
    let known = [
        "0",
        "10",
        "2.128",
        "-5",
        "99999999999999999999",
        "1e9",
        "NaN",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Thu, 20 Aug 2026 10:00:10 +2400",
    ];
    let known = prop::sample::select(known.to_vec()).prop_map(str::to_owned);
    let date = (-1..32_i32, 0..12_usize, prop_oneof![Just(2026_i64), Just(0), Just(262_143), Just(-1), any::<i64>()], 0..30_i32);
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Foo"];
    let date = date.prop_map(move |(day, month, year, hour)| format!("Thu, {day:02} {} {year} {hour:02}:00:60 GMT", months[month]));
    prop::option::of(prop_oneof![known, date, "[0-9.]{1,40}", "[ -~]{0,40}"])
}

fn answer(status: u16, retry_after: Option<&str>, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::builder().status(status).header("date", "Thu, 20 Aug 2026 10:00:03 GMT");
    if let Some(value) = retry_after {
        response = response.header("retry-after", value);
    }
    response.body(Bytes::from(body)).unwrap()
}

fn wait<T>(of: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(of)
}

proptest! {
    #![proptest_config(spoil::config(128))]

    #[test]
    fn no_damaged_answer_makes_the_client_panic_repeat_a_secret_or_wait_without_end(
        body in bodies(),
        retry_after in retry_after(),
        status in prop::sample::select(vec![200_u16, 204, 302, 400, 401, 403, 404, 405, 409, 429, 500, 503, 504]),
    ) {
        for failure in wait(every_call(|| answer(status, retry_after.as_deref(), body.clone()))) {
            let told = format!("{failure} {failure:?}");
            // What a refusal says is for people, and Entra's to answer for.
            prop_assert!(status != 200 || !told.contains(CANARY), "{told}");
            prop_assert!(failure.message.chars().count() <= 512 && failure.code.as_ref().is_none_or(|code| code.chars().count() <= 128));
            if let Retry::After(pause) = failure.retry {
                prop_assert!((1..=3600).contains(&pause.as_secs()), "{pause:?}");
            }
        }
    }

    #[test]
    fn what_is_read_of_a_damaged_object_can_be_reckoned_with(body in bodies()) {
        let read = wait(async { StandIn::answering([Ok(answer(200, None, body))]).graph().read(&application(), entra::Detail::Plain).await });
        let Ok(reading) = read else { return Ok(()) };
        prop_assert_eq!(reading.object.id.to_string(), OBJECT);
        for list in [&reading.object.keys, &reading.object.passwords] {
            // What is sent back for another's sake is what was read, material aside.
            let echo = list.without(&Default::default());
            prop_assert_eq!(&echo, list);
            for view in list.views() {
                for time in [view.start, view.end].into_iter().flatten() {
                    let life = chrono::TimeDelta::days(4 * 366);
                    prop_assert!(time.checked_add_signed(life).is_some() && time.checked_sub_signed(life).is_some(), "{time}");
                }
            }
        }
    }
}

/// As long as an answer may be, and made to be hard to read.
fn adversarial() -> Vec<Vec<u8>> {
    let filled = |start: &str, piece: &str, end: &str| {
        let times = (MAX_ANSWER - start.len() - end.len()) / piece.len();
        [start, &piece.repeat(times), end].concat().into_bytes()
    };
    let metadata = "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">";
    let keys = format!("{metadata}<IDPSSODescriptor><KeyDescriptor>");
    let object = format!("{{\"id\":\"{OBJECT}\",\"appId\":\"{CLIENT}\",\"passwordCredentials\":[],\"keyCredentials\":[");
    vec![
        spoil::nested(MAX_ANSWER / 2).into_bytes(),
        filled("", "{\"a\":", ""),
        filled(&object, "{\"keyId\":\"", "\"}]}"),
        filled(&object, "{},", "{}]}"),
        filled("{\"error\":{\"code\":\"X\",\"details\":[", "{\"message\":\"m\"},", "{}]}}"),
        filled("{\"error\":\"", "x", "\"}"),
        filled("{\"value\":[", "{\"id\":\"x\"},", "{}]}"),
        filled("{\"access_token\":\"", "a.", "\"}"),
        filled(metadata, "<a>", ""),
        filled(metadata, "<a/>", "</EntityDescriptor>"),
        filled(&keys, "<X509Certificate>AAAA</X509Certificate>", "</KeyDescriptor></IDPSSODescriptor></EntityDescriptor>"),
        filled(&keys, "<X509Certificate>", ""),
        filled("<a ", "b", "=\"c\"/>"),
        filled("<a xmlns:b=\"", "&lt;", "\"/>"),
        filled("<!DOCTYPE a [<!ENTITY b \"", "c", "\">]><a>&b;&b;</a>"),
    ]
}

#[test]
fn the_longest_answers_made_to_be_hard_are_read_or_refused_in_few_words() {
    for body in adversarial() {
        // A refusal is read otherwise than an answer.
        let status = if body.starts_with(b"{\"error") { 400 } else { 200 };
        let failures = wait(every_call(|| answer(status, None, body.clone())));
        assert!(failures.iter().all(|failure| failure.to_string().chars().count() < 1200));
    }
}

#[test]
fn an_answer_beyond_the_bound_is_refused_before_it_is_read() {
    let object =
        json!({"id": OBJECT, "appId": CLIENT, "keyCredentials": [], "passwordCredentials": [], "displayName": "x".repeat(MAX_ANSWER)});
    let body = object.to_string().into_bytes();
    let failure =
        wait(async { StandIn::answering([Ok(answer(200, None, body))]).graph().read(&application(), entra::Detail::Plain).await });
    let failure = failure.unwrap_err();
    assert!(failure.message.contains("longer than 4 MiB"), "{failure}");
}
