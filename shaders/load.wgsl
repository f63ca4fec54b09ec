// out = words of the table, `extra` of them.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = group.x * THREADS + thread;
    if (i < call.extra) {
        m0[call.out.offset + i] = table[call.constants + i];
    }
}
