use std::path::{Path, PathBuf};

use crate::backup::{self, VerdictFinding};
use crate::cli::advice;
use crate::cli::arguments::Verify;
use crate::cli::failure::{Context, Failure, Kind};
use crate::cli::inspect::{opened, recognised};
use crate::cli::quote::{of_group, quoted_path};
use crate::cli::session::{Answer, Session, exit_of, source_of, unknown_source, usage};
use crate::cli::values::level_word;
use crate::model::{Code, Fault, FaultKind, Findings, GroupId, LogIndex, Place, Severity};
use crate::report::findings::explain_commands;
use crate::report::{Exit, Source, Sources, StoreVerdict, Verdicts};
use crate::store::{Detected, Format, OpenOptions, detect};
use crate::verify::{self, Options};

/// What was found out about one PATH.
struct Judged {
    source: Source,
    verdict: StoreVerdict,
    findings: Findings,
    failure: Option<Failure>,
    exit: Exit,
    elapsed_ms: u64,
}

/// Runs `verify`.
pub fn run(session: &Session, arguments: &Verify) -> Exit {
    let shape = match arguments.output.single("verify") {
        Ok(shape) => shape,
        Err(failure) => return usage(&failure, session.err),
    };
    let mut judged = Vec::new();
    for path in &arguments.paths {
        judged.push(judge(session, arguments, path));
        if session.interruption.exit().is_some() {
            break;
        }
    }
    let answer = together(session, arguments, judged);
    session.answer(answer, shape, Some(arguments.tell))
}

/// One answer about all of them.
fn together(session: &Session, arguments: &Verify, judged: Vec<Judged>) -> Answer<Verdicts> {
    let exit = judged.iter().map(|judged| judged.exit).fold(Exit::Ok, Exit::or_graver);
    let mut answer = Answer::new("verify", Sources::None);
    answer.exit = exit;
    let mut sources = Vec::new();
    let mut verdicts = Verdicts::default();
    for (judged, path) in judged.into_iter().zip(&arguments.paths) {
        session.tell_evidence(arguments.tell, &judged.source);
        match judged.failure {
            // The failure that decides is told last; the others at their place.
            Some(failure) if answer.failure.is_none() && failure.kind.exit() == exit => {
                answer.failure = Some(failure);
            }
            Some(failure) => crate::report::output::tell(&failure.text(session.err)),
            None => {
                if !answer.text.is_empty() {
                    answer.text.push('\n');
                }
                answer.text.push_str(&judged.verdict.text(
                    &judged.findings,
                    judged.elapsed_ms,
                    session.out,
                ));
                let is_archive = judged.verdict.format.as_deref() == Some("archive");
                let was_opened = judged.verdict.error.is_none();
                let format = judged.source.format.as_deref();
                let recorded = judged.verdict.recorded.as_ref();
                if recorded.is_some_and(|recorded| recorded.sound.is_none()) {
                    answer.next.push(judge_restored(path));
                } else if let Some(repair) =
                    advice::salvage_command(&session.context(path), format, &judged.findings)
                {
                    answer.next.push(repair);
                } else if judged.exit != Exit::Ok && was_opened && !is_archive {
                    let context = session.context(path);
                    answer.next.extend(closer_look(&context, format, &judged.findings));
                }
            }
        }
        answer.findings.merge(judged.findings);
        sources.push(judged.source);
        verdicts.stores.push(judged.verdict);
    }
    answer.next.truncate(1);
    answer.next.extend(explain_commands(&answer.findings));
    answer.sources = match (arguments.paths.len(), sources.pop()) {
        (1, Some(source)) => Sources::One(source),
        (_, last) => Sources::Many(sources.into_iter().chain(last).collect()),
    };
    answer.result = Some(verdicts);
    answer
}

