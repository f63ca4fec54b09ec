//! What a program reports of itself: lines `figure NAME: VALUE`, which the script makes a page of.

use crate::board;

/// One figure.
pub fn figure(name: &str, value: u32) {
    defmt::println!("figure {=str}: {=u32}", name, value);
}

/// Memory since the stack was painted.
pub fn memory(name: &str) {
    defmt::println!("figure {=str} stack: {=u32}", name, board::stack_used());
    figure("statics", board::statics());
}
