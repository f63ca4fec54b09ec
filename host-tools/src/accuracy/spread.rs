//! Errors of logits, question by question, and the bound E for the publication of such logits.

/// The statistics of some errors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Questions.
    pub questions: usize,
    /// Questions with an error that is not finite. They count here alone.
    pub not_finite: usize,
    /// Logits.
    pub values: usize,
    /// The largest error.
    pub largest: f64,
    /// The largest deviation of a question: the root of the mean square over its logits.
    pub question: f64,
    /// The largest error in deviations of its question.
    pub tail: f64,
    squares: f64,
}

/// E = 16 σ, with σ the largest deviation of a question. A Gaussian error exceeds 8 σ with probability 2^-49, hence
/// with probability 2^-31 anywhere among 2^18 values. The factor 2 covers the prediction error that the tests allow.
const MARGIN: f64 = 16.0;

impl Spread {
    /// Adds a question: its logits, and its logits without errors.
    pub fn add(&mut self, got: &[f64], want: &[f64]) {
        let errors = got.iter().zip(want).map(|(a, b)| (a - b).abs());
        if !errors.clone().all(f64::is_finite) {
            *self = self.and(&Self { questions: 1, not_finite: 1, ..Self::default() });
            return;
        }
        let squares: f64 = errors.clone().map(|e| e * e).sum();
        let (largest, count) = (errors.fold(0.0, f64::max), got.len().min(want.len()));
        let question = (squares / count.max(1) as f64).sqrt();
        let tail = if question > 0.0 { largest / question } else { 0.0 };
        *self = self.and(&Self { questions: 1, not_finite: 0, values: count, largest, question, tail, squares });
    }

    /// The two spreads.
    pub fn and(&self, other: &Self) -> Self {
        Self {
            questions: self.questions + other.questions,
            not_finite: self.not_finite + other.not_finite,
            values: self.values + other.values,
            largest: self.largest.max(other.largest),
            question: self.question.max(other.question),
            tail: self.tail.max(other.tail),
            squares: self.squares + other.squares,
        }
    }

    /// The root of the mean square of all errors.
    pub fn deviation(&self) -> f64 {
        (self.squares / self.values.max(1) as f64).sqrt()
    }

    /// E: sixteen times the largest deviation of a question; infinite if an error was not finite.
    pub fn bound(&self) -> f64 {
        if self.not_finite > 0 { f64::INFINITY } else { MARGIN * self.question }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_bound_follows_from_the_worst_question() {
        let (mut quiet, mut loud) = (Spread::default(), Spread::default());
        quiet.add(&[1.0, 2.0], &[1.0, 2.5]);
        loud.add(&[3.0, -1.0], &[0.0, 3.0]);
        let both = quiet.and(&loud);
        assert_eq!((both.questions, both.values, both.largest), (2, 4, 4.0));
        assert_eq!(both.question, 12.5f64.sqrt());
        assert_eq!((both.bound(), both.deviation()), (16.0 * 12.5f64.sqrt(), (25.25f64 / 4.0).sqrt()));
        assert_eq!(both.tail, 0.5 / 0.125f64.sqrt());
        let mut broken = both;
        broken.add(&[f64::NAN, 1.0], &[0.0, 1.0]);
        assert!(broken.bound().is_infinite() && quiet.and(&broken).not_finite == 1);
    }

    #[test]
    fn an_error_that_is_not_finite_is_counted_and_no_zero() {
        let mut spread = Spread::default();
        spread.add(&[1.0, f64::NAN], &[1.0, 2.0]);
        spread.add(&[f64::INFINITY], &[f64::INFINITY]); // their difference is not a number
        spread.add(&[1.0, 2.0], &[1.0, 2.5]);
        assert_eq!((spread.questions, spread.not_finite, spread.values, spread.largest), (3, 2, 2, 0.5));
    }
}
