"""Stacks of pictures in one TIFF file, pages or planes: each is restored by itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile

from restore.files.naming import naming
from restore.files.task import Pieces, Record

from . import tiff
from .pixels import to_pixels, to_record

TIFF = {".tif", ".tiff"}


def stack_of(path: Path, chains: int) -> "TiffStack | None":
    """The pictures of a TIFF file that holds several; None for one picture, and for no TIFF."""
    if path.suffix.lower() not in TIFF or not path.is_file():
        return None
    with naming(path), tifffile.TiffFile(path) as file:
        planes = tiff.planes(file)
    return None if planes < 2 else TiffStack(path, planes)


class TiffStack(Pieces):
    """The pictures of a stack as records; ValueError where they differ in size or kind."""

    formats = (".tif", ".tiff")

    def __init__(self, path: Path, planes: int):
        self.path, self.planes = path, planes

    def __iter__(self) -> Iterator[Record]:
        with naming(self.path), tifffile.TiffFile(self.path) as file:
            if len({(page.shape, page.dtype) for page in file.pages}) > 1:
                raise ValueError("its pages differ in size or kind; give them one by one")
            meta = tiff.facts(file, file.pages[0])
            several = len(file.pages) > 1
            memory = None if several else file.series[0].asarray(out="memmap")
            shape = file.pages[0].shape[:2]
            for index in range(self.planes):
                if several:
                    pixels = tiff.pixels_of_page(file.pages[index], self.path)
                else:
                    pixels = np.asarray(memory.reshape(-1, *shape)[index])[..., None]
                yield to_record(pixels, self.path, **meta)

    @contextmanager
    def joined(self, folder: Path) -> Iterator[Callable[[str, Record], None]]:
        """What writes each picture's records into files of the folder, a page each."""
        writers: dict[str, tifffile.TiffWriter] = {}
        try:

            def join(name: str, record: Record) -> None:
                if name not in writers:
                    writers[name] = tifffile.TiffWriter(folder / name, byteorder="<")
                # what the file says of its stack as a whole is left out
                alone = {**record.meta, "tiff": {**record.meta["tiff"], "tags": ()}}
                pixels = to_pixels(record, folder / name)
                writers[name].write(**tiff.page_to_write(pixels, alone))

            yield join
        finally:
            for writer in writers.values():
                writer.close()
