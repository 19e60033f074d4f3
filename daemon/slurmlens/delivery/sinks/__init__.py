"""Receivers of what the node has to say; one file a sink, all driven by `delivery`.

queue ─► delivery (read, deliver, acknowledge; back off) ─► hub       NDJSON over HTTP   hub.py, proof.py
                                                          ─► carbon    plaintext over TCP
                                                          ─► logstash  JSON lines over TCP
                                                          ─► beats     Beats v2, acknowledged
                                                          ─► kafka     records keyed by job
                                                          ─► file      NDJSON appended

Shared: `connection` (TCP, counted by the byte), `unacknowledged` (what is kept and sent again), `pace`; where a
receiver is and its TLS: `runtime.endpoint`, `runtime.tls`.
"""
