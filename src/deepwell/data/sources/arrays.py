"""Data in memory: dicts, records, numpy arrays, pandas, polars and Arrow frames, pictures, and pairs (X, y) of these.

Unusual: frames are known by what they can do (Arrow's `__arrow_c_stream__`, pandas' columns and iloc), so no frame library is
imported here; polars is loaded only for an Arrow frame. Pictures must be uint8, or whole numbers from 0 to 255: to scale
others would be a guess that could differ between training and prediction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import DataError
from deepwell.core.table import Column, ImageFile, Table
from deepwell.data.sources.columns import column, objects, unique_names, words
from deepwell.data.sources.options import ReadOptions

Columns = dict[str, Column]
Missing = frozenset[str]
PIL_MODES = {"L": "L", "RGB": "RGB", "RGBA": "RGBA", "1": "L", "LA": "RGBA", "PA": "RGBA", "P": "RGBA"}


def read(source: Any, options: ReadOptions) -> Table:
    """Data in memory as a Table without origin.

    2-D arrays become x0, x1, ...; pictures `image`; the y of a pair `label` beside pictures, else `target`; a list of texts
    in a pair `text`. Raises DataError for what is none of these, without rows, or of unequal length.
    """
    if options.arrays and not isinstance(source, Table):
        return Table(whole(_named(source)))
    missing = words(options.missing)
    found = _pair(*source, missing) if isinstance(source, tuple) and len(source) == 2 else _columns(source, missing)
    if not found or not len(next(iter(found.values()))):
        raise DataError("the data in memory has no row", repair="give at least one row")
    return Table(found)


def _named(source: Any) -> Mapping[str, Any]:
    """Arrays by name: those of a mapping, x and y of a pair, or x."""
    if isinstance(source, Mapping):
        return {str(name): array for name, array in source.items()}
    if not (isinstance(source, tuple) and len(source) == 2):
        return {"x": source}
    x = source[0] if isinstance(source[0], Mapping) else {"x": source[0]}
    y = source[1] if isinstance(source[1], Mapping) else {"y": source[1]}
    return {str(name): array for name, array in {**x, **y}.items()}


def whole(found: Mapping[str, Any], where: str = "") -> Columns:
    """Arrays as columns, as they are: the first axis is the rows.

    Raises DataError for an array without rows or of anything but numbers, and for unequal lengths.
    """
    made = {name: np.asarray(array) for name, array in found.items()}
    for name, array in made.items():
        if array.ndim == 0 or array.dtype.kind not in "biuf":
            raise DataError(
                f"{name!r} is no array of numbers whose first axis is the rows; it has the shape {array.shape} and the type "
                f"{array.dtype}",
                where=where,
            )
    lengths = {name: len(array) for name, array in made.items()}
    if len(set(lengths.values())) > 1 or not made or not next(iter(lengths.values())):
        raise DataError(
            f"the arrays have {lengths} rows",
            where=where,
            repair="give each row an entry in each, and at least one row",
        )
    return made


def _pair(x: Any, y: Any, missing: Missing) -> Columns:
    """X and y as columns."""
    texts = isinstance(x, (list, tuple)) and bool(x) and all(isinstance(v, str) for v in x) and not _all_pictures(x)
    found = {"text": column(list(x), missing)} if texts else _columns(x, missing)
    if y is None:
        return found
    seen = any(_is_pictures(c) for c in found.values())
    name = "label" if seen else "target"
    masks = seen and isinstance(y, np.ndarray) and y.ndim == 3 and y.dtype in (np.uint8, np.bool_)
    if masks:
        answers = {"mask": y.astype(np.uint8)}
    else:
        answers = _columns(y, missing) if hasattr(y, "columns") else spread(name, _vector(y, missing), "_")
    rows, labels = len(next(iter(found.values()), ())), len(next(iter(answers.values()), ()))
    if rows != labels:
        raise DataError(f"X has {rows} rows and y has {labels}", repair="give one answer for each row")
    doubled = sorted(set(found) & set(answers))
    if doubled:
        raise DataError(f"X already has a column {doubled[0]!r}, which would hold y", repair="rename or drop it")
    return found | answers


def _vector(y: Any, missing: Missing) -> NDArray[Any]:
    """The answers as an array of one or two dimensions."""
    if isinstance(y, Table):
        raise DataError("y is a Table; give one Table with X and y in it", repair="name the target instead")
    if isinstance(y, (list, tuple)) and not (y and isinstance(y[0], (list, tuple, np.ndarray))):
        return column(list(y), missing)
    if hasattr(y, "iloc"):
        return _series(y, missing)
    found = np.asarray(y)
    return column(found, missing) if found.ndim == 1 else found


def _columns(source: Any, missing: Missing) -> Columns:
    """Anything but a pair as columns."""
    if isinstance(source, Table):
        return dict(source.columns)
    if isinstance(source, Mapping):
        return _mapping(source, missing)
    if isinstance(source, np.ndarray):
        return _array(source, missing)
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        names = unique_names([str(c) for c in source.columns])
        return {n: _series(source.iloc[:, i], missing) for i, n in enumerate(names)}
    if hasattr(source, "iloc"):
        return {str(source.name) if source.name is not None else "x0": _series(source, missing)}
    if _is_pil(source):
        return {"image": _picture_column([source])}
    if hasattr(source, "__arrow_c_stream__"):
        return _arrow(source, missing)
    if isinstance(source, (list, tuple)):
        return _sequence(source, missing)
    if hasattr(source, "__array__"):
        return _array(np.asarray(source), missing)
    hint = (
        "call its .toarray()" if hasattr(source, "toarray") else "give a path, a frame, a dict of columns or an array"
    )
    raise DataError(f"data of type {type(source).__name__} cannot be read", repair=hint)


def _mapping(source: Mapping[Any, Any], missing: Missing) -> Columns:
    """Name -> values; a mapping of single values is one row. Raises DataError for unequal lengths and doubled names."""
    names = unique_names([str(k) for k in source])
    values = list(source.values())
    if values and all(v is None or np.isscalar(v) or isinstance(v, (Path, ImageFile)) or _is_pil(v) for v in values):
        values = [[v] for v in values]
    found: Columns = {}
    for name, value in zip(names, values, strict=True):
        if np.isscalar(value) or value is None or not hasattr(value, "__len__"):
            raise DataError(f"column {name!r} is a single value, others are lists", repair="give each a list")
        seen = _pictures_given(value) and getattr(value, "dtype", None) != np.float32
        found[name] = _picture_column(value) if seen else _any(value, missing)
    lengths = {n: len(c) for n, c in found.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            f"the columns have different lengths: {lengths}", repair="give each row an entry in each column"
        )
    return found


def _any(value: Any, missing: Missing) -> Column:
    """One column from a list, array or series."""
    if hasattr(value, "iloc"):
        return _series(value, missing)
    if isinstance(value, (list, tuple, np.ndarray)):
        return column(value, missing)
    return column(np.asarray(value) if hasattr(value, "__array__") else list(value), missing)


def _series(series: Any, missing: Missing) -> Column:
    """A pandas series. Its own missing values (NA, NaT, NaN) become missing here."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biufmM":
        return column(np.asarray(series), missing)
    return column(series.to_numpy(dtype=object, na_value=None), missing)


