"""Any AnnData becomes an h5ad: values as they were or as text, names said, the user's object untouched."""

from __future__ import annotations

import datetime
import warnings
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.io import convert, export
from scgnn2_engine.io.storage.storable import Said
from scgnn2_engine.io.storage.storing import storable_anndata, write_h5ad

CELLS = [f"cell{number}" for number in range(4)]
GENES = ["ACTB", "CD3E", "GAPDH"]


def small(**obs: Any) -> anndata.AnnData:
    table = pd.DataFrame({name: list(values) if isinstance(values, str) else values for name, values in obs.items()})
    table.index = pd.Index(CELLS)
    return anndata.AnnData(np.arange(12, dtype=np.float32).reshape(4, 3), obs=table, var=pd.DataFrame(index=GENES))


def there_and_back(adata: anndata.AnnData, folder: Path) -> tuple[anndata.AnnData, Said]:
    said = write_h5ad(adata, folder / "stored.h5ad")
    return anndata.read_h5ad(folder / "stored.h5ad"), said


class Odd:
    """Of a class that nobody stores."""


@pytest.mark.parametrize(
    ("values", "expected", "was"),
    [
        (pd.to_datetime(["2024-01-02", None] * 2), ["2024-01-02", None] * 2, "dates"),
        (pd.to_datetime(["2024-01-02 10:00"] * 4).tz_localize("UTC"), ["2024-01-02 10:00:00+00:00"] * 4, "dates"),
        ([datetime.date(2024, 1, 2)] * 4, ["2024-01-02"] * 4, "dates"),
        (pd.to_timedelta([1, 2, 3, 4], unit="D"), ["1 days", "2 days", "3 days", "4 days"], "spans of time"),
        (pd.cut([1, 4, 6, 9], [0, 5, 10]), ["(0, 5]", "(0, 5]", "(5, 10]", "(5, 10]"], "categories that are intervals"),
        (pd.arrays.IntervalArray.from_breaks(range(5)), ["(0, 1]", "(1, 2]", "(2, 3]", "(3, 4]"], "intervals"),
        (pd.period_range("2024-01", periods=4, freq="M"), ["2024-01", "2024-02", "2024-03", "2024-04"], "periods"),
        (pd.Categorical([1, "x", None, 1]), ["1", "x", None, "1"], "categories that are values of several kinds"),
        ([1, "a", None, 2.5], ["1", "a", None, "2.5"], "values of several kinds"),
        ([[1, 2], [3], [], [1, 2]], ["[1, 2]", "[3]", "[]", "[1, 2]"], "lists"),
        ([2**70, 1, 2, 3], [str(2**70), "1", "2", "3"], "numbers"),
        ([b"ab"] * 4, ["ab"] * 4, "bytes"),
        (["a\0b", "c", "d", "e"], ["ab", "c", "d", "e"], "text with characters that HDF5 cannot hold"),
    ],
)
def test_what_h5ad_does_not_know_is_text_and_said(values: Any, expected: list[Any], was: str, tmp_path: Path) -> None:
    back, said = there_and_back(small(column=values), tmp_path)
    found = back.obs["column"].astype(object)
    assert found.where(found.notna(), None).tolist() == expected
    assert len(said.changed) == 1
    assert f"the kind of obs['column'] ({was}, now" in said.changed[0]
    assert said.left_out == []


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (pd.array(["a", "b", "c", "d"], dtype="string"), "object"),
        (pd.array(["a", "b", "c", "a"], dtype="string"), "category"),
        (pd.array(["a", None, "c", "d"], dtype="string"), "category"),
        (pd.array(["a", np.nan, "c", "d"], dtype=pd.StringDtype(na_value=np.nan)), "category"),
        (pd.Categorical(pd.array(["a", None, "b", "a"], dtype="string")), "category"),
        ([None] * 4, "category"),
        (pd.array([1, None, 3, 4], dtype="Int8"), "Int8"),
        (pd.array([True, None, False, True], dtype="boolean"), "boolean"),
        (pd.array([1.5, None, 3, 4], dtype="Float64"), "float64"),
        (np.array([1, None, 3, 4], dtype=object), "Int64"),
        (np.array([1, 2, 3, 4], dtype=object), "int64"),
        (np.array([1, None, 3.5, 4], dtype=object), "float64"),
        (np.array([True, None, False, True], dtype=object), "boolean"),
        (pd.Categorical([3, 1, 2, 3], ordered=True), "category"),
        (pd.arrays.SparseArray([0, 0, 1, 0]), "int64"),
        (np.array([1j, 0, 0, 2]), "complex128"),
    ],
)
def test_what_h5ad_knows_keeps_its_values_without_a_word(values: Any, dtype: str, tmp_path: Path) -> None:
    adata = small(column=values)
    before = adata.obs["column"].astype(object)
    back, said = there_and_back(adata, tmp_path)
    after = back.obs["column"].astype(object)
    assert str(back.obs["column"].dtype) == dtype
    assert after.where(after.notna(), None).tolist() == before.where(before.notna(), None).tolist()
    assert said.phrases == []


