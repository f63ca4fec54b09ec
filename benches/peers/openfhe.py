"""Times encode, multiply-relinearise-rescale and rotate of the OpenFHE Python package at N = 2^16, log2 Q near 1164,
dnum 3, one thread: `OMP_NUM_THREADS=1 taskset -c 1 python -P openfhe.py` (-P: this file has the name of the package).
The program prints a table; see README.md."""

import os
import statistics
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
import openfhe as fhe  # noqa: E402

N, LIMBS, SCALE_BITS, DIGITS = 1 << 16, 24, 48, 3
BUDGET = 6.0  # seconds a row


def context():
    p = fhe.CCParamsCKKSRNS()
    p.SetSecurityLevel(fhe.SecurityLevel.HEStd_NotSet)
    p.SetRingDim(N)
    p.SetMultiplicativeDepth(LIMBS - 1)
    p.SetScalingModSize(SCALE_BITS)
    p.SetFirstModSize(60)
    p.SetScalingTechnique(fhe.ScalingTechnique.FIXEDMANUAL)
    p.SetKeySwitchTechnique(fhe.KeySwitchTechnique.HYBRID)
    p.SetNumLargeDigits(DIGITS)
    p.SetBatchSize(N // 2)
    cc = fhe.GenCryptoContext(p)
    for feature in (fhe.PKESchemeFeature.PKE, fhe.PKESchemeFeature.KEYSWITCH, fhe.PKESchemeFeature.LEVELEDSHE):
        cc.Enable(feature)
    return cc


def times(run):
    run()
    start, out = time.perf_counter(), []
    while len(out) < 7 or time.perf_counter() - start < BUDGET:
        t = time.process_time()
        result = run()
        out.append(time.process_time() - t)
        del result
    return out


def main():
    cc = context()
    keys = cc.KeyGen()
    cc.EvalMultKeyGen(keys.secretKey)
    cc.EvalRotateKeyGen(keys.secretKey, [1])
    values = [(i * 7919 % 1009) / 504.0 - 1.0 for i in range(N // 2)]
    plain = cc.MakeCKKSPackedPlaintext(values)
    x, y = cc.Encrypt(keys.publicKey, plain), cc.Encrypt(keys.publicKey, plain)
    z = cc.Decrypt(cc.Rescale(cc.EvalMult(x, y)), keys.secretKey)
    z.SetLength(N // 2)
    worst = max(abs(got - v * v) for got, v in zip(z.GetRealPackedValue(), values))
    if worst > 1e-5:
        sys.exit(f"a product that is off by {worst}")
    operations = {
        "encode": lambda: cc.MakeCKKSPackedPlaintext(values),
        "multiply, relinearise, rescale": lambda: cc.Rescale(cc.EvalMult(x, y)),
        "rotate": lambda: cc.EvalRotate(x, 1),
    }
    print("| one thread, ms of processor time | OpenFHE, median | best | rounds |\n|---|---|---|---|")
    for name, run in operations.items():
        t = times(run)
        print(f"| {name} | {1e3 * statistics.median(t):.1f} | {1e3 * min(t):.1f} | {len(t)} |", flush=True)


if __name__ == "__main__":
    main()
