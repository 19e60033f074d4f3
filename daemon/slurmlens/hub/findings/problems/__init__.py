"""Known problems: files that say how one is recognised, why it is, what to check, what helps, and when it is over.

problem (types) ◄─ problem_file (TOML) ; matching and verifying are pure ; cases try a file on made or recorded input
"""
