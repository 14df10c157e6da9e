"""Build hook: what draws a million points on a graphics card, packed into one script that travels in the wheel.

The library is regl-scatterplot with the two that it stands on, all MIT, taken from npm in versions whose bytes are
known. It is no file of this repository: 200 KB of minified code that nobody here can review, of which a digest says as
much as a copy. Where there is no npm, the package is built without it, says so, and the page of an atlas is drawn by
the processor.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # python hatch_build.py needs no build backend
    BuildHookInterface = object

SCRIPT = "src/immunomon/maps/atlas/assets/scatterplot.js"
# name, version, the script in it, SHA-512 of the package; in the order in which they need each other
PACKAGES = (
    (
        "pub-sub-es", "3.0.0", "dist/index.js",
        "pf+6yCPsOfvDMru2LnsqdKSN8XQyF5HZzmEoKBvjMk4TILMUQiq1vxI6rC92T9ErY06sLXBmC1p7JGNFVB1pUQ==",
    ),
    (
        "regl", "2.1.1", "dist/regl.min.js",
        "+IOGrxl3FZ8ZM9ixCWQZzFRiRn7Rzn9bu3iFHwg/yz4tlOUQgbO4PHLgG+1ZT60zcIV8tief6Qrmyl8qcoJP0g==",
    ),
    (
        "regl-scatterplot", "1.16.0", "dist/regl-scatterplot.min.js",
        "LSNRzihkLgaSEALZv95+w02nX1c6slJJahqHqMNY0YOkE3L6Bk1e38GJaGatW2w8PlB1tOdvq3Cj0tPPrBhpsA==",
    ),
)  # fmt: skip
_SECONDS = 120


class ScatterplotHook(BuildHookInterface):  # type: ignore[misc, valid-type]
    """Pack the script before a wheel, an editable installation or a source distribution is made."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the hook's own signature
        """Write the script, or warn why there is none."""
        if reason := pack_script(Path(self.root)):
            self.app.display_warning(f"{reason}; without it the page of an atlas is drawn by the processor")


def pack_script(root: Path) -> str:
    """Write the script, unless these versions are packed already; return why it could not be, else nothing."""
    script, heading = root / SCRIPT, "/* " + ", ".join(f"{name} {version}" for name, version, *_ in PACKAGES) + " */\n"
    if script.is_file() and script.read_text(encoding="utf-8").startswith(heading):
        return ""
    script.unlink(missing_ok=True)  # of other versions
    npm = shutil.which("npm")
    if npm is None:
        return "regl-scatterplot was not packed: there is no npm"
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{name}@{version}" for name, version, *_ in PACKAGES]
        command = [
            npm,
            "pack",
            *names,
            "--pack-destination",
            folder,
            "--ignore-scripts",
            "--silent",
            "--fetch-retries=1",
        ]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS, cwd=folder)
            parts = [_part(Path(folder) / f"{name}-{version}.tgz", *rest) for name, version, *rest in PACKAGES]
        except (OSError, subprocess.SubprocessError, KeyError, ValueError, tarfile.TarError) as error:
            return f"regl-scatterplot was not packed: {getattr(error, 'stderr', '') or error}".strip()
    script.write_text(heading + "".join(parts), encoding="utf-8", newline="\n")
    return ""


def _part(package: Path, path: str, sha512: str) -> str:
    """Return a package's script for a page, after its licence; raises ValueError if it has other bytes."""
    packed = package.read_bytes()
    if base64.b64encode(hashlib.sha512(packed).digest()).decode() != sha512:
        raise ValueError(f"{package.name} is not the one that is known: its SHA-512 is another")
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        licence, script = (_text(files, f"package/{name}") for name in ("LICENSE", path))
    if "\nexport default createPubSub;" in script:  # a module: a page has no place for its exports
        plain = re.sub(r"(?m)^export .*$", "", script)
        script = f"(() => {{\n{plain}\nglobalThis.createPubSub = createPubSub;\n}})();"
    return f"/*\n{package.stem}\n{licence.strip()}\n*/\n{script.strip()}\n"


def _text(files: tarfile.TarFile, name: str) -> str:
    member = files.extractfile(name)
    if member is None:
        raise ValueError(f"{name} is no file")
    return member.read().decode("utf-8")


if __name__ == "__main__":
    raise SystemExit(pack_script(Path(__file__).resolve().parent))
