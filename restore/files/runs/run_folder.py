"""The output folder of a run: begun once, gone on with by every repeat, whatever happened to it."""

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...atomic import PARTIAL, write_text
from .claims import Claims, worker_name
from .identity import Identity
from .ledger import ENDING
from .outputs import REPORT, refuse_inputs

STATE = ".restore"  # in the output folder: what the run is, its ledger, its claims
RUN, LEDGER, CLAIMS, STATES = "run.json", "ledger", "claims", "states"
WAIT = 0.05  # seconds between two looks while another process begins the same run
BEGINNING = ".begin"  # the claim of the process that begins a run


@dataclass(frozen=True)
class RunFolder:
    """Where the outputs of a run go, and what is known of it."""

    out: Path

    @property
    def ledger(self) -> Path:
        return self.out / STATE / LEDGER

    @property
    def claims(self) -> Path:
        return self.out / STATE / CLAIMS

    @property
    def states(self) -> Path:
        """What interrupted inputs go on from."""
        return self.out / STATE / STATES

    @property
    def record(self) -> Path:
        return self.out / STATE / RUN

    def facts(self) -> dict[str, Any] | None:
        """What was written when the run began; {} where that is damaged, None where nothing was."""
        if not self.record.exists():
            return None
        try:
            facts = json.loads(self.record.read_text("utf-8"))
            Identity.of_facts(facts)
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}
        return facts

    def begin(
        self,
        identity: Identity,
        sources: Sequence[Path],
        say: Callable[[str], None],
        *,
        overwrite: bool,
        anew: Callable[[], Sequence[Path]] = tuple,
        **facts: Any,
    ) -> None:
        """Make the folder this run's, or go on with it.

        A run whose files changed since is done anew, and `say` is told what changed. anew: with
        `overwrite`, the targets of a run that is finished, which then are done anew; none of one
        that is not. facts: kept beside the identity. ValueError where the output would be an
        input, FileExistsError where it is a file, or where the results of another run lie there
        and `overwrite` is not given.
        """
        refuse_inputs(self.out, sources)
        if self.out.exists() and not self.out.is_dir():
            raise FileExistsError(f"{self.out} is a file; give a folder to write to")
        made = not self.out.exists()
        held = not made and any(path.name != STATE for path in self.out.iterdir())
        if held and self.facts() is None and not overwrite:
            raise FileExistsError(self._refusal("files"))
        for folder in (self.ledger, self.claims, self.states):
            folder.mkdir(parents=True, exist_ok=True)
        claims = Claims(self.claims, worker_name("begin"))
        while claims.take(BEGINNING) is None:
            time.sleep(WAIT)
        try:
            if not self._goes_on(identity, say, overwrite=overwrite):
                self._clear()
            elif overwrite:
                for target in anew():
                    (target / REPORT).unlink(missing_ok=True)
            before = {"made": made, **(self.facts() or {})}
            inputs = max(len(sources), before.get("inputs", 0))
            kept = {**facts, "inputs": inputs, "made": before["made"], **identity.as_facts()}
            write_text(self.record, json.dumps(kept, indent=1, default=str))
        finally:
            claims.release(BEGINNING)

    def _goes_on(self, identity: Identity, say: Callable[[str], None], *, overwrite: bool) -> bool:
        """Whether what lies there is this run; False where it is to be replaced."""
        facts = self.facts()
        if facts is None:
            return False
        if not facts:
            strange = self._results_of_another(identity.mark)
            if strange and not overwrite:
                raise FileExistsError(self._refusal("results of other settings"))
            say(f"{self.record} is damaged: it is written anew")
            self._forget_states()  # whose they are is not known
            return not strange
        before = Identity.of_facts(facts)
        if before.mark == identity.mark:
            return True
        changes = identity.changed_since(before)
        if changes is None:
            if not overwrite:
                whose = "files already, of a run with other settings"
                raise FileExistsError(self._refusal(whose))
            return False
        say(f"{', '.join(changes)} since {self.out} was begun: everything is done anew")
        self._forget_states()
        return True

    def _refusal(self, what: str) -> str:
        already = " already" if what == "files" else ""
        return f"{self.out} holds {what}{already}; choose another folder, or add --overwrite"

    def _results_of_another(self, mark: str) -> bool:
        from .outputs import report_of

        reports = (report_of(path.parent) for path in self.out.glob(f"*/{REPORT}"))
        marks = {(report or {}).get("provenance", {}).get("mark") for report in reports}
        return bool(marks - {mark, None})

    def _clear(self) -> None:
        """Remove what another run left of its state; its results stay until they are replaced."""
        self._forget_states()
        left = self.out.glob(f".*{PARTIAL}")
        for path in (*left, *self.ledger.glob(f"*{ENDING}"), self.record):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _forget_states(self) -> None:
        """Remove what was saved of inputs under way: it may come from other masks or weights."""
        for path in self.states.iterdir():
            path.unlink(missing_ok=True)

    def leave(self) -> None:
        """The end of a run: where nothing was kept and nobody else is at work, nothing is left."""
        with suppress(FileNotFoundError):
            for torn in self.states.glob(f"*{PARTIAL}"):  # the disk had no room for it
                torn.unlink()
            kept = any(path.name != STATE for path in self.out.iterdir())
            busy = any(self.claims.iterdir()) or any(self.states.iterdir())
            if kept or busy or len(list(self.ledger.iterdir())) > 1:
                return
            made = (self.facts() or {}).get("made", False)
            shutil.rmtree(self.out / STATE)
            if made:
                os.rmdir(self.out)
