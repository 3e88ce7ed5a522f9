//! A schema for each encoding: tables of any name, found by proof or told by the operator.

use std::borrow::Cow;

use crate::store::codec::ValueCodec;
use crate::store::redb::layout::{KeyForm, Layout, LogTables, Names, ValueForm};
use crate::store::redb::schemas::{Schema, openraft, raft_boltdb};
use crate::store::{Holds, Profile, RedbFormat};

const fn schema(codec: ValueCodec) -> Schema {
    let of_openraft = openraft::profile(codec.as_str(), true);
    Schema {
        profile: match codec {
            ValueCodec::RaftLog => Profile { schema: "raft-log", ..raft_boltdb::PROFILE },
            ValueCodec::Sorock => Profile { schema: "sorock-any", ..of_openraft },
            ValueCodec::Nodedb => Profile { schema: "nodedb-any", ..of_openraft },
            ValueCodec::Blixard => Profile { schema: "blixard-any", ..of_openraft },
            ValueCodec::Raw => {
                Profile { holds: Holds { terms: false, ..of_openraft.holds }, ..of_openraft }
            }
            _ => of_openraft,
        },
        project: "tables of any name, found by proof or told",
        layout: Layout {
            logs: LogTables {
                names: Names::one("logs"),
                key: KeyForm::U64,
                value: ValueForm::Bytes,
            },
            confs: Cow::Borrowed(&[]),
        },
        codec,
        redb_format: RedbFormat::V3,
        known: false,
        file_a_group: true,
        terms_may_fall: matches!(codec, ValueCodec::Sorock),
        takes_any: matches!(codec, ValueCodec::RaftLog),
    }
}

/// One of each encoding.
pub(super) static ANY: [Schema; ValueCodec::ALL.len()] = [
    schema(ValueCodec::ALL[0]),
    schema(ValueCodec::ALL[1]),
    schema(ValueCodec::ALL[2]),
    schema(ValueCodec::ALL[3]),
    schema(ValueCodec::ALL[4]),
    schema(ValueCodec::ALL[5]),
    schema(ValueCodec::ALL[6]),
    schema(ValueCodec::ALL[7]),
    schema(ValueCodec::ALL[8]),
    schema(ValueCodec::ALL[9]),
    schema(ValueCodec::ALL[10]),
    schema(ValueCodec::ALL[11]),
    schema(ValueCodec::ALL[12]),
    schema(ValueCodec::ALL[13]),
    schema(ValueCodec::ALL[14]),
    schema(ValueCodec::ALL[15]),
    schema(ValueCodec::ALL[16]),
    schema(ValueCodec::ALL[17]),
];

/// The schema of tables of any name in an encoding.
pub fn of_codec(codec: ValueCodec) -> &'static Schema {
    let found = ANY.iter().find(|schema| schema.codec == codec);
    found.unwrap_or(super::default())
}
