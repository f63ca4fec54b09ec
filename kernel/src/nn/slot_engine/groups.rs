//! The columns of a head in groups as wide as there are tokens: attention shifts columns within their group.

use alloc::vec::Vec;

/// Groups of the features of a head.
#[derive(Clone, Copy)]
pub struct Groups {
    /// g: columns of a group.
    pub size: usize,
    /// d/g: groups of a head.
    pub count: usize,
    /// Slots from a token to the next.
    pub stride: i32,
}

impl Groups {
    /// Baby and giant steps of a turn by up to g tokens.
    pub fn steps(&self) -> [Vec<i32>; 2] {
        let baby_steps = 1 << self.size.ilog2().div_ceil(2);
        let steps = |count: i32, each: i32| (0..count).map(|i| i * each * self.stride).collect();
        [steps(baby_steps, 1), steps(self.size as i32 / baby_steps, baby_steps)]
    }
}
