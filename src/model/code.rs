use std::fmt;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; changes no exit code.
    Info,
    /// Harmless or healed by the next start; exit code 3.
    Warning,
    /// The answer is no; exit code 1.
    Error,
}

impl Severity {
    /// The word in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

macro_rules! codes {
    ($($name:ident $severity:ident $title:literal)*) => {
        /// A rule of `raftlog verify`, by its stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)]
        pub enum Code { $(#[doc = $title] $name,)* }

        impl Code {
            /// Every code, ascending.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The code as printed.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => stringify!($name),)* }
            }

            /// The rule in one line.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }

            /// How grave a finding of this rule usually is; circumstances may soften it.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    R101 Error "hole in the index sequence"
    R102 Error "term goes down as index goes up"
    R103 Error "one index twice with different content among live entries"
    R104 Error "ghost: a deleted entry that the format's own loader brings back"
    R105 Error "commit index above the last index"
    R106 Error "current term below the last entry's term, or vote term above the current term"
    R107 Error "snapshot index below first index - 1"
    R108 Error "snapshot term differs from the entry at the same index"
    R109 Error "snapshot checksum wrong or missing"
    R110 Warning "no membership in snapshot or log, or a membership entry that does not decode"
    R111 Warning "entry above the server's size limit"
    R112 Warning "unknown entry type, or unfinished chunk sequence"
    R113 Error "no current term although entries exist"
    R114 Warning "torn tail, zero tail or unfinished last batch"
    R115 Error "damage before the last good record: corruption"
    R116 Error "segment sequence broken, or two generations present"
    R117 Warning "leftovers: temporary, partial, broken or second-backend files"
    R118 Error "applied index above the commit index"
    R119 Error "page graph, page checksums, row counts, freelist, meta pages or slots"
    R120 Error "key and decoded index differ"
    R121 Warning "whole, but its own library refuses or misreads it"
    R122 Error "entry does not decode"
    R123 Warning "the newest commit did not verify, an older one was used"
    R124 Warning "bytes after the end of an encoded entry"
    R125 Error "stable value that cannot be what its key says"
    R126 Info "the log begins above 1 and no snapshot is in view"
    R127 Error "index outside what the format or schema can hold"
    R128 Info "what the format lets nobody prove: bytes without a checksum, a file without a lock"
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
