//! What every command has in common, on the real binary: usage, colour, pipes, quoting, JSON.
#![allow(clippy::disallowed_methods)]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

mod support;

use support::{raftlog, redb, told};

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raftlog"));
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env_remove("RUST_BACKTRACE");
    command
}

/// Runs with `arguments`, where `{}` stands for a sound store.
fn run(arguments: &str) -> (i32, String, String) {
    let store = redb("redb-twins", "twin-dkron-single");
    let words = arguments.split_whitespace();
    told(&raftlog(words.map(|word| if word == "{}" { store.as_os_str() } else { word.as_ref() })))
}

#[test]
fn mistakes_on_the_command_line_end_with_2_and_nothing_on_stdout() {
    let mistakes = [
        ("", "Usage:"),
        ("frobnicate", "unrecognized subcommand"),
        ("inspect", "required arguments"),
        ("inspect {} --frobnicate", "unexpected argument"),
        ("inspect {} --entries --state", "cannot be used with"),
        ("inspect {} --index 1..2", "required arguments"),
        ("inspect {} --limit 3", "required arguments"),
        ("inspect {} --records --payload hex", "cannot be used with"),
        ("inspect {} --state --index 1..2", "cannot be used with"),
        ("inspect {} --stats --term 1", "cannot be used with"),
        ("inspect {} --records --kind noop", "cannot be used with"),
        ("inspect {} --stats --limit 3", "cannot be used with"),
        ("inspect {} --entries --index 9..3", "it ends before it begins"),
        ("inspect {} --entries --index a..b", "an end is no number"),
        ("inspect {} --entries --kind nonsense", "invalid value"),
        ("inspect {} --entries --payload all", "invalid value"),
        ("inspect {} --entries --format json", "hint: --format jsonl"),
        ("inspect {} --format jsonl", "hint: --format json"),
        ("inspect {} --format csv", "hint: --format json"),
        ("inspect {} --json --format text", "cannot be used with"),
        ("inspect {} --group a --unnamed", "cannot be used with"),
        ("inspect {} --quiet --verbose", "cannot be used with"),
        ("inspect {} --lock-timeout 5", "a unit is missing"),
        ("inspect {} --lock-timeout -5s", "unexpected argument"),
        ("inspect {} --lock-timeout 5x", "write a number and a unit"),
        ("verify", "required arguments"),
        ("verify {} --format csv", "hint: --format json"),
        ("verify {} --level medium", "invalid value"),
        ("migrate {} /nowhere/x", "required arguments"),
        ("migrate {} /nowhere/x --to etcd", "invalid value"),
        ("migrate {} /nowhere/x --to fastlog --durability 2", "invalid value"),
        ("migrate {} /nowhere/x --to fastlog --durability -2", "invalid value"),
        ("migrate {} /nowhere/x --to redb --durability -1", "is for targets of format fastlog"),
        ("migrate {} /nowhere/x --to fastlog --redb-format 2", "is for targets of format redb"),
        ("migrate {} /nowhere/x --to fastlog --allow-loss everything", "invalid value"),
        ("migrate {} /nowhere/x --to fastlog --accept R119", "invalid value"),
        ("backup {} - --json", "JSON has nowhere to go"),
        ("backup {} /nowhere/x --compression 10", "10 is not in 0..=9"),
        ("diff {}", "required arguments"),
        ("diff {} {} --ignore colour", "is no field"),
        ("diff {} {} --ignore colour --json", "is no field"),
        ("compare", "required arguments"),
        ("runbook", "required arguments"),
        ("runbook everything", "invalid value"),
        ("runbook dkron-fastlog --nodes a,b,a", "named twice"),
        ("runbook dkron-fastlog --nodes a;b", "letters, digits"),
        ("runbook dkron-fastlog --render pdf", "invalid value"),
        ("compare {} {}", "are one node"),
        ("compare {} --format jsonl", "hint: --format json"),
        ("formats --json --lock-timeout 1s", "unexpected argument"),
        ("explain", "required arguments"),
        ("schema explain", "invalid value"),
        ("completions tcsh", "invalid value"),
        ("man", "required arguments"),
    ];
    for (arguments, says) in mistakes {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments}: {stderr}");
        assert!(stderr.contains(says), "{arguments}: {stderr}");
    }
}

