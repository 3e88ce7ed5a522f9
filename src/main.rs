//! The `raftlog` command.

fn main() -> std::process::ExitCode {
    raftlog::cli::run()
}
