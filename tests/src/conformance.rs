//! The conformance suite: programs for every method of [`Backend`], with the expected words.
//!
//! For a ring of at most [`ORACLE`] the oracle computes the expected words. For a larger ring the scalar backend
//! computes the expected words; the suite compares the scalar backend with the oracle on the smaller rings. Outputs
//! hold garbage before a step writes them. Rows that a step does not name must stay unchanged. The suite compares every
//! register, inputs included.

use crate::{
    chain::Chain,
    data::Data,
    oracle::machine,
    program::{Program, Reg, Step},
};
use polyformer_kernel::{
    Error,
    backend::{Backend, Shape},
    params::presets,
    ring::Basis,
};

pub mod batches;
pub mod element_wise;
pub mod moduli;
pub mod random;
pub mod transforms;

/// The largest degree of the oracle, which is quadratic in n.
pub const ORACLE: usize = 1024;

/// The largest degree at which the suite tries every basis and level. Above, the suite tries some at both ends of the
/// chain.
pub const EXHAUSTIVE: usize = 64;

/// A program and the expected words of its registers.
#[derive(Debug)]
pub struct Law<'c> {
    chain: &'c Chain,
    program: Program,
    expected: Vec<Vec<u32>>,
}

/// The first word that differs, and the first step after which it differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The program's name.
    pub program: String,
    /// The first step that goes wrong, as text.
    pub step: String,
    /// Register, item, prime index and column of the word.
    pub at: (Reg, usize, usize, usize),
    /// The expected word.
    pub expected: u32,
    /// The actual word.
    pub actual: u32,
}

impl<'c> Law<'c> {
    /// The law of `program`, from the oracle or from the scalar backend.
    pub fn new(chain: &'c Chain, program: Program) -> Self {
        let expected = meaning(chain, &program);
        Self { chain, program, expected }
    }

    /// Runs the program on `be` and compares every word of every register.
    pub fn check<B: Backend>(&self, be: &mut B) -> Result<(), Box<Mismatch>> {
        let actual = self.program.run(be).unwrap();
        if actual == self.expected {
            return Ok(());
        }
        for steps in 1..=self.program.steps.len() {
            let prefix = self.program.prefix(steps);
            let (expected, actual) = (meaning(self.chain, &prefix), prefix.run(be).unwrap());
            if let Some(mismatch) = difference(&prefix, &expected, &actual) {
                return Err(Box::new(mismatch));
            }
        }
        // Wrong at first, right when repeated: report what was seen, whatever the step.
        Err(Box::new(difference(&self.program, &self.expected, &actual).unwrap()))
    }

    /// Panics with the first word that differs, if any does.
    pub fn hold<B: Backend>(&self, be: &mut B) {
        if let Err(mismatch) = self.check(be) {
            panic!("{mismatch:#?}");
        }
    }
}

fn meaning(chain: &Chain, program: &Program) -> Vec<Vec<u32>> {
    if chain.params.n() <= ORACLE { machine::run(chain.ring(), program) } else { on_scalar(chain, program) }
}

/// The words of `program` on the scalar backend.
pub fn on_scalar(chain: &Chain, program: &Program) -> Vec<Vec<u32>> {
    let workspace = polyformer_kernel::backend::MAX_DIGITS + 2;
    chain.on_scalar(program.registers.len() + workspace, |be| program.run(be).unwrap())
}

/// The first word in which the registers of `program` differ.
pub fn difference(program: &Program, expected: &[Vec<u32>], actual: &[Vec<u32>]) -> Option<Mismatch> {
    for (reg, (e, a)) in expected.iter().zip(actual).enumerate() {
        if let Some(word) = e.iter().zip(a).position(|(e, a)| e != a) {
            let shape = program.registers[reg].shape;
            let (row, column) = (word / shape.cols as usize, word % shape.cols as usize);
            let (item, row) = (row / shape.basis.len(), row % shape.basis.len());
            let m = shape.basis.iter().nth(row).unwrap();
            let mut step = format!("{:?}", program.steps.last());
            step.truncate(400);
            let (program, at) = (program.name.clone(), (reg, item, m, column));
            return Some(Mismatch { program, step, at, expected: e[word], actual: a[word] });
        }
    }
    None
}

