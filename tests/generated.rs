//! Completions and manual pages equal what the command tree generates. `UPDATE=1` rewrites them.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap_complete::Shell;

mod support;

const SHELLS: [(Shell, &str, &str); 5] = [
    (Shell::Bash, "bash", "raftlog.bash"),
    (Shell::Elvish, "elvish", "raftlog.elv"),
    (Shell::Fish, "fish", "raftlog.fish"),
    (Shell::PowerShell, "powershell", "_raftlog.ps1"),
    (Shell::Zsh, "zsh", "_raftlog"),
];

fn completions() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for (shell, _, name) in SHELLS {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut raftlog::cli::command(), "raftlog", &mut script);
        files.insert(name.to_owned(), tidy(&script));
    }
    files
}

/// Every command's page, with the examples of its `--help` under EXAMPLES.
fn pages() -> BTreeMap<String, String> {
    let mut command = raftlog::cli::command().disable_help_flag(false);
    command.build();
    let mut files = BTreeMap::new();
    let names: Vec<String> =
        command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    files.insert("raftlog.1".to_owned(), page(command.clone()));
    for name in names {
        let sub = command.find_subcommand(&name).expect("a command").clone();
        files.insert(format!("raftlog-{name}.1"), page(sub.version(env!("CARGO_PKG_VERSION"))));
    }
    files
}

fn page(command: clap::Command) -> String {
    let examples = command.get_before_long_help().map(ToString::to_string).unwrap_or_default();
    let end = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    // The crate knows one section for everything else; lines in it are kept as they are.
    let verbatim = format!("{}\n{end}", examples.trim_end()).trim_end().to_owned();
    let command = command.after_long_help(verbatim);
    let man = clap_mangen::Man::new(command).date("2026-11-21").manual("raftlog").source("raftlog");
    let mut roff = Vec::new();
    man.render(&mut roff).expect("a page");
    let text = tidy(&roff);
    text.replace(".SH EXTRA\n", ".SH EXAMPLES\n.nf\n").replace(".SH VERSION", ".fi\n.SH VERSION")
}

/// Without blanks at line ends and lines at the end.
fn tidy(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n").trim_end())
}

fn is_current(dir: &str, wanted: &BTreeMap<String, String>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(&dir).expect("directory");
        for (name, text) in wanted {
            fs::write(dir.join(name), text).expect("write");
        }
    }
    let mut found: Vec<String> = fs::read_dir(&dir)
        .expect("directory")
        .map(|file| file.expect("file").file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    let names: Vec<&String> = wanted.keys().collect();
    assert_eq!(found.iter().collect::<Vec<_>>(), names, "files in {}", dir.display());
    for (name, text) in wanted {
        let committed = fs::read_to_string(dir.join(name)).expect("readable");
        assert!(committed == *text, "{name} is not current: run UPDATE=1 cargo test generated");
    }
}

#[test]
fn completions_are_current() {
    is_current("completions", &completions());
}

#[test]
fn manual_pages_are_current() {
    is_current("man", &pages());
}

#[test]
fn the_binary_prints_the_committed_completions() {
    let wanted = completions();
    for (_, word, name) in SHELLS {
        let (code, stdout, stderr) = support::told(&support::raftlog(["completions", word]));
        assert_eq!((code, stderr.as_str()), (0, ""), "{word}");
        assert!(stdout == wanted[name], "{word}");
    }
}

#[test]
fn man_creates_its_directory_and_writes_every_page_and_no_other() {
    let dir = tempfile::tempdir().expect("directory");
    let target = dir.path().join("man1");
    for _twice in 0..2 {
        let output = support::raftlog([Path::new("man"), &target]);
        assert_eq!(support::told(&output).0, 0, "{output:?}");
        let written: BTreeMap<String, String> = fs::read_dir(&target)
            .expect("created")
            .map(|file| file.expect("file").path())
            .map(|path| {
                let name = path.file_name().expect("name").to_string_lossy().into_owned();
                (name, fs::read_to_string(&path).expect("page"))
            })
            .collect();
        assert!(written == pages(), "{:?}", written.keys());
    }
    fs::write(target.join("raftlog.1"), "another version").expect("write");
    let (code, stdout, stderr) = support::told(&support::raftlog([Path::new("man"), &target]));
    assert_eq!((code, stdout.as_str()), (12, ""), "{stderr}");
    assert!(stderr.contains("hint: rm "), "{stderr}");
    assert_eq!(
        fs::read_to_string(target.join("raftlog.1")).expect("left alone"),
        "another version"
    );
}

#[test]
fn pages_have_all_sections_and_nothing_behind_the_last() {
    for (name, text) in pages() {
        let sections: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "VERSION"] {
            assert!(sections.contains(&section), "{name}: {sections:?}");
        }
        assert_eq!(sections.last(), Some(&"VERSION"), "{name}: {sections:?}");
        assert!(text.contains("Examples:\n  raftlog "), "{name}");
        let last = text.lines().last().expect("a line");
        assert!(last.starts_with('v') && last.len() < 12, "{name} ends with {last:?}");
    }
}
