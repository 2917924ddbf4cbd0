"""Rows of workbooks (.xlsx, .xls, .ods), sheet by sheet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from pliant.config import nearest
from pliant.ingest.blob import Blob, check_size
from pliant.ingest.columnar import objects_table
from pliant.ingest.rows import Table
from pliant.ingest.zipped import check_package
from pliant.media import UnreadableError, first_line


def sheet_tables(blob: Blob) -> Iterator[tuple[str, Table | UnreadableError]]:
    """Give each sheet as "sheet=NAME", or the one that `table` names; its first row is the header.

    Raises:
        UnreadableError: no workbook, or no such sheet.
    """
    import python_calamine

    check_size(blob)
    check_package(blob)
    try:
        book = python_calamine.CalamineWorkbook.from_path(blob.path)
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise UnreadableError(
            "NotAWorkbook", f"no workbook that opens: {first_line(error)}"
        ) from error
    for name in _names(blob, book.sheet_names):
        escaped = name.replace("%", "%25").replace(";", "%3B")
        try:
            sheet = book.get_sheet_by_name(name)
            _check_area(sheet, blob)
            table = _table(sheet)
        except (python_calamine.CalamineError, OSError, ValueError) as error:
            reason = f"the sheet cannot be read: {first_line(error)}"
            yield f"sheet={escaped}", UnreadableError("BrokenSheet", reason)
            continue
        except UnreadableError as error:
            yield f"sheet={escaped}", error
            continue
        if table is not None:
            yield f"sheet={escaped}", table


def _names(blob: Blob, names: list[str]) -> list[str]:
    wanted = blob.options.table
    if wanted is None:
        return names
    if wanted not in names:
        raise UnreadableError(
            "MissingTable",
            f"there is no sheet {wanted!r}{nearest(wanted, names)}; "
            f"the sheets are {', '.join(names)}"[:500],
        )
    return [wanted]


def _check_area(sheet: Any, blob: Blob) -> None:
    area = sheet.total_height * sheet.total_width
    allowed = blob.limits.max_memory_bytes // 64
    if area > allowed:
        raise UnreadableError(
            "TooManyCells", f"the sheet has {area:,} cells; max_memory_bytes allows {allowed:,}"
        )


def _table(sheet: Any) -> Table | None:
    rows = iter(sheet.iter_rows())
    header = next((row for row in rows if any(_given(cell) for cell in row)), None)
    if header is None:
        return None
    names = [str(cell).strip() if _given(cell) else f"column{at}" for at, cell in enumerate(header)]
    if len(set(names)) < len(names):
        raise UnreadableError("BadHeader", f"columns must have different names: {names!r}"[:300])
    return objects_table(names, _rows(rows, names))


def _rows(rows: Iterator[list[Any]], names: list[str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if any(_given(cell) for cell in row):
            yield {name: _value(cell) for name, cell in zip(names, row, strict=False)}


def _given(cell: object) -> bool:
    return cell is not None and cell != ""


def _value(cell: object) -> object:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)
    if cell == "":
        return None
    return (
        cell
        if isinstance(cell, str | bool | int | float | datetime | date | time | timedelta)
        else str(cell)
    )
