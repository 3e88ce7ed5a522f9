//! A run of `inspect --entries --follow`, read line by line.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::told;

/// A run that follows a store.
pub struct Following {
    /// The process.
    pub child: Child,
    /// What it prints.
    pub lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Following {
    pub fn of(path: &Path, rest: &[&str]) -> Following {
        let mut child = Command::new(env!("CARGO_BIN_EXE_raftlog"))
            .args(["inspect", "--entries", "--follow", "--format", "jsonl"])
            .args(rest)
            .arg(path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        Following { child, lines }
    }

    /// Waits for the next line on stderr.
    pub fn told(&mut self) -> String {
        let pipe = self.child.stderr.as_mut().expect("stderr");
        let (mut line, mut byte) = (Vec::new(), [0]);
        while byte != *b"\n" && pipe.read(&mut byte).expect("readable") == 1 {
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("text")
    }

    /// Index and term of the next entry; `None` behind the last.
    pub fn next(&mut self) -> Option<(u64, u64)> {
        loop {
            let line = self.lines.next()?.expect("a line");
            let line: Value = serde_json::from_str(&line).expect("JSON");
            assert_ne!(line["type"], "finding", "{line}");
            if line["type"] == "entry" {
                let number = |key: &str| line[key].as_u64().expect("a number");
                return Some((number("index"), number("term")));
            }
        }
    }

    /// The code and the index of the next finding, and how many entries come before it.
    pub fn finding(&mut self) -> (String, u64) {
        let lines = self.lines.by_ref().map(|line| line.expect("a line"));
        let mut found = lines.map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
        let found = found.find(|line| line["type"] == "finding").expect("a finding");
        (found["code"].as_str().expect("code").to_owned(), found["index"].as_u64().expect("index"))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a pid");
        kill_process(Pid::from_raw(id).expect("a pid"), signal).expect("sent");
    }

    /// Ends it, and gives what it wrote to stderr.
    pub fn killed(mut self) -> String {
        self.child.kill().expect("killed");
        let mut err = String::new();
        let mut pipe = self.child.stderr.take().expect("stderr");
        pipe.read_to_string(&mut err).expect("text");
        self.child.wait().expect("ended");
        err
    }

    /// The indexes of the entries up to and with `last`.
    pub fn through(&mut self, last: u64) -> Vec<u64> {
        let mut indexes = Vec::new();
        while indexes.last() != Some(&last) {
            indexes.push(self.next().expect("more entries").0);
        }
        indexes
    }

    /// The indexes up to the end, which must be a good one.
    pub fn rest(mut self) -> Vec<u64> {
        let indexes = std::iter::from_fn(|| self.next()).map(|(index, _)| index).collect();
        let (code, _, err) = told(&self.child.wait_with_output().expect("ended"));
        assert_eq!(code, 0, "{err}");
        indexes
    }

    /// Bytes that the process has read so far, and the time of a processor that it took.
    pub fn cost(&self) -> (u64, u64) {
        let proc = Path::new("/proc").join(self.child.id().to_string());
        let io = fs::read_to_string(proc.join("io")).expect("counted");
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")).expect("a line");
        let stat = fs::read_to_string(proc.join("stat")).expect("counted");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<u64>().expect("ticks");
        (read.parse().expect("a number"), ticks(12) + ticks(13))
    }
}
