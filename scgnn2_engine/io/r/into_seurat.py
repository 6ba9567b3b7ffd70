"""AnnData as a Seurat object, written without R.

Assays are of class ``Assay``, which SeuratObject 4 and 5 both open; what SeuratObject 5's ``validObject`` asks of them
is kept to. What :mod:`scgnn2_engine.io.r.from_seurat` left in ``uns["seurat"]`` is used to build the same object again;
an AnnData of another origin gets Seurat's usual names (``docs/r.md``). The classes are those of package SeuratObject
(Hoffman et al., 4.1 and 5.0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from rdata.parser import RObject

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.r import build
from scgnn2_engine.io.r.annotations import cells_table, features_table, misc
from scgnn2_engine.io.r.from_seurat import IDENT, SCALED
from scgnn2_engine.io.r.into_reductions import (
    IMPUTED_ASSAY,
    PACKAGE,
    Taken,
    allowed_features,
    graphs,
    is_embedding,
    reductions,
)
from scgnn2_engine.io.storage.matrix_choice import mapping_in

if TYPE_CHECKING:
    from anndata import AnnData

VERSION = "4.1.3"
IMPUTED = "scgnn2_imputed"
CLUSTER = "scgnn2_cluster"
_PROJECT = "scGNN2"
_SLOTS = ("counts", "data", SCALED)


def into_seurat(adata: AnnData) -> tuple[RObject, list[str]]:
    """Make a Seurat object of an AnnData.

    Cells and values stay exactly as they are, and so do genes, but for ``_`` and ``|`` in their names, which Seurat
    does not allow: they become ``-``. Names of assays, reductions, graphs and columns of ``obs`` get a number behind
    where ``object[[name]]`` could mean two things.

    Parameters
    ----------
    adata
        (n_obs, n_vars), rows are cells; cell and gene names must be unique.

    Returns
    -------
    obj
        The object, ready for :func:`scgnn2_engine.io.r.serialisation.write_rds`.
    lost
        What was not carried over, as phrases.

    Raises
    ------
    InputError
        Names are repeated or empty, or there is nothing to put into an assay.

    Examples
    --------
    >>> import anndata
    >>> from scgnn2_engine.io.r.reading import read_r
    >>> from scgnn2_engine.io.r.serialisation import to_bytes
    >>> obj, lost = into_seurat(anndata.AnnData(np.array([[3.0, 0.0], [1.0, 2.0]])))
    >>> read_r(to_bytes(obj)).value.obs["nCount_RNA"].tolist(), lost
    ([3.0, 3.0], [])
    """
    adata = adata.to_memory() if adata.isbacked else adata
    _check(adata)
    facts = mapping_in(adata.uns, "seurat")
    active = str(facts.get("active.assay", "RNA"))
    taken = Taken()
    called = allowed_features(adata)
    assays, used = _assays(adata, facts, active, taken, called)
    made = {name: _assay(name, part, list(adata.obs_names), facts, taken) for name, part in assays.items()}
    known = [str(name) for name in facts.get("assay_order", ()) if str(name) in made]
    made = {name: made[name] for name in (*known, *(name for name in made if name not in known))}
    reduced = reductions(adata, facts, used, assays, active, taken, called)
    graphed = graphs(adata, facts, assays, active, taken)
    obs, chosen = _meta_data(adata, facts, assays[active].matrices.get("counts"), active)
    if not facts:
        obs = obs.set_axis([taken.exact(str(name) or "unnamed") for name in obs.columns], axis=1)
    slots = {
        "assays": build.named_list(made),
        "meta.data": build.data_frame(obs),
        "active.assay": build.strings([active]),
        "active.ident": build.factor(chosen, {"names": build.strings(adata.obs_names)}),
        "graphs": build.named_list(graphed),
        "neighbors": build.plain_list([]),
        "reductions": build.named_list(reduced),
        "images": build.plain_list([]),
        "project.name": build.strings([facts.get("project.name") or _PROJECT]),
        "misc": build.named_list(misc(adata)),
        "version": build.package_version(_version(facts)),
        "commands": build.plain_list([]),
        "tools": build.plain_list([]),
    }
    return build.s4("Seurat", PACKAGE, slots), _lost(adata, used, called)


def _check(adata: AnnData) -> None:
    raw = adata.var_names if adata.raw is None else adata.raw.var_names
    for names, what in ((adata.obs_names, "cell"), (adata.var_names, "gene"), (raw, "gene")):
        if not names.is_unique or "" in names:
            raise InputError(
                f"A Seurat object cannot hold repeated or empty {what} names.",
                expected="unique names",
                found=listed(names[names.duplicated()], 3) or "an empty name",
                advice="Make them unique first (obs_names_make_unique, var_names_make_unique).",
            )
    held = adata.X is not None or adata.raw is not None or "counts" in adata.layers
    if 0 in adata.shape or not held:
        raise InputError(
            "There is nothing to put into a Seurat object.",
            expected="at least one cell, one gene, and X, .raw or layers['counts']",
            found=f"{adata.n_obs} cells x {adata.n_vars} genes" + ("" if held else " without these"),
        )


def _version(facts: Mapping[str, Any]) -> str:
    """That of the object it was made from, unless its assays were of a class that is not written here."""
    given = str(facts.get("version", VERSION))
    return given if given.split(".")[0] in ("3", "4") else VERSION


# ---------------------------------------------------------------------------------------------------- assays


class _Part:
    """Of one assay the matrices (cells x features), each with its feature names, and the table of the features."""

    def __init__(self, var: pd.DataFrame, called: Mapping[str, str] | None = None) -> None:
        names = var.index if called is None else [called[gene] for gene in var.index]
        self.var = var.set_axis(pd.Index(names, dtype=object), axis=0)
        self.matrices: dict[str, Any] = {}
        self.features: dict[str, list[str]] = {}
        self.layer = ""  # that it was, of an AnnData

    def put(self, slot: str, values: Any, names: Sequence[object]) -> None:
        self.matrices[slot], self.features[slot] = values, [str(name) for name in names]


def _assays(
    adata: AnnData, facts: Mapping[str, Any], active: str, taken: Taken, called: Mapping[str, str]
) -> tuple[dict[str, _Part], set[str]]:
    """The assays by name, the active one first, and the keys of obsm that went into them."""
    assays = {taken.exact(active): _main(adata, facts, called)}
    used: set[str] = set()
    for key, name, slot, features in _known(adata, facts):
        used.add(key)
        if name not in assays:
            index = pd.Index([str(feature) for feature in features], dtype=object)
            table = facts.get("assays", {}).get(name, {}).get("var")
            assays[taken.exact(name)] = _Part(pd.DataFrame(index=index) if table is None else table)
        given_back = slot == "data" and "scgnn2" in adata.uns  # instead of the counts that stand in for it
        if slot not in assays[name].matrices or given_back:
            _put_known(assays[name], slot, adata.obsm[key], features)
    for layer in adata.layers:
        if layer in ("counts", facts.get("X")) or (layer == SCALED and facts):
            continue
        part = _Part(adata.var[[]], called)
        part.put("data", adata.layers[layer], part.var.index)
        part.layer = "" if str(layer).startswith("scgnn2_") else str(layer)
        assays[taken.name(IMPUTED_ASSAY if layer == IMPUTED else str(layer))] = part
    return assays, used


def _known(adata: AnnData, facts: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Sequence[object]]]:
    """The matrices in obsm that were assays, or alternative experiments: key, assay, slot and names of the features."""
    others = mapping_in(adata.uns, "experiment").get("experiments", {})
    for name, described in (*facts.get("assays", {}).items(), *others.items()):
        for layer, features in described.get("features", {}).items():
            slot = "data" if layer == "logcounts" else layer
            if f"{name}_{layer}" in adata.obsm and slot in _SLOTS:
                yield f"{name}_{layer}", name, slot, features


def _put_known(part: _Part, slot: str, values: Any, features: Sequence[object]) -> None:
    """A matrix with features of its own; genes may have gone since, and SeuratObject 5 wants all to be in ``data``."""
    names = np.array([str(feature) for feature in features], dtype=object)
    kept = np.isin(names, np.array(part.var.index, dtype=object))
    part.put(slot, values if kept.all() else values[:, np.flatnonzero(kept)], list(names[kept]))


def _main(adata: AnnData, facts: Mapping[str, Any], called: Mapping[str, str]) -> _Part:
    """The assay of the measured expression: all genes where .raw holds more of them."""
    scale = mapping_in(adata.uns, "scgnn2").get("scale_of_X")
    counts = adata.layers.get("counts")
    if facts and scale is None:
        part = _Part(adata.var, called)
        for slot, values in {str(facts.get("X", "data")): adata.X, **dict(adata.layers)}.items():
            if slot in _SLOTS:
                part.put(slot, values, part.var.index)
        return part
    if adata.raw is None:
        return _filled(_Part(adata.var, called), adata.X, counts, scale)
    same = adata.raw.var_names.equals(adata.var_names)
    part = _filled(_Part(adata.raw.var, called), adata.raw.X, counts if same else None, scale)
    if scale is None and _is_scaled(adata):
        part.put(SCALED, adata.X, [called[gene] for gene in adata.var_names])
    return part


def _is_scaled(adata: AnnData) -> bool:
    """Whether X is what scanpy leaves there beside .raw: the genes it went on with, centred."""
    return adata.X is not None and bool(adata.X.min() < 0) and bool(adata.var_names.isin(adata.raw.var_names).all())


def _filled(part: _Part, x: Any, counts: Any, scale: str | None) -> _Part:
    """Counts also stand in ``data``, as CreateSeuratObject has it; what is not counts stands there alone."""
    names = list(part.var.index)
    whole = x is not None and (scale == "counts" if scale is not None else _whole(x))
    x = sp.csr_matrix(x) if whole else x
    if counts is not None or whole:
        part.put("counts", x if counts is None else sp.csr_matrix(counts), names)
    part.put("data", part.matrices["counts"] if x is None else x, names)
    return part


def _whole(x: Any) -> bool:
    values = x.data if sp.issparse(x) else np.asarray(x)
    return bool((values >= 0).all() and (values == np.floor(values)).all())


def _assay(name: str, part: _Part, cells: list[str], facts: Mapping[str, Any], taken: Taken) -> RObject:
    described = facts.get("assays", {}).get(name, {})
    empty = build.matrix(np.zeros((0, 0)))
    made = {slot: _matrix(values, part.features[slot], cells, slot) for slot, values in part.matrices.items()}
    if "data" not in made:  # SeuratObject 5 takes the features of an assay from there
        made["data"] = made.get("counts", made.get(SCALED, empty))
    table = part.var.drop(columns="highly_variable", errors="ignore") if "var.features" in described else part.var
    slots = {
        "counts": made.get("counts", empty),
        "data": made["data"],
        "scale.data": made.get(SCALED, empty),
        "key": build.strings([taken.key(str(described.get("key") or name.lower()))]),
        "assay.orig": build.null_slot(),
        "var.features": _variable(described, part.var),
        "meta.features": build.data_frame(features_table(table, described)),
        "misc": build.named_list({"layer": build.strings([part.layer])}) if part.layer else build.plain_list([]),
    }
    return build.s4("Assay", PACKAGE, slots)


def _variable(described: Mapping[str, Any], var: pd.DataFrame) -> RObject:
    """In Seurat's order; SeuratObject 5 wants all of them to be there, and a new assay has logical(0)."""
    chosen: Sequence[object] = ()
    if "var.features" in described:
        there = set(var.index)
        chosen = [name for name in map(str, described["var.features"]) if name in there]
    elif "highly_variable" in var:
        chosen = list(var.index[var["highly_variable"].fillna(False).to_numpy(bool)])
    return build.strings(chosen) if chosen else build.logicals(np.zeros(0, dtype=bool))


