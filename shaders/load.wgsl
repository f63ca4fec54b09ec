// Copies words of the table to their targets. The table has for each run of words its target, its source and its length.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = group.x * THREADS + thread;
    let k = call.constants + 3u * group.y;
    if (i < table[k + 2u]) {
        m0[table[k] + i] = table[table[k + 1u] + i];
    }
}
