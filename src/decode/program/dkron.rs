//! Dkron's commands: a type byte, then a message of its `types.proto`.

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use crate::bytes::{Field, fields};

/// What a field holds.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// Text where it is UTF-8, else base64.
    Bytes,
    Signed,
    Flag,
    /// Seconds and nanoseconds since 1970.
    Time,
    /// A time, or that there is none.
    PerhapsTime,
    /// Texts by texts.
    Texts,
    /// Settings of plugins by the plugins' names: each a map of texts.
    Plugins,
    /// Several texts.
    List,
}

type Fields = &'static [(u64, &'static str, Kind)];

const JOB: Fields = &[
    (1, "name", Kind::Text),
    (2, "timezone", Kind::Text),
    (3, "schedule", Kind::Text),
    (7, "owner", Kind::Text),
    (8, "owner_email", Kind::Text),
    (9, "success_count", Kind::Signed),
    (10, "error_count", Kind::Signed),
    (11, "disabled", Kind::Flag),
    (12, "tags", Kind::Texts),
    (13, "retries", Kind::Signed),
    (14, "dependent_jobs", Kind::List),
    (15, "parent_job", Kind::Text),
    (16, "concurrency", Kind::Text),
    (17, "executor", Kind::Text),
    (18, "executor_config", Kind::Texts),
    (19, "status", Kind::Text),
    (20, "metadata", Kind::Texts),
    (23, "next", Kind::Time),
    (24, "displayname", Kind::Text),
    (25, "last_success", Kind::PerhapsTime),
    (26, "last_error", Kind::PerhapsTime),
    (27, "processors", Kind::Plugins),
    (28, "ephemeral", Kind::Flag),
    (29, "expires_at", Kind::PerhapsTime),
    (30, "starts_at", Kind::PerhapsTime),
];

const EXECUTION: Fields = &[
    (1, "job_name", Kind::Text),
    (2, "success", Kind::Flag),
    (3, "output", Kind::Bytes),
    (4, "node_name", Kind::Text),
    (5, "group", Kind::Signed),
    (6, "attempt", Kind::Signed),
    (7, "started_at", Kind::Time),
    (8, "finished_at", Kind::Time),
];

const JOB_NAME: Fields = &[(1, "job_name", Kind::Text)];

/// A command as JSON. Fields that are absent have their type's zero, as protobuf leaves them out;
/// numbers of fields that newer versions may have are listed.
pub(super) fn command(payload: &[u8]) -> Option<Value> {
    let (kind, body) = payload.split_first()?;
    Some(match kind {
        0 => json!({ "command": "SetJob", "job": message(JOB, body)? }),
        1 => with_name("DeleteJob", body)?,
        2 => json!({ "command": "SetExecution", "execution": message(EXECUTION, body)? }),
        3 => with_name("DeleteExecutions", body)?,
        4 => {
            let mut execution = Value::Null;
            for field in fields(body) {
                match field.ok()? {
                    (1, Field::Bytes(body)) => execution = message(EXECUTION, body)?,
                    _ => return None,
                }
            }
            json!({ "command": "ExecutionDone", "execution": execution })
        }
        _ => return None,
    })
}

fn with_name(command: &str, body: &[u8]) -> Option<Value> {
    let mut value = message(JOB_NAME, body)?;
    value.as_object_mut()?.insert("command".to_owned(), command.into());
    Some(value)
}

fn message(known: Fields, body: &[u8]) -> Option<Value> {
    let mut object = Map::new();
    let mut unknown = Vec::new();
    for field in fields(body) {
        let (number, field) = field.ok()?;
        let Some((_, name, kind)) = known.iter().find(|(known, ..)| *known == number) else {
            unknown.push(Value::from(number));
            continue;
        };
        let before = object.remove(*name);
        object.insert((*name).to_owned(), value(*kind, field, before)?);
    }
    if !unknown.is_empty() {
        object.insert("unknown_fields".to_owned(), unknown.into());
    }
    Some(object.into())
}

