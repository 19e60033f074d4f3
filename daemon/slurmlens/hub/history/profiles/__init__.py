"""Profiles as the hub keeps them: one bounded course a sighting, packed by column.

`course` owns the values and what turns a received `Profile` into one, `fold` puts pieces together, `blob` writes and
reads the bytes that are stored, `coarse` makes what is kept for years. Pure; nothing here waits, asks the time or
touches a database. Fed with what nodes sent by `history.record`, read by `history.read`, drawn by `views`.

A life: each delta is packed as it comes (`blob.pack(piece_of(bins, boottime_ns), lasting=False)`), a dozen of them
are put into the sighting's course at a time (`blob.fold([course, *pieces])`), the summary's own course stands for
everything from its begin on (`blob.pack(whole_of(bins, boottime_ns))`: alone where no piece began before it, else
folded with what was there), and an old one is made coarse (`coarse.coarsen`).
"""
