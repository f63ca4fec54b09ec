//! Laws of the number-theoretic transform and of automorphisms.

use super::{Build, bases, wider};
use crate::{
    chain::Chain,
    program::{Program, Step},
};

/// Forward and inverse transforms over every basis, of polynomials in X and in X^(n/cols).
pub fn transforms_evaluate_at_odd_powers_of_psi(chain: &Chain) -> impl Iterator<Item = Program> {
    let n = chain.params.n();
    bases(chain).into_iter().flat_map(move |over| [n, n / 2, n / 8, 1].map(|cols| (over, cols))).map(
        move |(over, cols)| {
            let mut b = Build::new(chain, format!("transforms of length {cols} over {over:?}"));
            for make in [Build::value, Build::largest, Build::edges] {
                let (forward, inverse) = (make(&mut b, 2, wider(chain, over), cols), make(&mut b, 1, over, cols));
                b.step(Step::Ntt { over, a: forward });
                b.step(Step::Intt { over, a: inverse });
            }
            b.finish()
        },
    )
}

/// X -> X^g for rotations in both directions, conjugation, the identity, and other elements.
pub fn automorphisms_permute_values(chain: &Chain) -> impl Iterator<Item = Program> {
    let n = chain.params.n();
    bases(chain).into_iter().flat_map(move |over| [n, n / 4].map(|cols| (over, cols))).map(move |(over, cols)| {
        let mut b = Build::new(chain, format!("automorphisms of length {cols} over {over:?}"));
        let a = b.value(2, over, cols);
        let p = &chain.params;
        for galois in [1, 3, p.galois(1), p.galois(-1), p.galois(3), p.galois_conjugate(), n as u32 - 1, n as u32 + 1] {
            let out = b.garbage(2, wider(chain, over), cols);
            b.step(Step::Permute { over, out, a, galois });
            if cols == n {
                b.step(Step::PermuteAdd { over, acc: out, a, galois });
            }
        }
        b.finish()
    })
}