def _matrix(values: Any, features: Sequence[str], cells: list[str], slot: str) -> RObject:
    """Features x cells: a CSR matrix of cells is the dgCMatrix of its transpose as it is."""
    if sp.issparse(values) and slot != SCALED:
        return build.dgcmatrix(sp.csr_matrix(values).T, features, cells)
    dense = values.toarray() if sp.issparse(values) else np.asarray(values, dtype=np.float64)
    return build.matrix(dense.T, features, cells)


# ---------------------------------------------------------------------------------------------------- cells


def _meta_data(adata: AnnData, facts: Mapping[str, Any], counts: Any, active: str) -> tuple[pd.DataFrame, Any]:
    """The cells' table with Seurat's own three columns where they are missing, and the cells' identity.

    That is scGNN2's clusters, else what was active before, else one for all.
    """
    obs = cells_table(adata)
    # An object that was a result once may have been given other identities since.
    wanted = (CLUSTER, IDENT) if "scgnn2" in adata.uns else (IDENT, CLUSTER)
    chosen = next((name for name in wanted if name in obs), None)
    ident = pd.Categorical([facts.get("project.name") or _PROJECT] * len(obs) if chosen is None else obs[chosen])
    if chosen == IDENT:
        obs = obs.drop(columns=IDENT)
    if facts:
        return obs, ident
    if "orig.ident" not in obs:
        obs.insert(0, "orig.ident", pd.Categorical([_PROJECT] * len(obs)))
    if counts is not None:
        sums = np.asarray(counts.sum(axis=1), dtype=np.float64).reshape(-1)
        found = np.asarray((counts > 0).sum(axis=1)).reshape(-1)
        for position, (name, values) in enumerate(((f"nCount_{active}", sums), (f"nFeature_{active}", found)), start=1):
            if name not in obs:
                obs.insert(min(position, obs.shape[1]), name, values)
    return obs, ident


