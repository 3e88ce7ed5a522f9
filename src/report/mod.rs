//! Results as words, tables, JSON and CSV; progress; explanations. Nothing here opens a file or
//! finds anything: what a job returned is shown.

pub mod archive;
pub mod cluster;
pub mod difference;
mod envelope;
mod exit;
pub mod explain;
pub mod findings;
mod formats;
pub mod html;
pub mod measured;
pub mod migration;
pub mod output;
pub mod overview;
pub mod progress;
pub mod repaired;
pub mod schema;
pub mod simulation;
pub mod stream;
mod style;
mod table;
mod verdict;
pub mod words;

pub use envelope::{
    Envelope, ErrorNote, Finding, FindingLine, Source, SourceFile, SourceLayout, SourceLine,
    Sources, Summary, SummaryLine, Tool, document, line,
};
pub use exit::{Exit, ExitNote};
pub use formats::{FormatLimits, FormatLine, Formats, Groups, SchemaLine};
pub use output::Output;
pub use progress::Progress;
pub use style::{Color, Paint, Stream};
pub use verdict::{StoreVerdict, Verdicts};
