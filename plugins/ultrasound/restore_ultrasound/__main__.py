"""Contrast of two regions of interest: python -m restore_ultrasound FILE --regions REGIONS."""

import argparse
import json
import sys
from pathlib import Path

from restore.files.by_extension import read
from restore.plugins.discovery import catalog

from .echoes.echoes import echoes
from .echoes.grid import SIDE
from .metrics import contrast, regions_of


def main(arguments: list[str] | None = None) -> int:
    """Print every metric of the regions as JSON, for each file; 1 where a file is no good."""
    parser = argparse.ArgumentParser(prog="python -m restore_ultrasound", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument(
        "--regions", required=True, help='"x0,y0,x1,y1 x0,y0,x1,y1" (inside, outside), JSON or PNG'
    )
    parser.add_argument("--frame", type=int, default=0, help="of a sequence, from 0")
    asked = parser.parse_args(arguments)
    found = {}
    for path in asked.files:
        try:
            seen = echoes(read(path, catalog().entry("recipes", "dehaze")), "all", SIDE)
            if not 0 <= asked.frame < seen.count:
                raise ValueError(f"{path} has {seen.count} frames, none is number {asked.frame}")
            frame = seen.brightness(asked.frame)
            masks = regions_of(asked.regions, tuple(frame.shape))
            found[str(path)] = contrast(frame, *masks, seen.dynamic_range)
        except (OSError, ValueError) as error:
            print(f"restore_ultrasound: {error}", file=sys.stderr)
            return 1
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
