"""How long does planning RefMatte at the paper's size take, how much memory, and how many sentences are ambiguous?

    python benchmarks/plan.py

Plans all 47,500 images and their sentences twice, as the paper does and with `--unique`, each in a process of its own.
The last line is one JSON object: seconds and peak_mib of the paper's way; the share of sentences that fit more than one
entity, by kind, for both.
"""

import json
import resource
import subprocess
import sys
import time

from rimlib.refmatte import format, paper_pool, plan, statistics


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(measure(unique=sys.argv[1] == "unique")))
        return
    plans = {}
    for way in ("paper", "unique"):
        # its own process: the peak of memory is one number for a whole process
        done = subprocess.run([sys.executable, __file__, way], stdout=subprocess.PIPE, text=True, check=True)
        plans[way] = json.loads(done.stdout)
        print(way, plans[way], flush=True)
    paper, unique = plans["paper"], plans["unique"]
    print(json.dumps({**paper, "unique_seconds": unique["seconds"], "ambiguity_unique": unique["ambiguity"]}))


def measure(unique: bool) -> dict:
    """One plan of the whole of RefMatte, counted."""
    started = time.perf_counter()
    settings, pool = paper_pool.settings(unique=unique), paper_pool.pool()
    tallies = [
        statistics.tally(
            format.targets_of(scene, [pool[name] for name in scene.entities])
            for scene in plan.scenes(pool, settings, split)
        )
        for split in ("train", "test")
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
    return {
        "images": sum(counted.images["expression"] for counted in tallies),
        "sentences": sum(counted.texts["expression"] for counted in tallies),
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mib": round(peak, 1),
        "ambiguity": {
            kind: sum(counted.ambiguous[kind] for counted in tallies) / sum(counted.judged[kind] for counted in tallies)
            for kind in statistics.KINDS
        },
    }


if __name__ == "__main__":
    main()
