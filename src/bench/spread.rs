use serde::Serialize;

/// Smallest, middle and largest of several measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Spread {
    /// Smallest.
    pub min: f64,
    /// Median; the mean of the middle two where their number is even.
    pub median: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// The spread of `values`; zeros when there are none.
    pub fn of(values: &[f64]) -> Spread {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else {
            return Spread::default();
        };
        let half = sorted.len() / 2;
        let upper = sorted.get(half).copied().unwrap_or(*max);
        let median = if sorted.len() % 2 == 1 {
            upper
        } else {
            (sorted.get(half - 1).copied().unwrap_or(upper) + upper) / 2.0
        };
        Spread { min: *min, median, max: *max }
    }

    /// The spread of `a / b`, pair by pair.
    pub fn of_ratios(a: &[f64], b: &[f64]) -> Spread {
        let ratios: Vec<f64> =
            a.iter().zip(b).filter(|(_, b)| **b > 0.0).map(|(a, b)| a / b).collect();
        Spread::of(&ratios)
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Spread::of(&[4.0, 1.0, 3.0]), Spread { min: 1.0, median: 3.0, max: 4.0 });
        assert_eq!(Spread::of(&[4.0, 1.0]), Spread { min: 1.0, median: 2.5, max: 4.0 });
        assert_eq!(Spread::of(&[]), Spread::default());
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let ratios = Spread::of_ratios(&[2.0, 9.0], &[1.0, 3.0]);
        assert_eq!(ratios, Spread { min: 2.0, median: 2.5, max: 3.0 });
    }
}
