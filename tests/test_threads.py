"""Linear algebra works with one thread on files, and with as many as before afterwards."""

import os
import subprocess
import sys

from immunomon.runs.files import gate_files
from immunomon.runs.prepared import noise_of_file
from immunomon.runs.single import analyse, first_look, gate_file

# In a process whose environment sets no limit; two threads, where the machine has but one processor.
SEEN = """
from concurrent.futures import ThreadPoolExecutor
import numpy
from threadpoolctl import threadpool_info, threadpool_limits
from immunomon.threads import one_thread

def seen(*_):
    return max(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas")

threadpool_limits(2, user_api="blas")
before = seen()
with one_thread(), ThreadPoolExecutor(2) as pool:
    within = seen(), one_thread()(seen)(), seen(), *pool.map(one_thread()(seen), range(4)), seen()
print(before, *within, seen())
"""


def test_the_limit_holds_for_all_threads_until_the_first_that_set_it_ends():
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    output = subprocess.run([sys.executable, "-c", SEEN], env=environment, check=True, capture_output=True, text=True)
    before, *within, after = output.stdout.split()
    assert within == ["1"] * 8
    assert after == before


def test_whatever_works_on_a_file_sets_the_limit():
    assert all(hasattr(step, "__wrapped__") for step in (analyse, first_look, gate_file, gate_files, noise_of_file))
