"""Matching bulk genes to single-cell genes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from scgnn2_engine.bulk.matching import match_bulk
from scgnn2_engine.data.dataset import Bulk
from scgnn2_engine.data.gene_names import plain_name
from scgnn2_engine.errors import InputError

E2 = float(np.expm1(2.0))


def bulk_of(values: list[list[float]] | npt.NDArray[np.float64], genes: list[str]) -> Bulk:
    expression = np.asarray(values, dtype=np.float64)
    return Bulk(expression, np.array([f"sample_{i}" for i in range(len(expression))]), np.array(genes))


def test_profile_is_the_mean_of_logarithms_over_the_samples() -> None:
    found = match_bulk(bulk_of([[0, 1, 5], [E2, 1, 5]], ["a", "x", "b"]), np.array(["b", "c", "a"]))
    assert found.genes.tolist() == [0, 2]
    np.testing.assert_allclose(found.profile, [np.log(6), 1.0])
    assert found.notes == (
        "The bulk data holds 2 of the 3 single-cell genes (66.7 %); its profile is the mean of "
        "ln(1 + bulk) over 2 samples.",
    )


def test_one_sample_is_named_as_one() -> None:
    assert match_bulk(bulk_of([[0, 1]], ["a", "b"]), np.array(["a", "b"])).notes[0].endswith("over 1 sample.")


@pytest.mark.parametrize(
    ("cell", "bulk"),
    [
        ("Actb", "ACTB"),
        ("ACTB", " actb "),
        ("ENSG00000075624", "ENSG00000075624.17"),
        ("ENSG00000075624.3", "ENSG00000075624"),
        ("ENSMUSG00000029580.1", "ensmusg00000029580.14"),
    ],
)
def test_case_and_ensembl_version_do_not_matter(cell: str, bulk: str) -> None:
    found = match_bulk(bulk_of([[3, 4]], ["other", bulk]), np.array([cell]))
    np.testing.assert_allclose(found.profile, [np.log(5)])


def test_the_number_behind_a_clone_name_is_no_version() -> None:
    assert plain_name("AC118549.1") == "AC118549.1"
    with pytest.raises(InputError, match="no gene in common"):
        match_bulk(bulk_of([[3, 4]], ["AC118549", "b"]), np.array(["AC118549.1"]))


def test_the_name_as_it_stands_goes_before_its_other_spellings() -> None:
    found = match_bulk(bulk_of([[1, 2, 3]], ["GENE", "Gene", "x"]), np.array(["Gene", "GENE"]))
    np.testing.assert_allclose(found.profile, np.log([3, 2]))
    assert len(found.notes) == 1


def test_duplicated_bulk_genes_are_averaged_and_reported() -> None:
    found = match_bulk(bulk_of([[0, E2, 3]], ["a", "a", "b"]), np.array(["a", "b"]))
    np.testing.assert_allclose(found.profile, np.log([1 + E2 / 2, 4]))
    assert found.notes[1] == "1 genes stand more than once in the bulk data, a for one; their values were averaged."


def test_no_shared_gene_shows_both_kinds_of_names() -> None:
    ensembl = [f"ENSG0000000000{i}.2" for i in range(4)]
    with pytest.raises(InputError) as caught:
        match_bulk(bulk_of([[1, 2, 3, 4]], ensembl), np.array(["ACTB", "MYC", "TP53", "KRAS"]))
    message = str(caught.value)
    assert "no gene in common" in message
    assert "ACTB, MYC, TP53" in message
    assert "ENSG00000000000.2, ENSG00000000001.2" in message
    assert "The single cells carry gene symbols, the bulk data Ensembl identifiers (ENSG…)" in message


def test_another_species_is_named() -> None:
    cells = np.array([f"ENSMUSG0000000000{i}" for i in range(5)])
    with pytest.raises(InputError, match=r"\(ENSMUSG…\), the bulk data Ensembl identifiers \(ENSG…\)"):
        match_bulk(bulk_of([[1, 2]], ["ENSG00000000001", "ENSG00000000002"]), cells)


@pytest.mark.parametrize(("shared", "enough"), [(1, False), (2, True)])
def test_a_tenth_of_the_genes_must_be_shared(shared: int, enough: bool) -> None:
    cells = np.array([f"gene{i}" for i in range(20)])
    bulk = bulk_of([list(range(5))], [f"gene{i}" if i < shared else f"foreign{i}" for i in range(5)])
    if enough:
        assert match_bulk(bulk, cells).genes.tolist() == [0, 1]
    else:
        with pytest.raises(InputError, match=r"hardly any gene in common.*at least 10% of the 20.*Found: 1; .*gene0"):
            match_bulk(bulk, cells)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_values_that_are_no_expression_are_named_by_sample_and_gene(bad: float) -> None:
    with pytest.raises(InputError, match=r"holds 1 values.* in sample sample_1, gene b"):
        match_bulk(bulk_of([[1, 2], [3, bad]], ["a", "b"]), np.array(["a", "b"]))


def test_a_sample_without_expression_is_named() -> None:
    with pytest.raises(InputError, match=r"sample sample_1 is 0 at every gene.*1 of 2 samples.*load_bulk_samples"):
        match_bulk(bulk_of([[1, 2, 3], [0, 0, 3]], ["a", "b", "c"]), np.array(["a", "b"]))


def test_symbols_of_another_species_case_are_doubted() -> None:
    cells = np.array(["Actb", "Gapdh", "Sox2", "ENSMUSG00000029580"])
    found = match_bulk(bulk_of([[1, 2, 3, 4]], ["ACTB", "GAPDH", "SOX2", "ENSMUSG00000029580.3"]), cells)
    assert found.warnings[0].startswith("3 of the 4 shared genes are written in another case")
    assert match_bulk(bulk_of([[1, 2, 3]], ["Actb", "Gapdh", "SOX2"]), cells).warnings == ()


def test_a_constant_profile_is_refused() -> None:
    with pytest.raises(InputError, match=r"constant over the 2 genes.*Found: 4 everywhere"):
        match_bulk(bulk_of([[4, 4, 9]], ["a", "b", "x"]), np.array(["a", "b"]))


def test_empty_bulk_and_wrong_names_are_refused() -> None:
    with pytest.raises(InputError, match=r"empty.*0 samples, 2 genes"):
        match_bulk(bulk_of(np.empty((0, 2)), ["a", "b"]), np.array(["a"]))
    with pytest.raises(InputError, match="does not fit its names"):
        match_bulk(bulk_of([[1, 2]], ["a"]), np.array(["a"]))


def test_real_bulk_shares_every_gene_with_its_cells(data_dir: Path) -> None:
    table = pd.read_csv(data_dir / "chu100" / "bulk.csv.gz", index_col=0)
    bulk = bulk_of(table.to_numpy(float).T, [str(name) for name in table.index])
    found = match_bulk(bulk, np.array([name.lower() for name in bulk.gene_names]))
    assert len(found.genes) == 19097
    assert 2 < found.profile.mean() < 8
