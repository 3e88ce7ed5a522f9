//! The items of the streams, in the shape of their JSON lines.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::decode::{Program, decode, is_secret};
use crate::model::{
    AppendInstant, Dialect, Entry, EntryKind, Fault, GroupId, LogIndex, Place, SharedBytes, Term,
};
use crate::store;

/// One item of `--entries`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EntryItem<'i> {
    /// An entry.
    Entry(&'i EntryLine),
    /// Something wrong, at its place in the stream.
    Finding(&'i Fault),
}

/// An entry as a line of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename = "entry")]
pub struct EntryLine {
    /// Its group's name, or null.
    pub group: GroupId,
    /// Position in the log.
    pub index: LogIndex,
    /// Term in which it was proposed.
    pub term: Term,
    /// What it is for.
    pub kind: EntryKind,
    /// The number of the kind in the file; null where it has none.
    pub kind_code: Option<u32>,
    /// Bytes of the payload.
    pub size_bytes: u64,
    /// When the leader took it; null when absent, nil, the zero time, or beyond the year 9999.
    pub appended_at: Option<UtcTime>,
    /// Bytes of the extensions.
    pub extensions_bytes: u64,
    /// Where its encoded form lies.
    pub place: Option<Place>,
    /// What `--payload` asked for.
    #[serde(flatten)]
    pub payload: PayloadView,
}

/// How payloads are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayloadMode {
    /// Not at all.
    #[default]
    None,
    /// As their SHA-256.
    Digest,
    /// In hexadecimal digits, extensions also.
    Hex,
    /// In base64, extensions also.
    Base64,
    /// As text where they are UTF-8, else in base64; decoded where they can hold a password.
    Utf8,
    /// Decoded where a decoder knows them, else in base64.
    Auto,
}

impl PayloadMode {
    /// Every mode.
    pub const ALL: [PayloadMode; 6] = [
        PayloadMode::None,
        PayloadMode::Digest,
        PayloadMode::Hex,
        PayloadMode::Base64,
        PayloadMode::Utf8,
        PayloadMode::Auto,
    ];

    /// The word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            PayloadMode::None => "none",
            PayloadMode::Digest => "digest",
            PayloadMode::Hex => "hex",
            PayloadMode::Base64 => "base64",
            PayloadMode::Utf8 => "utf8",
            PayloadMode::Auto => "auto",
        }
    }
}

/// A payload as it is shown. A nil payload or nil extensions are null, empty ones empty text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct PayloadView {
    /// SHA-256 of the payload, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Hex>,
    /// The payload in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_hex: Option<Option<Hex>>,
    /// The extensions in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions_hex: Option<Option<Hex>>,
    /// The payload in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_b64: Option<Option<Base64>>,
    /// The extensions in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions_b64: Option<Option<Base64>>,
    /// The payload as text, or as what the decoder made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
    /// Who decoded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder: Option<&'static str>,
}

impl PayloadView {
    /// The payload of `entry` as `mode` shows it; `program` is whose commands they are, `dialect`
    /// in whose encoding its memberships are.
    pub fn of(
        entry: &Entry,
        mode: PayloadMode,
        (program, dialect): (Option<Program>, Dialect),
    ) -> PayloadView {
        let mut view = PayloadView::default();
        let hidden = || is_secret(program, entry.kind, entry.payload_bytes());
        let mode = match mode {
            PayloadMode::Utf8 if hidden() => PayloadMode::Auto,
            mode => mode,
        };
        match mode {
            PayloadMode::None => {}
            PayloadMode::Digest => {
                view.sha256 = Some(Hex(Sha256::digest(entry.payload_bytes()).to_vec().into()));
            }
            PayloadMode::Hex => {
                view.data_hex = Some(entry.payload.clone().map(Hex));
                view.extensions_hex = Some(entry.extra.extensions.clone().map(Hex));
            }
            PayloadMode::Base64 => {
                view.data_b64 = Some(entry.payload.clone().map(Base64));
                view.extensions_b64 = Some(entry.extra.extensions.clone().map(Base64));
            }
            PayloadMode::Utf8 => match std::str::from_utf8(entry.payload_bytes()) {
                Ok(text) if entry.payload.is_some() => {
                    view.data = Some(Data::Text(text.to_owned()));
                }
                _ => view.data_b64 = Some(entry.payload.clone().map(Base64)),
            },
            PayloadMode::Auto => {
                match decode(program, dialect, entry.kind, entry.payload_bytes()) {
                    Some(decoded) => {
                        view.data = Some(Data::Decoded(decoded.value));
                        view.decoder = Some(decoded.decoder);
                    }
                    None => view.data_b64 = Some(entry.payload.clone().map(Base64)),
                }
            }
        }
        view
    }
}

