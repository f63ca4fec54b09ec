// out = a(X^g) on Eval rows: word i comes from the place whose exponent is (2 brv(i) + 1) g modulo 2n. `extra` is g.
// With flag 1, out = out + a(X^g).

fn brv(i: u32, bits: u32) -> u32 {
    return select(reverseBits(i) >> (32u - bits), 0u, bits == 0u);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = line_index(call.over, group.y);
    let q = modulus(m);
    let out = at(call.out, group.z, m);
    let a = at(call.a, group.z, m);
    let bits = call.out.log_cols;
    for (var i = 0u; i < PER_THREAD; i++) {
        let col = (group.x * PER_THREAD + i) * THREADS + thread;
        if (col < (1u << bits)) {
            let exponent = ((2u * brv(col, bits) + 1u) * call.extra) & ((2u << bits) - 1u); // 2^32 is a multiple of 2n
            let x = m1[a + brv((exponent - 1u) >> 1u, bits)];
            if (call.flags == 1u) {
                m0[out + col] = add(q, m0[out + col], x);
            } else {
                m0[out + col] = x;
            }
        }
    }
}
