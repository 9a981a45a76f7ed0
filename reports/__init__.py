"""What is kept and shown: the checkpoint, the figures, report.json, and runs as people read them.

Other rooms import its sub-packages: `reports.store`, `reports.metrics`, `reports.report`, `reports.show`.
"""
