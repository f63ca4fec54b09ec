// For each of `extra` results, out = sum of a b over its terms, each b perhaps block-constant; with flag 1, out = out + that
// sum. The table has for each result the number of its terms and its operand, then for each term the two factors. Sixteen
// products fit in a wide sum. The words of a for one result stay in the cache for the other results.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = prime_index(call.over, group.y);
    let q = modulus(m);
    let first = group.x * PER_THREAD * THREADS + thread;
    let last = (1u << call.out.log_cols) - 1u;
    var k = call.constants;
    for (var result = 0u; result < call.extra; result++) {
        let terms = table[k];
        let out = at(operand(k + 1u), group.z, m);
        k += 5u;
        var sum: array<u32, PER_THREAD>;
        for (var i = 0u; i < PER_THREAD; i++) {
            sum[i] = select(0u, m0[out + min(first + i * THREADS, last)], call.flags == 1u);
        }
        for (var head = 0u; head < terms; head += 16u) {
            var t: array<Wide, PER_THREAD>;
            for (var i = 0u; i < PER_THREAD; i++) {
                t[i] = wide_from(0u);
            }
            for (var term = head; term < min(head + 16u, terms); term++) {
                let a = at(operand(k), group.z, m);
                let y = operand(k + 4u);
                let b = at(y, group.z, m);
                let block = call.out.log_cols - y.log_cols;
                k += 8u;
                for (var i = 0u; i < PER_THREAD; i++) {
                    let col = min(first + i * THREADS, last);
                    t[i] = wide_mul_add(t[i], m1[a + col], m2[b + (col >> block)]);
                }
            }
            for (var i = 0u; i < PER_THREAD; i++) {
                sum[i] = add(q, sum[i], redc_any(q, t[i]));
            }
        }
        for (var i = 0u; i < PER_THREAD; i++) {
            if (first + i * THREADS <= last) {
                m0[out + first + i * THREADS] = sum[i];
            }
        }
    }
}
