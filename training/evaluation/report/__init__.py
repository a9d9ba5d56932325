"""The report of an evaluation: one HTML page that loads nothing."""

from training.evaluation.report.page import check_libraries, write_report
from training.evaluation.report.report_inputs import read_curves, read_protocols

__all__ = ["check_libraries", "read_curves", "read_protocols", "write_report"]
