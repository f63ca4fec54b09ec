// out = a(X^g) on Eval rows. `extra` is g. With flag 1, out = out + a(X^g).

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = prime_index(call.over, group.y);
    let q = modulus(m);
    let out = at(call.out, group.z, m);
    let a = at(call.a, group.z, m);
    let bits = call.out.log_cols;
    for (var i = 0u; i < PER_THREAD; i++) {
        let col = (group.x * PER_THREAD + i) * THREADS + thread;
        if (col < (1u << bits)) {
            let x = m1[a + turned(col, call.extra, bits)];
            if (call.flags == 1u) {
                m0[out + col] = add(q, m0[out + col], x);
            } else {
                m0[out + col] = x;
            }
        }
    }
}
