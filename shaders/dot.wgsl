// out = sum of a b over terms, each b perhaps block-constant; with flag 1, out = out + that sum. The operands of term t are
// in the table, eight words each; `extra` counts them. Sixteen products fit in a wide sum.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = line_index(call.over, group.y);
    let q = modulus(m);
    let out = at(call.out, group.z, m);
    for (var i = 0u; i < PER_THREAD; i++) {
        let col = (group.x * PER_THREAD + i) * THREADS + thread;
        if (col >= (1u << call.out.log_cols)) {
            return;
        }
        var sum = 0u;
        if (call.flags == 1u) {
            sum = m0[out + col];
        }
        for (var first = 0u; first < call.extra; first += 16u) {
            var t = wide_from(0u);
            for (var term = first; term < min(first + 16u, call.extra); term++) {
                let a = operand(call.constants + 8u * term);
                let b = operand(call.constants + 8u * term + 4u);
                let x = m1[at(a, group.z, m) + col];
                let y = m2[at(b, group.z, m) + (col >> (call.out.log_cols - b.log_cols))];
                t = wide_mul_add(t, x, y);
            }
            sum = add(q, sum, redc_any(q, t));
        }
        m0[out + col] = sum;
    }
}
