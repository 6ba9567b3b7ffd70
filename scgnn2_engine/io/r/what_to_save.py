"""What to save in R instead of an object that holds no expression."""

from __future__ import annotations

from collections.abc import Mapping

from rdata.parser import RObject

from scgnn2_engine.io.r import values as r
from scgnn2_engine.io.r.matrices import is_matrix

_WHOLE = 'the Seurat object, the SingleCellExperiment or the matrix of counts itself: saveRDS(object, "object.rds")'


def what_to_save(objects: Mapping[str, RObject]) -> str:
    """A sentence about the first object of which more can be said than that it is not the right one.

    Parameters
    ----------
    objects
        Those of a file, by name; the one of an ``.rds`` has the name ``""``.

    Examples
    --------
    >>> from scgnn2_engine.io.r import build
    >>> what_to_save({"": build.plain_list([build.matrix([[1.0]])])})
    'In R, save one of the list: saveRDS(object[[1]], "object.rds").'
    """
    said = (sentence for name, obj in objects.items() if (sentence := _of_one(name, obj)))
    return next(said, f"In R, save {_WHOLE}.")


def _of_one(given: str, obj: RObject) -> str:
    name = given or "object"
    slots = r.attributes(obj).keys()
    if {"counts", "data", "meta.features"} <= slots or {"layers", "cells", "features"} <= slots:
        return (
            f"An assay knows nothing of its cells. In R, save the Seurat object that it is part of: saveRDS(object, "
            f'"object.rds"); or its counts alone: saveRDS(GetAssayData({given or "assay"}, "counts"), "counts.rds").'
        )
    if r.is_null(obj):
        return f"There was nothing in it when it was saved. In R, save {_WHOLE}."
    kind = r.type_of(obj)
    if kind == "function":
        return f"A function holds no data. In R, save {_WHOLE}."
    if kind == "environment":
        return f'In R, save what is in it: saveRDS(get("NAME", {name}), "object.rds").'
    return _of_list(name, obj) if kind == "list" else ""


def _of_list(name: str, obj: RObject) -> str:
    named = r.names_of(obj)
    fitting = [position for position, value in enumerate(obj.value) if _holds_expression(value)]
    if not fitting:
        return ""
    first = fitting[0]
    place = f'"{named[first]}"' if named and named[first] else str(first + 1)
    several = f", or make one of all of them: saveRDS(merge({name}[[1]], {name}[-1]), ...)"
    are_seurat = len(fitting) == len(obj.value) > 1 and all(r.class_of(value) == "Seurat" for value in obj.value)
    return f'In R, save one of the list: saveRDS({name}[[{place}]], "object.rds"){several if are_seurat else ""}.'


def _holds_expression(obj: RObject) -> bool:
    kinds = r.classes(obj)
    whole = {"Seurat", "seurat", "data.frame", "DFrame"} & set(kinds)
    return bool(whole) or is_matrix(obj) or {"assays", "colData"} <= r.attributes(obj).keys()
