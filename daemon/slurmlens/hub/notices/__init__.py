"""What the hub tells people by itself: a job stands still, will not make its limit, or ended unwell.

`facts`: wishes and notices; `judging`: which notices are due (pure); `keeping`: both in the database, so that nobody is
told anything twice; `channels`: webhook and mail; `stage`: the loop. Off without `[notices]`. Told alone to who asked
for it, of his own jobs.
"""
