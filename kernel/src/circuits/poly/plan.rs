//! The plan of a polynomial evaluation: the number of baby steps, and the treatment of each piece. The search counts
//! the products of each plan and selects the plan with the fewest products. [`super::eval`] follows the plan step by
//! step.

use super::{
    Coeffs, MAX_BABIES, Polynomial, ceil_log2,
    square::{Square, complete},
};

/// Baby steps, a power of two, and whether squares are completed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) baby_steps: usize,
    completes: bool,
}

/// The treatment of Σ c_i T_i.
#[expect(clippy::large_enum_variant, reason = "one at a time exists, and there is no heap")]
pub(super) enum Step {
    /// No work: the piece is a constant.
    Constant,
    /// One sum over the baby steps.
    Leaf,
    /// c = q W_g + r of this g: r is in c[..g], q in c[g..].
    Divided(usize),
    /// c = left · right - size W_{4m} + r for m baby steps: r is in c[..=m].
    Completed(Square),
}

impl Schedule {
    /// The plan with the fewest products of two ciphertexts. The plan completes squares if `completes` is true and the
    /// squares save products.
    pub(super) fn best(c: &Coeffs, depth: u8, completes: bool) -> Self {
        let either: &[bool] = if completes { &[false, true] } else { &[false] };
        let plans = either.iter().flat_map(|completes| {
            [2, 4, 8, MAX_BABIES].into_iter().map(|baby_steps| Self { baby_steps, completes: *completes })
        });
        let fewest = plans.min_by_key(|plan| plan.tally(c, depth).products());
        fewest.unwrap_or(Self { baby_steps: 2, completes: false })
    }

    /// Divides the trimmed c. `depth` is the depth of its sum. `above` is the giant step that left c as a remainder, or
    /// `None`.
    pub(super) fn step(self, c: &mut [f64], depth: u8, above: Option<usize>) -> Step {
        let degree = c.len().saturating_sub(1);
        if degree == 0 {
            return Step::Constant;
        }
        if degree < self.baby_steps && ceil_log2(degree) < depth {
            return Step::Leaf;
        }
        let g = (degree + 1).next_power_of_two() / 2;
        if self.completes
            && g == 2 * self.baby_steps
            && above == Some(2 * g)
            && degree >= g + self.baby_steps
            && let Some(square) = complete(c, self.baby_steps)
        {
            return Step::Completed(square);
        }
        divide(c, g);
        Step::Divided(g)
    }

    fn tally(self, c: &Coeffs, depth: u8) -> Tally {
        let mut tally = Tally::default();
        self.count(&mut c.clone(), depth, None, &mut tally);
        tally
    }

    /// The products of the evaluation of c, and the W_i that c needs.
    fn count(self, c: &mut [f64], depth: u8, above: Option<usize>, tally: &mut Tally) {
        let c = trim(c);
        match self.step(c, depth, above) {
            Step::Constant => (),
            Step::Leaf => tally.leaf(c),
            Step::Divided(g) => {
                tally.make(g);
                let (r, q) = c.split_at_mut(g);
                if q.len() > 1 {
                    tally.made += 1;
                    self.count(q, depth - 1, None, tally);
                }
                self.count(r, depth, Some(g), tally);
            }
            Step::Completed(mut square) => {
                tally.made += 1;
                tally.spread += square.spread();
                tally.make(4 * self.baby_steps);
                tally.leaf(&square.left);
                self.count(&mut square.right, depth - 1, None, tally);
                self.count(&mut c[..=self.baby_steps], depth, None, tally);
            }
        }
    }
}

/// Products of two ciphertexts that [`super::evaluate_unit`] takes.
pub fn products_of(p: &Polynomial) -> u32 {
    best_tally(p).products()
}

/// Σ |left| |right| (m + 2)² over all completed squares in the plan of p, with m baby steps. The sum counts the
/// roundings of terms that cancel in exact arithmetic.
pub(super) fn spread_of(p: &Polynomial) -> f64 {
    best_tally(p).spread
}

fn best_tally(p: &Polynomial) -> Tally {
    Schedule::best(&p.coeffs, p.unit_depth(), true).tally(&p.coeffs, p.unit_depth())
}

/// The products and powers of a plan.
#[derive(Default)]
struct Tally {
    made: u32,   // products, the W_i apart
    needed: u32, // the W_i that take a product: bit i for a baby step, bit 16 + log2 i for a larger one
    spread: f64,
}

impl Tally {
    fn products(&self) -> u32 {
        self.made + self.needed.count_ones()
    }

    fn leaf(&mut self, c: &[f64]) {
        c.iter().enumerate().filter(|(_, c)| **c != 0.0).for_each(|(i, _)| self.make(i));
    }

    fn make(&mut self, i: usize) {
        let bit = if i <= MAX_BABIES { 1 << i } else { 1 << (16 + i.ilog2()) };
        if i > 1 && self.needed & bit == 0 {
            self.needed |= bit;
            let (a, b) = halves(i);
            self.make(a);
            self.make(b);
            if a > b {
                self.make(a - b);
            }
        }
    }
}

/// i = a + b, a >= b, a a power of two.
pub(super) fn halves(i: usize) -> (usize, usize) {
    let a = i.next_power_of_two() / 2;
    (a, i - a)
}

/// c = q W_g + r in place: r in c[..g], q in c[g..]. The degree of c is in [g, 2g).
fn divide(c: &mut [f64], g: usize) {
    c[g] /= 2.0;
    for j in 1..c.len() - g {
        c[g - j] -= c[g + j]; // T_{g+j} = W_g T_j - T_{g-j}
    }
}

/// c without its trailing zeros.
pub(super) fn trim(c: &mut [f64]) -> &mut [f64] {
    let len = c.iter().rposition(|c| *c != 0.0).map_or(0, |i| i + 1);
    &mut c[..len]
}
