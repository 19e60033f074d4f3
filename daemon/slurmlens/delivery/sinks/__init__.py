"""Receivers of what the node has to say; one file a sink, all driven by `delivery`.

queue ─► delivery (read, deliver, acknowledge; back off) ─► hub       NDJSON over HTTP   http.py, proof.py
                                                          ─► carbon    plaintext over TCP
                                                          ─► logstash  JSON lines over TCP
                                                          ─► beats     Beats v2, acknowledged
                                                          ─► kafka     records keyed by job
                                                          ─► file      NDJSON appended

Shared: `connection` (TCP, counted by the byte), `tls`, `unacknowledged` (what is kept and sent again), `endpoint`.
"""
