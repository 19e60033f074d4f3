"""How nodes themselves fare, and which job made what of which GPU: as their daemons told last.

`keeping` puts what comes into the tables, in history's transaction; `read` answers pages; `retention` says what ages.
"""
