"""What is wrong, as claims that people judge: detectors (pure), known problems (pure), and the stage that keeps both.

news, log tail, history ─► stage ─► observed ─► detectors, problems ─► folding ─► keeping ─► read ─► views, web
"""
