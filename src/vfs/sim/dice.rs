/// A seeded source of numbers (splitmix64), written here so that a printed seed means the same in
/// every version of this program.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Dice that fall the same way for the same seed.
    pub fn new(seed: Seed) -> Dice {
        Dice { state: seed.0 }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which must not be 0; 0 if it is.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// An index into something of `len` items.
    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or_default()
    }

    /// True `of` times in eight.
    pub(super) fn eighths(&mut self, of: u64) -> bool {
        self.below(8) < of
    }
}

/// What makes a run repeatable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed of part `number` of what this seed stands for.
    pub fn part(self, number: u64) -> Seed {
        let mut dice = Dice::new(Seed(self.0 ^ number.wrapping_mul(0xd605_bbb5_8c8a_bbfd)));
        Seed(dice.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_splitmix64() {
        let mut dice = Dice::new(Seed(1_234_567));
        let known = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([dice.next_u64(), dice.next_u64()], known);
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut dice = Dice::new(Seed(7));
        let mut seen = [0; 5];
        for _ in 0..1000 {
            seen[dice.index(5)] += 1;
        }
        assert!(seen.iter().all(|count| (120..280).contains(count)), "{seen:?}");
        assert_eq!(dice.below(0), 0);
    }
}
