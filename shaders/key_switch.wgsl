// For each of `extra` results, (out, a) = [old contents +] the sum of its terms, each rotated by a Galois element: the
// words of column `col` are those of another column of its operands. A term is the sum over digits of x (key half b, key half
// a), where x is the extended digit (b of the call, all digits of an item side by side), or for a digit's own rows the operand
// that was cut into digits (c of the call); or it is an addend to one half, as it is or times a constant of the row.
//
// The table has alpha (0: the own rows are extended, too), specials, the first digit of the operand, the number of its digits.
// Then for each result: 1 if it begins with what is there, the number of its terms, the operands out and a. Then for each term
// DIGITS, the Galois element, its item among those of b, the range of digits, and of each half of the key basis and stride, then
// for each digit where its two halves are; or 1 + the half, the Galois element, where the constants are (0: none), the addend.
// The digits that one key reads stay in the cache for the other keys.

const DIGITS: u32 = 0u;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = prime_index(call.over, group.y);
    let q = modulus(m);
    let bits = call.out.log_cols;
    let first = group.x * PER_THREAD * THREADS + thread;
    let last = (1u << bits) - 1u;
    var k = call.constants;
    let alpha = table[k];
    let digits = table[k + 3u];
    let has_own = alpha > 0u && m >= table[k + 1u];
    let own = select(digits, (m - table[k + 1u]) / max(alpha, 1u) - table[k + 2u], has_own);
    k += 4u;
    for (var result = 0u; result < call.extra; result++) {
        let begun = table[k] == 1u;
        let terms = table[k + 1u];
        let out0 = at(operand(k + 2u), group.z, m);
        let out1 = at(operand(k + 6u), group.z, m);
        k += 10u;
        var sum0: array<u32, PER_THREAD>;
        var sum1: array<u32, PER_THREAD>;
        for (var i = 0u; i < PER_THREAD; i++) {
            let col = min(first + i * THREADS, last);
            sum0[i] = select(0u, m0[out0 + col], begun);
            sum1[i] = select(0u, m1[out1 + col], begun);
        }
        for (var term = 0u; term < terms; term++) {
            let kind = table[k];
            var cols: array<u32, PER_THREAD>;
            for (var i = 0u; i < PER_THREAD; i++) {
                cols[i] = turned(min(first + i * THREADS, last), table[k + 1u], bits);
            }
            if (kind != DIGITS) {
                let factors = table[k + 2u];
                var c = q.one;
                if (factors != 0u) {
                    c = table[factors + group.y];
                }
                if (c != 0u) {
                    let a = at(operand(k + 3u), group.z, m);
                    for (var i = 0u; i < PER_THREAD; i++) {
                        let x = mul(q, m3[a + cols[i]], c);
                        sum0[i] = add(q, sum0[i], select(0u, x, kind == 1u));
                        sum1[i] = add(q, sum1[i], select(0u, x, kind == 2u));
                    }
                }
                k += 7u;
                continue;
            }
            let item = group.z + table[k + 2u];
            let begin = table[k + 3u];
            let end = table[k + 4u];
            let row0 = group.z * table[k + 6u] + (row_of(table[k + 5u], m) << bits);
            let row1 = group.z * table[k + 8u] + (row_of(table[k + 7u], m) << bits);
            k += 9u;
            for (var head = begin; head < end; head += 16u) {
                var t0: array<Wide, PER_THREAD>;
                var t1: array<Wide, PER_THREAD>;
                for (var i = 0u; i < PER_THREAD; i++) {
                    t0[i] = wide_from(0u);
                    t1[i] = wide_from(0u);
                }
                for (var j = head; j < min(head + 16u, end); j++) {
                    let key0 = table[k] + row0;
                    let key1 = table[k + 1u] + row1;
                    k += 2u;
                    if (j == own) {
                        let source = at(call.c, group.z, m);
                        for (var i = 0u; i < PER_THREAD; i++) {
                            let x = m3[source + cols[i]];
                            t0[i] = wide_mul_add(t0[i], x, m4[key0 + cols[i]]);
                            t1[i] = wide_mul_add(t1[i], x, m5[key1 + cols[i]]);
                        }
                    } else {
                        let digit = at(call.b, item * digits + j, m);
                        for (var i = 0u; i < PER_THREAD; i++) {
                            let x = m2[digit + cols[i]];
                            t0[i] = wide_mul_add(t0[i], x, m4[key0 + cols[i]]);
                            t1[i] = wide_mul_add(t1[i], x, m5[key1 + cols[i]]);
                        }
                    }
                }
                for (var i = 0u; i < PER_THREAD; i++) {
                    sum0[i] = add(q, sum0[i], redc_any(q, t0[i]));
                    sum1[i] = add(q, sum1[i], redc_any(q, t1[i]));
                }
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
