"""How far each sampler is from exact posteriors, as `restore verify` holds it to:

python -m benchmarks.biases

It writes restore/testing/biases.json, from the quick cases at their own steps.
"""

import json
from pathlib import Path

from restore.atomic import write_text
from restore.testing.verdicts import biases
from restore.testing.verify import QUICK_STEPS, verify

CHAINS = 150  # samples of each case
TARGET = Path(__file__).parents[1] / "restore" / "testing" / "biases.json"


def main() -> None:
    rows = []
    for row in verify(quick=True, chains=CHAINS):
        print(row.case, row.sampler, flush=True)
        rows.append(row)
    publish(rows)


def publish(rows) -> None:
    """Write the figures of rows, sampler by sampler, a line each."""
    samplers: dict[str, dict[str, list]] = {}
    for sampler, case, figures in biases(rows):
        samplers.setdefault(sampler, {})[case] = figures
    lines = ",\n".join(
        f"    {json.dumps(name)}: {json.dumps(of)}" for name, of in sorted(samplers.items())
    )
    head = f'{{\n  "chains": {CHAINS},\n  "steps": {QUICK_STEPS},\n  "samplers": {{\n'
    write_text(TARGET, f"{head}{lines}\n  }}\n}}\n")


if __name__ == "__main__":
    main()
