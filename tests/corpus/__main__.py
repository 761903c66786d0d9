"""The whole corpus of broken files, with its figures: make fuzz, or python tests/corpus [WORD].

WORD: only the cases whose names hold it.
"""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
for place in ("../engine/fixtures", "../plugins/dicom", "../plugins/mri", "../plugins/ultrasound"):
    sys.path.insert(0, str((HERE / place).resolve()))

from corpus_judge import cases, judged  # noqa: E402


def main(word: str = "") -> int:
    """Judge every case and print the faults; the exit status is 1 where there is one."""
    started, counts, slowest = time.perf_counter(), Counter(), (0.0, "")
    with tempfile.TemporaryDirectory() as folder:
        for number, (case, form, act) in enumerate(cases()):
            if word not in case:
                continue
            if "-v" in sys.argv:
                print(case, flush=True)
            verdict = judged(case, form, act, Path(folder) / str(number))
            if verdict is None:
                counts["cannot be made"] += 1
                continue
            counts["fault" if verdict.fault else verdict.outcome] += 1
            slowest = max(slowest, (verdict.seconds, case))
            if verdict.fault:
                print(f"{case}\n    {verdict.fault}")
    listed = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    print(f"{listed}; {time.perf_counter() - started:.0f} s, the slowest {slowest[0]:.1f} s of the "
          f"processor, {slowest[1]}")  # fmt: skip
    return int(counts["fault"] > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