#[test]
fn negative_durability_needs_no_equals_sign_and_has_synonyms() {
    let dir = tempfile::tempdir().expect("directory");
    let target = dir.path().join("log");
    for level in ["-1", "0", "1", "low", "mid", "high"] {
        let (code, stdout, stderr) = run(&format!(
            "migrate {{}} {} --to fastlog --dry-run --durability {level}",
            target.display()
        ));
        assert_eq!(code, 0, "{level}: {stderr}");
        assert!(stdout.starts_with("plan   redb -> fastlog\n"), "{level}: {stdout}");
    }
    assert_eq!(fs::read_dir(dir.path()).expect("directory").count(), 0, "dry runs write nothing");
}

#[test]
fn help_begins_with_examples_and_is_short_when_asked_shortly() {
    for command in ["", "inspect", "verify", "migrate", "backup", "restore", "diff", "compare"] {
        let (code, long, stderr) = run(&format!("{command} --help"));
        assert_eq!((code, stderr.as_str()), (0, ""));
        let examples = long.find("Examples:\n  raftlog ").expect("examples");
        assert!(examples < long.find("Usage:").expect("usage"), "{long}");
        let (code, short, _) = run(&format!("{command} -h"));
        assert_eq!(code, 0);
        assert!(!short.contains("Examples:") && short.len() < long.len(), "{short}");
    }
    let (code, version, _) = run("--version");
    assert_eq!((code, version), (0, format!("raftlog {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn colour_comes_only_when_asked_for_and_changes_no_word() {
    let store = redb("redb-damaged", "dmg-leaf-value");
    let shown = |variables: &[(&str, &str)], color: &[&str]| {
        let output = binary()
            .arg("inspect")
            .arg(&store)
            .args(color)
            .envs(variables.iter().copied())
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(1));
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).expect("UTF-8")
    };
    let plain = shown(&[], &[]);
    assert!(!plain.contains('\u{1b}'), "a pipe is no terminal");
    assert_eq!(shown(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], &[]), plain);
    assert_eq!(shown(&[("CLICOLOR_FORCE", "1")], &["--color", "never"]), plain);
    for colored in
        [shown(&[("CLICOLOR_FORCE", "1")], &[]), shown(&[("NO_COLOR", "1")], &["--color=always"])]
    {
        assert!(colored.contains("\u{1b}["), "{colored}");
        assert_eq!(without_colour(&colored), plain);
    }
    let mistake = binary().args(["frobnicate", "--color", "always"]).output().expect("runs");
    assert!(String::from_utf8_lossy(&mistake.stderr).contains("\u{1b}["));
}

fn without_colour(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').expect("a colour ends with m").1);
    }
    plain
}

#[test]
fn a_reader_that_leaves_ends_the_stream_silently_with_0() {
    for flags in [vec!["--entries", "--payload", "hex"], vec!["--entries", "--json"]] {
        let mut child = binary()
            .arg("inspect")
            .arg(redb("redb-basic", "synth"))
            .args(&flags)
            .args(["--payload", "base64"].iter().filter(|_| flags.len() == 2))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let mut first = String::new();
        stdout.read_line(&mut first).expect("a line");
        assert!(first.contains("index") || first.starts_with("{\"type\":\"source\""), "{first}");
        drop(stdout);
        let mut stderr = String::new();
        child.stderr.take().expect("stderr").read_to_string(&mut stderr).expect("text");
        let code = child.wait().expect("ends").code();
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{flags:?}");
    }
}

