use std::fmt;

/// What a file system may do with writes that no sync has covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// No more than POSIX promises: names, sizes and pages reach the disk in any order.
    #[default]
    StrictPosix,
    /// ext4 with `data=ordered`: a journal of names and sizes; data before the size that shows it.
    Ext4Ordered,
    /// XFS: a journal of names and sizes; a new size may show zeros.
    Xfs,
    /// Everything reaches the disk in the order in which it was issued.
    NoReorder,
    /// Only the process dies: all that was issued is there.
    Kill,
    /// Nothing reaches the disk without a sync.
    Drop,
}

impl Profile {
    /// Every profile, the gate first.
    pub const ALL: [Profile; 6] = [
        Profile::StrictPosix,
        Profile::Ext4Ordered,
        Profile::Xfs,
        Profile::NoReorder,
        Profile::Kill,
        Profile::Drop,
    ];

    /// The name in every output and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::StrictPosix => "strict-posix",
            Profile::Ext4Ordered => "ext4-ordered",
            Profile::Xfs => "xfs",
            Profile::NoReorder => "no-reorder",
            Profile::Kill => "kill",
            Profile::Drop => "drop",
        }
    }

    /// The profile of a name, or `None`.
    pub fn from_name(name: &str) -> Option<Profile> {
        Profile::ALL.into_iter().find(|profile| profile.as_str() == name)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How finely a crash may mix two versions of one page. Only sampled images are torn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Torn {
    /// A page is one of its versions.
    No,
    /// A sector of 512 bytes is that of one version.
    #[default]
    Sectors,
    /// A sector, too, may begin as one version and end as another.
    Bytes,
}

impl Torn {
    /// The name in every output and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Torn::No => "no",
            Torn::Sectors => "sectors",
            Torn::Bytes => "bytes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_found_by_its_name() {
        for profile in Profile::ALL {
            assert_eq!(Profile::from_name(&profile.to_string()), Some(profile));
        }
        assert_eq!(Profile::from_name("ext3"), None);
    }
}
