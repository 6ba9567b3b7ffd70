"""The parser of R's serialisation format, for files that nobody vouches for.

The format is that of "Serialization Formats" in the manual "R Internals" (R Core Team), the objects are those of the
package rdata. Its parser follows whatever it is told; this one weighs what a file claims to hold before that is
allocated, limits nesting, and reads past functions, calls, environments and pointers without keeping what is in them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from rdata.missing import R_INT_NA
from rdata.parser import RObject, RObjectInfo, RObjectType

from scgnn2_engine.io.r.altrep import expand
from scgnn2_engine.io.r.source import Budget, Source

MOST_NESTED = 200
"""Lists in lists; Seurat objects stay below 30, and Python itself gives up at about twice as many."""

PER_OBJECT = 320.0
"""Bytes that one parsed object of R takes in Python, beside its values."""

PER_STRING = 48.0
"""Bytes that a string in a vector takes, beside its letters."""

_PER_MASK = 700.0  # bytes of a masked array beside its values
_IS_OBJECT, _HAS_ATTRIBUTES, _HAS_TAG, _IS_LATIN1 = 1 << 8, 1 << 9, 1 << 10, 1 << 14
_SYM, _LIST, _CLO, _ENV, _PROM, _LANG, _SPECIAL, _BUILTIN, _CHAR, _LGL = range(1, 11)
_INT, _REAL, _CPLX, _STR, _DOT, _VEC, _EXPR, _BCODE, _EXTPTR, _WEAKREF, _RAW, _S4 = 13, 14, 15, 16, 17, *range(19, 26)
_ALTREP, _ATTRLIST, _ATTRLANG, _REPEATED, _REPEATS = 238, 239, 240, 243, 244
_PERSISTENT, _PACKAGE, _NAMESPACE, _REF = 247, 248, 249, 255
_PAIRS = frozenset({_LIST, _CLO, _PROM, _LANG, _DOT})
_CALLS = frozenset({_LANG, _LIST, _ATTRLANG, _ATTRLIST, _REPEATS})
_ALONE = {  # kind without content
    0: RObjectType.NIL,
    241: RObjectType.BASEENV,
    242: RObjectType.EMPTYENV,
    250: RObjectType.NAMESPACE,  # of package base
    251: RObjectType.MISSINGARG,
    252: RObjectType.MISSINGARG,  # a variable without a value
    253: RObjectType.GLOBALENV,
    254: RObjectType.NILVALUE,
}
_LONGEST = 1 << 52  # vector that R can hold


class Parser:
    """One object of R out of a stream.

    A character vector's value is a list of bytes (UTF-8 where the file says so, None for NA). The value of a function,
    call, environment or pointer is None.

    Parameters
    ----------
    source
        Where numbers and text come from, behind the two bytes that name the encoding.
    budget
        What may be allocated.
    """

    def __init__(self, source: Source, budget: Budget) -> None:
        self._source, self._budget = source, budget
        self._references: list[RObject] = []
        self._depth = 0
        self._readers: dict[int, Callable[[int], RObject]] = {
            _SYM: self._symbol,
            **dict.fromkeys(_PAIRS, self._pairs),
            _ENV: self._environment,
            _SPECIAL: self._named_function,
            _BUILTIN: self._named_function,
            _CHAR: self._character,
            _LGL: self._logicals,
            _INT: self._integers,
            _REAL: lambda flags: self._vector(flags, np.float64),
            _CPLX: lambda flags: self._vector(flags, np.complex128),
            _RAW: lambda flags: self._vector(flags, np.uint8),
            _STR: self._strings,
            _VEC: self._list,
            _EXPR: self._list,
            _BCODE: self._bytecode,
            _EXTPTR: lambda flags: self._pointer(flags, 2),
            _WEAKREF: lambda flags: self._pointer(flags, 0),
            _S4: lambda flags: self._finished(flags, None),
            _ALTREP: self._alternative,
            **dict.fromkeys((_PERSISTENT, _PACKAGE, _NAMESPACE), self._named_environment),
        }

    def whole(self) -> RObject:
        """Parse the head of the stream and the object in it."""
        version = self._source.integer()
        if version not in (2, 3):
            raise ValueError(f"version {version} of R's format")
        self._source.two()  # which version of R wrote it, and which can read it
        if version == 3:
            self._source.text(self._length())  # the encoding of whoever wrote it
        return self._object()

    def _object(self) -> RObject:
        return self._of(self._source.integer())

    def _of(self, flags: int) -> RObject:
        kind = flags & 0xFF
        if kind == _REF:
            return self._referenced(flags >> 8 & 0xFFFFFF)
        self._budget.take(PER_OBJECT)
        if kind in _ALONE:
            return RObject(_plain(_ALONE[kind]), None, None)
        reader = self._readers.get(kind)
        if reader is None:
            raise ValueError(f"an object of the unknown kind {kind}")
        self._deeper()
        obj = reader(flags)
        self._depth -= 1
        return obj

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise ValueError(f"nested more than {MOST_NESTED} deep")

    def _referenced(self, index: int) -> RObject:
        index = index or self._source.integer()
        if not 0 < index <= len(self._references):
            raise ValueError(f"a reference to object {index} of {len(self._references)}")
        return self._references[index - 1]

    def _length(self) -> int:
        length = self._source.integer()
        if length == -1:  # a long vector: the length stands in two more integers
            high, low = self._source.two()
            length = (high << 32) + (low & 0xFFFFFFFF)
        if not 0 <= length <= _LONGEST:
            raise ValueError(f"a length of {length}")
        return length

    def _finished(self, flags: int, value: Any) -> RObject:
        attributes = self._object() if flags & _HAS_ATTRIBUTES else None
        return RObject(_info(flags), value, attributes)

    # ------------------------------------------------------------------------------------------------ vectors

    def _vector(self, flags: int, kind: Any) -> RObject:
        return self._finished(flags, self._source.array(kind, self._length()))

    def _integers(self, flags: int) -> RObject:
        return self._finished(flags, self._with_missing())

    def _logicals(self, flags: int) -> RObject:
        return self._finished(flags, self._with_missing().astype(np.bool_))

    def _with_missing(self) -> Any:
        values = self._source.array(np.int32, self._length())
        self._budget.take(values.size)
        missing = values == R_INT_NA
        if not missing.any():
            return values
        self._budget.take(_PER_MASK)
        return np.ma.MaskedArray(values, missing, fill_value=R_INT_NA)

    def _strings(self, flags: int) -> RObject:
        length = self._length()
        self._budget.take(PER_STRING * length)
        return self._finished(flags, [self._string() for _ in range(length)])

    def _string(self) -> bytes | None:
        flags, length = self._source.two()
        if flags & 0xFF != _CHAR:
            raise ValueError(f"an object of kind {flags & 0xFF} in a character vector")
        return self._letters(flags, length)

    def _letters(self, flags: int, length: int) -> bytes | None:
        if length < -1:
            raise ValueError(f"a string of length {length}")
        value = self._source.text(length) if length >= 0 else None
        if value is not None and flags & _IS_LATIN1:
            value = value.decode("latin-1").encode()
        if flags & _HAS_ATTRIBUTES:  # which strings have had in old files
            self._object()
        return value

    def _character(self, flags: int) -> RObject:
        value = self._letters(flags, self._source.integer())
        return RObject(_info(flags & ~_HAS_ATTRIBUTES), value, None)

    def _list(self, flags: int) -> RObject:
        length = self._length()
        self._budget.require(PER_OBJECT * length)
        values = []
        for _ in range(length):
            values.append(self._of(self._source.integer()))  # a comprehension would be one more frame
        return self._finished(flags, values)

    def _alternative(self, flags: int) -> RObject:
        described, state, attributes = (self._object() for _ in range(3))
        if described.info.type is not RObjectType.LIST or described.value[0].info.type is not RObjectType.SYM:
            raise ValueError("a vector without a class")
        kind, value = expand(described.value[0].value.value, state, self._budget)
        held = attributes.info.type is RObjectType.LIST
        info = RObjectInfo(kind, bool(flags & _IS_OBJECT) and held, held, False, 0, 0)
        return RObject(info, value, attributes if held else None)

    # ------------------------------------------------------------------------------------------------ pairs, symbols

    def _symbol(self, flags: int) -> RObject:
        name = self._object()
        if name.info.type is not RObjectType.CHAR or name.value is None:
            raise ValueError("a symbol without a name")
        return self._remembered(RObject(_info(flags & ~_HAS_ATTRIBUTES), name, None))

    def _remembered(self, obj: RObject) -> RObject:
        self._references.append(obj)
        return obj

    def _pairs(self, flags: int) -> RObject:
        """A chain of (first, rest), however long; of functions and calls neither is kept."""
        chain: list[RObject] = []
        while flags & 0xFF in _PAIRS:
            self._budget.take(PER_OBJECT)
            attributes = self._object() if flags & _HAS_ATTRIBUTES else None
            tag = self._object() if flags & _HAS_TAG else None
            chain.append(RObject(_info(flags), (self._of(self._source.integer()), None), attributes, tag))
            flags = self._source.integer()
        rest = self._of(flags)
        for node in reversed(chain):
            node.value = (node.value[0], rest) if node.info.type is RObjectType.LIST else None
            rest = node
        return rest

    # ------------------------------------------------------------------------------------------------ read past

    def _environment(self, flags: int) -> RObject:
        environment = self._remembered(RObject(_info(flags), None, None))
        self._source.integer()  # whether it is locked
        for _ in ("enclosure", "frame", "hash table"):
            self._object()
        environment.attributes = self._object()
        return environment

    def _named_environment(self, flags: int) -> RObject:
        found = self._remembered(RObject(_plain(RObjectType.NAMESPACE), None, None))
        if self._source.integer() != 0:
            raise ValueError("an environment with a name that is not plain")
        for _ in range(self._length()):
            self._string()
        return found

    def _named_function(self, flags: int) -> RObject:
        self._source.text(self._length())
        return self._finished(flags, None)

    def _pointer(self, flags: int, parts: int) -> RObject:
        pointer = self._remembered(RObject(_info(flags), None, None))
        for _ in range(parts):
            self._object()
        pointer.attributes = self._object() if flags & _HAS_ATTRIBUTES else None
        return pointer

    def _bytecode(self, flags: int) -> RObject:
        self._source.integer()  # how many parts of it are repeated
        self._code()
        return self._finished(flags, None)

    def _code(self) -> None:
        self._object()
        for _ in range(self._length()):
            kind = self._source.integer()
            if kind == _BCODE:
                self._deeper()
                self._code()
                self._depth -= 1
            else:
                self._call(kind)

    def _call(self, kind: int) -> None:
        """A call as a constant of bytecode: pairs again, but with their kinds told beforehand."""
        while kind in _CALLS:
            if kind == _REPEATS:
                _, kind = self._source.two()
            if kind in (_ATTRLANG, _ATTRLIST):
                self._object()
            self._object()  # the tag
            self._deeper()
            self._call(self._source.integer())
            self._depth -= 1
            kind = self._source.integer()
        if kind == _REPEATED:
            self._source.integer()
        else:
            self._object()


@functools.cache
def _plain(kind: RObjectType) -> RObjectInfo:
    return RObjectInfo(kind, False, False, False, 0, 0)


@functools.lru_cache(maxsize=1024)
def _info(flags: int) -> RObjectInfo:
    return RObjectInfo(
        RObjectType(flags & 0xFF),
        bool(flags & _IS_OBJECT),
        bool(flags & _HAS_ATTRIBUTES),
        bool(flags & _HAS_TAG) and flags & 0xFF in _PAIRS,
        flags >> 12 & 0xFFFF,
        0,
    )
