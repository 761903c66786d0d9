"""Broken files, a part of the corpus: each is done, or refused in one line that names it.

All of it, with its figures: make fuzz.
"""

import random
import sys
from pathlib import Path

import pytest

for place in ("dicom", "mri", "ultrasound"):
    sys.path.append(str(Path(__file__).parents[1] / "plugins" / place))

from corpus_files import FORMATS  # noqa: E402
from corpus_judge import judged  # noqa: E402
from corpus_mutations import mutations  # noqa: E402

EACH = 12  # of the 68 to 122 ways of breaking a file, for each format
OF_SOUND = 4  # of recordings, which take the time of the others together
SOUND = (".wav", ".aiff", ".flac", ".ogg")


def chosen(form):
    """The file as it is, and some of the ways of breaking it, the same every time."""
    whole = [("whole", lambda path, draw: None)]
    count = OF_SOUND if form.name.endswith(SOUND) else EACH
    return whole + random.Random(form.name).sample(list(mutations(form)), count)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_no_broken_file_is_a_fault_of_ours(tmp_path, form):
    verdicts = [
        judged(f"{form.name}: {name}", form, act, tmp_path / str(number))
        for number, (name, act) in enumerate(chosen(form))
    ]
    assert verdicts[0].outcome == "done", f"the whole file: {verdicts[0].words}"
    faults = [f"{v.case}: {v.fault}" for v in verdicts if v is not None and v.fault]
    assert not faults, "\n".join(faults)


def test_the_corpus_knows_a_fault_when_it_meets_one(tmp_path, monkeypatch):
    """A traceback, a line without a name, and a torn output are found."""
    form = FORMATS[0]

    def met(error):
        def broken(*arguments, **more):
            (arguments[1]).mkdir()
            raise error

        monkeypatch.setattr("corpus_judge.restore_file", broken)
        return judged("x", form, lambda path, draw: None, tmp_path / type(error).__name__).fault

    assert "IndexError" in met(IndexError("list index out of range"))
    assert "does not name the file" in met(ValueError("something is wrong"))
    assert "it left ['OUT']" in met(OSError(f"{form.name} is torn"))
