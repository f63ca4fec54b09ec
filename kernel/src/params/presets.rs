//! The named parameter sets. `polyformer params` derives each chain except S12, and a test compares the two.

use super::{Bootstrap, Security, Spec};

/// Every preset and its name.
pub const ALL: [(&str, Spec<'static>); 9] = [
    ("B16", B16),
    ("F16", F16),
    ("H16", H16),
    ("L13", L13),
    ("L14", L14),
    ("L15", L15),
    ("S12", S12),
    ("C12", C12),
    ("C13", C13),
];

/// The preset of that name.
pub fn find(name: &str) -> Option<&'static Spec<'static>> {
    ALL.iter().find(|(n, _)| *n == name).map(|(_, spec)| spec)
}

/// The bootstrapping levels of every chain of 2^16.
const DEEP: Bootstrap =
    Bootstrap { coeffs_to_slots: 4, eval_mod: 8, slots_to_coeffs: 3, eval_mod_scale_bits: 58.0, iterations: 1 };

/// The levels of `message`, and above the message two more main primes a level, with `terminals` rescaling primes each.
const fn with_deep_levels<const MESSAGE: usize, const ALL: usize>(
    message: [(u8, u8); MESSAGE],
    terminals: u8,
) -> [(u8, u8); ALL] {
    let (mut all, mut i) = ([(terminals, message[MESSAGE - 1].1); ALL], 0);
    while i < ALL {
        if i < MESSAGE {
            all[i] = message[i];
        } else {
            all[i].1 += 2 * (i + 1 - MESSAGE) as u8;
        }
        i += 1;
    }
    all
}

/// Rescaling and main primes of each level at scale 2^39.5. A chain takes the first ones, up to its top level.
const STEPS: &[(u8, u8)] = &with_deep_levels::<17, 29>(
    [
        (0, 2),
        (2, 2),
        (1, 4),
        (0, 6),
        (2, 6),
        (1, 8),
        (0, 10),
        (2, 10),
        (1, 12),
        (0, 14),
        (2, 14),
        (1, 16),
        (0, 18),
        (2, 18),
        (1, 20),
        (0, 22),
        (2, 22),
    ],
    2,
);

/// The first `count` of [`STEPS`].
const fn steps(count: usize) -> &'static [(u8, u8)] {
    STEPS.split_at(count).0
}

/// The special primes of every chain of 2^16.
const SPECIALS: &[u32] = &[
    1073479681, 1071513601, 1070727169, 1068236801, 1065484289, 1064697857, 1062862849, 1062469633, 1060765697,
    1056440321, 1056178177, 1055260673,
];

/// Bootstrappable, N = 2^16: 17 message levels at scale 2^39.5 (13 left after bootstrapping), EvalMod at 2^58.
pub const B16: Spec<'static> = Spec {
    log_n: 16,
    specials: SPECIALS,
    line: &[
        786433, 1179649, 1054212097, 1053818881, 790364161, 708182017, 969146369, 946339841, 771096577, 725876737,
        992083969, 924450817, 740294657, 756154369, 996278273, 920518657, 721551361, 775815169, 943718401, 971898881,
        780009473, 717488129, 940572673, 975175681, 488243201, 590479361, 464781313, 620101633, 409993217, 703070209,
        459931649, 626655233, 487456769, 591265793, 521011201, 553254913, 471072769, 611844097, 536608769, 537133057,
        268042241, 269221889, 270532609, 270794753, 265420801, 264634369, 272760833, 263454721,
    ],
    terminals: 2,
    base: 2,
    alpha: 12,
    levels: STEPS,
    scale_bits: 39.5,
    bootstrap: Some(DEEP),
    security: Security::Bits128,
};

/// Bootstrappable and fast, N = 2^16: 16 message levels at scale 2^29.5, one prime each (13 left after bootstrapping),
/// EvalMod at 2^44.8. Nine primes fewer than [`B16`] and three digits; slots keep some 15 bits after a bootstrap.
pub const F16: Spec<'static> = Spec {
    log_n: 16,
    specials: &[
        1073479681, 1071513601, 1070727169, 1068236801, 1065484289, 1064697857, 1062862849, 1062469633, 1060765697,
        1056440321, 1056178177, 1055260673, 1054212097,
    ],
    line: &[
        2752513, 8257537, 1053818881, 1052508161, 758906881, 759693313, 760741889, 756940801, 756154369, 763887617,
        754974721, 764805121, 753664001, 767164417, 748552193, 767950849, 748158977, 768212993, 745537537, 769130497,
        930742273, 907018241, 957349889, 932577281, 896008193, 967180289, 932970497, 899678209, 962854913, 537133057,
        536608769, 521011201, 553254913, 929955841, 939655169, 924844033, 933101569, 954335233, 907542529,
    ],
    terminals: 2,
    base: 2,
    alpha: 13,
    levels: &FAST_STEPS,
    scale_bits: 29.5,
    bootstrap: Some(Bootstrap { eval_mod_scale_bits: 44.8, ..DEEP }),
    security: Security::Bits128,
};