def test_categories_keep_their_order_and_stay_apart(tmp_path: Path) -> None:
    back, said = there_and_back(
        small(depth=pd.cut([9, 1, 9, 1], [0, 5, 10], labels=None), alike=pd.Categorical([1, "1", 1, "1"])), tmp_path
    )
    assert list(back.obs["depth"].cat.categories) == ["(0, 5]", "(5, 10]"]
    assert back.obs["depth"].cat.ordered
    assert back.obs["alike"].tolist() == ["1", "1-1", "1", "1-1"]
    assert "the kind of categories of obs['alike'] (alike as text, now with a number behind)" in said.changed


def test_names_are_text_open_no_folder_and_stand_once(tmp_path: Path) -> None:
    adata = small()
    columns = pd.Index(["a", "a", "b/c", "_index", 0, "", ("t", 1)], tupleize_cols=False)
    adata.obs = pd.DataFrame(np.arange(28).reshape(4, 7), columns=columns, index=pd.Index(CELLS, name="a"))
    adata.layers["u/v"], adata.layers["u_v"] = adata.X + 1, adata.X + 2
    adata.obsm[7] = np.ones((4, 2))  # type: ignore[index]
    adata.uns[3] = {"x/y": 1, ".": 2}  # type: ignore[index]
    back, said = there_and_back(adata, tmp_path)
    assert list(back.obs) == ["a", "a-1", "b_c", "_index_", "0", "unnamed_column", "t 1"]
    assert back.obs.iloc[0].tolist() == list(range(7))
    assert back.obs_names.tolist() == CELLS
    assert {name: values[0, 0] for name, values in back.layers.items()} == {"u_v": 1.0, "u_v-1": 2.0}
    assert "7" in back.obsm
    assert back.uns["3"] == {"x_y": 1, "_": 2}
    assert said.changed == [
        "the name 'a' of a second column of obs (now 'a-1')",
        "the name 'b/c' of a column of obs (now 'b_c')",
        "the name '_index' of a column of obs (now '_index_')",
        "the name '' of a column of obs (now 'unnamed_column')",
        "the name 'x/y' of a key of uns['3'] (now 'x_y')",
        "the name '.' of a key of uns['3'] (now '_')",
        "the name 'u/v' of a key of layers (now 'u_v')",
        "the name 'u_v' of a second key of layers (now 'u_v-1')",
    ]


def test_uns_of_any_kind_is_stored_or_named(tmp_path: Path) -> None:
    adata = small()
    adata.uns |= {
        "none": None,
        "tuple": (1, 2),
        "set": {"b", "a"},
        "complex": 1j,
        "bytes": b"ab",
        "mixed": np.array([1, "a"], dtype=object),
        "gaps": np.array([["a", None]], dtype=object),
        "ragged": [[1], [1, 2]],
        "mappings": [{"a": 1}],
        "series": pd.Series({"x": 1.5}),
        "when": datetime.datetime(2024, 1, 2, 3),
        "dates": pd.DataFrame({"day": pd.to_datetime(["2024-01-02"])}, index=pd.to_datetime(["2024-01-03"])),
        "masked": np.ma.masked_array([1, 2], mask=[False, True]),
        "text": pd.array(["a", None], dtype="string"),
        "coo": sp.coo_matrix(np.eye(2)),
        "deep": {"odd": Odd(), "kept": 1},
        "function": len,
    }
    back, said = there_and_back(adata, tmp_path)
    kept = back.uns
    assert kept["none"] is None
    assert kept["tuple"].tolist() == [1, 2]
    assert kept["set"].tolist() == ["a", "b"]
    assert kept["complex"] == 1j
    assert kept["bytes"] == "ab"
    assert kept["mixed"].tolist() == ["1", "a"]
    assert kept["gaps"].tolist() == [["a", ""]]
    assert kept["ragged"]["1"].tolist() == [1, 2]
    assert kept["mappings"] == {"0": {"a": 1}}
    assert kept["series"].loc["x", "value"] == 1.5
    assert kept["when"] == "2024-01-02 03:00:00"
    assert kept["dates"].loc["2024-01-03", "day"] == "2024-01-02"
    np.testing.assert_array_equal(kept["masked"], [1, np.nan])
    assert next(iter(kept["text"])) == "a"
    assert kept["coo"].nnz == 2
    assert kept["deep"] == {"kept": 1}
    assert said.left_out == [
        "uns['deep']['odd'] (an object of class Odd)",
        "uns['function'] (an object of class builtin_function_or_method)",
    ]
    assert "the kind of uns['masked'] (numbers with a mask, now NaN where masked)" in said.changed


def test_what_anndata_refuses_after_all_is_left_out_alone(tmp_path: Path) -> None:
    adata = small(kept=[1, 2, 3, 4])
    adata.obsm["records"] = np.array([(1, Odd())] * 4, dtype=[("x", int), ("y", object)])
    adata.obsm["X_pca"] = np.ones((4, 2))
    adata.uns["endless"] = {}
    adata.uns["endless"]["itself"] = adata.uns["endless"]
    back, said = there_and_back(adata, tmp_path)
    assert list(back.obsm) == ["X_pca"]
    assert back.obs["kept"].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(back.X, adata.X)
    assert [phrase.split(" (")[0] for phrase in said.left_out][1] == "obsm['records']"
    assert "nested more than 40 deep" in said.left_out[0]