#[test]
fn a_stdout_that_takes_nothing_is_an_io_error() {
    let store = redb("redb-twins", "twin-dkron-single");
    let store = store.to_str().expect("UTF-8");
    let commands: [&[&str]; 8] = [
        &["inspect", store],
        &["inspect", store, "--json"],
        &["inspect", store, "--entries"],
        &["inspect", store, "--records", "--format", "csv"],
        &["verify", store],
        &["explain", "R101"],
        &["schema", "verify"],
        &["--help"],
    ];
    for arguments in commands {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let output = binary().args(arguments).stdout(full).output().expect("runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(14), "{arguments:?}: {stderr}");
        assert!(stderr.contains("error: cannot write to standard output\n"), "{stderr}");
        assert!(stderr.contains("cause: No space left on device"), "{stderr}");
    }
}

#[test]
fn hints_can_be_pasted_whatever_the_path() {
    let dir = tempfile::tempdir().expect("directory");
    let names: [&[u8]; 4] =
        [b"with space.redb", b"it's $HOME `id`.redb", b"line\nbreak\x1b[31m.redb", b"\xff.redb"];
    for name in names {
        let path = dir.path().join(OsStr::from_bytes(name));
        fs::copy(redb("redb-twins", "twin-v1"), &path).expect("copy");
        let output = raftlog([OsStr::new("inspect"), path.as_os_str()]);
        let (code, stdout, stderr) = told(&output);
        assert_eq!(code, 0, "{stderr}");
        let hint = stderr.lines().find_map(|line| line.strip_prefix("next: ")).expect("a hint");
        assert!(hint.starts_with("raftlog verify "), "{hint}");
        let text = format!("{stdout}{stderr}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        let pasted = Command::new("bash")
            .arg("-c")
            .arg(hint.replacen("raftlog", env!("CARGO_BIN_EXE_raftlog"), 1))
            .output()
            .expect("bash");
        assert_eq!(pasted.status.code(), Some(0), "{hint}: {pasted:?}");
    }
}

#[test]
fn errors_say_what_where_and_next_and_keep_stdout_empty() {
    let (code, stdout, stderr) = run("inspect /nowhere/at/all");
    assert_eq!((code, stdout.as_str()), (10, ""));
    assert!(stderr.starts_with("error: /nowhere/at/all"), "{stderr}");
    assert!(stderr.contains("\nhint: ") && stderr.ends_with("docs: raftlog explain not-found\n"));
}

#[test]
fn json_is_whole_although_the_command_failed() {
    let (code, stdout, stderr) = run("inspect /nowhere/at/all --json");
    assert_eq!(code, 10);
    assert!(stderr.starts_with("error: "), "the same is on stderr: {stderr}");
    let envelope: Value = serde_json::from_str(&stdout).expect("one object");
    let keys: Vec<&String> = envelope.as_object().expect("an object").keys().collect();
    let all = [
        "command",
        "error",
        "exit_code",
        "exit_name",
        "findings",
        "result",
        "schema",
        "source",
        "summary",
        "tool",
    ];
    let mut sorted: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    sorted.sort_unstable();
    assert_eq!(sorted, all);
    assert_eq!(envelope["schema"], "raftlog.inspect/1");
    assert_eq!(envelope["exit_name"], "not-found");
    assert_eq!(envelope["error"]["kind"], "not-found");
    assert!(envelope["result"].is_null());

    let (code, stdout, _) = run("inspect /nowhere/at/all --entries --json");
    assert_eq!(code, 10);
    let lines: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [source, summary] = lines.as_slice() else { panic!("{stdout}") };
    assert_eq!((&source["type"], &source["format"]), (&"source".into(), &Value::Null));
    assert_eq!((&summary["type"], &summary["exit_code"]), (&"summary".into(), &10.into()));
    assert_eq!(summary["error"]["kind"], "not-found");
}

#[test]
fn quiet_leaves_only_the_result_and_verbose_tells_why_and_how_long() {
    let (_, normal, hints) = run("inspect {} --state");
    let (code, quiet, nothing) = run("inspect {} --state --quiet");
    assert_eq!((code, nothing.as_str()), (0, ""));
    assert_eq!(quiet, normal);
    assert!(hints.contains("next: "));
    let (_, _, verbose) = run("inspect {} --state --verbose");
    assert!(verbose.contains("magic number of redb") && verbose.contains("\ntook "), "{verbose}");
}

#[test]
fn names_from_a_file_cannot_move_the_cursor() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("evil.redb");
    let names = ["\u{1b}[31mred", "two\nlines", "left\u{202e}right", "-", ""];
    let format = raftlog::store::Format::Redb;
    support::made::store_with_groups(&path, format, &names, b"\x1b]0;title\x07\xe2\x80\xae");
    let path = path.to_str().expect("UTF-8");
    for arguments in [
        format!("inspect {path}"),
        format!("inspect {path} --state"),
        format!("inspect {path} --stats"),
        format!("inspect {path} --entries --payload utf8"),
        format!("inspect {path} --records"),
        format!("verify {path}"),
        format!("diff {path} {{}}"),
        format!("inspect {path} --group nobody"),
    ] {
        let (_, stdout, stderr) = run(&arguments);
        let text = format!("{stdout}{stderr}");
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(bad), "{arguments}: {text:?}");
        assert!(!text.contains("two\nlines"), "{arguments}: {text:?}");
    }
    let (_, stdout, _) = run(&format!("inspect {path}"));
    for shown in ["\"\\x1b[31mred\"", "\"two\\nlines\"", "\"left\\u{202e}right\"", "\"-\"", "\"\""]
    {
        let shown = shown.replace("\"\\x1b[31mred\"", "\\x1b[31mred");
        let found = stdout.contains(&shown) || stdout.contains(shown.trim_matches('"'));
        assert!(found, "{shown} in {stdout}");
    }
}

