"""How long does planning RefMatte at the paper's size take, how much memory, and how many sentences are ambiguous?

    python benchmarks/plan.py

Plans all 47,500 images and their sentences twice, as the paper does and with `--unique`, each in a process of its own, and ends
in one line of JSON: seconds and peak_mib of the paper's way; the share of sentences that fit more than one entity, by kind, for both.
"""

import json
import subprocess
import sys

CHILD = """
import json, resource, sys, time
from rimlib.refmatte import format, paper, plan, statistics
started = time.perf_counter()
settings, pool = paper.settings(unique=sys.argv[1] == "unique"), paper.pool()
counts = {split: statistics.tally(format.targets_of(scene, [pool[name] for name in scene.entities]) for scene in plan.scenes(pool, settings, split))
          for split in ("train", "test")}
texts = sum(counted.texts["expression"] for counted in counts.values())
judged = {kind: sum(counted.judged[kind] for counted in counts.values()) for kind in statistics.KINDS}
ambiguous = {kind: sum(counted.ambiguous[kind] for counted in counts.values()) for kind in statistics.KINDS}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform != "darwin" else 1024)
print(json.dumps({"images": sum(counted.images["expression"] for counted in counts.values()), "sentences": texts,
                  "seconds": round(time.perf_counter() - started, 1), "peak_mib": round(peak / 1024, 1),
                  "ambiguity": {kind: ambiguous[kind] / judged[kind] for kind in judged}}))
"""


def main() -> None:
    plans = {}
    for way in ("paper", "unique"):
        # its own process: the peak of memory is one number for a whole process
        done = subprocess.run([sys.executable, "-c", CHILD, way], stdout=subprocess.PIPE, text=True, check=True)
        plans[way] = json.loads(done.stdout)
        print(way, plans[way], flush=True)
    print(
        json.dumps(
            {
                "images": plans["paper"]["images"],
                "sentences": plans["paper"]["sentences"],
                "seconds": plans["paper"]["seconds"],
                "peak_mib": plans["paper"]["peak_mib"],
                "ambiguity": plans["paper"]["ambiguity"],
                "unique_seconds": plans["unique"]["seconds"],
                "ambiguity_unique": plans["unique"]["ambiguity"],
            }
        )
    )


if __name__ == "__main__":
    main()