def test_an_object_as_anndata_of_pandas_3_makes_it(tmp_path: Path) -> None:
    """Text is of dtype string everywhere: indexes, columns, tables beside, raw."""
    ids = pd.array(["ENSG1", "ENSG2", None], dtype="string")
    cells, genes = (pd.Index(names, dtype="string") for names in (CELLS, GENES))
    adata = anndata.AnnData(
        sp.csr_matrix(np.eye(4, 3, dtype=np.float32)),
        obs=pd.DataFrame({"sample": pd.array(list("abcd"), dtype="string")}, index=cells),
        var=pd.DataFrame({"gene_ids": ids}, index=genes),
    )
    adata.raw = adata.copy()
    adata.obsm["protein"] = pd.DataFrame({"CD3": [1, 2, 3, 4]}, index=adata.obs_names)
    adata.uns["table"] = pd.DataFrame({"word": pd.array(["x"], dtype="string")}, index=pd.Index(["r"], dtype="string"))
    back, said = there_and_back(adata, tmp_path)
    assert said.phrases == []
    assert (back.obs_names.tolist(), back.var_names.tolist()) == (CELLS, GENES)
    assert back.obs["sample"].tolist() == list("abcd")
    assert back.var["gene_ids"].astype(object).where(back.var["gene_ids"].notna(), None).tolist() == [
        "ENSG1",
        "ENSG2",
        None,
    ]
    assert back.raw.var["gene_ids"].tolist()[:2] == ["ENSG1", "ENSG2"]
    assert back.obsm["protein"]["CD3"].tolist() == [1, 2, 3, 4]
    assert back.uns["table"].loc["r", "word"] == "x"


def test_repeated_cells_keep_their_tables(tmp_path: Path) -> None:
    adata = small()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata.obs_names = ["a", "a", "b", "b"]
        adata.obsm["protein"] = pd.DataFrame(
            {"CD3": [1, 2, 3, 4], "when": pd.to_datetime(["2024-01-02"] * 4)}, index=adata.obs_names
        )
        export(adata, tmp_path / "a.h5ad")
        back = anndata.read_h5ad(tmp_path / "a.h5ad")
    assert back.obsm["protein"]["CD3"].tolist() == [1, 2, 3, 4]
    assert back.obsm["protein"]["when"].tolist() == ["2024-01-02"] * 4


def test_the_given_object_stays_as_it_is(tmp_path: Path) -> None:
    adata = small(text=["a", "b", "a", "b"], day=pd.to_datetime(["2024-01-02"] * 4))
    adata.obs["mixed"] = [1, "a", None, 2]
    adata.uns["nested"] = {"day": datetime.date(2024, 1, 2)}
    adata.obsm["table"] = pd.DataFrame({"day": pd.to_datetime(["2024-01-02"] * 4)}, index=CELLS)
    view = adata[:2]
    kinds = adata.obs.dtypes.to_dict()
    for one in (adata, view):
        write_h5ad(one, tmp_path / "a.h5ad")
    assert adata.obs.dtypes.to_dict() == kinds
    assert adata.uns["nested"]["day"] == datetime.date(2024, 1, 2)
    assert adata.obsm["table"]["day"].dtype.kind == "M"
    assert view.is_view


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix])
def test_a_backed_object_is_stored_and_stays_backed_by_its_file(kind: Any, tmp_path: Path) -> None:
    adata = small(day=["2024-01-02"] * 4)
    adata.X = kind(adata.X)
    adata.write_h5ad(tmp_path / "own.h5ad")
    before = (tmp_path / "own.h5ad").read_bytes()
    backed = anndata.read_h5ad(tmp_path / "own.h5ad", backed="r")
    write_h5ad(backed, tmp_path / "copy.h5ad")
    assert backed.isbacked
    assert Path(backed.filename) == tmp_path / "own.h5ad"
    backed.file.close()
    assert (tmp_path / "own.h5ad").read_bytes() == before
    copy = anndata.read_h5ad(tmp_path / "copy.h5ad")
    np.testing.assert_array_equal(sp.csr_matrix(copy.X).toarray(), sp.csr_matrix(adata.X).toarray())


def test_matrices_of_objects_are_numbers(tmp_path: Path) -> None:
    adata = small()
    adata.layers["objects"] = adata.X.astype(object)
    stored, said = storable_anndata(adata)
    assert stored.layers["objects"].dtype == np.float64
    assert said.phrases == []
    assert stored.X is adata.X


def test_convert_names_what_it_stores_otherwise(tmp_path: Path) -> None:
    adata = small(depth=pd.cut([1, 4, 6, 9], [0, 5, 10]))
    assert export(adata, tmp_path / "a.h5ad") == ["the kind of obs['depth'] (categories that are intervals, now text)"]
    assert convert(tmp_path / "a.h5ad", tmp_path / "b.h5ad").lost == ()
