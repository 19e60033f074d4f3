"""What the hooks of slurmctld told: that a job got its nodes and gave them back, with its exit code, comment and
dependencies.

`stage` drains the controller's dropbox, where this hub runs on the host of slurmctld; `tables`, `keeping` and `read`
are the room's way to the database. Feeds views, and news, so that accounting is asked at once about a job that ended.
"""
