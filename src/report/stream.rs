//! `inspect --entries` and `--records`: one line an item, as it comes.

use std::io::{self, Write};
use std::ops::ControlFlow;

use crate::inspect::{
    Data, EntryItem, EntryLine, PayloadMode, PayloadView, RecordItem, RecordLine,
};
use crate::model::{Fault, Findings};
use crate::report::output::{Output, Pipe, Stopped, tell};
use crate::report::table::{Align, Columns};
use crate::report::{
    ErrorNote, Exit, Finding, FindingLine, Paint, Source, SourceFile, SourceLine, Summary,
    SummaryLine, findings, line, words,
};

/// In which form a stream is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Aligned columns.
    Text,
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values under a header.
    Csv,
}

/// Which items a stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Items {
    /// Entries, with payloads as asked for.
    Entries(PayloadMode),
    /// Records.
    Records,
}

/// A stream on its way to stdout.
pub struct Stream {
    output: Output,
    writer: Writer,
    items: Items,
    paint: Paint,
    shown: u64,
    found: Findings,
}

enum Writer {
    Text { columns: Columns, with_group: bool },
    Jsonl,
    Csv(Box<csv::Writer<Pipe>>),
}

impl Stream {
    /// A stream of `items` in `form`. Without `with_group` text has no column of groups.
    pub fn new(output: Output, form: Form, items: Items, with_group: bool, paint: Paint) -> Stream {
        let writer = match form {
            Form::Text => Writer::Text { columns: text_columns(items, with_group), with_group },
            Form::Jsonl => Writer::Jsonl,
            Form::Csv => Writer::Csv(Box::new(csv::Writer::from_writer(output.pipe()))),
        };
        Stream { output, writer, items, paint, shown: 0, found: Findings::default() }
    }

    /// Prints what comes before the first item, and flushes it at once.
    ///
    /// # Errors
    /// When the flusher cannot be started.
    pub fn begin(&mut self, source: &Source) -> io::Result<ControlFlow<()>> {
        self.output.flush_when_idle()?;
        let flow = match &mut self.writer {
            Writer::Text { columns, .. } => {
                if self.items == Items::Records {
                    columns.widen(0, widest_place(source));
                }
                let header = columns.header(self.paint);
                self.output.write(&header)
            }
            Writer::Jsonl => {
                let first = SourceLine { source: source.clone() };
                self.output.fill(|buffer| line(&first, buffer))
            }
            Writer::Csv(writer) => csv_row(writer, csv_header(self.items)),
        };
        Ok(if flow.is_break() { flow } else { self.output.flush() })
    }

    /// Prints an item of `--entries`. `Break` when nothing more can be written.
    pub fn entry(&mut self, item: &EntryItem<'_>) -> ControlFlow<()> {
        let entry = match item {
            EntryItem::Finding(fault) => return self.finding(fault),
            EntryItem::Entry(entry) => entry,
        };
        self.shown += 1;
        match &mut self.writer {
            Writer::Text { columns, with_group } => {
                let cells = entry_cells(entry, *with_group, self.items, columns, self.paint);
                let row = columns.row(&cells);
                self.output.write(&row)
            }
            Writer::Jsonl => self.output.fill(|buffer| line(entry, buffer)),
            Writer::Csv(writer) => csv_row(writer, entry_fields(entry, self.items)),
        }
    }

    /// Prints an item of `--records`. `Break` when nothing more can be written.
    pub fn record(&mut self, item: &RecordItem<'_>) -> ControlFlow<()> {
        let record = match item {
            RecordItem::Finding(fault) => return self.finding(fault),
            RecordItem::Record(record) => record,
        };
        self.shown += 1;
        match &mut self.writer {
            Writer::Text { columns, with_group } => {
                let row = columns.row(&record_cells(record, *with_group, self.paint));
                self.output.write(&row)
            }
            Writer::Jsonl => self.output.fill(|buffer| line(record, buffer)),
            Writer::Csv(writer) => csv_row(writer, record_fields(record)),
        }
    }

    /// Prints a finding at its place; CSV has no column for it, so it goes to stderr.
    fn finding(&mut self, fault: &Fault) -> ControlFlow<()> {
        self.found.add(fault.clone());
        match &self.writer {
            Writer::Text { .. } => {
                let lines = findings::lines(fault, self.paint);
                self.output.write(&lines)
            }
            Writer::Jsonl => {
                let finding = FindingLine { finding: Finding::from(fault) };
                self.output.fill(|buffer| line(&finding, buffer))
            }
            Writer::Csv(_) => {
                tell(&findings::lines(fault, Paint::PLAIN));
                ControlFlow::Continue(())
            }
        }
    }

    /// Writes out what was printed so far. `Break` when nothing more can be written.
    pub fn flush(&mut self) -> ControlFlow<()> {
        if let Writer::Csv(writer) = &mut self.writer
            && writer.flush().is_err()
        {
            return ControlFlow::Break(());
        }
        self.output.flush()
    }

