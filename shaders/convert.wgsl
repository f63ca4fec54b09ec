// Basis conversion: a column of residues modulo the SOURCES primes of a digit to residues modulo the primes `over`, of the
// representative nearest to 0. The factors y stay in registers. A target is a row of constants times the factors, in a wide
// sum, with the quotient as one more column.
//
// A call converts a run of `digits` digits, `alpha` primes apart, of each item of a. Digit `first` + d of an item of out
// receives digit d of the run. The constants of a digit are (shift, inverse, (F/f)^-1) of each source, then for each target
// F/f of each source and -F. If PREPARED, the residues come multiplied by (F/f)^-1.
//
// `flags`: SKIP leaves targets that are sources alone; KEEP copies targets that are sources; ADD adds the results to out.

override SOURCES: u32 = 1u;
override PREPARED: bool = false;

const TARGETS: u32 = 8u; // that a thread serves
const MAX_SOURCES: u32 = 16u;

const SKIP: u32 = 1u;
const KEEP: u32 = 2u;
const ADD: u32 = 4u;

struct Call {
    over: u32,            // the targets (specials | start << 16)
    flags: u32,
    constants: u32,       // where the constants of the first digit start in the table
    basis: u32,           // the first digit (specials | start << 16)
    out: Operand,
    a: Operand,
    targets: u32,         // rows of `over`
    digits: u32,          // digits of the run
    alpha: u32,           // primes from the start of one digit to the start of the next
    digit_constants: u32, // words of the constants of one digit
    first: u32,           // the place of the first digit of the run among the digits of an item of out
    digits_per_item: u32, // digits of an item of out
}

var<immediate> call: Call;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let col = group.x * THREADS + thread;
    if (col >= (1u << call.out.log_cols)) {
        return;
    }
    let item = group.z / call.digits;
    let digit = group.z % call.digits;
    let basis = call.basis + ((digit * call.alpha) << 16u);
    let constants = call.constants + digit * call.digit_constants;
    let place = item * call.digits_per_item + call.first + digit;
    var y: array<u32, MAX_SOURCES>;
    var t = vec2<u32>(1u << 28u, 0u); // 29 fractional bits and a half
    for (var i = 0u; i < SOURCES; i++) {
        let m = prime_index(basis, i);
        let c = constants + 3u * i;
        y[i] = m1[at(call.a, item, m) + col];
        if (!PREPARED) {
            y[i] = mul(modulus(m), y[i], table[c + 2u]);
        }
        t = sum_add(t, mulhi(y[i] << table[c], table[c + 1u]));
    }
    let v = (t.x >> 29u) | (t.y << 3u);
    for (var k = group.y * TARGETS; k < min((group.y + 1u) * TARGETS, call.targets); k++) {
        let m = prime_index(call.over, k);
        let out = at(call.out, place, m) + col;
        if ((call.flags & (SKIP | KEEP)) != 0u && m >= basis >> 16u && m - (basis >> 16u) < SOURCES) {
            if ((call.flags & KEEP) != 0u) {
                m0[out] = m1[at(call.a, item, m) + col];
            }
            continue;
        }
        let c = constants + 3u * SOURCES + k * (SOURCES + 1u);
        var sum = wide_mul(v, table[c + SOURCES]);
        for (var i = 0u; i < SOURCES; i++) {
            sum = wide_mul_add(sum, y[i], table[c + i]);
        }
        let q = modulus(m);
        var x = redc_any(q, sum);
        if ((call.flags & ADD) != 0u) {
            x = add(q, m0[out], x);
        }
        m0[out] = x;
    }
}
