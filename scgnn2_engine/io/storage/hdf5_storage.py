"""How HDF5 stores an array: links into other files, filters, and whether what it declares is there."""

from __future__ import annotations

import math
from typing import Any

from scgnn2_engine.errors import InputError, MissingPackageError

_PLUGINS = {
    307: "bzip2", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32014: "fpzip", 32015: "zstd",
    32017: "sz", 32018: "fcidecomp", 32024: "sz3", 32026: "blosc2", 32028: "sperr",
}  # fmt: skip
"""Filters that hdf5plugin brings, by their registered numbers."""
_PLAIN = {1, 2, 3}
"""Deflate, shuffle and checksum: what is packed by these takes at least a 1030th of its size."""
_MOST_PACKED = 1100
_LARGE = 64 * 1024**2


def outside(group: Any, key: str, root: Any) -> bool:
    """Whether a link of a group leads into another file."""
    if not hasattr(group, "id"):  # zarr has no links
        return False
    import h5py

    if isinstance(group.get(key, getlink=True), h5py.ExternalLink):
        return True
    element = group[key]
    return bool(h5py.h5o.get_info(element.id).fileno != h5py.h5o.get_info(root.id).fileno)


def check_storage(dataset: Any, what: str) -> str:
    """Check how an HDF5 dataset is stored, and return a sentence where parts of it were never written.

    Raises
    ------
    InputError
        Its values lie in another file, it is packed by an unknown filter, or declares more than the file holds.
    MissingPackageError
        It is packed by a filter that hdf5plugin brings.
    """
    if dataset.external or dataset.is_virtual:
        raise InputError(
            f"{what} lies in another file, which is not opened.",
            expected="a file that holds all of its data",
            found="a virtual dataset" if dataset.is_virtual else "external storage",
            advice="Write it again as one file.",
        )
    filters = _filters(dataset, what)
    size = math.prod(dataset.shape or (0,))
    declared, stored = size * int(dataset.id.get_type().get_size()), int(dataset.id.get_storage_size())
    empty = dataset.chunks is None and stored < declared
    absurd = filters <= _PLAIN and declared > max(_LARGE, _MOST_PACKED * stored)
    if empty or absurd:
        raise InputError(
            f"{what} declares more than the file holds.",
            expected=f"{declared} bytes",
            found=f"{stored} bytes" + (" (compressed)" if filters else ""),
            advice="The file is damaged, or was never finished: download or export it again.",
        )
    if dataset.chunks is None or not size:
        return ""
    expected = math.prod(-(-length // chunk) for length, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    there = int(dataset.id.get_num_chunks())
    if there < expected:
        return f"{what} lacks {expected - there} of its {expected} parts, which are read as {dataset.fillvalue!r}."
    return ""


def _filters(dataset: Any, what: str) -> set[int]:
    """The numbers of the filters by which a dataset is packed, each of which is there."""
    import h5py

    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(place) for place in range(properties.get_nfilters())]
    for number, _, _, name in filters:
        if h5py.h5z.filter_avail(number) or _plugin_brings(number):
            continue
        if number in _PLUGINS:
            raise MissingPackageError(
                f"{what} is compressed with {_PLUGINS[number]}, which HDF5 reads by a plugin.",
                expected="the package hdf5plugin",
                found="it is not installed",
                advice='Install it with: pip install "scgnn2[formats]"',
            )
        called = name.decode("ascii", "replace") or "without a name"
        raise InputError(
            f"{what} is compressed with a filter that is not known here.",
            expected=f"none, gzip, lzf, or one of hdf5plugin ({', '.join(_PLUGINS.values())})",
            found=f"filter {number} ({called})",
            advice="Write the file again with gzip, where it can be read.",
        )
    return {int(number) for number, *_ in filters}


def _plugin_brings(number: int) -> bool:
    import h5py

    if number not in _PLUGINS:
        return False
    try:
        import hdf5plugin  # noqa: F401  # which registers its filters by being imported
    except ImportError:
        return False
    return bool(h5py.h5z.filter_avail(number))