    /// Lines of entries or records so far.
    pub fn shown(&self) -> u64 {
        self.shown
    }

    /// Findings so far.
    pub fn found(&self) -> &Findings {
        &self.found
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// When anything since the beginning could not be written.
    pub fn end(
        mut self,
        items: u64,
        summary: Summary,
        error: Option<ErrorNote>,
        exit: Exit,
    ) -> Result<(), Stopped> {
        if let Writer::Jsonl = self.writer {
            let last = SummaryLine { items, summary, error, exit: exit.into() };
            let _told_by_finish = self.output.fill(|buffer| line(&last, buffer));
        }
        self.output.finish()
    }
}

/// Room for a short name, an offset and a length.
const PLACE: usize = 32;

fn text_columns(items: Items, with_group: bool) -> Columns {
    let mut columns = Vec::new();
    match items {
        Items::Entries(payload) => {
            if with_group {
                columns.push(("group", Align::Left, 8));
            }
            columns.extend([
                ("index", Align::Right, 7),
                ("term", Align::Right, 4),
                ("kind", Align::Left, 13),
                ("size", Align::Right, 9),
                ("appended at", Align::Left, 24),
                ("ext", Align::Right, 3),
            ]);
            match payload {
                PayloadMode::None => {}
                PayloadMode::Digest => columns.push(("sha256", Align::Left, 0)),
                _ => columns.push(("data", Align::Left, 0)),
            }
        }
        Items::Records => {
            columns.extend([("place", Align::Left, PLACE), ("record", Align::Left, 14)]);
            if with_group {
                columns.push(("group", Align::Left, 8));
            }
            columns.extend([
                ("indexes", Align::Left, 13),
                ("entries", Align::Right, 7),
                ("checksum", Align::Left, 8),
                ("status", Align::Left, 0),
            ]);
        }
    }
    Columns::new(&columns)
}

/// Columns that the place of a record in `source` takes, offset and length at their widest.
fn widest_place(source: &Source) -> usize {
    let of_file = |file: &SourceFile| {
        let size = words::grouped(file.size_bytes).len();
        words::harmless(&file.path).chars().count() + " @ ".len() + size + " + 65,536".len()
    };
    source.files.iter().map(of_file).max().unwrap_or(0)
}

fn entry_cells(
    entry: &EntryLine,
    with_group: bool,
    items: Items,
    columns: &Columns,
    paint: Paint,
) -> Vec<String> {
    let mut cells = Vec::with_capacity(8);
    if with_group {
        cells.push(words::group(&entry.group));
    }
    cells.extend([
        entry.index.to_string(),
        entry.term.to_string(),
        match entry.kind_code {
            Some(code) if entry.kind == crate::model::EntryKind::Unknown => {
                format!("unknown({code})")
            }
            _ => entry.kind.as_str().to_owned(),
        },
        words::size(entry.size_bytes),
        entry.appended_at.map_or_else(|| "-".to_owned(), |time| shown_time(&time.to_string())),
        entry.extensions_bytes.to_string(),
    ]);
    if let Items::Entries(payload) = items
        && payload != PayloadMode::None
    {
        let data = payload_text(&entry.payload);
        // Only what a decoder or a guess made readable is cut; bytes that were asked for never are.
        cells.push(match paint.width {
            Some(width) if payload == PayloadMode::Auto => {
                cut(&data, columns.left_for_last(width).max(20))
            }
            _ => data,
        });
    }
    cells
}

/// `2026-11-21T08:36:01.417000000Z` as `2026-11-21 08:36:01.417Z`.
fn shown_time(time: &str) -> String {
    match time.get(..23) {
        Some(to_milliseconds) => format!("{}Z", to_milliseconds.replace('T', " ")),
        None => time.to_owned(),
    }
}

fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn payload_text(payload: &PayloadView) -> String {
    let mut text = String::new();
    let mut part = |prefix: &str, value: &str| {
        if !text.is_empty() {
            text.push_str("  ");
        }
        text.push_str(prefix);
        text.push_str(value);
    };
    if let Some(digest) = &payload.sha256 {
        part("", &hex(&digest.0));
    }
    match &payload.data {
        Some(Data::Text(data)) => part("", &format!("\"{}\"", words::escaped(data))),
        Some(Data::Decoded(value)) => {
            let decoder = payload.decoder.map_or(String::new(), |decoder| format!("{decoder} "));
            part(&decoder, &words::escaped(&value.to_string()));
        }
        None => {}
    }
    match &payload.data_hex {
        Some(Some(data)) => part("", &hex(&data.0)),
        Some(None) => part("", "nil"),
        None => {}
    }
    match &payload.data_b64 {
        // Beside decoded data base64 must be told from text.
        Some(Some(data)) => part("base64:", &base64(&data.0)),
        Some(None) => part("", "nil"),
        None => {}
    }
    if let Some(Some(extensions)) = &payload.extensions_hex {
        part("ext:", &hex(&extensions.0));
    }
    if let Some(Some(extensions)) = &payload.extensions_b64 {
        part("ext:base64:", &base64(&extensions.0));
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}

fn record_cells(record: &RecordLine, with_group: bool, paint: Paint) -> Vec<String> {
    let mut cells = vec![words::place(&record.place), words::escaped(&record.record_kind)];
    if with_group {
        cells.push(record.group.as_ref().map_or_else(|| "-".to_owned(), words::group));
    }
    let run = match (record.first_index, record.last_index) {
        (None, None) => "-".to_owned(),
        (first, last) => words::run(first, last),
    };
    let status = record.status.as_str();
    cells.extend([
        run,
        words::grouped(record.entries),
        match record.checksum.as_str() {
            "bad" => "BAD".to_owned(),
            word => word.to_owned(),
        },
        match status {
            "live" => status.to_owned(),
            "damaged" => paint.bad(status),
            _ => paint.warning(status),
        },
    ]);
    cells
}

fn csv_header(items: Items) -> Vec<String> {
    let names: &[&str] = match items {
        Items::Entries(_) => {
            &["group", "index", "term", "kind", "size_bytes", "appended_at", "extensions_bytes"]
        }
        Items::Records => &[
            "file",
            "offset_bytes",
            "len_bytes",
            "record_kind",
            "group",
            "first_index",
            "last_index",
            "entries",
            "checksum",
            "status",
        ],
    };
    let payload: &[&str] = match items {
        Items::Records | Items::Entries(PayloadMode::None) => &[],
        Items::Entries(PayloadMode::Digest) => &["sha256"],
        Items::Entries(PayloadMode::Hex) => &["data_hex", "extensions_hex"],
        Items::Entries(PayloadMode::Base64) => &["data_b64", "extensions_b64"],
        Items::Entries(PayloadMode::Utf8 | PayloadMode::Auto) => &["data", "data_b64"],
    };
    names.iter().chain(payload).map(|name| (*name).to_owned()).collect()
}

fn entry_fields(entry: &EntryLine, items: Items) -> Vec<String> {
    let mut fields = vec![
        entry.group.name().unwrap_or_default().to_owned(),
        entry.index.to_string(),
        entry.term.to_string(),
        entry.kind.as_str().to_owned(),
        entry.size_bytes.to_string(),
        entry.appended_at.map_or_else(String::new, |time| time.to_string()),
        entry.extensions_bytes.to_string(),
    ];
    let payload = &entry.payload;
    let base64_of = |data: &Option<Option<crate::inspect::Base64>>| match data {
        Some(Some(data)) => base64(&data.0),
        _ => String::new(),
    };
    let hex_of = |data: &Option<Option<crate::inspect::Hex>>| match data {
        Some(Some(data)) => hex(&data.0),
        _ => String::new(),
    };
    match items {
        Items::Records | Items::Entries(PayloadMode::None) => {}
        Items::Entries(PayloadMode::Digest) => {
            fields.push(payload.sha256.as_ref().map_or_else(String::new, |sha256| hex(&sha256.0)));
        }
        Items::Entries(PayloadMode::Hex) => {
            fields.extend([hex_of(&payload.data_hex), hex_of(&payload.extensions_hex)]);
        }
        Items::Entries(PayloadMode::Base64) => {
            fields.extend([base64_of(&payload.data_b64), base64_of(&payload.extensions_b64)]);
        }
        Items::Entries(PayloadMode::Utf8 | PayloadMode::Auto) => {
            let data = match &payload.data {
                Some(Data::Text(text)) => text.clone(),
                Some(Data::Decoded(value)) => value.to_string(),
                None => String::new(),
            };
            fields.extend([data, base64_of(&payload.data_b64)]);
        }
    }
    fields
}

fn record_fields(record: &RecordLine) -> Vec<String> {
    let number = |index: Option<crate::model::LogIndex>| {
        index.map_or_else(String::new, |index| index.to_string())
    };
    let group = record.group.as_ref().and_then(|group| group.name()).unwrap_or_default();
    vec![
        record.place.file.to_string_lossy().into_owned(),
        record.place.offset_bytes.to_string(),
        record.place.len_bytes.to_string(),
        record.record_kind.clone(),
        group.to_owned(),
        number(record.first_index),
        number(record.last_index),
        record.entries.to_string(),
        record.checksum.as_str().to_owned(),
        record.status.as_str().to_owned(),
    ]
}

fn csv_row(writer: &mut csv::Writer<Pipe>, fields: Vec<String>) -> ControlFlow<()> {
    // The pipe behind remembers why it failed, and `Output::finish` tells.
    match writer.write_record(fields).and_then(|()| writer.flush().map_err(csv::Error::from)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.append(bytes) {
            ControlFlow::Continue(()) => Ok(bytes.len()),
            ControlFlow::Break(()) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Nothing: the output behind flushes when it is full or idle.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
