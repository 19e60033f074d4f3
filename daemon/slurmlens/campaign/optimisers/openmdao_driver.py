"""SLSQP and COBYLA as OpenMDAO drives them: a component whose `compute` waits for the job.

Owns the translation: one input vector in the unit cube, the objective and the violations as outputs, gradients by
finite differences. One point at a time. OpenMDAO computes the first point twice; that costs nothing, for equal points
run once.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from slurmlens.campaign.optimisers import Evaluation
from slurmlens.campaign.optimisers.blocking import Blocking
from slurmlens.campaign.optimisers.latin_hypercube import design
from slurmlens.campaign.optimisers.penalty import Penalty
from slurmlens.campaign.settings import Campaign

PACKAGES = ("openmdao", "scipy", "numpy")
_DIFFERENCE = 1e-3
Evaluate = Callable[[Sequence[Sequence[float]]], list[Evaluation]]


def make(campaign: Campaign, method: str) -> Blocking:
    """The driver of that name."""
    os.environ.setdefault("OPENMDAO_REPORTS", "0")  # it writes folders of reports beside whoever imports it
    if "OPENMDAO_WORKDIR" not in os.environ:
        os.environ["OPENMDAO_WORKDIR"] = _work_folder().name
    import openmdao.api as om  # late: most of a second and 100 MiB

    def solve(evaluate: Evaluate) -> None:
        problem = om.Problem(reports=False)
        component = _component(om, campaign, evaluate)
        problem.model.add_subsystem("job", component, promotes=["*"])
        problem.driver = om.ScipyOptimizeDriver(optimizer=method.upper(), disp=False, tol=1e-6)
        problem.model.add_design_var("units", lower=0.0, upper=1.0)
        problem.model.add_objective("objective")
        if campaign.constraints:
            problem.model.add_constraint("violations", upper=0.0)
        problem.setup()
        problem.set_val("units", design(campaign.space, 1, campaign.optimiser.seed)[0])
        problem.run_driver()

    return Blocking(campaign.space, solve)


@cache
def _work_folder() -> tempfile.TemporaryDirectory[str]:
    """Where the library writes; one for all campaigns of a process, gone when that ends."""
    return tempfile.TemporaryDirectory(prefix="slurmlens-openmdao-")


def _component(om: Any, campaign: Campaign, evaluate: Evaluate) -> Any:
    penalty = Penalty()

    class Job(om.ExplicitComponent):  # type: ignore[misc]  # the library has no types
        def setup(self) -> None:
            self.add_input("units", shape=len(campaign.space.parameters))
            self.add_output("objective")
            if campaign.constraints:
                self.add_output("violations", shape=len(campaign.constraints))

        def setup_partials(self) -> None:
            self.declare_partials("*", "*", method="fd", step=_DIFFERENCE)

        def compute(self, inputs: Any, outputs: Any) -> None:
            answer = evaluate([[float(unit) for unit in inputs["units"]]])[0]
            outputs["objective"], violations = penalty.apart(answer, len(campaign.constraints))
            if campaign.constraints:
                outputs["violations"] = violations

    return Job()
