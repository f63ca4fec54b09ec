//! What a circuit or a model takes before anything is encrypted: keys, bootstraps, memory, seconds.

pub mod circuit;
pub mod dry_run;
pub mod memory;
pub mod model;
pub mod speed;