/// The chains of the suite. The primes are the 60 primes of bootstrapping; at small degrees also digits of one prime, a
/// shorter last digit, and a chain without specials.
pub fn chains(log_n: u8) -> impl Iterator<Item = Chain> {
    let specs = [presets::B16, presets::L13, presets::L15, presets::C12];
    let few = if 1 << log_n <= ORACLE { specs.len() } else { 1 };
    specs.into_iter().take(few).map(move |spec| Chain::new(&spec, log_n))
}

/// Bases at both ends of the modulus chain and across the chain.
pub fn bases(chain: &Chain) -> Vec<Basis> {
    let (params, k) = (&chain.params, chain.params.specials());
    let (first, last) = (params.modulus_chain().start as usize, params.modulus_chain().end as usize);
    let mut bases = vec![params.pq(0), Basis::span(first, first + 1), Basis::span(last - 1, last).with(k / 2)];
    if params.n() <= EXHAUSTIVE {
        bases.extend([chain.full(), params.q(params.max_message_level()), Basis::span(first, first).with(k)]);
    }
    bases.retain(|basis| !basis.is_empty());
    bases.dedup();
    bases
}

/// `over` and, if possible, one modulus more at each end of its two parts.
pub fn wider(chain: &Chain, over: Basis) -> Basis {
    let full = chain.full();
    Basis {
        specials: full.specials.min(over.specials + 1),
        start: full.start.max(over.start.saturating_sub(1)),
        end: full.end.min(over.end + 1),
    }
}

/// A program under construction, with a source of words for its registers.
#[derive(Debug)]
pub struct Build<'c> {
    data: Data<'c>,
    program: Program,
}

impl<'c> Build<'c> {
    /// The name also seeds the words.
    pub fn new(chain: &'c Chain, name: String) -> Self {
        let seed = name.bytes().fold(1, |h: u64, b| h.wrapping_mul(31).wrapping_add(b as u64));
        Self { data: Data::new(chain.ring(), seed), program: Program::new(name) }
    }

    /// A register of canonical words.
    pub fn value(&mut self, count: u16, basis: Basis, cols: usize) -> Reg {
        let shape = Shape { count, basis, cols: cols as u32 };
        let words = self.data.canonical(shape);
        self.program.register(shape, words)
    }

    /// A register of canonical words. The first columns of each row are the residues of integers at the edges of
    /// centring. The integers are 0, 1, -1 and the two halves of any odd modulus.
    pub fn edges(&mut self, count: u16, basis: Basis, cols: usize) -> Reg {
        let reg = self.value(count, basis, cols);
        let moduli: Vec<u32> = basis.iter().map(|m| self.data.ring().modulus(m).q()).collect();
        let rows = self.program.registers[reg].words.chunks_exact_mut(cols);
        for (row, q) in rows.zip(moduli.iter().cycle()) {
            row.iter_mut().zip([0, 1, q - 1, q / 2, q / 2 + 1]).for_each(|(x, edge)| *x = edge);
        }
        reg
    }

    /// A register whose words are all the largest, q - 1.
    pub fn largest(&mut self, count: u16, basis: Basis, cols: usize) -> Reg {
        let shape = Shape { count, basis, cols: cols as u32 };
        let row = |m: usize| core::iter::repeat_n(self.data.ring().modulus(m).q() - 1, cols);
        let words = (0..count).flat_map(|_| basis.iter().flat_map(row)).collect();
        self.program.register(shape, words)
    }

    /// A register for an output, with garbage before its first write.
    pub fn garbage(&mut self, count: u16, basis: Basis, cols: usize) -> Reg {
        let shape = Shape { count, basis, cols: cols as u32 };
        let words = self.data.garbage(shape);
        self.program.register(shape, words)
    }

    /// One canonical constant a modulus.
    pub fn constants(&mut self, over: Basis) -> Vec<u32> {
        self.data.canonical(Shape { count: 1, basis: over, cols: 1 })
    }

    /// Signed integers.
    pub fn signed(&mut self, len: usize) -> Vec<i64> {
        self.data.signed(len)
    }

    /// One more step.
    pub fn step(&mut self, step: Step) {
        self.program.step(step);
    }

    /// The program.
    pub fn finish(self) -> Program {
        self.program
    }
}

