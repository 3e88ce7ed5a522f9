//! `formats`, `explain` and `schema`: what needs no store.

use std::path::Path;

use crate::cli::advice;
use crate::cli::arguments::{Explain, Formats, Schema};
use crate::cli::session::{Answer, Session, usage, write_out};
use crate::report::explain::Topic;
use crate::report::output::tell;
use crate::report::{
    Exit, FormatLimits, FormatLine, Formats as FormatList, Groups, SchemaLine, Sources, document,
    schema,
};
use crate::store::redb::schemas;
use crate::store::{Format, Holds, SinkOptions, open};

/// Runs `formats`.
pub fn formats(session: &Session, arguments: &Formats) -> Exit {
    let shape = match arguments.output.single("formats") {
        Ok(shape) => shape,
        Err(failure) => return usage(&failure, session.err),
    };
    let list = FormatList {
        formats: Format::ALL.into_iter().map(format_line).collect(),
        redb_schemas: schemas::all().map(schema_line).collect(),
    };
    let mut answer = Answer::new("formats", Sources::None);
    answer.text = list.text(session.out);
    answer.result = Some(list);
    session.answer(answer, shape, None)
}

fn schema_line(schema: &'static schemas::Schema) -> SchemaLine {
    SchemaLine {
        name: schema.name(),
        project: schema.project,
        codec: schema.codec.as_str(),
        known: schema.known,
    }
}

/// What this build really does with a format: asked from the store room, not from a list.
fn format_line(format: Format) -> FormatLine {
    let profile = open::target_profile(format, &SinkOptions::default(), Path::new("")).ok();
    FormatLine {
        id: format.as_str(),
        read: open::reads(format),
        write: profile.is_some(),
        groups: profile.map(
            |profile| {
                if profile.holds.many_groups { Groups::Many } else { Groups::One }
            },
        ),
        holds: profile.map_or_else(Vec::new, |profile| holds(&profile.holds)),
        limits: profile.map(|profile| FormatLimits {
            index_min: profile.index_min,
            entry_bytes_max: profile.entry_bytes_max,
        }),
        detect: match format {
            Format::Redb => "redb's magic number; a table whose values decode as entries",
            Format::FastLog => "the magic numbers of its anchors and segments",
            Format::BoltDb => "the magic number of its meta pages",
            Format::RaftFastlog => "records that decode from the first byte on",
            Format::RaftWal => "wal-meta.db beside .wal segments with their magic number",
            Format::EtcdWal => "member/wal with segments that begin with a CRC record",
        },
    }
}

fn holds(holds: &Holds) -> Vec<&'static str> {
    [
        (holds.many_groups, "groups"),
        (holds.holes, "hole"),
        (holds.terms, "term"),
        (holds.appended_at, "appended-at"),
        (holds.extensions, "extensions"),
        (holds.notes, "unknown-fields"),
        (holds.commit, "commit-index"),
        (holds.stable_keys, "stable-keys"),
        (holds.snapshot_marker, "snapshot-marker"),
    ]
    .into_iter()
    .filter(|(held, _)| *held)
    .map(|(_, name)| name)
    .collect()
}

/// Runs `explain`.
pub fn explain(session: &Session, arguments: &Explain) -> Exit {
    let topics = Topic::named(&arguments.topic);
    if topics.is_empty() {
        let failure = advice::of_topic(&arguments.topic);
        tell(&failure.text(session.err));
        return failure.kind.exit();
    }
    let texts: Vec<String> = topics.iter().map(|topic| topic.text(session.out)).collect();
    session.end(write_out(&texts.join("\n")), Exit::Ok)
}

/// Runs `schema`.
pub fn schema(session: &Session, arguments: &Schema) -> Exit {
    // The parser takes only names that have one.
    let text = schema::of(&arguments.name).map_or_else(String::new, |schema| document(&schema));
    session.end(write_out(&text), Exit::Ok)
}
