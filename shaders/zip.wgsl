// out = a op b, or out = out + a b; b may be block-constant. `flags`: 0 adds, 1 subtracts, 2 multiplies, 3 is the sum of
// out and the product.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = prime_index(call.over, group.y);
    let q = modulus(m);
    let out = at(call.out, group.z, m);
    let a = at(call.a, group.z, m);
    let b = at(call.b, group.z, m);
    let block = call.out.log_cols - call.b.log_cols;
    for (var i = 0u; i < PER_THREAD; i++) {
        let col = (group.x * PER_THREAD + i) * THREADS + thread;
        if (col < (1u << call.out.log_cols)) {
            let x = m1[a + col];
            let y = m2[b + (col >> block)];
            switch call.flags {
                case 0u: { m0[out + col] = add(q, x, y); }
                case 1u: { m0[out + col] = sub(q, x, y); }
                case 2u: { m0[out + col] = mul(q, x, y); }
                default: { m0[out + col] = add(q, m0[out + col], mul(q, x, y)); }
            }
        }
    }
}
