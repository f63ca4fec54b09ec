// out = signed 64-bit integers mod q, for every modulus of out. An integer of a is two words, the low one first; the
// rows of an item share its integers.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = prime_index(call.over, group.y);
    let q = modulus(m);
    let out = at(call.out, group.z, m);
    let a = call.a.offset + group.z * call.a.stride;
    for (var i = 0u; i < PER_THREAD; i++) {
        let col = (group.x * PER_THREAD + i) * THREADS + thread;
        if (col < (1u << call.out.log_cols)) {
            let low = m1[a + 2u * col];
            let high = m1[a + 2u * col + 1u];
            let x = add(q, mul(q, high, q.r2), mul(q, low, q.one)); // of the two's complement, 2^64 = R^2 too many
            m0[out + col] = sub(q, x, select(0u, q.r2, high >= 0x80000000u));
        }
    }
}
