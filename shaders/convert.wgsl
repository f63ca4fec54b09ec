// Basis conversion: a column of residues modulo the SOURCES primes of the basis `extra` to those of `over`, the
// representative nearest to 0. The digits y stay in registers; a target is a row of constants times them, in a wide sum, with
// the quotient as one more column. Constants: (shift, inverse, (F/f)^-1) of each source, then for each target F/f of each
// source and -F. If PREPARED, the residues come multiplied by (F/f)^-1 already. `flags` is the number of targets, plus SKIP if
// targets that are sources are left alone, plus KEEP if they are copied, plus ADD if what comes out is added to what is there.
// b is (digits, primes from one to the next, words of constants of each, digits of an item of out): of each item of a as many
// bases are converted, to item after item of out from `c.offset` on.

override SOURCES: u32 = 1u;
override PREPARED: bool = false;

const TARGETS: u32 = 8u; // that a thread serves
const MAX_SOURCES: u32 = 16u;

const SKIP: u32 = 1u << 16u;
const KEEP: u32 = 1u << 17u;
const ADD: u32 = 1u << 18u;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let col = group.x * THREADS + thread;
    if (col >= (1u << call.out.log_cols)) {
        return;
    }
    let item = group.z / call.b.offset;
    let digit = group.z % call.b.offset;
    let basis = call.extra + ((digit * call.b.stride) << 16u);
    let constants = call.constants + digit * call.b.basis;
    let place = item * call.b.log_cols + call.c.offset + digit;
    var y: array<u32, MAX_SOURCES>;
    var t = vec2<u32>(1u << 28u, 0u); // 29 fractional bits and a half
    for (var i = 0u; i < SOURCES; i++) {
        let m = line_index(basis, i);
        let c = constants + 3u * i;
        y[i] = m1[at(call.a, item, m) + col];
        if (!PREPARED) {
            y[i] = mul(modulus(m), y[i], table[c + 2u]);
        }
        t = sum_add(t, mulhi(y[i] << table[c], table[c + 1u]));
    }
    let v = (t.x >> 29u) | (t.y << 3u);
    let targets = call.flags & 0xffffu;
    for (var k = group.y * TARGETS; k < min((group.y + 1u) * TARGETS, targets); k++) {
        let m = line_index(call.over, k);
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
