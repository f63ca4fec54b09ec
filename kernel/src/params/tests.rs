//! Tests of parameter sets.

use super::{Bootstrap, KeySecret, Params, SPARSE_WEIGHT, Security, Spec, presets};
use crate::Error;

#[test]
fn every_preset_meets_its_bound() {
    for (name, spec) in presets::ALL {
        let p = Params::new(&spec).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(p.log_qp() <= p.security().bound(p.log_n()).unwrap());
        for level in 1..=p.max_message_level() {
            let (above, below) = (p.scale(level), p.scale(level - 1));
            let ratio = p.ratio(p.q(level), p.q(level - 1));
            assert!((above * above / ratio / below - 1.0).abs() < 1e-15, "{name} level {level}");
            assert!((above.log2() - spec.scale_bits).abs() < 0.2, "{name} level {level}: 2^{}", above.log2());
        }
    }
    let b16 = Params::new(&presets::B16).unwrap();
    assert_eq!(
        (b16.max_message_level(), b16.level_after_bootstrap(), b16.max_level(), b16.digits()),
        (16, Some(13), 28, 4)
    );
    assert!((b16.log_qp() - 1740.7).abs() < 0.05);
    let f16 = Params::new(&presets::F16).unwrap();
    assert_eq!(
        (f16.max_message_level(), f16.level_after_bootstrap(), f16.max_level(), f16.digits()),
        (16, Some(13), 28, 3)
    );
    let h16 = Params::new(&presets::H16).unwrap();
    assert_eq!(
        (h16.max_message_level(), h16.level_after_bootstrap(), h16.max_level(), h16.digits()),
        (13, Some(10), 25, 4)
    );
    for level in 17..=24 {
        assert!((b16.scale(level).log2() - 58.0).abs() < 0.01, "level {level}: 2^{}", b16.scale(level).log2());
    }
    // odd levels below 23 drop the two rescaling primes, of 44.37 bits; levels 23 and 24 drop a pair of 58 bits
    for (level, want) in (17..=24).zip([44.58, 44.8, 44.58, 44.8, 44.58, 44.8, 51.4, 54.7]) {
        assert!((f16.scale(level).log2() - want).abs() < 0.02, "level {level}: 2^{}", f16.scale(level).log2());
    }
    assert_eq!((b16.q(28), f16.q(28).len()), (b16.modulus_chain(), 37));
    assert!((f16.log_qp() - 1529.0).abs() < 0.05);
}

#[test]
fn one_bit_over_the_bound_is_an_error_with_both_numbers() {
    let mut spec = presets::L13;
    spec.log_n = 12;
    let error = Params::new(&spec).err();
    assert!(
        matches!(error, Some(Error::Insecure { log_qp, bound: 106.0 }) if (log_qp - 188.7).abs() < 0.1),
        "{error:?}"
    );
}

#[test]
fn a_spec_from_a_file_may_hold_anything() {
    let l13 = presets::L13;
    let b16 = presets::B16.bootstrap.unwrap();
    let boot =
        Bootstrap { coeffs_to_slots: 255, eval_mod: 255, slots_to_coeffs: 0, eval_mod_scale_bits: 58.0, iterations: 1 };
    for spec in [
        Spec { scale_bits: f64::NAN, ..l13 },
        Spec { scale_bits: f64::INFINITY, ..l13 },
        Spec { scale_bits: 60.0, ..l13 },
        Spec { base: 0, ..l13 },
        Spec { base: 255, terminals: 255, ..l13 },
        Spec { levels: &[], ..l13 },
        Spec { levels: &[(0, 2), (2, 4), (1, 3)], ..l13 },
        Spec { levels: &[(1, 3), (2, 2)], ..l13 },
        Spec { levels: &[(0, 2), (2, 255)], ..l13 },
        Spec { bootstrap: Some(boot), ..l13 },
        Spec { bootstrap: Some(Bootstrap { iterations: 3, ..b16 }), ..presets::B16 },
        Spec { bootstrap: Some(Bootstrap { iterations: 0, ..b16 }), ..presets::B16 },
        Spec { specials: &[], ..l13 },
        Spec { alpha: 0, ..l13 },
        Spec { alpha: 255, ..l13 },
    ] {
        assert!(Params::new(&spec).is_err(), "{spec:?}");
    }
}

#[test]
fn bootstrapping_without_its_levels_is_refused_with_the_part() {
    let reserved = |part, given, least, most| Err(Error::Reserved { part, given, least, most });
    for (levels, error) in [
        ([0, 0, 0], reserved("EvalMod", 0, 8, 8)),
        ([4, 7, 3], reserved("EvalMod", 7, 8, 8)),
        ([4, 9, 3], reserved("EvalMod", 9, 8, 8)),
        ([0, 8, 3], reserved("CoeffsToSlots", 0, 1, 16)),
        ([17, 8, 3], reserved("CoeffsToSlots", 17, 1, 16)),
        ([4, 8, 0], reserved("SlotsToCoeffs", 0, 1, 16)),
        ([4, 8, 17], reserved("SlotsToCoeffs", 17, 1, 16)),
        ([16, 8, 5], reserved("SlotsToCoeffs", 5, 1, 4)),
    ] {
        let [coeffs_to_slots, eval_mod, slots_to_coeffs] = levels;
        let bootstrap =
            Bootstrap { coeffs_to_slots, eval_mod, slots_to_coeffs, eval_mod_scale_bits: 58.0, iterations: 1 };
        let spec = Spec { bootstrap: Some(bootstrap), ..presets::B16 };
        assert_eq!(Params::new(&spec).map(|_| ()), error, "{levels:?}");
    }
    let few = Spec { levels: &presets::B16.levels[..12], ..presets::B16 };
    assert_eq!(Params::new(&few).map(|_| ()), Err(Error::LevelExhausted { need: 12, have: 11 }));
}