#[test]
fn csv_has_a_header_and_as_many_fields_in_every_row() {
    for (flags, header) in [
        ("--entries", "group,index,term,kind,size_bytes,appended_at,extensions_bytes"),
        (
            "--entries --payload digest",
            "group,index,term,kind,size_bytes,appended_at,extensions_bytes,sha256",
        ),
        (
            "--entries --payload auto",
            "group,index,term,kind,size_bytes,appended_at,extensions_bytes,data,data_b64",
        ),
        (
            "--records",
            "file,offset_bytes,len_bytes,record_kind,group,first_index,last_index,entries,\
             checksum,status",
        ),
    ] {
        let (code, stdout, stderr) = run(&format!("inspect {{}} {flags} --format csv"));
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(stdout.lines().next(), Some(header));
        let mut reader = csv::Reader::from_reader(stdout.as_bytes());
        let rows = reader.records().collect::<Result<Vec<_>, _>>().expect("as many fields").len();
        assert!(rows > 3, "{flags}: {rows}");
    }
}

#[test]
fn an_unknown_topic_is_not_found_and_the_list_is_on_stderr() {
    let (code, stdout, stderr) = run("explain R999");
    assert_eq!((code, stdout.as_str()), (10, ""));
    for topic in ["R101", "R127", "not-found (10)", "appended-at"] {
        assert!(stderr.contains(topic), "{topic}: {stderr}");
    }
    let (code, stdout, stderr) = run("explain r114");
    assert_eq!((code, stderr.as_str()), (0, ""));
    for label in ["R114", "cause", "risk", "remedy"] {
        assert!(stdout.contains(label), "{stdout}");
    }
}

