//! The requests to valgrind, as `valgrind.h` and `memcheck.h` define them for x86-64. All `unsafe` code of the program is
//! in this file. Without valgrind the instructions do nothing, and on another processor there are none.

#[cfg(target_arch = "x86_64")]
fn request(code: usize, at: *const u8, length: usize) {
    const MEMCHECK: usize = 0x4d43_0000; // "MC" in the upper half
    let arguments = [MEMCHECK + code, at as usize, length, 0, 0, 0];
    // SAFETY: the four rotations add up to 128 bits, and leave rdi as it was. The exchange does nothing. Valgrind
    // recognises the sequence, reads the six words at rax and writes rdx.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") &raw const arguments, inout("rdx") 0usize => _, options(nostack),
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn request(_: usize, _: *const u8, _: usize) {}

/// Marks the bytes of `x` as undefined: what is computed from them counts as secret.
pub fn undefined<T>(x: &[T]) {
    request(1, x.as_ptr().cast(), size_of_val(x));
}

/// Marks the bytes of `x` as defined: they are public from here on.
pub fn defined<T>(x: &[T]) {
    request(2, x.as_ptr().cast(), size_of_val(x));
}
