//! Measured errors against the errors of the noise simulator, slot by slot. A slot with large errors by nature, for
//! example where 1/x is steep, counts as much as any other slot.

/// Draws of [`predicted_slots`] that suffice.
pub const DRAWS: u8 = 24;

/// The root of the mean square over `DRAWS` draws of each slot's error; `draw` makes one under a seed.
pub fn predicted_slots(mut draw: impl FnMut([u8; 32]) -> Vec<f64>) -> Vec<f64> {
    let mut squares: Vec<f64> = Vec::new();
    for i in 1..=DRAWS {
        let errors = draw([i; 32]);
        squares.resize(errors.len(), 0.0);
        squares.iter_mut().zip(errors).for_each(|(sum, e)| *sum += e * e / DRAWS as f64);
    }
    squares.into_iter().map(f64::sqrt).collect()
}

/// Measured errors over predicted deviations: the root of the mean square of their ratios.
pub fn ratio(measured: impl IntoIterator<Item = f64>, deviations: &[f64]) -> f64 {
    let squares = measured.into_iter().zip(deviations).filter(|(_, d)| **d > 0.0).map(|(e, d)| (e / d).powi(2));
    let (count, sum) = squares.fold((0.0, 0.0), |(count, sum), square| (count + 1.0, sum + square));
    f64::sqrt(sum / count)
}

/// From 1/factor to factor.
pub fn within(ratio: f64, factor: f64) -> bool {
    (1.0 / factor..factor).contains(&ratio)
}
