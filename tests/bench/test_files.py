from pathlib import Path

import pytest

from crl_envs.bench.store import writable_folder, write_atomically


def test_writes_text_and_bytes_and_nothing_beside(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.md", "naïve – ½\n")
    write_atomically(tmp_path / "b.png", b"\x89PNG")
    write_atomically(tmp_path / "a.md", "second\n")
    assert (tmp_path / "a.md").read_bytes() == b"second\n"
    assert (tmp_path / "b.png").read_bytes() == b"\x89PNG"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.md", "b.png"]


def test_a_failed_write_leaves_the_old_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.md"
    write_atomically(target, "old")

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:1])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.md"]


def test_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = writable_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert not list(folder.iterdir())


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_is_no_folder(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"out must be a folder to write in, got .*file"):
        writable_folder(tmp_path / "file" / below)


def test_a_folder_that_refuses_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, mode: int = 0o666, exist_ok: bool = True) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(ValueError, match=r"out must be a folder to write in, .*Permission denied"):
        writable_folder(tmp_path)
