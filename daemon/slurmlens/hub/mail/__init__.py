"""Mail that the hub sends: a queue in the database, and the one who delivers it by SMTP, never twice.

Whoever has something to say puts it into the queue with an id of its own making: the same id again changes nothing.
"""
