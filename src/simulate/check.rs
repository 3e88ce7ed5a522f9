use std::fmt;

macro_rules! checks {
    ($($name:ident $word:literal $title:literal)*) => {
        /// What must hold after recovery, by its stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)]
        pub enum Check { $(#[doc = $title] $name,)* }

        impl Check {
            /// Every check, ascending.
            pub const ALL: &'static [Check] = &[$(Check::$name,)*];

            /// The code as printed.
            pub fn as_str(self) -> &'static str {
                match self { $(Check::$name => stringify!($name),)* }
            }

            /// Its name in a word or two.
            pub fn word(self) -> &'static str {
                match self { $(Check::$name => $word,)* }
            }

            /// What must hold, in one line.
            pub fn title(self) -> &'static str {
                match self { $(Check::$name => $title,)* }
            }
        }
    };
}

checks! {
    S01 "opens" "recovery ends, with success or a typed refusal; after a crash with success"
    S02 "promised" "every operation that was promised is there"
    S03 "no hole" "the indexes of a group are consecutive from its first index"
    S04 "bounded loss" "what is lost stays within the bounds of the mode"
    S05 "exact" "index, term, kind, payload and extra of every entry are bit for bit as written"
    S06 "no ghost by conflict" "no entry returns that a recovered truncation or conflict removed"
    S07 "no ghost by compaction" "no entry returns that a recovered compaction dropped"
    S08 "state" "term, vote and commit index are never below what was promised"
    S09 "atomic" "of a batch over several groups all is there, or nothing"
    S10 "marker" "behind a recovered snapshot marker nothing stays that it covers"
    S11 "torn tail" "a torn tail is cut at the border of a frame and reported"
    S12 "corruption" "damage before the sync point is refused or flagged, never cut"
    S13 "twice" "recovering again changes nothing, and a crash meanwhile loses nothing promised"
    S14 "alive" "after recovery the next index is accepted in each group, and survives"
    S15 "watermark" "the durable watermark never named what a power cut could take"
    S16 "visible" "no reader at level 1, disk-first, ever saw an entry that was lost later"
    S17 "quiet" "nothing that a crash can leave is called corrupt"
    S18 "whole target" "a target under its final name is complete and equal, or not there"
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
