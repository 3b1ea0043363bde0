"""Names of runs, by value: ``sysadmin-n@1/n=0064/reinforce-local/seed=07``, ``…/seeds=00-09``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final, Self

from crl_envs.core.arguments import check_int, check_seed

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_WHOLE: Final = re.compile(
    r"(?P<experiment>[^/@]+)@(?P<version>\d+)/(?P<knob>[^/=]+)=(?P<value>[^/]+)/(?P<learner>[^/]+)/"
    r"(?:seed=(?P<seed>\d+)|seeds=(?P<first>\d+)-(?P<last>\d+))"
)


@dataclass(frozen=True)
class RunId:
    """What fixes a run's result: two runs of one id, with one version of the packages, are equal.

    Attributes:
        experiment: Its name.
        version: Of the experiment, from 1: whatever changes its results changes this.
        knob: The argument that the experiment varies.
        value: Its value: a whole number, a number or a name.
        learner: Name of the learner with its settings.
        seed: Of the learner and the environment.
        columns: How many seeds, from that one on, are learnt at once as columns of one vector env. The result of each
            may depend on their number.

    Raises:
        ValueError: A name with characters that don't belong into a file's name, or a number out of its range.
    """

    experiment: str
    version: int
    knob: str
    value: int | float | str
    learner: str
    seed: int
    columns: int = 1

    def __post_init__(self) -> None:
        check_int("version", self.version, low=1)
        check_int("columns", self.columns, low=1)
        check_seed("seed", self.seed)
        for name in ("experiment", "knob", "learner"):
            _check_name(name, getattr(self, name))
        _check_name("value", self.value_text)
        if type(_parsed(self.value_text)) is not type(self.value):
            raise ValueError(
                f"value must be an int, a finite float or a name that is no number, got {self.value!r}"
            )

    @property
    def value_text(self) -> str:
        """The value as it stands in the id: at least four digits of a whole number, so that names sort."""
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return f"{self.value:04d}"
        return repr(self.value) if isinstance(self.value, float) else str(self.value)

    @property
    def task(self) -> str:
        """The part that names the problem."""
        return f"{self.experiment}@{self.version}/{self.knob}={self.value_text}"

    def __str__(self) -> str:
        if self.columns == 1:
            return f"{self.task}/{self.learner}/seed={self.seed:02d}"
        last = self.seed + self.columns - 1
        return f"{self.task}/{self.learner}/seeds={self.seed:02d}-{last:02d}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the id that a text is.

        Raises:
            ValueError: The text isn't one.
        """
        match = _WHOLE.fullmatch(text)
        if match is None:
            raise ValueError(
                f"id must look like 'experiment@1/n=0064/learner/seed=07', got {text!r}"
            )
        parts = match.groupdict()
        first, last = (parts["seed"],) * 2 if parts["seed"] else (parts["first"], parts["last"])
        return cls(
            parts["experiment"],
            int(parts["version"]),
            parts["knob"],
            _parsed(parts["value"]),
            parts["learner"],
            int(first),
            int(last) - int(first) + 1,
        )


def _parsed(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            number: int | float = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text


def _check_name(name: str, value: Any) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(
            f"{name} must be letters, digits and any of _ . + -, beginning with a letter or digit, got {value!r}"
        )
