import errno
import resource
from pathlib import Path

import pytest

from scgnn2_engine.errors import OutputError
from scgnn2_engine.io import atomic
from scgnn2_engine.io.atomic import refuse_existing, staged_files, whole_file


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as temporary:
        temporary.write_text("one")
        assert temporary.parent == path.parent
        assert temporary.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_earlier_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("earlier")

    def break_half_way() -> None:
        with whole_file(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("broke")

    with pytest.raises(RuntimeError, match="broke"):
        break_half_way()
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_the_system_cuts_short_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OutputError, match=r"big\.csv cannot be written"), whole_file(tmp_path / "big.csv") as file:
            file.write_bytes(b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named_with_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with (
        pytest.raises(OutputError, match=r"disk is full: .*a\.txt was not written") as caught,
        whole_file(tmp_path / "a.txt") as temporary,
    ):
        temporary.write_text("x")
    assert caught.value.found.endswith("MiB free")
    assert list(tmp_path.iterdir()) == []


def test_a_path_below_a_file_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Choose another output_dir"), whole_file(tmp_path / "file" / "a.txt"):
        pass


def test_staged_files_arrive_together_and_replace_the_stale_ones(tmp_path: Path) -> None:
    for name in ("old.csv", "run.json", "mine.txt"):
        (tmp_path / name).write_text("earlier")
    with staged_files(tmp_path, last="run.json", stale=("old.csv", "run.json")) as staging:
        (staging / "sub").mkdir()
        (staging / "sub" / "a.csv").write_text("new")
        (staging / "run.json").write_text("new")
        assert (tmp_path / "run.json").read_text() == "earlier"
    there = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {"sub/a.csv": "new", "run.json": "new", "mine.txt": "earlier"}


def test_staged_files_that_fail_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("earlier")

    def fill_the_disk() -> None:
        with staged_files(tmp_path, last="run.json", stale=("run.json",)) as staging:
            (staging / "a.csv").write_text("new")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="disk is full"):
        fill_the_disk()
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_an_existing_file_is_refused_unless_overwritten(tmp_path: Path) -> None:
    refuse_existing(tmp_path / "new")
    (tmp_path / "there").touch()
    refuse_existing(tmp_path / "there", overwrite=True)
    with pytest.raises(OutputError, match="exists already"):
        refuse_existing(tmp_path / "there")
