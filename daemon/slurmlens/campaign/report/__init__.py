"""A campaign's view for the terminal, as a page, as CSV: one form a file, all from `view.CampaignView`. Pure."""
