"""Uploads: limits and kinds are the server's to enforce, and names lead nowhere."""

from __future__ import annotations

import pytest

from scgnn2_app.runs.uploads import LABEL_FILES, Upload, folder_of, remove, safe_name, uploads
from scgnn2_app.runs.workspace import Workspace
from scgnn2_app.views.uploader import Uploader
from scgnn2_engine.errors import InputError, OutputError


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def store(workspace, name, pieces, **more):
    """As the page's uploader does it."""
    upload = Upload(workspace, name, **more)
    for piece in pieces:
        upload.write(piece)
    return upload.finish()


def files(workspace):
    return [path for path in workspace.uploads.rglob("*") if path.is_file()]


def test_a_file_arrives_in_pieces(workspace):
    source = store(workspace, "counts.csv", [b"gene,", b"cell\n"], owner="ada")
    assert (source.kind, source.text) == ("upload", "counts.csv")
    assert [path.read_bytes() for path in files(workspace)] == [b"gene,cell\n"]
    assert uploads(workspace, "ada") == [source]
    assert uploads(workspace, "bob") == uploads(workspace) == []


def test_a_file_ten_times_too_large_is_refused_and_leaves_nothing(workspace):
    arrived = []

    def pieces():
        for number in range(100):
            arrived.append(number)
            yield bytes(100_000)

    with pytest.raises(InputError, match=r"larger than this server takes.*at most 1 MiB"):
        store(workspace, "big.h5ad", pieces(), limit=2**20)
    assert len(arrived) == 11  # it stopped listening as soon as it was too much
    assert files(workspace) == []


def test_an_upload_that_is_abandoned_leaves_nothing(workspace):
    upload = Upload(workspace, "x.csv")
    upload.write(b"gene")
    for _ in range(2):
        upload.abandon()
    assert files(workspace) == []


@pytest.mark.parametrize("name", ["a.exe", "a.pkl", "a", ".csv", "", "a.csv.pkl", "../", "x.zip", "..csv"])
def test_other_kinds_are_refused(workspace, name):
    with pytest.raises(InputError, match="cannot be used"):
        store(workspace, name, [b"x"])
    assert files(workspace) == []


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../../etc/cron.d/x.csv", "x.csv"),
        ("C:\\data\\my counts.H5AD", "my_counts.H5AD"),
        ("-rf.csv", "rf.csv"),
        ("a\0b.csv", "a_b.csv"),
        ("<img src=x>.csv.gz", "_img_src_x_.csv.gz"),
        ("x" * 500 + ".rds", "x" * 100 + ".rds"),
    ],
)
def test_names_are_made_harmless(workspace, name, safe):
    assert safe_name(name) == safe
    store(workspace, name, [b"x"])
    assert [path.name for path in files(workspace)] == [safe]


def test_an_empty_file_is_refused(workspace):
    with pytest.raises(InputError, match="is empty") as error:
        store(workspace, "x.csv", [])
    assert error.value.advice
    assert files(workspace) == []


def test_two_files_of_one_name_stay_apart(workspace):
    one, two = store(workspace, "x.csv", [b"1"]), store(workspace, "x.csv", [b"2"])
    assert one.path != two.path
    assert {source.path for source in uploads(workspace)} == {one.path, two.path}


def test_a_full_disk_is_said_and_leaves_nothing(workspace):
    upload = Upload(workspace, "x.csv")
    with upload._file, open("/dev/full", "wb", buffering=0) as full:
        upload._file = full
        with pytest.raises(OutputError, match=r"disk is full|cannot be written"):
            upload.write(b"x" * 100)
    assert files(workspace) == []


def test_names_of_users_lead_nowhere(workspace):
    for owner in ("../..", "/etc", "a/b", "ada"):
        assert folder_of(workspace, owner).parent == workspace.uploads


def test_what_the_browser_refuses_as_too_large_is_said_with_a_way_out():
    refused = []
    uploader = Uploader(lambda name: None, lambda source: None, refused.append, max_file_size=2 * 2**20)
    said = 'File "big (1).csv" (2.86 MB) exceeds maximum file size of 2 MB'
    uploader._handle_msg({"status": "error", "error": f"Error: {said}"})
    assert str(refused[0]).startswith("big (1).csv is larger than this server takes. Expected: at most 2 MiB.")
    assert "--root" in refused[0].advice
    uploader._handle_msg({"status": "error", "error": "something else"})
    assert str(refused[1]) == "something else"


def test_only_own_uploads_can_be_removed(workspace, tmp_path):
    mine, yours = (store(workspace, "counts.csv", [b"x"], owner=owner) for owner in ("ada", "bob"))
    (tmp_path / "server.csv").write_text("x")
    folder = folder_of(workspace, "ada")
    (folder / "beside").mkdir()
    for path in (yours.path, tmp_path / "server.csv", folder, folder / "beside", folder / "beside" / "x", ""):
        with pytest.raises(InputError, match="no file that you have uploaded"):
            remove(workspace, path, "ada")
    remove(workspace, mine.path, "ada")
    remove(workspace, mine.path, "ada")  # gone is gone
    assert uploads(workspace, "ada") == []
    assert uploads(workspace, "bob") == [yours]
    assert (tmp_path / "server.csv").exists()


def test_what_goes_with_data_is_of_its_own_kinds(workspace):
    source = store(workspace, "types.csv.gz", [b"x"], limit=9, kinds=LABEL_FILES, beside=True)
    assert uploads(workspace) == []
    with pytest.raises(InputError, match=r"ends in \.csv.*Export it as csv\."):
        Upload(workspace, "types.rds", kinds=LABEL_FILES, beside=True)
    remove(workspace, source.path)
    assert files(workspace) == []
