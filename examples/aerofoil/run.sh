#!/usr/bin/env python3
"""One run: prints cd while it converges, writes cd and cl at its end. $STEP_S is the length of one of 60 steps."""
import json
import math
import os
import time

alpha, camber = float(os.environ["P_alpha"]), float(os.environ["P_camber"])
cl = 2 * math.pi * (alpha + 2 * camber)
cd = 0.008 + 0.5 * alpha**2 + 4 * camber**2
scatter = 0.5 + 0.5 * math.sin(1000 * (alpha + camber))
amplitude, tau = cd * (0.5 + scatter), 60 * (0.10 + 0.12 * scatter)
with open("course.txt", "w", buffering=1) as course:
    for step in range(1, 61):
        time.sleep(float(os.environ.get("STEP_S", "1")))
        course.write(f"{step} cd {cd + amplitude * math.exp(-step / tau):.9g}\n")
with open("out.json", "w") as out:
    json.dump({"cd": cd, "cl": cl}, out)
