"""Which object of a file is read, as what, and what is said when it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.errors import InputError, InsufficientMemoryError
from scgnn2_engine.io.r import build, reading
from scgnn2_engine.io.r.reading import read_r
from scgnn2_engine.io.r.serialisation import to_bytes, write_rdata
from scgnn2_engine.io.raw_table import Table

GOLDEN = Path(__file__).parent / "golden"
NAMES = (["Actb", "Gapdh"], ["cell_1", "cell_2"])
DENSE = np.array([[1.0, 2.0], [0.0, 4.5]])
FRAME = pd.DataFrame(DENSE, index=NAMES[0], columns=NAMES[1])


def test_tables_of_every_kind() -> None:
    with_names = FRAME.rename_axis("gene").reset_index()
    for obj, kind in (
        (build.matrix(DENSE, *NAMES), "matrix"),
        (build.dgcmatrix(sp.csc_matrix(DENSE), *NAMES), "dgCMatrix"),
        (build.data_frame(FRAME), "data.frame"),
        (build.data_frame(with_names), "data.frame"),
    ):
        content = read_r(to_bytes(obj))
        assert (content.kind, content.lost, content.name) == (kind, [], "")
        assert isinstance(content.value, Table)
        assert content.value.row_names.tolist() == NAMES[0]
        assert content.value.column_names.tolist() == NAMES[1]
        held: Any = content.value.assemble(transpose=False)
        assert (held.toarray() if sp.issparse(held) else held).tolist() == DENSE.tolist()


def test_rows_without_names_are_numbered_as_r_prints_them() -> None:
    content = read_r(to_bytes(build.data_frame(FRAME.reset_index(drop=True))))
    assert isinstance(content.value, Table)
    assert content.value.row_names.tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        (build.matrix(DENSE, NAMES[0], None), r"a matrix without column names.*matrix, 2 x 2"),
        (build.matrix(DENSE, None, NAMES[1]), "a matrix without row names"),
        (build.matrix(-DENSE, *NAMES), "row 'Actb', column 'cell_1'.*Found: -1"),
        (build.dgcmatrix(sp.csc_matrix(DENSE * [[1, 1], [1, np.nan]]), *NAMES), "row 'Gapdh', column 'cell_2'.*nan"),
        (build.matrix(DENSE * 1e300, *NAMES), "finite values from 0 to 3.4e"),
        (build.data_frame(FRAME.assign(a="x", b=True)), "2 columns that are not numbers.*Found: a, b"),
        (build.data_frame(FRAME[[]]), "no expression.*data.frame with 0 columns"),
        (build.data_frame(FRAME.iloc[:0]), "no expression"),
        (
            build.strings(["a", "b"], {"dim": build.integers([1, 2])}),
            "no expression matrix.*Found: matrix of character",
        ),
        (build.reals([1.0]), "no expression matrix.*Found: numeric"),
        (build.null(), "no expression matrix.*Found: NULL"),
        (build.s4("seurat", "Seurat", {"raw.data": build.matrix(DENSE, *NAMES)}), "version 2.*UpdateSeuratObject"),
        (build.s4("Seurat", "SeuratObject", {"assays": build.reals([1])}), "not built as this reader.*meta.data"),
    ],
)
def test_what_cannot_be_used_is_named(obj: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_r(to_bytes(obj))


def test_one_of_several_objects(tmp_path: Path) -> None:
    file = tmp_path / "x.RData"
    write_rdata(file, {"note": build.strings(["a"]), "x": build.data_frame(FRAME)})
    content = read_r(file)
    assert (content.name, content.kind) == ("x", "data.frame")
    with pytest.raises(InputError, match=r"no expression from|cannot take expression from.*Found: character"):
        read_r(file, object_name="note")
    with pytest.raises(InputError, match=r"no object 'y'.*note \(character\), x \(data.frame with 2 columns\)"):
        read_r(file, object_name="y")
    write_rdata(file, {"note": build.strings(["a"]), "x": build.data_frame(FRAME), "m": build.matrix(DENSE, *NAMES)})
    with pytest.raises(InputError, match=r"3 objects.*m \(matrix, 2 x 2\).*--load_object x"):
        read_r(file)
    assert read_r(file, object_name="m").kind == "matrix"
    with pytest.raises(InputError, match=r"one object without a name.*Leave --load_object out"):
        read_r(to_bytes(build.reals([1])), object_name="m")
    write_rdata(file, {})
    with pytest.raises(InputError, match=r"no expression matrix.*Found: nothing"):
        read_r(file)


def test_golden_files_name_what_they_hold() -> None:
    with pytest.raises(
        InputError, match=r"4 objects.*annotation.*expression \(dgCMatrix, 8 x 5\).*double_it \(function\)"
    ):
        read_r(GOLDEN / "several.RData")
    assert read_r(GOLDEN / "several.RData", object_name="expression").kind == "dgCMatrix"
    with pytest.raises(InputError, match=r"no expression matrix.*Found: list"):
        read_r(GOLDEN / "misc.rds")


def test_too_little_memory_is_said_beforehand() -> None:
    data = to_bytes(build.matrix(np.ones((1000, 500)), [f"g{n}" for n in range(1000)], [f"c{n}" for n in range(500)]))
    with pytest.raises(InsufficientMemoryError, match=r"The R object would need about 0\.00\d+ GiB"):
        read_r(data, max_memory=0.001)
    assert read_r(data, max_memory=0.1).kind == "matrix"


def test_memory_that_runs_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(reading, "table_of", full)
    with pytest.raises(InsufficientMemoryError, match="does not fit into memory"):
        read_r(to_bytes(build.matrix(DENSE, *NAMES)))