/// Buffers of the wrong length are refused, with both lengths.
pub fn a_wrong_length_is_an_error<B: Backend>(chain: &Chain, be: &mut B) {
    let shape = Shape { count: 2, basis: chain.params.q(0), cols: chain.params.n() as u32 };
    let mut limbs = be.alloc(shape).unwrap();
    let words = shape.words();
    for actual in [0, words - 1, words + 1] {
        let error = Err(Error::Length { expected: words, actual });
        assert_eq!(be.upload(&mut limbs, &vec![0; actual]), error);
        assert_eq!(be.download(&limbs, &mut vec![0; actual]), error);
        assert_eq!(be.adopt(shape, vec![0; actual]).map(|_| ()), error);
    }
    let (expected, actual) = (2 * chain.params.n(), chain.params.n());
    assert_eq!(be.upload_signed(&mut limbs, &vec![0; actual]), Err(Error::Length { expected, actual }));
}

/// The words of a buffer that is allocated again after a wipe, when its last owner had left ones.
pub fn words_after_a_wipe<B: Backend>(chain: &Chain, be: &mut B) -> Vec<u32> {
    let shape = Shape { count: 1, basis: chain.full(), cols: chain.params.n() as u32 };
    let mut words = vec![1; shape.words()];
    let mut limbs = be.alloc(shape).unwrap();
    be.upload(&mut limbs, &words).unwrap();
    be.submit().unwrap();
    drop(limbs);
    be.wipe().unwrap();
    let again = be.alloc(shape).unwrap();
    be.download(&again, &mut words).unwrap();
    words
}

/// Nothing that a dropped buffer held is left after a wipe, and the words of a buffer that lives stay.
pub fn a_wipe_clears_what_no_buffer_holds<B: Backend>(chain: &Chain, be: &mut B) {
    let shape = Shape { count: 1, basis: chain.params.q(0), cols: chain.params.n() as u32 };
    let (mut held, mut words) = (be.alloc(shape).unwrap(), vec![1; shape.words()]);
    be.upload(&mut held, &words).unwrap();
    assert!(words_after_a_wipe(chain, be).iter().all(|word| *word == 0));
    be.download(&held, &mut words).unwrap();
    assert!(words.iter().all(|word| *word == 1));
}

/// Lists one test per law and ring degree. `$subjects` is `fn(&Chain, impl FnMut(&mut B))`. It calls its argument with
/// each backend under test, over the ring of the chain.
#[macro_export]
macro_rules! conformance {
    ($subjects:path) => {
        $crate::conformance!(n8, 3, $subjects);
        $crate::conformance!(n64, 6, $subjects);
        $crate::conformance!(n1024, 10, $subjects);
        $crate::conformance!(n65536, 16, $subjects);
    };
    ($name:ident, $log_n:literal, $subjects:path) => {
        mod $name {
            use super::*;
            $crate::conformance!(@ $log_n, $subjects,
                element_wise::words_move_in_and_out,
                element_wise::operations_touch_the_rows_they_name_and_no_other,
                element_wise::second_operands_broadcast_over_items_and_blocks,
                element_wise::sums_of_products_agree,
                transforms::transforms_evaluate_at_odd_powers_of_psi,
                transforms::automorphisms_permute_values,
                moduli::conversions_lift_as_they_say,
                moduli::a_digit_extends_to_every_modulus,
                moduli::switching_moduli_rounds_to_nearest,
                moduli::key_switches_sum_over_digits,
                batches::batches_switch_as_one_by_one,
                batches::rotations_share_their_digits,
                batches::giant_steps_add_up,
                random::programs_agree,
            );
            #[test]
            fn a_wrong_length_is_an_error() {
                let chain = $crate::chain::Chain::b16($log_n);
                $subjects(&chain, |be| $crate::conformance::a_wrong_length_is_an_error(&chain, be));
            }
            #[test]
            fn a_wipe_clears_what_no_buffer_holds() {
                let chain = $crate::chain::Chain::b16($log_n);
                $subjects(&chain, |be| $crate::conformance::a_wipe_clears_what_no_buffer_holds(&chain, be));
            }
        }
    };
    (@ $log_n:literal, $subjects:path, $($module:ident::$law:ident),* $(,)?) => { $(
        #[test]
        fn $law() {
            for chain in $crate::conformance::chains($log_n) {
                for program in $crate::conformance::$module::$law(&chain) {
                    let law = $crate::conformance::Law::new(&chain, program);
                    $subjects(&chain, |be| law.hold(be));
                }
            }
        }
    )* };
}
