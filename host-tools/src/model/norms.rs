//! Exact norms of rows of numbers: of the embeddings, which the client computes, and of the reference model.

/// LayerNorm or RMSNorm.
#[derive(Clone, Debug)]
pub struct RowNorm {
    centred: bool,
    epsilon: f64,
    affine: Option<[Vec<f32>; 2]>, // gain and bias
}

impl RowNorm {
    /// Rows of mean 0 and variance 1.
    pub fn plain(epsilon: f64) -> Self {
        Self { centred: true, epsilon, affine: None }
    }

    /// With a gain and a bias for each feature; `centred` for LayerNorm.
    pub fn new(centred: bool, epsilon: f64, affine: [Vec<f32>; 2]) -> Self {
        Self { centred, epsilon, affine: Some(affine) }
    }

    /// ε.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Gain and bias.
    pub fn affine(&self) -> Option<&[Vec<f32>; 2]> {
        self.affine.as_ref()
    }

    /// Gain and bias, of `width` numbers each.
    pub fn into_affine(self, width: usize) -> [Vec<f32>; 2] {
        self.affine.unwrap_or_else(|| [vec![1.0; width], vec![0.0; width]])
    }

    /// Normalises every row of `width` numbers.
    pub fn of_rows(&self, width: usize, x: &mut [f64]) {
        x.chunks_exact_mut(width).for_each(|row| self.of_row(row));
    }

    /// Normalises a row.
    pub fn of_row(&self, row: &mut [f64]) {
        let width = row.len() as f64;
        let mean = if self.centred { row.iter().sum::<f64>() / width } else { 0.0 };
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / width;
        let scale = 1.0 / (variance + self.epsilon).sqrt();
        row.iter_mut().for_each(|x| *x = (*x - mean) * scale);
        if let Some([gain, bias]) = &self.affine {
            row.iter_mut().zip(gain).zip(bias).for_each(|((x, g), b)| *x = *x * *g as f64 + *b as f64);
        }
    }
}
