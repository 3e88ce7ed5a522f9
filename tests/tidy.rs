//! The rules of the house as a test: who may import whom, where each package may be used, how long
//! files, functions and lines may be, and that nothing lies around that no list names.
//!
//! Every check is a function from text to complaints, so that the tests at the end can show that
//! each of them goes red.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Which rooms a room may import; `src/README.md` draws it and says why.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("bytes", &["model"]),
    ("rules", &["model"]),
    ("event", &["model"]),
    ("vfs", &[]),
    ("fastlog", &["model", "bytes", "vfs"]),
    ("store", &["model", "bytes", "vfs"]),
    ("archive", &["model", "bytes", "vfs"]),
    ("decode", &["model", "bytes"]),
    ("verify", &["model", "rules", "event", "vfs", "store", "decode"]),
    ("inspect", &["model", "rules", "event", "vfs", "store", "decode"]),
    ("migrate", &["model", "rules", "event", "vfs", "store", "decode"]),
    ("compare", &["model", "rules", "event", "vfs", "store", "decode"]),
    ("repair", &["model", "rules", "event", "vfs", "store", "decode"]),
    ("backup", &["model", "event", "vfs", "store", "archive"]),
    ("runbook", &["model", "event", "vfs", "store", "archive"]),
    ("dual", &["model", "fastlog"]),
    ("bench", &["model", "event", "vfs", "fastlog", "store"]),
    ("simulate", &["model", "event", "vfs", "fastlog", "store"]),
    (
        "report",
        &[
            "model", "event", "verify", "inspect", "migrate", "compare", "repair", "backup",
            "bench", "simulate",
        ],
    ),
    (
        "cli",
        &[
            "report", "model", "event", "vfs", "store", "verify", "inspect", "migrate", "compare",
            "repair", "backup", "bench", "simulate", "runbook",
        ],
    ),
];

/// Single files that may import more than their room.
const FILE_MAY_IMPORT: &[(&str, &str)] =
    &[("src/store/fastlog.rs", "fastlog"), ("src/store/fastlog/tests.rs", "fastlog")];

/// Packages that have a room, as the paths that may name them.
const PACKAGE_ROOMS: &[(&str, &[&str])] = &[
    ("clap", &["src/cli/"]),
    ("anstream", &["src/cli/", "src/report/"]),
    ("anstyle", &["src/cli/", "src/report/"]),
    ("indicatif", &["src/report/"]),
    ("comfy_table", &["src/report/"]),
    ("csv", &["src/report/"]),
    ("jiff", &["src/report/", "src/inspect/", "src/backup/", "src/decode/", "src/store/raft_wal/"]),
    ("redb", &["src/store/redb/sink", "src/bench/engines/"]),
    ("redb2", &["src/store/redb/sink"]),
    ("rmp", &["src/store/codec/", "src/decode/"]),
    ("crossbeam_skiplist", &["src/fastlog/memtable.rs"]),
    ("walkdir", &["src/vfs/os"]),
    ("rustix", &["src/vfs/os", "src/report/"]),
    ("tar", &["src/archive/"]),
    ("flate2", &["src/archive/"]),
    ("signal_hook", &["src/cli/"]),
    ("xxhash_rust", &["src/store/redb/", "src/vfs/sim/", "src/simulate/oracle/"]),
    ("crc32fast", &["src/bytes/", "src/bench/"]),
    ("crc32c", &["src/bytes/"]),
    ("crc64fast", &["src/bytes/"]),
];

const LINE_COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const VAGUE_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(listing) = fs::read_dir(dir) else { return };
    for file in listing {
        let path = file.expect("readable directory").path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
    found.sort();
}

/// Every Rust file below `dir`, by its path from the root, with its text.
fn sources(dir: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    files_below(&root().join(dir), &mut found);
    found
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("UTF-8 source");
            let name = path.strip_prefix(root()).expect("below the root");
            (name.to_string_lossy().into_owned(), text)
        })
        .collect()
}

fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let first = inside.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

/// The text without comments and without what stands behind the first `#[cfg(test)]` module.
fn product_code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let next_is_module = lines.peek().is_some_and(|next| next.trim_start().starts_with("mod "));
        if line == "#[cfg(test)]" && next_is_module {
            let declared_elsewhere =
                lines.peek().is_some_and(|next| next.trim_end().ends_with(';'));
            if !declared_elsewhere {
                break;
            }
            lines.next();
            continue;
        }
        let trimmed = line.trim_start();
        if !trimmed.starts_with("//") {
            code.push_str(line);
        }
        code.push('\n');
    }
    code
}

/// The rooms that `code` names after `crate::`, also inside `use crate::{a, b::c}`.
fn imported_rooms(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if code[..at].ends_with('$') {
            continue;
        }
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0usize;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => rooms.extend(first_word(&std::mem::take(&mut item))),
                    _ if depth == 0 => item.push(c),
                    _ => {}
                }
            }
            rooms.extend(first_word(&item));
        } else {
            rooms.extend(first_word(rest));
        }
    }
    rooms
}

