"""Names the cffi builder, which setuptools reads from nowhere else; everything else stands in pyproject.toml."""

from setuptools import setup

setup(cffi_modules=["cext/build_cgroup.py:ffibuilder"])
