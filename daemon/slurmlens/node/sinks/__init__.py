"""Receivers of what the node has to say; one file a sink, all driven by `delivery`.

queue ─► delivery (read, deliver, acknowledge; back off) ─► hub     NDJSON over HTTP   http.py, proof.py
                                                          ─► carbon  plaintext over TCP
                                                          ─► file    NDJSON appended
"""