fn first_word(text: &str) -> Option<String> {
    let word: String =
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// Files that hold nothing but tests.
fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn import_complaints(path: &str, text: &str) -> Vec<String> {
    let Some(room) = room_of(path) else { return Vec::new() };
    if matches!(room, "main" | "lib") {
        return Vec::new();
    }
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{path}: room `{room}` has no row in the import table")];
    };
    imported_rooms(&product_code(text))
        .into_iter()
        .filter(|import| import != room && !allowed.contains(&import.as_str()))
        .filter(|import| !FILE_MAY_IMPORT.contains(&(path, import.as_str())))
        .map(|import| format!("{path}: `{room}` must not import `{import}`"))
        .collect()
}

fn package_complaints(path: &str, text: &str) -> Vec<String> {
    if is_test(path) {
        return Vec::new();
    }
    let code = product_code(text);
    PACKAGE_ROOMS
        .iter()
        .filter(|(_, rooms)| !rooms.iter().any(|room| path.starts_with(room)))
        .filter(|(package, _)| {
            code.match_indices(&format!("{package}::")).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                    || code[..at].ends_with("use ::")
            })
        })
        .map(|(package, _)| format!("{path}: package `{package}` is not for this room"))
        .collect()
}

fn size_complaints(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > LINE_COLUMNS_MAX && !line.contains("http") {
            complaints.push(format!("{path}:{}: {columns} columns", number + 1));
        }
    }
    let code_lines = if is_test(path) { 0 } else { product_code(text).lines().count() };
    if code_lines > FILE_LINES_MAX {
        complaints.push(format!("{path}: {code_lines} lines without its tests"));
    }
    complaints.extend(long_functions(path, text));
    complaints
}

/// Functions above the limit. rustfmt puts the closing brace at the indentation of the `fn` line.
fn long_functions(path: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut complaints = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let is_function = ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "const fn "]
            .iter()
            .any(|prefix| trimmed.starts_with(prefix));
        if !is_function || trimmed.ends_with(';') {
            continue;
        }
        let closing = format!("{}}}", &line[..line.len() - trimmed.len()]);
        let Some(length) = lines[start..].iter().position(|line| *line == closing) else {
            continue;
        };
        if length + 1 > FUNCTION_LINES_MAX {
            complaints.push(format!("{path}:{}: function of {} lines", start + 1, length + 1));
        }
    }
    complaints
}

fn name_complaints(path: &str) -> Vec<String> {
    path.split('/')
        .map(|part| part.strip_suffix(".rs").unwrap_or(part))
        .filter(|part| VAGUE_NAMES.contains(part))
        .map(|part| format!("{path}: `{part}` says nothing about what is inside"))
        .collect()
}

fn assert_clean(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let sources = sources("src");
    assert!(sources.len() > 30, "the sources were found");
    assert_clean(sources.iter().flat_map(|(path, text)| import_complaints(path, text)).collect());
}

/// The judge of a simulation must not rest on what it judges.
#[test]
fn the_oracle_knows_the_vocabulary_and_nothing_of_the_engine() {
    let judges: Vec<_> = sources("src/simulate/oracle");
    assert!(judges.len() > 4, "the oracle was found");
    let complaints = judges.iter().flat_map(|(path, text)| {
        let code = product_code(text);
        let foreign: Vec<String> = imported_rooms(&code)
            .into_iter()
            .filter(|room| !matches!(room.as_str(), "model" | "simulate"))
            .collect();
        let engine = ["simulate::engine", "simulate::driver", "simulate::recover"];
        let through = engine.into_iter().filter(|name| code.contains(name)).map(str::to_owned);
        let all: Vec<String> = foreign.into_iter().chain(through).collect();
        all.into_iter().map(move |name| format!("{path}: the oracle must not know `{name}`"))
    });
    assert_clean(complaints.collect());
}

#[test]
fn packages_stay_in_their_rooms() {
    let sources = sources("src");
    assert_clean(sources.iter().flat_map(|(path, text)| package_complaints(path, text)).collect());
}

#[test]
fn files_functions_and_lines_fit_a_screen() {
    let mut all = sources("src");
    all.extend(sources("tests"));
    assert_clean(all.iter().flat_map(|(path, text)| size_complaints(path, text)).collect());
}

#[test]
fn names_say_what_is_inside() {
    assert_clean(sources("src").iter().flat_map(|(path, _)| name_complaints(path)).collect());
}

