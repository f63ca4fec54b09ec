//! The refusal of a request, with advice: the options are changed one at a time, and a change is advised only after the
//! changed request was built.

use super::{
    Request,
    advice::Advice,
    build_error::{BuildError, Fault},
    scale_pattern::ScalePattern,
};
use polyformer_kernel::params::MAX_LEVELS;

/// The refusal of `asked` for `fault`, with advice.
pub fn refusal(asked: &Request, fault: Fault) -> BuildError {
    let no_degree = matches!(fault, Fault::Degree { .. });
    let single: Vec<Request> = match fault {
        Fault::Degree { .. } => degree(asked, asked.log_n.clamp(10, 16)),
        Fault::ScalePattern { .. } | Fault::BootstrapScale { .. } => scale(asked),
        Fault::Levels { .. } | Fault::FewLevels { .. } | Fault::Limbs { .. } => levels(asked),
        Fault::Dnum { .. } => dnum(asked),
        Fault::Drift { .. } => [levels(asked), scale(asked)].concat(),
        Fault::Insecure { .. } | Fault::Kernel(_) => {
            [dnum(asked), levels(asked), degree(asked, asked.log_n + 1)].concat()
        }
    };
    let mut found = single;
    if found.is_empty() && !no_degree {
        let larger = (10..=16).filter(|log_n| *log_n > asked.log_n).map(|log_n| Request { log_n, ..*asked });
        let any = |request: Request| [levels(&request), scale(&request)].concat().into_iter().next();
        found = std::iter::once(*asked).chain(larger).find_map(any).into_iter().collect();
    }
    let asked = if no_degree { Request { log_n: 0, ..*asked } } else { *asked };
    let advice = found.into_iter().map(|request| Advice::new(request, asked)).collect();
    BuildError { fault, advice }
}

fn builds(request: &Request) -> bool {
    request.assemble().is_ok()
}

/// The least degree from 2^first that builds.
fn degree(asked: &Request, first: u8) -> Vec<Request> {
    (first..=16).map(|log_n| Request { log_n, ..*asked }).find(builds).into_iter().collect()
}

/// The number of levels below that builds, or else above.
fn levels(asked: &Request) -> Vec<Request> {
    let below = (1..asked.levels.min(MAX_LEVELS as u8)).rev();
    let above = asked.levels.saturating_add(1)..=asked.levels.saturating_add(4);
    below.chain(above).map(|levels| Request { levels, ..*asked }).find(builds).into_iter().collect()
}

/// The nearest scale that builds, at an end of a range.
fn scale(asked: &Request) -> Vec<Request> {
    let mut ends: Vec<f64> = ScalePattern::ALL.iter().flat_map(|w| [w.range().0, w.range().1]).collect();
    ends.sort_by(|a, b| (a - asked.scale_bits).abs().total_cmp(&(b - asked.scale_bits).abs()));
    ends.into_iter().map(|scale_bits| Request { scale_bits, ..*asked }).find(builds).into_iter().collect()
}

/// The number of digits that would be taken without the option.
fn dnum(asked: &Request) -> Vec<Request> {
    let Some(_) = asked.dnum else { return Vec::new() };
    let free = Request { dnum: None, ..*asked }.assemble();
    let dnum = free.ok().map(|(spec, ..)| spec.line.len().div_ceil((spec.alpha as usize).max(1)));
    dnum.map(|dnum| Request { dnum: Some(dnum), ..*asked }).filter(builds).into_iter().collect()
}