/// The command that shows what the gravest finding is about.
fn closer_look(context: &Context, format: Option<&str>, findings: &Findings) -> Option<String> {
    let path = &context.path;
    let first = findings.kept().max_by_key(|fault| fault.severity)?;
    let selector = match (first.code, first.index) {
        (Code::R114, _) if format == Some(Format::RaftFastlog.as_str()) => {
            return Some(anew(path, Format::RaftFastlog));
        }
        (Code::R105 | Code::R106 | Code::R113 | Code::R118 | Code::R125, _) => "--state".to_owned(),
        (Code::R114 | Code::R115 | Code::R116 | Code::R119 | Code::R123, _) => {
            "--records".to_owned()
        }
        (Code::R104, _) => return Some(anew(path, Format::RaftFastlog)),
        (Code::R121, _) if format == Some(Format::RaftWal.as_str()) => {
            return Some(anew(path, Format::RaftWal));
        }
        (Code::R117, _) => return None,
        (_, Some(index)) => {
            let first = index.0.saturating_sub(1);
            format!("--entries --index {first}..{}", index.0.saturating_add(1))
        }
        (_, None) => return None,
    };
    let group = of_group(first.group.as_ref().filter(|group| group.name().is_some()));
    let told = context.told();
    Some(format!("raftlog inspect {} {selector}{group}{told}", quoted_path(path)))
}

/// The command that writes a log anew, as its own library reads it.
fn anew(path: &Path, format: Format) -> String {
    let (path, new) = (quoted_path(path), quoted_path(&new_beside(path)));
    format!("raftlog migrate {path} {new} --to {format}")
}

/// A name for what a store is written to anew.
fn new_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn judge(session: &Session, arguments: &Verify, path: &Path) -> Judged {
    let began = session.elapsed_ms();
    let (reading, redb) = (arguments.reading.reading, arguments.redb.told());
    let alone = arguments.alone;
    let options = OpenOptions { alone, reading, redb, ..OpenOptions::default() };
    let mut judged = match detect::detect(&session.fs, path, &options) {
        Ok(Detected::Archive { evidence }) => judge_archive(session, arguments, path, evidence),
        Ok(Detected::Store(_)) => judge_store(session, arguments, path, &options),
        Err(error) => {
            let failure = advice::of_store(error, &session.context(path));
            unjudged(arguments, unknown_source(path), failure)
        }
    };
    judged.elapsed_ms = session.elapsed_ms().saturating_sub(began);
    judged
}

fn judge_store(
    session: &Session,
    arguments: &Verify,
    path: &Path,
    options: &OpenOptions,
) -> Judged {
    let context = session.context(path);
    let opened = match opened(session, path, (arguments.lock, arguments.tell), options) {
        Ok(opened) => opened,
        Err(error) => {
            let failure = advice::of_store(error, &session.context(path));
            return unjudged(arguments, recognised(session, path, options), failure);
        }
    };
    let source = source_of(&opened.description);
    let time = session.time();
    let mut watch = session.watch(arguments.tell, &time);
    let options = Options { level: arguments.level, group: arguments.group.chosen() };
    let verified = verify::verify((&opened).into(), &options, &mut watch);
    watch.end();
    match verified {
        Ok(outcome) => Judged {
            source,
            exit: exit_of(&outcome.findings, arguments.strict),
            verdict: StoreVerdict::of_store(outcome.verdict),
            findings: outcome.findings,
            failure: None,
            elapsed_ms: 0,
        },
        Err(error) => {
            let failure = advice::of_verify(error, &context, session.interruption.exit());
            unjudged(arguments, source, failure)
        }
    }
}

