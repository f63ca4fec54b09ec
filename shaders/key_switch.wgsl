// For each of `extra` keys, (out, a) = sum over digits of x (key half b, key half a), where x is the extended digit (b of the
// call), or for a digit's own rows the operand that was cut into digits (c of the call); with flag 1, that sum is added to
// what is there. The table has alpha, specials, the first digit of the operand, the number of its digits, and the range of
// those that this call sums; then for each key the operands out and a, and for each digit the two halves. What is read of
// the digits for one key is in the cache for the others.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = line_index(call.over, group.y);
    let q = modulus(m);
    let c = call.constants;
    let digits = table[c + 3u];
    let begin = table[c + 4u];
    let end = table[c + 5u];
    let own = select((m - table[c + 1u]) / table[c] - table[c + 2u], digits, m < table[c + 1u]);
    let source = at(call.c, group.z, m);
    for (var key = 0u; key < call.extra; key++) {
        let k = c + 6u + 8u * key * (end - begin + 1u);
        let out0 = at(operand(k), group.z, m);
        let out1 = at(operand(k + 4u), group.z, m);
        for (var i = 0u; i < PER_THREAD; i++) {
            let col = (group.x * PER_THREAD + i) * THREADS + thread;
            if (col >= (1u << call.out.log_cols)) {
                continue;
            }
            var sum0 = 0u;
            var sum1 = 0u;
            if (call.flags == 1u) {
                sum0 = m0[out0 + col];
                sum1 = m1[out1 + col];
            }
            for (var head = begin; head < end; head += 16u) {
                var t0 = wide_from(0u);
                var t1 = wide_from(0u);
                for (var j = head; j < min(head + 16u, end); j++) {
                    let half = k + 8u * (j - begin + 1u);
                    var x: u32;
                    if (j == own) {
                        x = m3[source + col];
                    } else {
                        x = m2[at(call.b, group.z * digits + j, m) + col];
                    }
                    t0 = wide_mul_add(t0, x, m4[at(operand(half), group.z, m) + col]);
                    t1 = wide_mul_add(t1, x, m5[at(operand(half + 4u), group.z, m) + col]);
                }
                sum0 = add(q, sum0, redc_any(q, t0));
                sum1 = add(q, sum1, redc_any(q, t1));
            }
            m0[out0 + col] = sum0;
            m1[out1 + col] = sum1;
        }
    }
}