#[test]
fn what_no_later_step_can_compute_is_refused() {
    let line = &presets::B16.line[2..];
    let flat = |base: u8| Spec { terminals: 0, base, line, bootstrap: None, ..presets::B16 };
    let levels = |base: u8| [(0, base), (0, base + 1)];
    for (base, levels) in [(4, levels(4)), (17, levels(17))] {
        let error = Params::new(&Spec { levels: &levels, ..flat(base) }).err(); // decryption joins three residues
        assert_eq!(error, Some(Error::TooMany { asked: base as usize, limit: 3 }));
    }
    let falling = Spec { levels: &[(0, 4), (2, 3), (2, 4)], ..presets::L15 };
    assert_eq!(Params::new(&falling).err(), Some(Error::BadLevel { level: 1 }));
    let mut specials = presets::B16.specials.to_vec();
    specials.extend(&presets::B16.line[40..45]);
    let one = Spec { specials: &specials, line: &line[..4], levels: &[(0, 2)], ..flat(2) };
    assert_eq!(Params::new(&one).err(), Some(Error::TooMany { asked: 17, limit: 16 })); // of one division by P
    for scale_bits in [50.0, 59.0] {
        let wide = Spec { scale_bits, ..presets::B16 }; // no room beside q0
        assert!(matches!(Params::new(&wide), Err(Error::TooLarge { bits, .. }) if bits == scale_bits));
    }
}

#[test]
fn a_bad_prime_is_named() {
    for bad in [1 << 20, 1179649, 0, u32::MAX] {
        let mut line: std::vec::Vec<u32> = presets::L13.line.to_vec();
        line[0] = bad;
        let spec = Spec { line: &line, ..presets::L13 };
        assert!(
            matches!(Params::new(&spec), Err(Error::BadModulus { modulus, .. }) if modulus == bad || bad == 1179649)
        );
    }
}

#[test]
fn galois_elements_are_powers_of_five() {
    let p = Params::new(&presets::C12).unwrap();
    assert_eq!((p.galois(0), p.galois(1), p.galois(2)), (1, 5, 25));
    assert_eq!(p.galois(-1) as u64 * 5 % 8192, 1);
    assert_eq!(p.galois(2048), 1);
}

#[test]
fn bootstrapping_is_refused_where_no_bound_of_the_sparse_secret_is_known() {
    let b16 = presets::B16; // with 4 of 20 main primes and 6 of 12 special ones: 1087 bits
    let line: std::vec::Vec<u32> = b16.line[..8].iter().chain(&b16.line[24..]).copied().collect();
    let top = b16.levels[17..].iter().map(|(terminals, limbs)| (*terminals, limbs - 16));
    let levels: std::vec::Vec<(u8, u8)> = b16.levels[..5].iter().copied().chain(top).collect();
    for security in [Security::Bits128, Security::Bits192, Security::Bits256] {
        let short = Spec { line: &line, levels: &levels, specials: &b16.specials[..6], alpha: 6, ..b16 };
        let spec = Spec { security, ..short };
        let plain = Params::new(&Spec { bootstrap: None, levels: &levels[..5], ..spec });
        let (bits, weight) = (security.bits(), SPARSE_WEIGHT);
        let (made, want) = (Params::new(&spec).map(|_| ()), Err(Error::NoSparseBound { weight, log_n: 16, bits }));
        assert_eq!(made, if bits == 128 { Ok(()) } else { want });
        assert!(bits == 256 || plain.is_ok(), "{bits}: {plain:?}");
        for log_n in [15, 17] {
            let elsewhere = Params::new(&Spec { log_n, ..spec }).err(); // primes are 1 modulo 2^17, not 2^18
            assert!(matches!(elsewhere, Some(Error::NoSparseBound { .. } | Error::BadModulus { .. })), "{elsewhere:?}");
        }
    }
    let few = Spec { specials: &presets::B16.specials[..1], security: Security::Toy, ..presets::B16 };
    let what = "bootstrapping needs at least as many special primes as base primes";
    assert_eq!(Params::new(&Spec { alpha: 1, ..few }).err(), Some(Error::BadShape { what, left: 1, right: 2 }));
}

#[test]
fn a_key_is_bounded_by_the_secret_that_it_is_under() {
    let (b16, c12) = (Params::new(&presets::B16).unwrap(), Params::new(&presets::C12).unwrap());
    let (base, sparse) = (b16.base(), KeySecret::Sparse(SPARSE_WEIGHT));
    let over = |secret, basis| b16.check_key(secret, basis);
    assert_eq!(over(KeySecret::Dense, b16.full()), Ok(()));
    assert_eq!(over(sparse, base.with(2)), Ok(()));
    assert!(matches!(over(sparse, base.with(3)), Err(Error::Insecure { bound: 120.0, .. })));
    assert!(matches!(over(KeySecret::Sparse(31), base), Err(Error::NoSparseBound { weight: 31, .. })));
    assert_eq!(over(KeySecret::Small(&c12), base.with(1)), Ok(()));
    assert!(matches!(over(KeySecret::Small(&c12), base.with(2)), Err(Error::Insecure { bound: 106.0, .. })));
    let strong = Spec { security: Security::Bits192, specials: &presets::L15.specials[..1], ..presets::L13 };
    let strong = Params::new(&Spec { log_n: 15, alpha: 1, ..strong }).unwrap();
    let weak = strong.check_key(KeySecret::Small(&c12), strong.base());
    assert_eq!(weak, Err(Error::WeakRing { small: 128, large: 192 }));
    assert_eq!(c12.check_key(KeySecret::Small(&c12), c12.full()), Ok(()));
}
