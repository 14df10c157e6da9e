"""What a written report holds: its data and the samples' plots, unpacked as the page does."""

from __future__ import annotations

import base64
import html
import json
import re
import zlib


def islands(text):
    """What a page holds of each sample: the JSON of its plots, by its name."""
    dictionary = base64.b64decode(page_data(text)["dictionary"])
    pattern = (
        r'<script type="text/base64" class="plotdata" data-sample="([^"]*)" data-size="(\d+)" data-text="(\d+)">(.*?)<'
    )
    samples = {}
    for name, size, length, packed in re.findall(pattern, text):
        stream = zlib.decompressobj(-15, zdict=dictionary)
        data = stream.decompress(base64.b64decode(packed))
        assert len(data) == int(size)
        samples[html.unescape(name)] = json.loads(data[: int(length)])
    return samples


def page_data(text):
    return json.loads(re.search(r'<script type="application/json" id="page-data">(.*?)</script>', text, re.S).group(1))


def words(text, table, column):
    packed = next(one["packed"] for one in page_data(text)["tables"] if one["name"] == table)
    columns = json.loads(zlib.decompress(base64.b64decode(packed)))["columns"]
    return set(next(one for one in columns if one["name"] == column)["words"])