/// A payload that could be read.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Data {
    /// As text.
    Text(String),
    /// As the decoder's JSON.
    Decoded(serde_json::Value),
}

/// Bytes that are shown as hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex(pub SharedBytes);

/// Bytes that are shown in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base64(pub SharedBytes);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&data_encoding::BASE64.encode(&self.0))
    }
}

impl JsonSchema for Hex {
    fn schema_name() -> Cow<'static, str> {
        "Hex".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9a-f]{2})*$" })
    }
}

impl JsonSchema for Base64 {
    fn schema_name() -> Cow<'static, str> {
        "Base64".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "contentEncoding": "base64" })
    }
}

/// A moment as RFC 3339 with nanoseconds, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UtcTime(Timestamp);

impl UtcTime {
    /// The moment, or `None` outside the years 0 to 9999, which RFC 3339 cannot write.
    pub fn of(instant: &AppendInstant) -> Option<UtcTime> {
        /// 0000-01-01T00:00:00Z and 9999-12-30T22:00:00Z, the last second that jiff holds.
        const YEARS: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_207_200;
        if !YEARS.contains(&instant.unix_seconds) {
            return None;
        }
        let nanoseconds = i32::try_from(instant.nanoseconds).ok()?;
        Timestamp::new(instant.unix_seconds, nanoseconds).ok().map(UtcTime)
    }
}

impl std::fmt::Display for UtcTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.9}", self.0)
    }
}

impl Serialize for UtcTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for UtcTime {
    fn schema_name() -> Cow<'static, str> {
        "UtcTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// One item of `--records`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RecordItem<'i> {
    /// A record.
    Record(&'i RecordLine),
    /// Something wrong.
    Finding(&'i Fault),
}

/// A record as a line of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename = "record")]
pub struct RecordLine {
    /// Where.
    pub place: Place,
    /// What, in the format's own words.
    pub record_kind: String,
    /// Its group's name; null for the unnamed group, and where it belongs to none.
    pub group: Option<GroupId>,
    /// First index that it carries or speaks of.
    pub first_index: Option<LogIndex>,
    /// Last index that it carries or speaks of.
    pub last_index: Option<LogIndex>,
    /// Entries inside.
    pub entries: u64,
    /// State of its own checksum.
    pub checksum: Checksum,
    /// Whether it counts.
    pub status: Status,
}

/// State of a record's own checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// Fits.
    Ok,
    /// Does not fit.
    Bad,
    /// The format has none here.
    None,
}

/// Whether a record counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Part of the log as a node would see it.
    Live,
    /// Replaced by a later record.
    Superseded,
    /// Removed by a later record, or not reachable any more.
    Dead,
    /// Behind the point where writing stopped.
    Torn,
    /// Does not verify where it must.
    Damaged,
}

impl Checksum {
    /// The word in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Checksum::Ok => "ok",
            Checksum::Bad => "bad",
            Checksum::None => "none",
        }
    }
}

impl Status {
    /// The word in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Live => "live",
            Status::Superseded => "superseded",
            Status::Dead => "dead",
            Status::Torn => "torn",
            Status::Damaged => "damaged",
        }
    }
}

impl From<store::Record> for RecordLine {
    fn from(record: store::Record) -> RecordLine {
        RecordLine {
            place: record.place,
            record_kind: record.kind,
            group: record.group,
            first_index: record.range.map(|range| range.first()),
            last_index: record.range.map(|range| range.last()),
            entries: record.entries,
            checksum: match record.checksum {
                store::RecordChecksum::Ok => Checksum::Ok,
                store::RecordChecksum::Bad => Checksum::Bad,
                store::RecordChecksum::None => Checksum::None,
            },
            status: match record.status {
                store::RecordStatus::Live => Status::Live,
                store::RecordStatus::Superseded => Status::Superseded,
                store::RecordStatus::Dead => Status::Dead,
                store::RecordStatus::Torn => Status::Torn,
                store::RecordStatus::Damaged => Status::Damaged,
            },
        }
    }
}
