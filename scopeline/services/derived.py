"""What is made from a version: previews and complete metadata as objects, and the result that refers to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from scopeline.domain.files import Dataset, Extraction, FileVersion, Preview
from scopeline.domain.names import derived_prefix
from scopeline.formats.results import Extracted
from scopeline.ports import ObjectStore, PreconditionFailed
from scopeline.services.backend import Backend

# Design section 5: above this, a version's document is a summary and the complete metadata are the only whole.
MAX_RESULT_BYTES = 900_000
# What a summary keeps of lists and texts that have no natural end.
SUMMARY_WARNINGS = 20
SUMMARY_TEXT = 500
# Where the complete metadata hold what a summary leaves out.
LEFT_OUT = "scopeline"


def store_result(
    backend: Backend,
    version: FileVersion,
    inputs: str,
    companions: Mapping[str, int],
    extracted: Extracted,
    drawn: Path,
) -> Extraction:
    """Store the pictures in the folder `drawn` and the complete metadata as objects; the result that refers to them.

    `inputs` is the hash of all that the result depends on; it stands in the objects' names. `companions` are the
    generations that were read along, by object name.
    """
    prefix = derived_prefix(version.file, version.generation, inputs)

    def keep(preview: Preview | None) -> Preview | None:
        if preview is None:
            return None
        name = prefix + preview.object
        _create(backend.derived, name, drawn / preview.object, "image/png")
        return preview.model_copy(update={"object": name})

    metadata = extracted.metadata
    result = Extraction(
        inputs=inputs,
        status=extracted.status,
        reason=extracted.reason,
        reader=extracted.reader,
        reader_version=extracted.reader_version,
        companion_of=extracted.companion_of,
        companions=dict(companions),
        datasets=[d.model_copy(update={"preview": keep(d.preview)}) for d in extracted.datasets],
        placeholder=keep(extracted.placeholder),
        metadata_object=prefix + "metadata.json" if metadata else None,
        warnings=extracted.warnings,
        seconds=extracted.seconds,
        extracted_at=backend.clock(),
    )
    if _bytes(result) > MAX_RESULT_BYTES:
        metadata = _with_datasets(metadata, result.datasets)
        result = _summary(result.model_copy(update={"metadata_object": prefix + "metadata.json"}))
    if metadata:
        body = json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode()
        _create(backend.derived, prefix + "metadata.json", body, "application/json")
    return result


def _bytes(result: Extraction) -> int:
    return len(result.model_dump_json().encode())


def _with_datasets(metadata: list[dict[str, Any]], datasets: list[Dataset]) -> list[dict[str, Any]]:
    """The complete metadata, each dataset's with what was made of it."""
    made = [dataset.model_dump(mode="json", exclude={"preview"}) for dataset in datasets]
    return [{**(original or {}), LEFT_OUT: one} for original, one in zip_longest(metadata, made)]


def _summary(result: Extraction) -> Extraction:
    """The result in at most `MAX_RESULT_BYTES`: without parameters, and with as many datasets as there is room for."""
    total = len(result.datasets)
    datasets = [d.model_copy(update={"parameters": {}, "warnings": _short(d.warnings)}) for d in result.datasets]
    said = "Its parameters are too many for the catalog: they are only in the complete metadata."
    summary = result.model_copy(
        update={
            "datasets": datasets,
            "reason": result.reason and result.reason[:SUMMARY_TEXT],
            "warnings": [said, *_short(result.warnings)],
        }
    )
    while datasets and _bytes(summary) > MAX_RESULT_BYTES:
        datasets = datasets[: len(datasets) // 2]
        fewer = (
            f"Only {len(datasets)} of its {total} datasets are listed: the others are only in the complete metadata."
        )
        summary = summary.model_copy(
            update={"datasets": datasets, "warnings": [said, fewer, *_short(result.warnings)]},
        )
    return summary


def _short(warnings: list[str]) -> list[str]:
    return [words[:SUMMARY_TEXT] for words in warnings[:SUMMARY_WARNINGS]]


def _create(store: ObjectStore, name: str, data: bytes | Path, content_type: str) -> None:
    """Write a derived object; the name contains the inputs' hash, so what is there already is the same."""
    try:
        store.write(name, data, if_generation=0, content_type=content_type)
    except PreconditionFailed:
        return