# ---------------------------------------------------------------------------------------------------- the rest


def _lost(adata: AnnData, used: set[str], called: Mapping[str, str]) -> list[str]:
    """What has no place in a Seurat object."""
    renamed = [name for name, new in called.items() if name != new]
    lost = (
        [f'"_" and "|" in the names of {len(renamed)} genes ({renamed[0]} is {called[renamed[0]]})'] if renamed else []
    )
    lost += [f"obsm {place}" for place, values in adata.obsm.items() if place not in used and not is_embedding(values)]
    lost += [f"obsp {place} (not sparse)" for place, values in adata.obsp.items() if not sp.issparse(values)]
    lost += [f"varp {place}" for place in adata.varp]
    if adata.raw is not None and not {"seurat", "scgnn2"} & set(adata.uns):
        lost += [] if adata.X is None or _is_scaled(adata) else ["X (the assay holds .raw)"]
        if "counts" in adata.layers and not adata.raw.var_names.equals(adata.var_names):
            lost.append("layer counts (the assay holds .raw, which has other genes)")
    reduced = mapping_in(adata.uns, "seurat").get("reductions", {})
    known = {place for name in reduced for place in (name, f"{name}_projected")}
    if "X_pca" in adata.obsm:
        known.add("PCs")
    lost += [f"varm {place}" for place in adata.varm if place not in known]
    carried = ("seurat", "scgnn2", "experiment", "pca", "scgnn2_input")
    return lost + [f"uns {place}" for place in adata.uns if place not in carried]
