// Source indices of X -> X^g: word i of a(X^g) is the word of a whose exponent is (2 brv(i) + 1) g modulo 2n.

fn brv(i: u32, bits: u32) -> u32 {
    return select(reverseBits(i) >> (32u - bits), 0u, bits == 0u);
}

// The column in a of word `col` of a(X^galois), in rows of 2^bits words.
fn turned(col: u32, galois: u32, bits: u32) -> u32 {
    let exponent = ((2u * brv(col, bits) + 1u) * galois) & ((2u << bits) - 1u); // 2^32 is a multiple of 2n
    return select(brv((exponent - 1u) >> 1u, bits), col, galois == 1u);
}