def _arrow(source: Any, missing: Missing) -> Columns:
    """A frame that speaks Arrow's C stream (polars, pyarrow, DuckDB results, ...)."""
    import polars as pl

    from deepwell.data.sources import frames

    return frames.from_typed(pl.DataFrame(source), missing)


def _array(array: NDArray[Any], missing: Missing) -> Columns:
    """A numpy array: fields, columns x0, x1, ..., or pictures."""
    if array.dtype.names:
        return {n: column(array[n], missing) for n in array.dtype.names}
    if array.ndim == 2:
        return {f"x{i}": column(array[:, i], missing) for i in range(array.shape[1])}
    if array.ndim in (3, 4):
        return {"image": pictures(array)}
    raise DataError(
        f"an array of shape {array.shape} is neither a table (rows, columns) nor pictures (rows, height, width)",
        repair="reshape it: x.reshape(-1, 1) for one column, x[None] for one row",
    )


def spread(name: str, array: NDArray[Any], between: str, where: str = "") -> Columns:
    """An array of one or two dimensions as columns: `name`, or name + between + 0, 1, ... where it has several."""
    if array.ndim == 1:
        return {name: column(array, frozenset(words(())))}
    if array.ndim == 2 and array.shape[1] == 1:
        return spread(name, array[:, 0], between, where)
    if array.ndim == 2:
        return {f"{name}{between}{i}": column(array[:, i], words(())) for i in range(array.shape[1])}
    raise DataError(f"{name!r} has the shape {array.shape}", where=where, repair="give one or two dimensions")


