// Basis conversion: a column of residues modulo the SOURCES primes of the basis `extra` to those of `over`, the
// representative nearest to 0. The digits y stay in registers; a target is a row of constants times them, in a wide sum, with
// the quotient as one more column. Constants: (shift, inverse, (F/f)^-1) of each source, then for each target F/f of each
// source and -F. If PREPARED, the residues come multiplied by (F/f)^-1 already. `flags` is the number of targets, plus 2^16 if
// targets that are sources are left alone.

override SOURCES: u32 = 1u;
override PREPARED: bool = false;

const TARGETS: u32 = 8u; // that a thread serves
const MAX_SOURCES: u32 = 16u;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let col = group.x * THREADS + thread;
    if (col >= (1u << call.out.log_cols)) {
        return;
    }
    var y: array<u32, MAX_SOURCES>;
    var t = vec2<u32>(1u << 28u, 0u); // 29 fractional bits and a half
    for (var i = 0u; i < SOURCES; i++) {
        let m = line_index(call.extra, i);
        let c = call.constants + 3u * i;
        y[i] = m1[at(call.a, group.z, m) + col];
        if (!PREPARED) {
            y[i] = mul(modulus(m), y[i], table[c + 2u]);
        }
        t = sum_add(t, mulhi(y[i] << table[c], table[c + 1u]));
    }
    let v = (t.x >> 29u) | (t.y << 3u);
    let targets = call.flags & 0xffffu;
    for (var k = group.y * TARGETS; k < min((group.y + 1u) * TARGETS, targets); k++) {
        let m = line_index(call.over, k);
        if (call.flags >= 0x10000u && m >= call.extra >> 16u && m - (call.extra >> 16u) < SOURCES) {
            continue;
        }
        let c = call.constants + 3u * SOURCES + k * (SOURCES + 1u);
        var sum = wide_mul(v, table[c + SOURCES]);
        for (var i = 0u; i < SOURCES; i++) {
            sum = wide_mul_add(sum, y[i], table[c + i]);
        }
        m0[at(call.out, group.z, m) + col] = redc_any(modulus(m), sum);
    }
}
