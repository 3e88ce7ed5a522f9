use std::borrow::Cow;
use std::fmt::Display;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};

/// When colour is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` says otherwise; or where `CLICOLOR_FORCE` asks for it.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Which of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Where results go.
    Stdout,
    /// Where everything else goes.
    Stderr,
}

/// How text looks on one stream. Colour only repeats what a word says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    colored: bool,
    /// Columns of the terminal; `None` where there is none: then nothing is cut or wrapped.
    pub width: Option<usize>,
}

impl Paint {
    /// No colour, no width: for files and pipes.
    pub const PLAIN: Paint = Paint { colored: false, width: None };

    /// What fits the stream.
    pub fn of(stream: Stream, color: Color) -> Paint {
        let (choice, terminal) = match stream {
            Stream::Stdout => {
                let stdout = std::io::stdout();
                (anstream::AutoStream::choice(&stdout), stdout.is_terminal())
            }
            Stream::Stderr => {
                let stderr = std::io::stderr();
                (anstream::AutoStream::choice(&stderr), stderr.is_terminal())
            }
        };
        let colored = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => choice != anstream::ColorChoice::Never,
        };
        Paint { colored, width: terminal.then(|| columns(stream)) }
    }

    /// Whether colour is used.
    pub fn is_colored(self) -> bool {
        self.colored
    }

    /// A heading or label.
    pub fn strong<'t>(self, text: impl Into<Cow<'t, str>>) -> String {
        self.paint(Style::new().bold(), text.into())
    }

    /// Something that is as it should be.
    pub fn good<'t>(self, text: impl Into<Cow<'t, str>>) -> String {
        self.paint(AnsiColor::Green.on_default(), text.into())
    }

    /// Something that needs a look.
    pub fn warning<'t>(self, text: impl Into<Cow<'t, str>>) -> String {
        self.paint(AnsiColor::Yellow.on_default().bold(), text.into())
    }

    /// Something that is wrong.
    pub fn bad<'t>(self, text: impl Into<Cow<'t, str>>) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text.into())
    }

    /// Something of less weight.
    pub fn faint<'t>(self, text: impl Into<Cow<'t, str>>) -> String {
        self.paint(Style::new().dimmed(), text.into())
    }

    fn paint(self, style: Style, text: impl Display) -> String {
        if self.colored { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

/// Columns of the terminal behind a stream; 80 where it does not say.
fn columns(stream: Stream) -> usize {
    let size = match stream {
        Stream::Stdout => rustix::termios::tcgetwinsize(std::io::stdout()),
        Stream::Stderr => rustix::termios::tcgetwinsize(std::io::stderr()),
    };
    match size {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => 80,
    }
}