#[test]
fn a_held_lock_names_its_holder_and_may_be_waited_for() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("held.redb");
    fs::copy(redb("redb-twins", "twin-v1"), &path).expect("copy");
    let held = fs::File::open(&path).expect("open");
    held.lock().expect("a lock");
    let (code, stdout, stderr) = told(&raftlog([OsStr::new("verify"), path.as_os_str()]));
    assert_eq!((code, stdout.as_str()), (11, ""), "{stderr}");
    let pid = format!("(pid {})", std::process::id());
    assert!(stderr.contains("is in use by ") && stderr.contains(&pid), "{stderr}");
    assert!(stderr.contains("--lock-timeout 30s\n"), "{stderr}");
    let mut waits = binary()
        .args([Path::new("verify"), &path, Path::new("--lock-timeout"), Path::new("30s")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    support::wait_until("it tries the lock", || support::has_open(waits.id(), &path));
    assert!(waits.try_wait().expect("state").is_none(), "it waits");
    held.unlock().expect("unlocked");
    let output = waits.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn several_paths_are_all_reported_and_the_gravest_wins() {
    let (code, stdout, stderr) = run("verify {} /nowhere/at/all");
    assert_eq!((code, stdout.as_str()), (10, ""));
    assert!(stderr.contains("   redb   sound\n") && stderr.contains("error: /nowhere/at/all"));

    let damaged = redb("redb-damaged", "dmg-leaf-value");
    let damaged = damaged.display();
    let (code, stdout, stderr) = run(&format!("verify {{}} {damaged} /nowhere/at/all"));
    assert_eq!(code, 1);
    assert!(stdout.contains("   redb   sound\n") && stdout.contains("NOT SOUND: 1 error"));
    assert!(stderr.contains("error: /nowhere/at/all"));

    let (code, stdout, _) = run(&format!("verify {{}} {damaged} /nowhere/at/all --json"));
    assert_eq!(code, 1);
    let envelope: Value = serde_json::from_str(&stdout).expect("one object");
    assert_eq!(envelope["source"], Value::Null);
    assert_eq!(envelope["sources"].as_array().map(Vec::len), Some(3));
    let stores = envelope["result"]["stores"].as_array().expect("stores");
    let sound: Vec<&Value> = stores.iter().map(|store| &store["sound"]).collect();
    assert_eq!(sound, [&Value::Bool(true), &Value::Bool(false), &Value::Bool(false)]);
    assert_eq!(stores[2]["error"]["kind"], "not-found");
}

#[test]
fn refusals_name_the_command_that_goes_on() {
    let dir = tempfile::tempdir().expect("directory");
    let at = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    let (missing, log, archive) = (at("missing/log"), at("log"), at("a.tar.gz"));
    for arguments in
        [format!("migrate {{}} {missing} --to fastlog"), format!("backup {{}} {missing}")]
    {
        let (code, stdout, stderr) = run(&arguments);
        assert_eq!((code, stdout.as_str()), (10, ""), "{stderr}");
        assert!(stderr.contains(&format!("hint: mkdir -p {}\n", at("missing"))), "{stderr}");
    }
    for (partial, arguments) in [
        (at("log.partial"), format!("migrate {{}} {log} --to fastlog")),
        (at("a.tar.gz.partial"), format!("backup {{}} {archive}")),
    ] {
        fs::write(&partial, "left by an interrupted run").expect("leftover");
        let (code, stdout, stderr) = run(&arguments);
        assert_eq!((code, stdout.as_str()), (12, ""), "{stderr}");
        let hint = stderr.lines().find_map(|line| line.strip_prefix("hint: raftlog "));
        assert!(hint.is_some_and(|hint| hint.ends_with(" --yes")), "{stderr}");
        let (code, _, stderr) = run(&format!("{arguments} --yes"));
        assert_eq!(code, 0, "{stderr}");
        assert!(!Path::new(&partial).exists());
    }
    let (code, stdout, stderr) = run(&format!("inspect {archive}"));
    assert_eq!((code, stdout.as_str()), (15, ""), "{stderr}");
    assert!(stderr.contains(&format!("hint: raftlog verify {archive}\n")), "{stderr}");

    let holes = redb("redb-logical", "holes");
    let holes = holes.display();
    let (code, _, stderr) = run(&format!("migrate {holes} {} --to fastlog", at("dense")));
    assert_eq!(code, 12, "{stderr}");
    assert!(!stderr.contains("--allow-loss"), "accepting it would not help: {stderr}");
}

#[test]
fn damage_that_leaves_nothing_to_open_is_a_verdict_all_the_same() {
    let slots = redb("redb-damaged", "dmg-slots");
    let slots = slots.display();
    let (code, stdout, stderr) = run(&format!("verify {slots}"));
    assert_eq!(code, 1);
    assert!(
        stdout.contains("NOT SOUND: 1 error\n") && stdout.contains("error   R119  "),
        "{stdout}"
    );
    assert!(!stderr.contains("error:"), "{stderr}");
    let (code, stdout, _) = run(&format!("verify {slots} --json"));
    assert_eq!(code, 1);
    let envelope: Value = serde_json::from_str(&stdout).expect("one object");
    assert_eq!(envelope["findings"][0]["code"], "R119");
    assert_eq!(envelope["result"]["stores"][0]["sound"], false);

    let (code, stdout, stderr) = run(&format!("inspect {slots}"));
    assert_eq!((code, stdout.as_str()), (1, ""));
    for label in ["  place:    offset 192, 128 bytes\n", "  expected: ", "  found:    ", "docs: "] {
        assert!(stderr.contains(label), "{label} in {stderr}");
    }
}