/// A field's value; `before` is what the same field had already, for those that repeat.
fn value(kind: Kind, field: Field<'_>, before: Option<Value>) -> Option<Value> {
    Some(match (kind, field) {
        (Kind::Text, Field::Bytes(bytes)) => text(bytes)?.into(),
        (Kind::Bytes, Field::Bytes(bytes)) => match text(bytes) {
            Some(text) => text.into(),
            None => json!({ "b64": BASE64.encode(bytes) }),
        },
        (Kind::Signed, Field::Number(number)) => number.cast_signed().into(),
        (Kind::Flag, Field::Number(number @ (0 | 1))) => (number == 1).into(),
        (Kind::Time, Field::Bytes(bytes)) => time(bytes)?,
        (Kind::PerhapsTime, Field::Bytes(bytes)) => perhaps_time(bytes)?,
        (Kind::List, Field::Bytes(bytes)) => {
            let mut list = before.unwrap_or_else(|| json!([]));
            list.as_array_mut()?.push(text(bytes)?.into());
            list
        }
        (Kind::Texts, Field::Bytes(bytes)) => {
            let (key, value) = pair(bytes)?;
            added(before, key, text(value)?.into())?
        }
        (Kind::Plugins, Field::Bytes(bytes)) => {
            let (key, settings) = pair(bytes)?;
            let mut texts = json!({});
            for field in fields(settings) {
                let (1, Field::Bytes(one)) = field.ok()? else { return None };
                let (name, value) = pair(one)?;
                texts = added(Some(texts), name, text(value)?.into())?;
            }
            added(before, key, texts)?
        }
        _ => return None,
    })
}

fn added(object: Option<Value>, key: &str, value: Value) -> Option<Value> {
    let mut object = object.unwrap_or_else(|| json!({}));
    object.as_object_mut()?.insert(key.to_owned(), value);
    Some(object)
}

/// An element of a map: key and value.
fn pair(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (mut key, mut value) = ("", &[][..]);
    for field in fields(bytes) {
        match field.ok()? {
            (1, Field::Bytes(bytes)) => key = text(bytes)?,
            (2, Field::Bytes(bytes)) => value = bytes,
            _ => return None,
        }
    }
    Some((key, value))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A time as text; Go's zero time is none.
fn time(bytes: &[u8]) -> Option<Value> {
    const ZERO_UNIX_SECONDS: i64 = -62_135_596_800;
    let (mut seconds, mut nanoseconds) = (0i64, 0i32);
    for field in fields(bytes) {
        match field.ok()? {
            (1, Field::Number(number)) => seconds = number.cast_signed(),
            (2, Field::Number(number)) => nanoseconds = i32::try_from(number).ok()?,
            _ => return None,
        }
    }
    if (seconds, nanoseconds) == (ZERO_UNIX_SECONDS, 0) {
        return Some(Value::Null);
    }
    Some(jiff::Timestamp::new(seconds, nanoseconds).ok()?.to_string().into())
}

fn perhaps_time(bytes: &[u8]) -> Option<Value> {
    let (mut is_there, mut at) = (false, Value::Null);
    for field in fields(bytes) {
        match field.ok()? {
            (1, Field::Number(number)) => is_there = number == 1,
            (2, Field::Bytes(bytes)) => at = time(bytes)?,
            _ => return None,
        }
    }
    Some(if is_there { at } else { Value::Null })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_shown_with_its_maps_lists_and_times() {
        let mut job = vec![0, 0x0a, 2, b'j', b'1', 0x58, 1];
        job.extend(b"\x92\x01\x0f\x0a\x07command\x12\x04true");
        job.extend(b"\x72\x02a1\x72\x02a2");
        job.extend([0xba, 0x01, 6, 0x08, 0xfd, 0xae, 0x85, 0xd8, 0x06]);
        job.extend([0xca, 0x01, 0]);
        job.extend([0xf8, 0x07, 1]);
        let said = command(&job).expect("a job");
        assert_eq!(
            said,
            json!({ "command": "SetJob", "job": {
                "name": "j1", "disabled": true, "executor_config": { "command": "true" },
                "dependent_jobs": ["a1", "a2"], "next": "2026-11-21T08:34:05Z",
                "last_success": null, "unknown_fields": [127],
            } })
        );
        for len in 2..job.len() {
            // A cut may fall between two fields; what is shown then is what is there.
            if let Some(cut) = command(&job[..len]) {
                assert_eq!(cut["command"], "SetJob");
            }
        }
    }

    #[test]
    fn other_commands_are_named_and_unknown_ones_are_not_guessed() {
        assert_eq!(
            command(b"\x01\x0a\x02j1"),
            Some(json!({ "command": "DeleteJob", "job_name": "j1" }))
        );
        let done = command(b"\x04\x0a\x06\x0a\x02j1\x10\x01").expect("known");
        assert_eq!(done["command"], "ExecutionDone");
        assert_eq!(done["execution"], json!({ "job_name": "j1", "success": true }));
        for bad in [&b""[..], b"\x05", b"\x00\x0a\x05j", b"\x00\x08\x01", b"\x01\x0a\x01\xff"] {
            assert_eq!(command(bad), None, "{bad:x?}");
        }
    }
}
