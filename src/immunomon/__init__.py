"""immunomon: flow cytometry and immune monitoring over time.

>>> import immunomon
>>> immunomon.__version__.count(".")
2
"""

__version__ = "0.1.0"