def pictures(array: NDArray[Any], where: str = "") -> Column:
    """Pictures (rows, height, width[, channels]) as uint8. Raises DataError unless they are whole numbers from 0 to 255."""
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind in "iufb" and array.size and float(array.min()) >= 0 and float(array.max()) <= 255:
        whole = array.astype(np.uint8)
        if (whole == array).all():
            return whole
    raise DataError(
        f"pictures must be whole numbers from 0 to 255; these are {array.dtype} of shape {array.shape} with other values",
        where=where, repair="for values from 0 to 1: (255 * pictures).round().astype('uint8')",
    )  # fmt: skip


def _sequence(source: Sequence[Any], missing: Missing) -> Columns:
    """A list of records, pictures, or rows of numbers."""
    if not source:
        return {}
    if all(isinstance(v, Mapping) for v in source):
        keys = list(dict.fromkeys(k for row in source for k in row))
        names = unique_names([str(k) for k in keys])
        return _mapping({n: [row.get(k) for row in source] for n, k in zip(names, keys, strict=True)}, missing)
    if _pictures_given(source):
        return {"image": _picture_column(source)}
    if isinstance(source[0], (list, tuple)):
        widths = {len(row) for row in source}
        if len(widths) > 1:
            raise DataError(
                f"the rows have different lengths: {sorted(widths)}", repair="give each row the same columns"
            )
        if not isinstance(next(iter(source[0]), None), (list, tuple)):
            return {f"x{i}": column([row[i] for row in source], missing) for i in range(widths.pop())}
    return _array(np.asarray(source), missing)


def _pictures_given(value: Any) -> bool:
    """Whether a sequence holds pictures: picture paths, ImageFile, PIL images, or arrays of two or three dimensions."""
    if isinstance(value, np.ndarray):
        return value.dtype != object and value.ndim in (3, 4)
    if not isinstance(value, (list, tuple)) or not len(value):
        return False
    return _all_pictures(value) or all(_is_pil(v) or (isinstance(v, np.ndarray) and v.ndim in (2, 3)) for v in value)


def _all_pictures(values: Sequence[Any]) -> bool:
    """Whether all values are files of pictures."""
    from deepwell.data.sources.pictures import is_picture

    return all(isinstance(v, ImageFile) or (isinstance(v, (str, Path)) and is_picture(Path(v))) for v in values)


def _picture_column(values: Any) -> Column:
    """Pictures as a column: ImageFile for files, one uint8 array where all have one shape, else objects of arrays."""
    if isinstance(values, np.ndarray):
        return pictures(values)
    if _all_pictures(values):
        return objects(v if isinstance(v, ImageFile) else ImageFile(str(v)) for v in values)
    found = [_pil_array(v) if _is_pil(v) else v for v in values]
    if len({v.shape for v in found}) == 1:
        return pictures(np.stack(found))
    return objects(pictures(v[None])[0] for v in found)


def _is_pictures(values: Column) -> bool:
    """Whether a column holds pictures."""
    return values.ndim > 1 or (
        values.dtype == object and len(values) > 0 and isinstance(values[0], (ImageFile, np.ndarray))
    )


def _is_pil(value: Any) -> bool:
    """Whether a value is a PIL image, told by what it can do."""
    return hasattr(value, "mode") and hasattr(value, "convert") and hasattr(value, "getbands")


def _pil_array(image: Any) -> NDArray[Any]:
    """A PIL image as uint8 (height, width[, 3 or 4]); palettes become RGBA."""
    mode = PIL_MODES.get(image.mode, "RGB" if image.mode in ("CMYK", "YCbCr", "HSV", "LAB") else None)
    if mode is None:
        raise DataError(f"a PIL image of mode {image.mode!r} cannot be used", repair="convert it: image.convert('L')")
    return np.asarray(image if image.mode == mode else image.convert(mode))
