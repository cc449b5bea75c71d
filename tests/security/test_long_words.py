"""Secrets without a form of their own, where an answer or a log line shows what was sent."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import uuid

import pytest

from scopeline.api.call_log import LONGEST_PATH, safe_path
from scopeline.api.problems import problem
from scopeline.redaction import redact, shorten_random

# Bytes of an upload's secret, of the record site's token, of an upload's id in the cloud, of a signature.
BASE64_BYTES = (32, 90)
HEX_BYTES = (20, 32, 256)


def secrets_of(chance: random.Random) -> list[str]:
    in_base64 = [base64.urlsafe_b64encode(chance.randbytes(n)).decode().rstrip("=") for n in BASE64_BYTES]
    return in_base64 + [chance.randbytes(n).hex() for n in HEX_BYTES]


@pytest.mark.parametrize("seed", range(50))
def test_of_a_long_random_word_only_the_beginning_is_shown(seed: int) -> None:
    for secret in secrets_of(random.Random(seed)):
        shown = f"{secret[:8]}..."
        assert redact(f"There is no file {secret!r}.") == f"There is no file '{shown}'."
        assert safe_path(f"/v1/files/{secret}/content") == f"/v1/files/{shown}/content"
        assert safe_path("/v1/" + "a/" * (LONGEST_PATH // 2 - 12) + secret).endswith(f"/{shown}")
        told = json.loads(problem(422, "invalid", f"Cursor {secret!r} is none.", errors=[{"found": secret}]).data)
        assert (told["detail"], told["errors"]) == (f"Cursor '{shown}' is none.", [{"found": shown}])


def test_a_problem_stays_json_whatever_stands_before_the_word() -> None:
    secret = secrets_of(random.Random(1))[0]
    for before in ("\n", "\\", "\x00", "é", "😀", '"', "\\u"):
        told = json.loads(problem(422, "invalid", f"{before}{secret}").data)
        assert told["detail"].startswith(before)
        assert secret not in told["detail"]


@pytest.mark.parametrize(
    "word",
    [
        "20260206-an-instrument-whose-name-is-very-long-7f3k2a",
        "Sample12_HAADF_STEM_Overview_Region1_20180101",
        "Au-NPs_on_C_80kx_CL380_SS5_20sec_frame_0001_of_0100",
        "2018-11-13_14-22-33_Titan_TEM_researcher_a_project_alpha",
        "a" * 300,
        str(uuid.UUID(int=random.Random(1).getrandbits(128))),
        hashlib.md5(b"").hexdigest(),
    ],
)
def test_what_people_need_to_find_a_file_stays_whole(word: str) -> None:
    assert shorten_random(f"titan/{word}.dm3 is there") == f"titan/{word}.dm3 is there"