/// The levels of [`F16`]: one main prime for each of 16 message levels. Above, three primes in two levels, and two pairs
/// at the top of EvalMod.
const FAST_STEPS: [(u8, u8); 29] = {
    const ABOVE: [(u8, u8); 12] =
        [(2, 18), (0, 21), (2, 21), (0, 24), (2, 24), (0, 27), (0, 29), (0, 31), (2, 31), (0, 34), (2, 34), (0, 37)];
    let (mut all, mut i) = ([(0, 2); 29], 0);
    while i < 29 {
        all[i] = if i < 17 { (0, 2 + i as u8) } else { ABOVE[i - 17] };
        i += 1;
    }
    all
};

/// Bootstrappable in two iterations, N = 2^16: 13 message levels at scale 2^44.4 (10 left after bootstrapping), for 30 bits.
pub const H16: Spec<'static> = Spec {
    log_n: 16,
    specials: SPECIALS,
    line: &[
        2752513, 8257537, 1054212097, 1053818881, 811204609, 829685761, 792199169, 810024961, 816709633, 805961729,
        811859969, 791019521, 830341121, 811991041, 818544641, 802160641, 808714241, 803602433, 820510721, 813170689,
        770703361, 850788353, 488243201, 590479361, 464781313, 620101633, 409993217, 703070209, 459931649, 626655233,
        487456769, 591265793, 521011201, 553254913, 471072769, 611844097, 536608769, 537133057, 268042241, 269221889,
        270532609, 270794753, 265420801, 264634369, 272760833, 263454721,
    ],
    terminals: 2,
    base: 2,
    alpha: 12,
    levels: &with_deep_levels::<14, 26>(
        [
            (0, 2),
            (2, 2),
            (0, 5),
            (2, 5),
            (0, 8),
            (2, 8),
            (0, 11),
            (2, 11),
            (0, 14),
            (2, 14),
            (0, 17),
            (2, 17),
            (0, 20),
            (2, 20),
        ],
        2,
    ),
    scale_bits: 44.4,
    bootstrap: Some(Bootstrap { iterations: 2, ..DEEP }),
    security: Security::Bits128,
};

/// Leveled, N = 2^13: 2 levels at scale 2^39.5.
pub const L13: Spec<'static> = Spec {
    log_n: 13,
    specials: &[1073479681],
    line: &[786433, 1179649, 1071513601, 1070727169, 790364161, 708182017],
    terminals: 2,
    base: 2,
    alpha: 1,
    levels: steps(3),
    scale_bits: 39.5,
    bootstrap: None,
    security: Security::Bits128,
};

/// Leveled, N = 2^14: 7 levels at scale 2^39.5.
pub const L14: Spec<'static> = Spec {
    log_n: 14,
    specials: &[1073479681, 1071513601, 1070727169],
    line: &[
        786433, 1179649, 1068236801, 1065484289, 790364161, 708182017, 969146369, 946339841, 771096577, 725876737,
        992083969, 924450817,
    ],
    terminals: 2,
    base: 2,
    alpha: 3,
    levels: steps(8),
    scale_bits: 39.5,
    bootstrap: None,
    security: Security::Bits128,
};

/// Leveled, N = 2^15: 16 levels at scale 2^39.5.
pub const L15: Spec<'static> = Spec {
    log_n: 15,
    specials: &[1073479681, 1071513601, 1070727169, 1068236801, 1065484289],
    line: &[
        786433, 1179649, 1064697857, 1062862849, 790364161, 708182017, 969146369, 946339841, 771096577, 725876737,
        992083969, 924450817, 740294657, 756154369, 996278273, 920518657, 721551361, 775815169, 943718401, 971898881,
        780009473, 717488129, 940572673, 975175681,
    ],
    terminals: 2,
    base: 2,
    alpha: 5,
    levels: steps(17),
    scale_bits: 39.5,
    bootstrap: None,
    security: Security::Bits128,
};

/// Private search, N = 2^12: 1 level of one prime, over a base of two. All primes of the chain have 25 bits, so that three
/// of them and P fit the bound of the ring degree. [`crate::ckks::scores`]
pub const S12: Spec<'static> = Spec {
    log_n: 12,
    specials: &[1073479681],
    line: &[42729473, 41680897, 40370177],
    terminals: 0,
    base: 2,
    alpha: 1,
    levels: &[(0, 2), (0, 3)],
    scale_bits: 25.3,
    bootstrap: None,
    security: Security::Bits128,
};

/// Client of a small device, N = 2^12: the base primes of B16, encryption and decryption only.
pub const C12: Spec<'static> = Spec {
    log_n: 12,
    specials: &[],
    line: &[1054212097, 1053818881],
    terminals: 0,
    base: 2,
    alpha: 0,
    levels: &[(0, 2)],
    scale_bits: 39.5,
    bootstrap: None,
    security: Security::Bits128,
};

/// Client of a small device, N = 2^13: the base primes of B16, encryption and decryption only.
pub const C13: Spec<'static> = Spec { log_n: 13, ..C12 };
