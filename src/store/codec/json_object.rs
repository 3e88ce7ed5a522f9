//! Entries that are plain JSON objects: `index`, `term`, perhaps `type` as hashicorp/raft counts,
//! and the payload as `data`, `command`, `payload` or `entry`. The payload is the member's text as
//! it stands there; null is none.

use crate::model::{EntryKind, FaultKind};
use crate::store::codec::framed::{Framed, odd};
use crate::store::codec::json::{Json, Kind};
use crate::store::codec::raft_log::kind_of;

const PAYLOADS: [&[u8]; 4] = [b"data", b"command", b"payload", b"entry"];

pub(super) fn entry(value: &[u8]) -> Result<Framed, FaultKind> {
    let mut json = Json::new(value);
    let (mut index, mut term, mut code, mut payload) = (None, None, None, None);
    let mut first = true;
    while let Some(name) = json.member(first)? {
        first = false;
        match name {
            b"index" => index = Some(json.unsigned()?),
            b"term" => term = Some(json.unsigned()?),
            b"type" if json.kind()? == Kind::Number => code = Some(json.unsigned()?),
            name if payload.is_none() && PAYLOADS.contains(&name) => {
                if !json.null() {
                    payload = Some(json.skip()?);
                }
            }
            _ => json.skip().map(|_| ())?,
        }
    }
    json.space();
    let (Some(index), Some(term)) = (index, term) else {
        return Err(odd("encoded entry", "the members index and term", "fewer"));
    };
    let kind = match code.map(u8::try_from) {
        None => EntryKind::Command,
        Some(Ok(code)) => kind_of(code),
        Some(Err(_)) => EntryKind::Unknown,
    };
    let kind_code = code.and_then(|code| u32::try_from(code).ok());
    Ok(Framed { index, term, kind, kind_code, payload, end: json.consumed() })
}

/// A number of a state that is an object: `current_term`, `voted_for`, ...
pub(super) fn number(value: &[u8], names: &[&[u8]]) -> Option<u64> {
    let mut json = Json::new(value);
    let (mut found, mut first) = (None, true);
    while let Some(name) = json.member(first).ok()? {
        first = false;
        if names.contains(&name) && json.kind().ok()? == Kind::Number {
            found = Some(json.unsigned().ok()?);
        } else {
            json.skip().ok()?;
        }
    }
    found
}
