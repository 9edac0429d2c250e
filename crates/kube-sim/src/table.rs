//! What `kubectl get` prints.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::{
    event,
    kind::{Column, Kind},
    render::metadata,
};

/// A `Table` of objects. `include` is None, Metadata or Object, as in the query parameter includeObject.
pub(crate) fn render<'a>(
    kind: &Kind,
    objects: impl IntoIterator<Item = &'a Value>,
    include: &str,
    version: &Value,
    now: DateTime<Utc>,
    headed: bool,
) -> Value {
    let rows: Vec<_> = objects.into_iter().map(|object| row(kind, object, include, now)).collect();
    let columns = if headed { headings(kind) } else { Value::Null };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version},
        "columnDefinitions": columns, "rows": rows,
    })
}

fn headings(kind: &Kind) -> Value {
    let name = json!({"name": "Name", "type": "string", "format": "name", "description": "Name must be unique within a namespace.", "priority": 0});
    let name = (kind.plural != "events").then_some(name);
    let others = kind.columns.iter().map(|column| {
        let type_name =
            if ["string", "integer", "number", "boolean", "date"].contains(&column.kind.as_str()) { &column.kind } else { "string" };
        json!({"name": column.name, "type": type_name, "format": "", "description": column.description, "priority": column.priority})
    });
    name.into_iter().chain(others).collect()
}

fn row(kind: &Kind, object: &Value, include: &str, now: DateTime<Utc>) -> Value {
    let name = (kind.plural != "events").then(|| object["metadata"]["name"].clone());
    let others = kind.columns.iter().map(|column| cell(column, object, now));
    let mut row = json!({"cells": name.into_iter().chain(others).collect::<Value>()});
    match include {
        "None" => {}
        "Object" => row["object"] = event::served(kind, object.clone()),
        _ => row["object"] = metadata(object),
    }
    row
}

fn cell(column: &Column, object: &Value, now: DateTime<Utc>) -> Value {
    let found = column.path.find(object);
    let first = found.first().copied().unwrap_or(&Value::Null);
    match column.kind.as_str() {
        "count" => json!(first.as_object().map_or(0, serde_json::Map::len)),
        "date" => json!(age(first, now)),
        "last-seen" => json!(age(last_seen(object), now)),
        "reference" => {
            let text = |field: &str| first[field].as_str().unwrap_or_default();
            json!(format!("{}/{}", text("kind").to_lowercase(), text("name")))
        }
        "string" => match found.as_slice() {
            [] | [Value::Null] => Value::Null,
            [Value::String(text)] => json!(text),
            many => json!(many.iter().map(|value| plain(value)).collect::<Vec<_>>().join(",")),
        },
        _ => first.clone(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn last_seen(event: &Value) -> &Value {
    let times = [&event["series"]["lastObservedTime"], &event["lastTimestamp"], &event["eventTime"]];
    times.into_iter().find(|time| !time.is_null()).unwrap_or_else(|| &event["metadata"]["creationTimestamp"])
}

/// How long ago; a time in the future is invalid, as kubectl prints it.
fn age(time: &Value, now: DateTime<Utc>) -> String {
    match time.as_str().map(DateTime::parse_from_rfc3339) {
        Some(Ok(time)) => human(now.signed_duration_since(time)),
        _ => "<unknown>".to_owned(),
    }
}

/// Two units at most, the fewer the longer ago.
fn human(since: TimeDelta) -> String {
    let (seconds, minutes, hours) = (since.num_seconds(), since.num_minutes(), since.num_hours());
    let (days, years) = (hours / 24, hours / 24 / 365);
    let both = |big: i64, unit: char, small: i64, small_unit: char| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit}{small}{small_unit}"),
    };
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => both(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => both(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => both(days, 'd', hours % 24, 'h'),
        () if days < 2 * 365 => format!("{days}d"),
        () if days < 8 * 365 => both(years, 'y', days % 365, 'd'),
        () => format!("{years}y"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        for (seconds, text) in [
            (-5, "<invalid>"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (130, "2m10s"),
            (3600, "60m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 60, "3h1m"),
            (9 * 3600, "9h"),
            (49 * 3600, "2d1h"),
            (86_400 * 100, "100d"),
            (86_400 * 800, "2y70d"),
        ] {
            assert_eq!(human(TimeDelta::seconds(seconds)), text);
        }
    }
}
