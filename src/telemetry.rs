//! Logs: one JSON object a line, on standard error. JSON escapes what came from outside, so no text can forge a line or a colour.

use std::panic::PanicHookInfo;
use std::str::FromStr;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _};

/// How much is logged: `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,entra=debug`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLevel(String);

impl FromStr for LogLevel {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        filter(text).map(|_| Self(text.to_owned()))
    }
}

/// Logs from here on, panics too. A panic in one pass stops that pass only, which every step survives like a crash; one outside of the passes ends the process.
///
/// # Errors
/// When something else took hold of the logs before.
pub fn init(level: &LogLevel) -> Result<(), TryInitError> {
    subscriber(level, std::io::stderr).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// What [`init`] installs, with the lines going to this writer.
pub fn subscriber(
    level: &LogLevel,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync {
    let lines = tracing_subscriber::fmt::layer().json().with_current_span(false).with_ansi(false).with_writer(writer);
    let filter = filter(&level.0).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::registry().with(filter).with(lines.with_filter(filter_fn(is_safe)))
}

/// What others' libraries say is of interest when it is a warning, or when it was asked for.
fn filter(directives: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(format!("{LIBRARIES},{directives}"))
}

const LIBRARIES: &str = "kube=warn,hyper=warn,h2=warn,rustls=warn,reqwest=warn,tower=warn";

/// Traces of libraries show headers and bodies, and there the secrets are. So does what kube's client says of an answer: one that it cannot deserialise may be a Secret, and
/// a refusal may quote what it refuses. They are never logged, whatever was asked for.
fn is_safe(event: &Metadata<'_>) -> bool {
    let quotes_an_answer = event.target() == "kube_client::client";
    is_ours(event) || (*event.level() <= Level::DEBUG && !quotes_an_answer)
}

fn is_ours(event: &Metadata<'_>) -> bool {
    const OURS: [&str; 5] = ["entra", "entra_rotator", "entra_types", "keys", "rotation"];
    OURS.contains(&event.target().split("::").next().unwrap_or_default())
}

/// A panic's message may quote any value, secrets included. Only one without any value in it is logged, for that stands in the source.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let message = panic.payload().downcast_ref::<&'static str>().copied();
    let thread = std::thread::current();
    tracing::error!(location, panic = message, thread = thread.name(), "a panic, which is a defect of the operator: please report it");
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::io;
    use std::process::{Command, Stdio};
    use std::sync::{Arc, Mutex};

    use rstest::rstest;
    use serde_json::Value;
    use tracing::{debug, info, info_span, trace, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, act: impl FnOnce()) -> Vec<Value> {
        let page = Page::default();
        let writer = page.clone();
        tracing::subscriber::with_default(subscriber(&level.parse().unwrap(), move || writer.clone()), act);
        let bytes = page.0.lock().unwrap().clone();
        lines(&String::from_utf8(bytes).unwrap())
    }

    fn lines(text: &str) -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn messages(lines: &[Value]) -> Vec<&str> {
        lines.iter().map(|line| line["fields"]["message"].as_str().unwrap()).collect()
    }

    #[test]
    fn a_line_is_one_json_object_with_its_facts_as_fields_and_its_span() {
        let lines = logged("info", || {
            let _span = info_span!("reconcile", object = "payroll/api").entered();
            info!(reason = "NotGranted", "refused");
        });
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["fields"], serde_json::json!({"message": "refused", "reason": "NotGranted"}));
        assert_eq!(line["spans"][0]["object"], "payroll/api");
    }

    #[test]
    fn text_from_outside_can_neither_begin_a_line_nor_colour_one() {
        let hostile = "no\n{\"level\":\"ERROR\"}\u{1b}[31m\r";
        let page = Page::default();
        let writer = page.clone();
        tracing::subscriber::with_default(subscriber(&"info".parse().unwrap(), move || writer.clone()), || info!(text = hostile, "heard"));
        let bytes = page.0.lock().unwrap().clone();
        assert!(bytes.iter().all(|byte| *byte >= b' ' || *byte == b'\n'), "control characters");
        assert_eq!(lines(&String::from_utf8(bytes).unwrap())[0]["fields"]["text"], hostile);
    }

    #[rstest]
    #[case::by_default("info", &["ours: info", "kube: warn"])]
    #[case::with_debug_libraries_stay_quiet("debug", &["ours: info", "ours: debug", "kube: warn", "rotation: debug"])]
    #[case::unless_asked_for("info,kube_client=debug", &["ours: info", "kube: warn", "kube: debug"])]
    #[case::but_never_at_trace("trace,kube=trace", &["ours: info", "ours: debug", "ours: trace", "kube: warn", "kube: debug", "rotation: debug"])]
    #[case::one_crate_of_ours("warn,rotation=debug", &["kube: warn", "rotation: debug"])]
    fn what_is_logged(#[case] level: &str, #[case] expected: &[&str]) {
        let lines = logged(level, || {
            info!("ours: info");
            debug!("ours: debug");
            trace!("ours: trace");
            warn!(target: "kube_runtime::watcher", "kube: warn");
            warn!(target: "kube_client::client", "kube: the body of an answer");
            debug!(target: "kube_client::client", "kube: a refusal, which may quote what it refuses");
            debug!(target: "kube_client::client::builder", "kube: debug");
            trace!(target: "kube_client::client::builder", "kube: trace");
            debug!(target: "rotation::rules", "rotation: debug");
        });
        assert_eq!(messages(&lines), expected);
    }

    #[test]
    fn a_level_that_means_nothing_is_refused() {
        assert!("entra=loud".parse::<LogLevel>().is_err());
        assert!("info,[".parse::<LogLevel>().is_err());
    }

    #[rstest]
    #[case::with_a_value_in_its_message("value", None)]
    #[case::with_a_message_from_the_source("literal", Some("the ledger is upside down"))]
    fn a_panic_is_logged_without_any_value_of_its_message(#[case] kind: &str, #[case] message: Option<&str>) {
        // The process that ends is this test, started again by itself.
        if let Ok(kind) = std::env::var("PANIC_IN_CHILD") {
            return panic_in_worker(&kind);
        }
        let test = std::thread::current().name().unwrap().to_owned();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", &test, "--nocapture"]).env("PANIC_IN_CHILD", kind).stdout(Stdio::null());
        let output = child.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{stderr}");
        assert!(!stderr.contains("hunter2"), "{stderr}");
        let line = &lines(&stderr)[0];
        assert_eq!(line["fields"]["message"], "a panic, which is a defect of the operator: please report it");
        assert_eq!(line["fields"]["thread"], "worker");
        assert_eq!(line["fields"]["panic"].as_str(), message);
        assert!(line["fields"]["location"].as_str().unwrap().contains("telemetry.rs"), "{line}");
    }

    fn panic_in_worker(kind: &str) {
        init(&"info".parse().unwrap()).unwrap();
        let has_value = kind == "value";
        let worker = std::thread::Builder::new().name("worker".to_owned()).spawn(move || match has_value {
            true => panic!("cannot use {}", ["hunter", "2"].concat()),
            false => panic!("the ledger is upside down"),
        });
        worker.unwrap().join().unwrap();
    }
}
