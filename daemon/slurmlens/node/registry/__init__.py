"""What runs on this node: hook events and cgroup sightings in, events and orders to the sampler out.

Sans-IO: values in, values out, the time handed in. `protocol` holds what goes in and comes out, `machine` the rules,
`roster` all sightings, `sighting` one of them, `slots` who may use which of carbon's places, `memory` what outlives a
restart.
"""

from slurmlens.node.registry.machine import Registry, RegistrySettings
from slurmlens.node.registry.protocol import (
    CgroupAppeared,
    CgroupVanished,
    Emit,
    HookSeen,
    Instruction,
    KnownHook,
    ReadOften,
    Retimed,
    StepAppeared,
    StepTold,
    StepUnplaced,
    StepVanished,
    Stimulus,
    Summarise,
    TimePassed,
    TreeWalked,
    Unwatch,
    UnwatchStep,
    Watch,
    WatchStep,
)

__all__ = [
    "CgroupAppeared",
    "CgroupVanished",
    "Emit",
    "HookSeen",
    "Instruction",
    "KnownHook",
    "ReadOften",
    "Registry",
    "RegistrySettings",
    "Retimed",
    "StepAppeared",
    "StepTold",
    "StepUnplaced",
    "StepVanished",
    "Stimulus",
    "Summarise",
    "TimePassed",
    "TreeWalked",
    "Unwatch",
    "UnwatchStep",
    "Watch",
    "WatchStep",
]
