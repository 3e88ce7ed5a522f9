use std::fmt;

/// How much an acknowledgement of a log engine promises, as Dkron speaks of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// `-1`, `low`: nothing is synced before the store is closed.
    Low,
    /// `0`, `mid`: synced soon after; a power cut may take the last moments.
    Mid,
    /// `1`, `high`: synced before it is acknowledged.
    #[default]
    High,
}

impl Durability {
    /// Every level, from the weakest.
    pub const ALL: [Durability; 3] = [Durability::Low, Durability::Mid, Durability::High];

    /// The level as a number: -1, 0 or 1.
    pub fn as_i8(self) -> i8 {
        match self {
            Durability::Low => -1,
            Durability::Mid => 0,
            Durability::High => 1,
        }
    }

    /// The level of a number, or `None` outside -1 to 1.
    pub fn from_i8(level: i8) -> Option<Durability> {
        Durability::ALL.into_iter().find(|durability| durability.as_i8() == level)
    }

    /// The synonym of the number.
    pub fn as_str(self) -> &'static str {
        match self {
            Durability::Low => "low",
            Durability::Mid => "mid",
            Durability::High => "high",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_i8().fmt(f)
    }
}
