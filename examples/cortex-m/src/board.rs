//! The emulated board: its exit, its instruction counter, its stack. All `unsafe` code of the programs is in this file.

use core::ptr;
use cortex_m::peripheral::{Peripherals, SYST, syst::SystClkSource};

use cortex_m as _;
use defmt_semihosting as _;

/// Status of the emulator after a panic.
const PANIC: i32 = 101;
/// Status of the emulator after a fault of the processor.
const FAULT: i32 = 102;

/// Ends the emulator; the status is 0 if all went well, else 1.
pub fn exit(well: bool) -> ! {
    semihosting::process::exit(if well { 0 } else { 1 })
}

// Both handlers stay silent: a logger here would be linked with all that it can do, panic included.

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    semihosting::process::exit(PANIC)
}

/// A panic of the logger itself.
#[defmt::panic_handler]
fn logger_panic() -> ! {
    semihosting::process::exit(PANIC)
}

// SAFETY: the signature that cortex-m-rt asks for; nothing is assumed about the state of the program.
#[cortex_m_rt::exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::process::exit(FAULT)
}

/// Counts instructions: with `-icount shift=0` the emulator runs one in a nanosecond, and SysTick ticks every 40.
pub struct Counter(SYST);

impl Counter {
    /// Starts the board. `None` at the second call.
    pub fn start() -> Option<Self> {
        let mut timer = Peripherals::take()?.SYST;
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(0x00ff_ffff);
        timer.clear_current();
        timer.enable_counter();
        Some(Self(timer))
    }

    /// Instructions that `work` took, up to 671 million, rounded to 40.
    pub fn count<T>(&mut self, work: impl FnOnce() -> T) -> (T, u32) {
        let before = SYST::get_current();
        let result = work();
        let ticks = before.wrapping_sub(SYST::get_current()) & 0x00ff_ffff;
        (result, ticks * 40)
    }
}

/// Instructions of a turn of [`wait`].
const TURN: u32 = 4;

/// Reads the timer until it leaves `tick`: the next tick, and the turns of the loop.
fn wait(tick: u32) -> (u32, u32) {
    let mut turns = 0;
    loop {
        let now = SYST::get_current();
        if now != tick {
            return (now, turns);
        }
        turns += 1;
    }
}

impl Counter {
    /// Instructions that `work` took, rounded to a turn of a waiting loop, which is [`TURN`] of them. The work starts with a
    /// tick; the loop fills the last tick. Two runs of equally many instructions differ by one turn at most.
    pub fn count_finely<T>(&mut self, work: impl FnOnce() -> T) -> (T, u32) {
        let (start, _) = wait(SYST::get_current());
        let result = work();
        let (end, turns) = wait(SYST::get_current());
        let ticks = start.wrapping_sub(end) & 0x00ff_ffff;
        (result, ticks * 40 - turns * TURN)
    }
}

unsafe extern "C" {
    static mut __sheap: u32; // the end of the statics, from cortex-m-rt
    static mut _stack_start: u32; // where the stack begins, at the top of the memory
}

const PAINT: u32 = 0x5bad_c0de;

fn stack() -> (*mut u32, *mut u32) {
    (&raw mut __sheap, &raw mut _stack_start)
}

/// Paints the stack that is not in use.
#[inline(never)]
pub fn paint_stack() {
    let (mut at, _) = stack();
    let used = cortex_m::register::msp::read() as usize;
    while (at as usize) < used - 256 {
        // SAFETY: aligned words between the statics and the stack pointer, with room for this function's own frame.
        unsafe { ptr::write_volatile(at, PAINT) };
        at = at.wrapping_add(1);
    }
}

/// The most bytes of stack that were in use since [`paint_stack`].
#[inline(never)]
pub fn stack_used() -> u32 {
    let (mut at, top) = stack();
    // SAFETY: aligned words of memory that exists; at most the top of the stack is read.
    while at < top && unsafe { ptr::read_volatile(at) } == PAINT {
        at = at.wrapping_add(1);
    }
    (top as usize - at as usize) as u32
}

/// Bytes of statics.
pub fn statics() -> u32 {
    (stack().0 as usize - 0x2000_0000) as u32
}
