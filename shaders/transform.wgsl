// What ntt and intt share: the part of a row that a workgroup holds. A pass does stages [first, first + stages) of
// the transform on a tile of up to 4096 words: the 2^stages words that these stages mix, times as many neighbours as fit.
// Either the pass is the first and neighbours are adjacent columns, or it is the last and they are adjacent blocks.

var<workgroup> tile: array<u32, 4096>;

struct Pass { first: u32, stages: u32, log_tile: u32, low: u32, gap: u32, prefix: u32 }

// `extra` is first | stages << 8.
fn pass_of(group: u32) -> Pass {
    let log_cols = call.out.log_cols;
    let first = call.extra & 0xffu;
    let stages = call.extra >> 8u;
    let log_tile = min(log_cols, 12u);
    let gap = log_cols - first - stages; // log2 of the words between two that the last of these stages mixes
    let neighbours = log_tile - stages;
    return Pass(first, stages, log_tile, select(neighbours, 0u, gap == 0u), gap, select(0u, group << neighbours, gap == 0u));
}

// The column of word e of the tile.
fn column(p: Pass, group: u32, e: u32) -> u32 {
    if (p.gap == 0u) {
        return (group << p.log_tile) + e;
    }
    return ((e >> p.low) << p.gap) + (group << p.low) + (e & ((1u << p.low) - 1u));
}

// Where word e of the tile is kept: threads that are 2^k words apart must not meet in one bank.
fn bank(e: u32) -> u32 {
    return e ^ ((e >> 5u) & 31u);
}

// The first word of group g of a step that mixes words 2^low apart, 2^radix of them.
fn start_of(g: u32, low: u32, radix: u32) -> u32 {
    return ((g >> low) << (low + radix)) | (g & ((1u << low) - 1u));
}

// The twiddles of line index m, forward or inverse.
fn twiddles_of(m: u32, inverse: u32) -> u32 {
    return TWIDDLES + ((2u * m + inverse) << ring[LOG_N]);
}
