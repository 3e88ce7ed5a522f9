use schemars::JsonSchema;
use serde::Serialize;

/// How the program ends. Scripts rely on these numbers; they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Done; sound; identical.
    Ok,
    /// Completed, and the answer is no.
    Findings,
    /// Bad flags or arguments.
    Usage,
    /// Completed; what was found is worth a look.
    Warnings,
    /// Something was produced, not everything.
    Partial,
    /// Path missing, or no known format there.
    NotFound,
    /// In use by a live process; nothing touched.
    Locked,
    /// A safeguard.
    Refused,
    /// Our own read-back or compare failed.
    Mismatch,
    /// Read, write, permission, disk full.
    Io,
    /// Format known, version or feature not.
    Unsupported,
    /// A bug in raftlog.
    Internal,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM or SIGHUP.
    Terminated,
}

impl Exit {
    /// Every way to end, ascending by number.
    pub const ALL: [Exit; 14] = [
        Exit::Ok,
        Exit::Findings,
        Exit::Usage,
        Exit::Warnings,
        Exit::Partial,
        Exit::NotFound,
        Exit::Locked,
        Exit::Refused,
        Exit::Mismatch,
        Exit::Io,
        Exit::Unsupported,
        Exit::Internal,
        Exit::Interrupted,
        Exit::Terminated,
    ];

    /// The number that a shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Warnings => 3,
            Exit::Partial => 4,
            Exit::NotFound => 10,
            Exit::Locked => 11,
            Exit::Refused => 12,
            Exit::Mismatch => 13,
            Exit::Io => 14,
            Exit::Unsupported => 15,
            Exit::Internal => 70,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        }
    }

    /// The name in JSON and for `explain`.
    pub fn name(self) -> &'static str {
        match self {
            Exit::Ok => "ok",
            Exit::Findings => "findings",
            Exit::Usage => "usage",
            Exit::Warnings => "warnings",
            Exit::Partial => "partial",
            Exit::NotFound => "not-found",
            Exit::Locked => "locked",
            Exit::Refused => "refused",
            Exit::Mismatch => "mismatch",
            Exit::Io => "io",
            Exit::Unsupported => "unsupported",
            Exit::Internal => "internal",
            Exit::Interrupted | Exit::Terminated => "cancelled",
        }
    }

    /// Whether the command could not do what it was asked: no answer, and nothing on stdout in
    /// text mode.
    pub fn is_operational(self) -> bool {
        matches!(self.code(), 2 | 10..=15 | 70)
    }

    /// How grave this is beside others when several stores are judged: 1 wins, then 70, then 10 to
    /// 15 (the first of them), then 3.
    fn rank(self) -> u8 {
        match self {
            Exit::Interrupted | Exit::Terminated => 6,
            Exit::Findings => 5,
            Exit::Internal => 4,
            Exit::Usage
            | Exit::NotFound
            | Exit::Locked
            | Exit::Refused
            | Exit::Mismatch
            | Exit::Io
            | Exit::Unsupported => 3,
            Exit::Partial => 2,
            Exit::Warnings => 1,
            Exit::Ok => 0,
        }
    }

    /// The graver of two; this one where both are equally grave.
    pub fn or_graver(self, other: Exit) -> Exit {
        if other.rank() > self.rank() { other } else { self }
    }
}

/// The number and the name of an end, as JSON has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExitNote {
    /// The number.
    pub exit_code: u8,
    /// The name.
    pub exit_name: &'static str,
}

impl From<Exit> for ExitNote {
    fn from(exit: Exit) -> ExitNote {
        ExitNote { exit_code: exit.code(), exit_name: exit.name() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_frozen() {
        let all: Vec<(u8, &str)> =
            Exit::ALL.iter().map(|exit| (exit.code(), exit.name())).collect();
        assert_eq!(
            all,
            [
                (0, "ok"),
                (1, "findings"),
                (2, "usage"),
                (3, "warnings"),
                (4, "partial"),
                (10, "not-found"),
                (11, "locked"),
                (12, "refused"),
                (13, "mismatch"),
                (14, "io"),
                (15, "unsupported"),
                (70, "internal"),
                (130, "cancelled"),
                (143, "cancelled"),
            ]
        );
    }

    #[test]
    fn findings_win_over_a_missing_path_and_that_over_warnings() {
        let worst = |ends: &[Exit]| ends.iter().copied().fold(Exit::Ok, Exit::or_graver);
        assert_eq!(worst(&[]), Exit::Ok);
        assert_eq!(worst(&[Exit::Warnings, Exit::Ok]), Exit::Warnings);
        assert_eq!(worst(&[Exit::Warnings, Exit::Locked, Exit::NotFound]), Exit::Locked);
        assert_eq!(worst(&[Exit::NotFound, Exit::Findings, Exit::Warnings]), Exit::Findings);
    }
}
