//! The suite finds every planted fault.

use polyformer_tests::{
    chain::Chain,
    conformance::{Law, bases, batches, element_wise, moduli, transforms, words_after_a_wipe},
    mutant::{Fault, METHODS, Mutant},
    program::Program,
};

fn suite(chain: &Chain) -> Vec<Program> {
    let mut programs: Vec<Program> = element_wise::words_move_in_and_out(chain).collect();
    programs.extend(element_wise::operations_touch_the_rows_they_name_and_no_other(chain));
    programs.extend(element_wise::second_operands_broadcast_over_items_and_blocks(chain));
    programs.extend(element_wise::sums_of_products_agree(chain));
    programs.extend(transforms::transforms_evaluate_at_odd_powers_of_psi(chain));
    programs.extend(transforms::automorphisms_permute_values(chain));
    programs.extend(moduli::conversions_lift_as_they_say(chain));
    programs.extend(moduli::a_digit_extends_to_every_modulus(chain));
    programs.extend(moduli::switching_moduli_rounds_to_nearest(chain));
    programs.extend(moduli::key_switches_sum_over_digits(chain));
    programs.extend(batches::batches_switch_as_one_by_one(chain));
    programs.extend(batches::rotations_share_their_digits(chain));
    programs.extend(batches::giant_steps_add_up(chain));
    programs
}

fn laws(chain: &Chain) -> Vec<Law<'_>> {
    suite(chain).into_iter().map(|program| Law::new(chain, program)).collect()
}

/// Whether some law finds `fault`.
fn found(chain: &Chain, laws: &[Law<'_>], fault: Fault) -> bool {
    chain.on_scalar(100, |be| laws.iter().any(|law| law.check(&mut Mutant { inner: be, fault }).is_err()))
}

#[test]
fn a_backend_without_fault_passes() {
    let chain = Chain::b16(3);
    assert!(!found(&chain, &laws(&chain), Fault::None));
}

#[test]
fn one_wrong_word_of_any_method_is_found() {
    let chain = Chain::b16(3);
    let laws = laws(&chain);
    for method in METHODS {
        assert!(found(&chain, &laws, Fault::LastWord(method)), "{method:?}");
    }
}

#[test]
fn every_misreading_of_the_contract_is_found() {
    let chain = Chain::b16(3);
    let laws = laws(&chain);
    for fault in [
        Fault::NotCanonical,
        Fault::OneRowTooMany,
        Fault::NoBroadcast,
        Fault::NotCentered,
        Fault::DigitForgotten,
        Fault::GaloisInverted,
        Fault::NothingAdded,
        Fault::OneKeyForAll,
    ] {
        assert!(found(&chain, &laws, fault), "{fault:?}");
    }
}

#[test]
fn a_wipe_that_does_nothing_is_found() {
    let chain = Chain::b16(3);
    let ones =
        |fault| chain.on_scalar(100, |inner| words_after_a_wipe(&chain, &mut Mutant { inner, fault }).contains(&1));
    assert!(ones(Fault::NothingWiped) && !ones(Fault::None));
}

#[test]
fn one_wrong_twiddle_is_found() {
    let good = Chain::b16(6);
    let programs = transforms::transforms_evaluate_at_odd_powers_of_psi(&good);
    let laws: Vec<Law<'_>> = programs.map(|program| Law::new(&good, program)).collect();
    let words = 2 * good.params.n() * good.params.moduli().len();
    let never_read = [0, 64]; // psi^0 of either table belongs to no butterfly
    for index in (0..words).step_by(61).chain([1, 63, 65, words - 1]).filter(|i| !never_read.contains(&(i % 128))) {
        let bad = Chain::b16(6).with_bad_twiddle(index);
        assert!(bad.on_scalar(16, |be| laws.iter().any(|law| law.check(be).is_err())), "twiddle word {index}");
    }
}

#[test]
fn a_report_names_the_first_step_that_went_wrong() {
    let chain = Chain::b16(3);
    let over = bases(&chain)[0];
    let program = element_wise::operations_touch_the_rows_they_name_and_no_other(&chain).next().unwrap();
    let law = Law::new(&chain, program);
    let fault = Fault::LastWord("mul_add");
    let mismatch = chain.on_scalar(100, |be| law.check(&mut Mutant { inner: be, fault })).unwrap_err();
    assert!(mismatch.step.contains("MulAdd"), "{mismatch:?}");
    assert_eq!((mismatch.at.1, mismatch.at.2, mismatch.at.3), (1, over.end as usize - 1, 7));
}
