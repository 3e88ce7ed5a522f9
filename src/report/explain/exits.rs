use crate::report::Exit;
use crate::report::explain::Explanation;

pub(super) fn explain(exit: Exit) -> Explanation {
    match exit {
        Exit::Ok | Exit::Findings | Exit::Usage | Exit::Warnings | Exit::Partial => answered(exit),
        Exit::NotFound
        | Exit::Locked
        | Exit::Refused
        | Exit::Mismatch
        | Exit::Io
        | Exit::Unsupported
        | Exit::Internal
        | Exit::Interrupted
        | Exit::Terminated => unfinished(exit),
    }
}

fn answered(exit: Exit) -> Explanation {
    let (cause, risk, remedy) = match exit {
        Exit::Ok => (
            "The command did what it was asked: done, sound, or identical.",
            "None. Informational findings may still be listed.",
            "Nothing to do.",
        ),
        Exit::Findings => (
            "The command completed, and the answer is no: damage, a broken rule, stores that \
             differ, an archive that is not whole, or a source too damaged to migrate.",
            "Each finding has a code that says what it means.",
            "Run `raftlog explain CODE` for the codes listed.",
        ),
        Exit::Usage => (
            "A flag or argument is missing, unknown, or does not go with another one.",
            "None: nothing was opened.",
            "Run the command with --help; it begins with examples.",
        ),
        Exit::Warnings => (
            "The command completed, and what was found is worth a look: a torn tail after a crash, \
             a leftover file, or what a migration took along as the source has it.",
            "None for what was done. What was found in a source is in its copy too.",
            "Read the findings once. With `verify --strict` warnings count as findings (1).",
        ),
        _ => (
            "Something was produced, but not everything: what could not be read was left out.",
            "The result has holes, which are listed.",
            "Complete it from a backup or a peer.",
        ),
    };
    Explanation { cause, risk, remedy }
}

fn unfinished(exit: Exit) -> Explanation {
    let (cause, risk, remedy) = match exit {
        Exit::NotFound => (
            "The path, the group or the topic does not exist, or there is no known format at \
             the path.",
            "None: nothing was read or written.",
            "Check the path. `raftlog formats` lists how formats are recognised.",
        ),
        Exit::Locked => (
            "A live process has the store open, as its lock shows.",
            "None: nothing was touched. Reading a store that is being written would give a \
             wrong picture.",
            "Stop the server, or wait for it with --lock-timeout 30s.",
        ),
        Exit::Refused => (
            "A safeguard: the target is not empty, lies inside its source, would lose something \
             that was not accepted, or a confirmation is needed and there is no terminal.",
            "None: nothing was written.",
            "Read what would be lost or replaced; then accept it by name (--allow-loss NAME, \
             --accept CODE, --yes), or name another target.",
        ),
        Exit::Mismatch => (
            "What raftlog had written did not read back or compare as it should. Memory, disk, \
             or a defect of raftlog is to blame.",
            "The target is not to be used. The source is untouched.",
            "The target was set aside as .failed for a look. Try again on another disk, and \
             report it.",
        ),
        Exit::Io => (
            "The system refused to read or write: permission, a full disk, a failing device.",
            "A target that was begun has been removed; the source is untouched.",
            "Read the cause; check permissions, `df -h`, `dmesg`.",
        ),
        Exit::Unsupported => (
            "The format is known, but not in this version or with this feature.",
            "None: nothing was written.",
            "The error names the way out, for instance upgrading the file with its own library. \
             `raftlog formats` lists what is read and written.",
        ),
        Exit::Internal => (
            "A defect in raftlog.",
            "The source is untouched; a partial target may have been left as .partial.",
            "Please report it with the command and the message.",
        ),
        Exit::Interrupted => (
            "Ctrl-C (SIGINT) stopped the command.",
            "None: a partial target was removed. A second Ctrl-C ends at once and may leave a \
             .partial.",
            "Run it again; a .partial that was left is replaced with --yes.",
        ),
        _ => (
            "SIGTERM stopped the command, or SIGHUP: its terminal went away. Under nohup the \
             latter does not.",
            "None: a partial target was removed before the end.",
            "Run it again. A .partial left by a harder end is replaced with --yes.",
        ),
    };
    Explanation { cause, risk, remedy }
}
