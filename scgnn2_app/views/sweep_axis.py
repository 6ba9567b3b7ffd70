"""The fields of one parameter that a sweep varies: the ends of a range, or what to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from scgnn2_app.controls.fields import label_of
from scgnn2_app.sweeps.search_space import Axis
from scgnn2_engine.errors import ParameterError
from scgnn2_engine.params import find_parameter

LOOK: dict[str, Any] = {"size": "small", "margin": (5, 6)}
EVENLY, BY_DECADES = "evenly", "over orders of magnitude"


class AxisField(pn.viewable.Viewer):
    """What a parameter is varied over.

    Parameters
    ----------
    key
        Its flat key.
    value
        What the controls say, for a parameter without a usual range.

    Attributes
    ----------
    low, high, spread, values
        Of a number: the ends of its range, how its values are spread over it, and single values, which take their
        place. Of pairs of numbers ``values`` alone.
    choices
        Of all else: what is chosen from.
    """

    def __init__(self, key: str, value: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self.key = key
        owner, name = find_parameter(key)
        declared = owner.param[name]
        usual = _usual(key)
        self.low: Any = None
        self.high: Any = None
        self.spread: Any = None
        self.values: Any = None
        self.choices: Any = None
        if usual is None:
            text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
            self.values = pmui.TextInput(
                label="Values, with a comma between: 500 300, 200 100", value=text, width=430, **LOOK
            )
        elif usual.choices:
            words = {"True": "on", "False": "off"} if isinstance(declared, param.Boolean) else {}
            known = [str(choice) for choice in usual.choices]
            self.choices = pmui.MultiChoice(
                label="One of",
                options={words.get(text, text): text for text in known},
                value=known,
                width=430,
                margin=(5, 6),
            )
        else:
            self.low, self.high = (
                pmui.TextInput(label=label, value=f"{round(end)}" if usual.integer else f"{end:g}", width=95, **LOOK)
                for label, end in (("From", usual.low), ("To", usual.high))
            )
            self.spread = pmui.Select(
                label="Spread", options=[EVENLY, BY_DECADES], value=BY_DECADES if usual.log else EVENLY, width=210,
                **LOOK,
            )  # fmt: skip
            self.values = pmui.TextInput(
                label="or these values", placeholder="such as 8, 16, 32", value="", width=170, **LOOK
            )
        head = pmui.Typography(
            f"{label_of(key)}<br><small>{key}</small>", variant="body2", margin=(5, 6), width=240,
        )  # fmt: skip
        fields = [self.low, self.high, self.spread, self.values, self.choices]
        self._layout = pmui.FlexBox(head, *(field for field in fields if field is not None), align_items="center")

    def axis(self) -> Axis:
        """What stands in the fields.

        Raises
        ------
        ParameterError
            It is no range, or nothing to choose from.
        """
        return Axis.parse(f"{self.key}={self._text()}")

    def _text(self) -> str:
        if self.choices is not None:
            return _listed(self.key, self.choices.value)
        values = str(self.values.value).strip()
        if values or self.low is None:
            return values
        return f"{self.low.value.strip()}:{self.high.value.strip()}" + (
            ":log" if self.spread.value == BY_DECADES else ""
        )

    def __panel__(self) -> Any:
        return self._layout


def _usual(key: str) -> Axis | None:
    try:
        return Axis.of(key)
    except ParameterError:
        return None


def _listed(key: str, chosen: Sequence[str]) -> str:
    if not chosen:
        raise ParameterError(f"{label_of(key)} has nothing to choose from.", advice="Choose at least one value.")
    return ",".join(chosen)
