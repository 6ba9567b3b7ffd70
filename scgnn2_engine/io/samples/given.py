"""Which samples a run is given, and what they are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.formats import format_of, readable
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.paths import expanded
from scgnn2_engine.io.samples.sample_names import short_names
from scgnn2_engine.params import LoadParams

if TYPE_CHECKING:
    from anndata import AnnData

One: TypeAlias = "AnnData | Dataset | str | Path"
Data: TypeAlias = "One | Sequence[One] | Mapping[str, One]"
"""What is read: one thing, or several samples, which a mapping names."""


@dataclass(frozen=True)
class Sample:
    """One of the samples to be joined.

    Attributes
    ----------
    name
        What it is called in ``obs['sample']``; empty where there is no other.
    data
        A path, an AnnData or a Dataset.
    load
        How to read it.
    """

    name: str
    data: AnnData | Dataset | Path
    load: LoadParams


def samples_of(data: Data, load: LoadParams, find: Callable[[str], Path] = Path) -> list[Sample]:
    """Take apart what is given into single samples, those of a folder that holds several included.

    Parameters
    ----------
    data
        One source or several; a path may be written ``NAME=path``.
    load
        How to read them; with ``sample`` only the one of that name is kept.
    find
        From what a user wrote to the path of it.

    Returns
    -------
    One sample without a name, or several with names that differ.

    Raises
    ------
    InputError
        Two have one name, ``load.sample`` is none of them, or a path is of no known format.
    """
    given = _named(data, find)
    plain = load.replace(sample="")
    samples: list[Sample] = []
    for name, item in given:
        inner = _inside(item) if isinstance(item, Path) else ()
        inner_names = inner if len(given) == 1 else [f"{name}_{one}" for one in inner]
        if len(inner) > 1:
            samples += [
                Sample(called, item, load.replace(sample=one)) for called, one in zip(inner_names, inner, strict=True)
            ]
        else:
            samples.append(Sample(name, item, plain))
    if len(samples) == 1 and (not load.sample or samples[0].name != load.sample):
        return [Sample("", samples[0].data, load)]  # load_sample is refused there, or picks the only one
    _require_different([sample.name for sample in samples])
    if not load.sample:
        return samples
    chosen = [sample for sample in samples if load.sample in (sample.name, sample.load.sample)]
    if len(chosen) != 1:
        raise InputError(
            f"There is no sample {load.sample!r}." if not chosen else f"Several samples are called {load.sample!r}.",
            expected=f"one of {listed((sample.name for sample in samples), 20)}",
            advice="Name another one with --load_sample, or leave it out to join them all.",
        )
    return [Sample("", chosen[0].data, chosen[0].load)]


def recognised(path: str) -> str:
    """What a path given by a user is: the title of its format.

    Raises
    ------
    InputError
        It is of no known format.
    """
    _, item = _split(path, Path)
    return format_of(item).title if isinstance(item, Path) else "AnnData"


def _inside(path: Path) -> tuple[str, ...]:
    form = format_of(path)
    return form.samples(path) if form.samples is not None else ()


def _named(data: Data, find: Callable[[str], Path]) -> list[tuple[str, AnnData | Dataset | Path]]:
    """What is given, with names: those the user gave, else what tells the paths apart."""
    if isinstance(data, Mapping):
        return [(str(name), _located(item, find)) for name, item in data.items()]
    if not isinstance(data, (list, tuple)):
        return [_split(data, find)]
    if not data:
        raise InputError("No data is given.", expected=f"a path ({readable()}), an AnnData, or several of them")
    given = [_split(item, find) for item in data]
    paths = iter(short_names([item for name, item in given if not name and isinstance(item, Path)]))
    return [
        (name or (next(paths) if isinstance(item, Path) else f"sample_{number}"), item)
        for number, (name, item) in enumerate(given, start=1)
    ]


def _split(item: One, find: Callable[[str], Path]) -> tuple[str, AnnData | Dataset | Path]:
    name, equals, path = item.partition("=") if isinstance(item, str) else ("", "", "")
    if equals and name and "/" not in name and not expanded(str(item)).exists():
        return name, find(path)
    return "", _located(item, find)


def _located(item: One, find: Callable[[str], Path]) -> AnnData | Dataset | Path:
    return expanded(find(str(item))) if isinstance(item, (str, Path)) else item


def _require_different(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if not name or name in seen:
            raise InputError(
                f"Two samples are called {name!r}." if name else "A sample has no name.",
                expected="names that differ",
                advice="Name them: NAME=PATH, or in Python a mapping of names to data.",
            )
        seen.add(name)
