import json
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.errors import BadAtlas, ImmunomonError, UnknownName
from immunomon.maps.atlas.embed import embed_run
from immunomon.runs.named import read_panel, read_strategy
from immunomon.runs.opened import open_run
from immunomon.runs.scaling import book_of_run
from immunomon.runs.single import analyse


@pytest.fixture(scope="module")
