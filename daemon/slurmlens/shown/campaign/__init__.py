"""How a campaign is shown: sentences, charts, CSV, terminal, all from `wire.campaign_view`. Pure.

Used by the report that a user writes with `slurmlens campaign report` and by the hub's page, so that both say the same.
"""
