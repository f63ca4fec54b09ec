//! The common part of the programs. Each program prints its results with `defmt` and ends the emulator with a status.
#![no_std]

pub mod board;
pub mod client;
pub mod figures;
pub mod plain;

/// Constants that the build computed: tables of the memory plans, the demo question, the labels.
pub mod constants {
    include!(concat!(env!("OUT_DIR"), "/constants.rs"));
}
