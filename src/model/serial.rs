//! How the vocabulary looks in JSON: words as text, a group as its name or null.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::model::{Code, EntryKind, GroupId, Place, Severity};

impl Serialize for GroupId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(serializer)
    }
}

impl JsonSchema for GroupId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "GroupId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "null"] })
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut place = serializer.serialize_struct("Place", 3)?;
        place.serialize_field("file", &self.file.to_string_lossy())?;
        place.serialize_field("offset_bytes", &self.offset_bytes)?;
        place.serialize_field("len_bytes", &self.len_bytes)?;
        place.end()
    }
}

impl JsonSchema for Place {
    fn schema_name() -> Cow<'static, str> {
        "Place".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let number = generator.subschema_for::<u64>();
        json_schema!({
            "type": "object",
            "properties": {
                "file": { "type": "string" },
                "offset_bytes": number,
                "len_bytes": number,
            },
            "required": ["file", "offset_bytes", "len_bytes"],
        })
    }
}

macro_rules! as_word {
    ($($name:ident in $all:expr),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let words: Vec<&str> = $all.iter().map(|value| value.as_str()).collect();
                json_schema!({ "type": "string", "enum": words })
            }
        }
    )*};
}

as_word! {
    Code in Code::ALL,
    EntryKind in EntryKind::ALL,
    Severity in [Severity::Error, Severity::Warning, Severity::Info]
}
