"""Names the cffi builder; everything else stands in pyproject.toml (setuptools reads this keyword from nowhere else)."""

from setuptools import setup

setup(cffi_modules=["cext/build_cgroup.py:ffibuilder"])