fn judge_archive(
    session: &Session,
    arguments: &Verify,
    path: &Path,
    evidence: Vec<String>,
) -> Judged {
    let mut source = unknown_source(path);
    source.format = Some("archive".to_owned());
    source.evidence = evidence;
    if arguments.group.chosen().is_some() {
        return unjudged(arguments, source, group_of_archive(session, path));
    }
    let time = session.time();
    let mut watch = session.watch(arguments.tell, &time);
    let checked = backup::verify(&session.fs, path, arguments.level, &mut watch);
    watch.end();
    let checked = match checked {
        Ok(checked) => checked,
        Err(error) => {
            let context = session.context(path);
            let failure = advice::of_backup(error, &context, session.interruption.exit());
            return unjudged(arguments, source, failure);
        }
    };
    source.files = vec![crate::report::SourceFile {
        path: source.path.clone(),
        size_bytes: checked.archive_bytes,
    }];
    let mut findings = checked.findings.clone();
    if let Some(manifest) = &checked.manifest {
        findings.extend(manifest.verdict.findings.iter().filter_map(recorded));
        if manifest.verdict.sound.is_none() {
            findings.add(unasked(manifest.verdict.not_judged.as_deref()));
        }
    }
    let level = level_word(arguments.level).to_owned();
    Judged {
        exit: exit_of(&findings, arguments.strict),
        verdict: StoreVerdict::of_archive(
            source.path.clone(),
            level,
            &checked,
            findings.is_sound(),
        ),
        source,
        findings,
        failure: None,
        elapsed_ms: 0,
    }
}

/// What `backup` recorded of the store, as a finding of today.
fn recorded(line: &VerdictFinding) -> Option<Fault> {
    let code = Code::ALL.iter().copied().find(|code| code.as_str() == line.code)?;
    let severity = [Severity::Error, Severity::Warning, Severity::Info]
        .into_iter()
        .find(|severity| severity.as_str() == line.severity)?;
    let found = match line.count {
        1 => format!("recorded by the backup: {}", line.message),
        count => format!("recorded by the backup, {count} times: {}", line.message),
    };
    let mut fault = Fault::new(code, FaultKind::Note { found }).as_severity(severity);
    fault.group = line.group.as_deref().map(GroupId::named);
    fault.index = line.index.map(LogIndex);
    fault.place = line.place.as_ref().map(|place| Place {
        file: Path::new(&place.file).into(),
        offset_bytes: place.offset_bytes,
        len_bytes: place.len_bytes,
    });
    Some(fault)
}

/// The store in an archive was never judged: its digests prove that it is the one that was backed
/// up, not that it is sound.
fn unasked(reason: Option<&str>) -> Fault {
    let reason = reason.unwrap_or("the manifest does not say why");
    let found = format!("every digest fits, but the rules were not asked of this store: {reason}");
    Fault::new(Code::R121, FaultKind::Note { found }).as_severity(Severity::Warning)
}

/// Digests and the recorded verdict are of the whole archive; nothing in it is judged anew.
fn group_of_archive(session: &Session, path: &Path) -> Failure {
    let message = format!(
        "{}: an archive is verified as a whole; --group and --unnamed pick from a store",
        path.display()
    );
    Failure::new(Kind::Usage, message)
        .hint(session.context(path).on_path("verify"))
        .hint(format!("raftlog restore {} restored, then verify that", quoted_path(path)))
        .docs(Exit::Usage.name())
}

/// What to do with an archive whose store was not judged.
fn judge_restored(path: &Path) -> String {
    format!("raftlog restore {} restored && raftlog verify restored", quoted_path(path))
}

/// A PATH that could not be judged. Damage that left nothing to open is a verdict all the same.
fn unjudged(arguments: &Verify, source: Source, mut failure: Failure) -> Judged {
    let level = level_word(arguments.level).to_owned();
    let verdict = StoreVerdict::of_failure(source.path.clone(), level, failure.note());
    let exit = failure.kind.exit();
    let mut findings = std::mem::take(&mut failure.findings);
    findings.extend(failure.told.take());
    let is_verdict = failure.kind == Kind::Damaged && findings.total() > 0;
    Judged {
        source,
        verdict,
        findings,
        failure: (!is_verdict).then_some(failure),
        exit,
        elapsed_ms: 0,
    }
}
