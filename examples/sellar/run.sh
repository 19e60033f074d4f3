#!/usr/bin/env python3
"""One run: fixed-point iteration between the two disciplines; f while it converges, all figures at its end."""
import math
import os
import time

z1, z2, x = (float(os.environ[f"P_{name}"]) for name in ("z1", "z2", "x"))
y1 = y2 = 1.0
for _ in range(200):
    y1 = z1**2 + z2 + x - 0.2 * y2
    y2 = math.sqrt(abs(y1)) + z1 + z2
f = x**2 + z2 + y1 + math.exp(-y2)
scatter = 0.5 + 0.5 * math.sin(1000 * (z1 + z2 + x))
amplitude, tau = abs(f) * (0.5 + scatter), 60 * (0.10 + 0.12 * scatter)
with open("course.txt", "w", buffering=1) as course:
    for step in range(1, 61):
        time.sleep(float(os.environ.get("STEP_S", "1")))
        course.write(f"{step} f {f + amplitude * math.exp(-step / tau):.9g}\n")
with open("out.txt", "w") as out:
    out.write(f"f = {f!r}\ny1 = {y1!r}\ny2 = {y2!r}\n")
