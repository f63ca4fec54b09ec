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
    let first = group.x * PER_THREAD * THREADS + thread;
    let last = (1u << call.out.log_cols) - 1u;
    for (var key = 0u; key < call.extra; key++) {
        let k = c + 6u + 8u * key * (end - begin + 1u);
        let out0 = at(operand(k), group.z, m);
        let out1 = at(operand(k + 4u), group.z, m);
        var sum0: array<u32, PER_THREAD>;
        var sum1: array<u32, PER_THREAD>;
        for (var i = 0u; i < PER_THREAD; i++) {
            let col = min(first + i * THREADS, last);
            sum0[i] = select(0u, m0[out0 + col], call.flags == 1u);
            sum1[i] = select(0u, m1[out1 + col], call.flags == 1u);
        }
        for (var head = begin; head < end; head += 16u) {
            var t0: array<Wide, PER_THREAD>;
            var t1: array<Wide, PER_THREAD>;
            for (var i = 0u; i < PER_THREAD; i++) {
                t0[i] = wide_from(0u);
                t1[i] = wide_from(0u);
            }
            for (var j = head; j < min(head + 16u, end); j++) {
                let half = k + 8u * (j - begin + 1u);
                let digit = at(call.b, group.z * digits + j, m);
                let key0 = at(operand(half), group.z, m);
                let key1 = at(operand(half + 4u), group.z, m);
                for (var i = 0u; i < PER_THREAD; i++) {
                    let col = min(first + i * THREADS, last);
                    var x: u32;
                    if (j == own) {
                        x = m3[source + col];
                    } else {
                        x = m2[digit + col];
                    }
                    t0[i] = wide_mul_add(t0[i], x, m4[key0 + col]);
                    t1[i] = wide_mul_add(t1[i], x, m5[key1 + col]);
                }
            }
            for (var i = 0u; i < PER_THREAD; i++) {
                sum0[i] = add(q, sum0[i], redc_any(q, t0[i]));
                sum1[i] = add(q, sum1[i], redc_any(q, t1[i]));
            }
        }
        for (var i = 0u; i < PER_THREAD; i++) {
            if (first + i * THREADS <= last) {
                m0[out0 + first + i * THREADS] = sum0[i];
                m1[out1 + first + i * THREADS] = sum1[i];
            }
        }
    }
}
