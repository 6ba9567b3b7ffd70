"""What is found in folders of data sets, and what is said of the rest."""

from __future__ import annotations

import bz2
import gzip
import shutil
from dataclasses import replace

import pytest

from scgnn2_engine.benchmark import choose_methods, find_data_sets, read_data_set
from scgnn2_engine.benchmark.cells import cell_of
from scgnn2_engine.errors import InputError


def test_data_sets_are_found_by_their_folders_and_the_rest_is_named(data_folder):
    found, notes = find_data_sets([data_folder])
    assert [data_set.name for data_set in found] == ["first", "second"]
    assert found[0].labels == data_folder.resolve() / "first" / "labels.csv"
    assert found[1].labels is None
    assert len(notes) == 1
    assert "notes is passed over: no matrix is in it" in notes[0]


def test_a_data_set_itself_and_a_choice_by_name(data_folder):
    assert [each.name for each in find_data_sets([data_folder / "second"])[0]] == ["second"]
    assert [each.name for each in find_data_sets([data_folder], ["second", "first"])[0]] == ["second", "first"]
    with pytest.raises(InputError, match=r"no data set 'third'.*first, second"):
        find_data_sets([data_folder], ["third"])


def test_a_folder_without_data_sets_says_what_was_looked_for(data_folder, tmp_path):
    with pytest.raises(InputError, match=r"no data set in .*expression\.csv.*10x"):
        find_data_sets([tmp_path])
    with pytest.raises(InputError, match="is not a folder"):
        find_data_sets([tmp_path / "missing"])
    with pytest.raises(InputError, match=r"is not a folder.*a file"):
        find_data_sets([data_folder / "first" / "labels.csv"])


def test_two_of_one_name_are_refused(data_folder, tmp_path):
    shutil.copytree(data_folder / "first", tmp_path / "first")
    with pytest.raises(InputError, match="Two data sets are called first"):
        find_data_sets([data_folder, tmp_path])
    assert len(find_data_sets([data_folder, data_folder])[0]) == 2


def test_any_name_of_a_folder_is_safe_in_that_of_a_cell(data_folder, tmp_path):
    names = ["plain_1.2", "with space", ".hidden", "a*b?|c:", "a_b__c_", "é" * 100, "n" * 255, "-", ".."]
    (method,) = choose_methods(["v" * 80], variants={"v" * 80: {}})[0]
    found = find_data_sets([data_folder], ["first"])[0][0]
    for hides in ("mask", "thinning"):
        files = [cell_of(replace(found, name=name), method, 2**32 - 1, hides).file_name for name in names]
        assert files[0].startswith("plain_1.2--v")  # the cells that are there already keep theirs
        assert files[1].startswith("with space--v")
        assert len(set(files)) == len(names)
        for file in files:
            assert not set(file) & set("/\\*?|:")
            assert not file.startswith(".")
            assert len(file.encode()) <= 255


def test_a_folder_whose_name_cannot_be_printed_is_passed_over(data_folder, tmp_path):
    shutil.copytree(data_folder / "first", tmp_path / "two\nlines")
    shutil.copytree(data_folder / "first", tmp_path / "first")
    found, notes = find_data_sets([tmp_path])
    assert [each.name for each in found] == ["first"]
    assert "two\\nlines' is passed over: its name has characters that cannot be printed" in notes[0]


def test_several_matrices_without_a_known_name_are_not_guessed_from(data_folder, tmp_path):
    for name in ("a.h5ad", "b.h5ad"):
        (tmp_path / "both").mkdir(exist_ok=True)
        shutil.copy(data_folder / "first" / "counts.h5ad", tmp_path / "both" / name)
    shutil.copytree(data_folder / "first", tmp_path / "first")
    found, notes = find_data_sets([tmp_path])
    assert [each.name for each in found] == ["first"]
    assert "several matrices (a.h5ad, b.h5ad)" in notes[0]


def test_text_and_nested_10x_folders_are_read_as_they_lie(tmp_path):
    (tmp_path / "text").mkdir()
    # Names that tell nothing: rows of this file are genes by its name alone.
    (tmp_path / "text" / "original_top_expression.csv").write_text(",a,b,c\nd,1,2,3\ne,4,0,6\n")
    (tmp_path / "text" / "top_cell_labels.csv").write_text(",cell_type\na,x\nb,x\nc,y\n")
    tenx = tmp_path / "tenx" / "filtered" / "mm10"
    tenx.mkdir(parents=True)
    mtx = "%%MatrixMarket matrix coordinate integer general\n%\n2 3 2\n1 1 5\n2 3 7\n"
    for name, text in (
        ("matrix.mtx.gz", mtx),
        ("features.tsv.gz", "ENSG1\tA\tGene Expression\nENSG2\tB\tGene Expression\n"),
        ("barcodes.tsv.gz", "AAA-1\nCCC-1\nGGG-1\n"),
    ):
        (tenx / name).write_bytes(gzip.compress(text.encode()))
    found, _ = find_data_sets([tmp_path])
    assert [each.name for each in found] == ["tenx", "text"]
    assert read_data_set(found[0]).expression.toarray().tolist() == [[5, 0], [0, 0], [0, 7]]
    text = read_data_set(found[1])
    assert text.expression.tolist() == [[1, 4], [2, 0], [3, 6]]
    assert text.truth is not None


def test_the_fingerprint_follows_the_content(data_folder, tmp_path):
    copied = shutil.copytree(data_folder / "first", tmp_path / "first")
    before = find_data_sets([data_folder], ["first"])[0][0].fingerprint
    assert find_data_sets([tmp_path])[0][0].fingerprint == before
    (copied / "labels.csv").write_text("cell,cell_type\ncell_0,other\ncell_1,one\n")
    assert find_data_sets([tmp_path])[0][0].fingerprint != before


def test_matrices_are_found_as_the_readers_find_them(tmp_path):
    mtx = "%%MatrixMarket matrix coordinate integer general\n%\n2 3 2\n1 1 5\n2 3 7\n"
    parts = {"matrix.mtx": mtx, "genes.tsv": "ENSG1\tA\nENSG2\tB\n", "barcodes.tsv": "AAA-1\nCCC-1\nGGG-1\n"}
    for folder, prefix in (("prefixed", "GSM1_ctrl_"), ("versions/raw", ""), ("versions/filtered", "")):
        (tmp_path / folder).mkdir(parents=True)
        for name, text in parts.items():
            (tmp_path / folder / f"{prefix}{name}.bz2").write_bytes(bz2.compress(text.encode()))
    found, notes = find_data_sets([tmp_path])
    assert ([each.name for each in found], notes) == (["prefixed", "versions"], ())
    assert found[1].matrix == tmp_path / "versions" / "filtered"
    for each in found:
        assert read_data_set(each).expression.toarray().tolist() == [[5, 0], [0, 0], [0, 7]]
