"""A campaign as one writes it with Optuna and submitit: PEER's other side. Arguments: FOLDER POINTS AT_ONCE SECONDS.

Trials are kept in Optuna's own storage, so that a loop that died goes on with them; jobs are submitit's, which pickles
the function and waits for its result's file. Each run writes its parameters into FOLDER/ledger when it begins.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path

import optuna
import submitit


def evaluate(x: float, y: float, ledger: str, seconds: float) -> float:
    with open(ledger, "a") as file:
        file.write(f"{x!r},{y!r} {os.environ['SLURM_JOB_ID']}\n")
    time.sleep(seconds)
    return (x - 0.3) ** 2 + (y + 0.2) ** 2


def main(folder: Path, points: int, at_once: int, seconds: float) -> None:
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name="peer",
        storage=f"sqlite:///{folder}/study.sqlite3",
        sampler=optuna.samplers.TPESampler(seed=7),
        load_if_exists=True,
    )
    executor = submitit.SlurmExecutor(folder=folder / "jobs", max_num_timeout=0)
    executor.update_parameters(time=5, mem="200MB", job_name="peer", partition="all", use_srun=False)
    under_way: list[tuple[optuna.Trial, submitit.Job[float]]] = []
    while True:
        done = sum(trial.state.is_finished() for trial in study.trials)
        if done >= points:
            return
        while len(under_way) < at_once and done + len(under_way) < points:
            trial = study.ask()
            x, y = trial.suggest_float("x", -1, 1), trial.suggest_float("y", -1, 1)
            under_way.append((trial, executor.submit(evaluate, x, y, f"{folder}/ledger", seconds)))
        for trial, job in list(under_way):
            if job.done():
                study.tell(trial, job.result())
                under_way.remove((trial, job))
        time.sleep(0.3)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