#[test]
fn every_source_file_is_part_of_the_crate() {
    let sources = sources("src");
    let declared: BTreeSet<String> = sources
        .iter()
        .flat_map(|(path, text)| {
            let dir = match path.rsplit_once('/') {
                Some((dir, "mod.rs" | "lib.rs" | "main.rs")) => dir.to_owned(),
                _ => path.trim_end_matches(".rs").to_owned(),
            };
            text.lines().filter_map(move |line| {
                let rest = ["pub(crate) ", "pub(super) ", "pub "]
                    .iter()
                    .fold(line.trim(), |rest, visible| rest.trim_start_matches(visible));
                let name = rest.strip_prefix("mod ")?.strip_suffix(';')?.to_owned();
                Some([format!("{dir}/{name}.rs"), format!("{dir}/{name}/mod.rs")])
            })
        })
        .flatten()
        .collect();
    assert_clean(
        sources
            .iter()
            .map(|(path, _)| path)
            .filter(|path| !matches!(path.as_str(), "src/lib.rs" | "src/main.rs"))
            .filter(|path| !declared.contains(*path))
            .map(|path| format!("{path}: no `mod` line names this file"))
            .collect(),
    );
}

#[test]
fn every_fixture_is_listed_with_its_digest() {
    let list = fs::read_to_string(root().join("fixtures/README.md")).expect("fixtures/README.md");
    let mut files = Vec::new();
    files_below(&root().join("fixtures"), &mut files);
    let complaints = files
        .iter()
        .filter(|path| !path.ends_with("README.md"))
        .filter_map(|path| {
            let name = path.strip_prefix(root().join("fixtures")).expect("a fixture");
            let bytes = fs::read(path).expect("readable fixture");
            let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
            let row = list.lines().find(|row| row.starts_with(&format!("| `{}`", name.display())));
            match row {
                None => Some(format!("{}: not in fixtures/README.md", name.display())),
                Some(row) if !row.contains(&digest) => {
                    Some(format!("{}: digest is {digest}", name.display()))
                }
                Some(_) => None,
            }
        })
        .collect();
    assert_clean(complaints);
}

#[test]
fn the_map_of_the_house_names_every_room() {
    let map = fs::read_to_string(root().join("src/README.md")).expect("src/README.md");
    let rooms: BTreeSet<String> =
        sources("src").iter().filter_map(|(path, _)| room_of(path).map(str::to_owned)).collect();
    let missing = rooms
        .iter()
        .filter(|room| !matches!(room.as_str(), "lib" | "main"))
        .filter(|room| !map.contains(&format!("`{room}`")))
        .map(|room| format!("src/README.md does not say what `{room}` is"));
    let gone = MAY_IMPORT
        .iter()
        .filter(|(room, _)| !rooms.contains(*room))
        .map(|(room, _)| format!("the import table has a row for `{room}`, which is gone"));
    assert_clean(missing.chain(gone).collect());
}

#[test]
fn a_wrong_import_is_found_however_it_is_written() {
    let wrong = [
        ("src/store/redb/mod.rs", "use crate::fastlog::Log;"),
        ("src/model/mod.rs", "use crate::{bytes::Cursor, model::Entry};"),
        ("src/rules.rs", "fn f(v: &dyn crate::vfs::Vfs) {}"),
        ("src/fastlog/mod.rs", "use crate::{model::Entry,\n    store::Store};"),
        ("src/attic/mod.rs", "use crate::model::Entry;"),
    ];
    for (path, text) in wrong {
        assert_eq!(import_complaints(path, text).len(), 1, "{path}: {text}");
    }
    let right = [
        ("src/store/fastlog.rs", "use crate::fastlog::Log;"),
        ("src/verify.rs", "use crate::{model::Entry, store::{Store, StoreError}};"),
        ("src/rules.rs", "// crate::vfs is not for us\n#[cfg(test)]\nmod t { use crate::vfs; }"),
    ];
    for (path, text) in right {
        assert_eq!(import_complaints(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

#[test]
fn a_package_outside_its_room_is_found() {
    assert_eq!(package_complaints("src/model/mod.rs", "use clap::Parser;").len(), 1);
    assert_eq!(package_complaints("src/verify.rs", "let x = redb::Database::open(p);").len(), 1);
    assert!(package_complaints("src/cli/mod.rs", "use clap::Parser;").is_empty());
    assert!(package_complaints("src/store/open.rs", "crate::store::redb::open(p)").is_empty());
}

#[test]
fn long_lines_functions_and_vague_names_are_found() {
    let long_line = "x".repeat(LINE_COLUMNS_MAX + 1);
    assert_eq!(size_complaints("src/a.rs", &long_line).len(), 1);
    let long_function = format!("fn f() {{\n{}}}\n", "    x();\n".repeat(FUNCTION_LINES_MAX));
    assert_eq!(size_complaints("src/a.rs", &long_function).len(), 1);
    let long_file = "x();\n".repeat(FILE_LINES_MAX + 1);
    assert_eq!(size_complaints("src/a.rs", &long_file).len(), 1);
    assert_eq!(name_complaints("src/store/utils.rs").len(), 1);
}
