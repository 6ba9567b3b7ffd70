"""One widget for one declared parameter."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from scgnn2_app.controls.form import ParameterForm, base
from scgnn2_engine.params import StageParams, allowed_range

MARGIN = (4, 8)


class Field(pn.viewable.Viewer):
    """A widget that edits one parameter of a form and follows it.

    Parameters
    ----------
    form
        What is edited.
    key
        The parameter's flat key.
    widget
        Its widget.
    read, write
        From the widget's value to the parameter's, and back.
    source
        The widget's attribute that is watched.
    extra, show_extra
        What stands beneath it, and how that follows a value.
    soft
        Of a slider: the range that it shows unless the value lies outside.
    """

    def __init__(
        self,
        form: ParameterForm,
        key: str,
        widget: Any,
        *,
        read: Callable[[Any], Any] = lambda value: value,
        write: Callable[[Any], Any] = lambda value: value,
        source: str = "value",
        extra: Any = None,
        show_extra: Callable[[Any], None] = lambda value: None,
        soft: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self.key, self.widget, self.label = key, widget, widget.label
        self._form, self._read, self._write, self._soft = form, read, write, soft
        self._show_extra = show_extra
        self._following = False
        self._layout = pmui.Column(widget, extra, margin=0, sizing_mode="stretch_width") if extra else widget
        widget.param.watch(self._edited, source)
        form.param.watch(lambda _: self.follow(), "values")
        self.follow()

    def follow(self) -> None:
        """Show the form's value, and whether it differs from the preset's."""
        self._following = True
        try:
            value = self._form.values[self.key]
            shown = self._write(value)
            if self._soft is not None:  # the end grows with a number that is typed, and shall come back with it
                self.widget.param.update(start=min(self._soft[0], value), end=max(self._soft[1], value))
            self.widget.value = shown
            self._show_extra(value)
            changed = value != base(self._form.preset)[self.key]
            label = f"{self.label} (changed)" if changed else self.label
            self.widget.param.update(label=label, color="secondary" if changed else "primary")
        finally:
            self._following = False

    def _edited(self, event: Any) -> None:
        if not self._following and event.new is not None:
            self._form.set(self.key, self._read(event.new))

    def __panel__(self) -> Any:
        return self._layout


def field_for(stage: type[StageParams], name: str, form: ParameterForm) -> Field:
    """The field that suits a declared parameter: a menu, a switch, a number, with a slider where its range is known."""
    declared, key = stage.param[name], stage.flag(name)
    look: dict[str, Any] = {
        "label": label_of(name),
        "size": "small",
        "margin": MARGIN,
        "sizing_mode": "stretch_width",
        "description": tooltip(stage, name, form),
    }
    if isinstance(declared, param.Selector):
        return Field(form, key, pmui.Select(options=list(declared.objects), value=form.values[key], **look))
    if isinstance(declared, param.Boolean):
        return Field(form, key, pmui.Switch(value=form.values[key], **look))
    if isinstance(declared, param.Number):
        return _number(declared, key, form, look)
    if isinstance(declared, param.List):
        return Field(form, key, pmui.TextInput(value="", **look), read=_read_list, write=_write_list)
    return Field(form, key, pmui.TextInput(value=str(form.values[key]), **look), read=str)


def _number(declared: Any, key: str, form: ParameterForm, look: dict[str, Any]) -> Field:
    low, high = declared.bounds or (None, None)
    soft_low, soft_high = declared.softbounds or (low, high)
    whole = isinstance(declared, param.Integer)
    value = form.values[key]
    typed: Any = pmui.IntInput if whole else pmui.FloatInput
    if soft_low is None or soft_high is None or soft_high - soft_low > 1e7:
        return Field(form, key, typed(value=value, start=low, end=high, step=_step(1, whole), **look))
    if soft_low > 0 and soft_high / soft_low >= 1000 and not whole:
        return _logarithmic(form, key, value, (soft_low, soft_high), look)
    slider: Any = pmui.EditableIntSlider if whole else pmui.EditableFloatSlider
    widget = slider(
        start=min(soft_low, value),
        end=max(soft_high, value),
        fixed_start=low,
        fixed_end=high,
        step=_step(soft_high - soft_low, whole),
        value=value,
        **look,
    )
    return Field(form, key, widget, source="value_throttled", soft=(soft_low, soft_high))


def _logarithmic(form: ParameterForm, key: str, value: float, soft: tuple[float, float], look: dict[str, Any]) -> Field:
    """A number to type, and beneath it a slider over its decades."""
    widget = pmui.FloatInput(value=value, step=soft[0], format="0.[00000000]", **look)
    start, end = math.log10(soft[0]), math.log10(soft[1])

    def power(value: float) -> float:
        return min(end, max(start, math.log10(value))) if value > 0 else start

    def show(value: Any) -> None:
        if isinstance(value, int | float):
            slider.value = power(value)

    slider = pmui.FloatSlider(
        label=f"{look['label']}, power of ten",
        start=start,
        end=end,
        step=0.1,
        value=power(value),
        margin=(0, 12),
        size="small",
        show_value=False,
        sizing_mode="stretch_width",
    )
    slider.param.watch(lambda event: form.set(key, _rounded(10**event.new)), "value_throttled")
    return Field(form, key, widget, extra=slider, show_extra=show)


def _step(span: float, whole: bool) -> float | int:
    """About a hundred steps over a range, each a 1, 2 or 5 of its decade."""
    if whole:
        return max(1, round(_rounded(span / 100, 1)))
    return _rounded(span / 100, 1) or 0.01


def _rounded(value: float, digits: int = 2) -> float:
    return float(f"{value:.{digits}g}")


def _read_list(text: str) -> Any:
    """``"500, 300"`` as numbers; what is none is left for the engine to refuse."""
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        return text


def _write_list(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def label_of(name: str) -> str:
    """A parameter's name as a label.

    Examples
    --------
    >>> label_of("learning_rate"), label_of("use_GAT"), label_of("l1_weight")
    ('Learning rate', 'Use GAT', 'L1 weight')
    """
    words = name.replace("_", " ")
    return words[0].upper() + words[1:]


def tooltip(stage: type[StageParams], name: str, form: ParameterForm) -> str:
    """A parameter's sentence, range, preset value and flat key."""
    key = stage.flag(name)
    value = base(form.preset)[key]
    doc = stage.param[name].doc
    return f"{doc} Takes {allowed_range(stage, name)}. Preset {form.preset}: {_write_list(value)!s}. ({key})"
