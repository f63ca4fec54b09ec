"""The same recipe on the SST-2 sentences, for comparison with the literature; the weights are not for redistribution.

    nice -n 19 env OMP_NUM_THREADS=1 python host-tools/train/recipes/sst2.py --out target/train/sst2

Trains on DATA/sst2/train.tsv, reports on DATA/sst2/dev.tsv (872 sentences), which no step of the training sees.
"""

import argparse
from pathlib import Path

from polyformer_train import data
from polyformer_train.recipe import Recipe, run


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", default="../shared/data")
    arguments.add_argument("--out", default="target/train/sst2")
    arguments.add_argument("--cache", default="target/train")
    arguments.add_argument("--device", default="cpu")
    given = arguments.parse_args()
    train, dev = (data.read_tsv(Path(given.data) / f"sst2/{part}.tsv") for part in ("train", "dev"))
    run(Recipe("sst2", vocabulary=8000), train, dev, given.out, given.cache, given.device)


if __name__ == "__main__":
    main()
