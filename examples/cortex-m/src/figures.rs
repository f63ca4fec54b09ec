//! The figures of a program: lines `figure NAME: VALUE`, from which the script writes a page.

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
