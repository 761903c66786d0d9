"""Declared sizes are held against a bound before memory is taken for them."""

import io
import zipfile

import numpy as np
import pytest

from restore.untrusted.arrays import Archive, read_array
from restore.untrusted.bounds import MOST, VARIABLE, refuse_bomb, refuse_sparse
from restore.untrusted.plain_yaml import parsed_yaml


def header(text, version=1):
    body = text.encode() + b"\n"
    size = len(body).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + body


def test_what_is_packed_too_densely_is_refused_unless_it_is_small(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    refuse_bomb(MOST, 1)  # so few are always read
    refuse_bomb(100 * MOST, MOST)  # noise may pack a hundred values into a byte
    with pytest.raises(ValueError, match=f"{VARIABLE}={2 * MOST}"):
        refuse_bomb(2 * MOST, 541)


def test_the_bound_can_be_moved_both_ways(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1e12")
    refuse_bomb(2 * MOST, 541)
    monkeypatch.setenv(VARIABLE, "1000")
    with pytest.raises(ValueError, match="1001 values"):
        refuse_bomb(1001, 1001)
    monkeypatch.setenv(VARIABLE, "nan")
    with pytest.raises(ValueError, match=VARIABLE):
        refuse_bomb(1, 1)


def test_a_grid_of_which_nothing_was_measured_is_refused():
    refuse_sparse(1 << 20, 1, "it")
    with pytest.raises(ValueError, match="its sizes are wrong"):
        refuse_sparse(10**9, 10**6, "its matrix")


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.zeros((0, 2)), np.array(3)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back(tmp_path, array, order):
    np.save(tmp_path / "a.npy", np.asarray(array, order=order))
    found = read_array(tmp_path / "a.npy")
    assert found.dtype == array.dtype and np.array_equal(found, array)
    np.savez_compressed(tmp_path / "a.npz", one=array, two=array + 1)
    archive = Archive(tmp_path / "a.npz")
    assert list(archive) == ["one", "two"] and np.array_equal(archive["two"], array + 1)
    assert archive.kinds()["one"] == (array.dtype, array.shape)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no array of NumPy"),
        (b"PK\3\4", "archive"),
        (header("(" * 3000 + ")" * 3000), "header of its array is broken"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"), "sizes|header"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), "Python's objects"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (4,)}") + bytes(9), "9 of 32"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999,)}"), "declares"),
        (header("__import__('os')"), "header of its array is broken"),
    ],
)
def test_a_broken_array_is_told_before_memory_is_taken(tmp_path, content, said):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_array(tmp_path / "a.npy")


def test_a_member_that_packs_zeros_is_refused_when_it_is_asked_for(tmp_path):
    count = 2 * MOST
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        small = io.BytesIO()
        np.save(small, np.arange(3))
        archive.writestr("small.npy", small.getvalue())
        with archive.open("large.npy", "w", force_zip64=True) as member:
            member.write(header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({count},)}}"))
            for _ in range(count >> 22):
                member.write(bytes(1 << 22))
    archive = Archive(tmp_path / "a.npz")
    assert archive["small"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="declares"):
        archive["large"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [1, 1]\nb: [*a, *a]", "aliases are not read"),
        ("a: 1\na: 2", "a name stands in it twice"),
        ("[" * 1500, "nested too deep"),
        ("a: [1", "expected"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ],
)
def test_yaml_is_plain(tmp_path, text, said):
    with pytest.raises(ValueError, match=said):
        parsed_yaml(text, tmp_path / "a.yaml")


def test_yaml_takes_numbers_as_people_write_them(tmp_path):
    assert parsed_yaml("a: 1e5\nb: {c: [1, .nan]}", tmp_path / "a.yaml")["a"] == 1e5
