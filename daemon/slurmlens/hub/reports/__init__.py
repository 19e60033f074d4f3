"""Reports of usage by day, week, month or year: one model, and its forms as HTML, PDF, CSV and JSON.

`periods` cuts time, pure; `making` asks usage and makes the model; `forms` writes it, `pdf` prints it. Same input, same
bytes. docs/reports.md has the definitions.
"""
