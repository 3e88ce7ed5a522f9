use crate::cli::arguments::Runbook;
use crate::cli::failure::{Failure, Kind};
use crate::cli::session::{Session, usage, write_out};
use crate::report::Exit;
use crate::runbook::{self, Render};

/// Runs `runbook`.
pub fn run(session: &Session, arguments: &Runbook) -> Exit {
    if let Some(name) = runbook::twice(&arguments.nodes) {
        let message = format!("{name} is named twice");
        let failure = Failure::new(Kind::Usage, message).hint("name every node once");
        return usage(&failure, session.err);
    }
    let command = session.context("".as_ref()).without("--render");
    let shape = arguments.render.unwrap_or(Render::Sh);
    let text = runbook::render(arguments.name, &arguments.nodes, shape, &command);
    session.end(write_out(&text), Exit::Ok)
}
