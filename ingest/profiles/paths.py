"""JMESPath that cannot make much of little: what a path may cost is worked out before it ever runs.

JMESPath evaluates no code, but it doubles: of `[@,@][]|[@,@][]|…` each part gives twice what it got. So each step of a
path counts as often as what it works on has been multiplied by then, and a path of too many steps is none of ours.
"""

from __future__ import annotations

from typing import Any

import jmespath

MOST_STEPS = 200  # 64 kB of the worst kind then take 2 s and tens of MB; 38 registers of a Teltonika are below it
FOR_EACH = 8  # a step for each element of a list is that much more than one for the message
LETTERS = 20  # so many of the path's own, in a name or a text, count as one value
IN_TURN = ("pipe", "subexpression", "index_expression")
PROJECTIONS = ("projection", "value_projection", "filter_projection")
BY_EXPRESSION = ("map", "max_by", "min_by", "sort_by")
ESCAPED = 12  # letters that `to_string` makes of one, at most: \uXXXX twice


class Finder:
    """A JMESPath that remembers its text; it takes at most so many `steps`, and gives `growth` times what it got.

    Raises
    ------
    ValueError, RecursionError : it is none, or could make too much of a message
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._compiled = jmespath.compile(text)
        self.steps = 0
        self.growth = self._grown(self._compiled.parsed, 1, 1)
        _check(self.growth)

    def of(self, value: Any) -> Any:
        """What it finds in `value`; None when it finds nothing or does not apply."""
        try:
            return self._compiled.search(value)
        except (ValueError, TypeError, ArithmeticError, RecursionError):  # jmespath's own are ValueErrors too
            return None

    def check_after(self, before: Finder) -> None:
        """`ValueError` when it would take too many steps with what `before` gives."""
        _check(before.growth * self.steps)

    def _grown(self, node: Any, size: int, times: int) -> int:
        """The most that a part of the path gives, where it works on `size` times the message; its steps are counted,
        `times` each."""
        self.steps += size * times
        _check(self.steps)
        kind, parts = node["type"], node["children"]
        if kind in IN_TURN:
            for part in parts:
                size = self._grown(part, size, times)
            return size
        if kind in PROJECTIONS:
            left = self._grown(parts[0], size, times)
            right, *_ = [self._grown(part, left, FOR_EACH) for part in parts[1:]]  # behind it stands a condition
            return right
        if kind == "function_expression":
            return self._given(node["value"], parts, size, times)
        if kind == "expref":
            raise ValueError(f"& is read in {', '.join(BY_EXPRESSION)} alone")
        if kind == "slice":  # its parts are numbers
            return size
        given = sum(self._grown(part, size, times) for part in parts) or size
        if kind in ("literal", "key_val_pair"):
            return given * _counted(node["value"])
        if kind in ("comparator", "not_expression"):
            return size
        return given + size if kind.startswith("multi_select") else given

    def _given(self, name: str, parts: list[Any], size: int, times: int) -> int:
        """The most that a function gives."""
        by = [part["children"][0] for part in parts if part["type"] == "expref" and name in BY_EXPRESSION]
        size = sum(self._grown(part, size, times) for part in parts if part["type"] != "expref" or not by)
        for part in by:
            size = self._grown(part, size, FOR_EACH)
        if name == "join":
            between = parts[0] if parts else {}
            if between.get("type") != "literal":
                raise ValueError("join: what is put between has to stand in the path")
            size *= 1 + _counted(between["value"])
        return size * ESCAPED if name == "to_string" else size


def _counted(own: Any) -> int:
    """For how many values a text or name of the path's own counts."""
    return 1 + len(str(own)) // LETTERS


def _check(steps: int) -> None:
    if steps > MOST_STEPS:
        raise ValueError(f"it could take {steps} steps for each value of a message, bound {MOST_STEPS}")
