//! A piece of advice for a request that cannot be built: a request near it that can.

use super::Request;
use std::fmt;

/// A request that builds, beside one that does not. It prints as the options that differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Advice {
    /// The request that builds.
    pub request: Request,
    asked: Request,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (to, from) = (&self.request, &self.asked);
        let mut options = Vec::new();
        if to.log_n != from.log_n {
            options.push(format!("--n {}", 1u64 << to.log_n));
        }
        if to.levels != from.levels {
            options.push(format!("--levels {}", to.levels));
        }
        if to.scale_bits != from.scale_bits {
            options.push(format!("--scale-bits {}", to.scale_bits));
        }
        if let (true, Some(dnum)) = (to.dnum != from.dnum, to.dnum) {
            options.push(format!("--dnum {dnum}"));
        }
        f.write_str(&options.join(" "))
    }
}

impl Advice {
    /// `request` in place of `asked`.
    pub(super) fn new(request: Request, asked: Request) -> Self {
        Self { request, asked }
    }
}
