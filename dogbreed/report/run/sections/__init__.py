"""The sections of a run's report: a module and a template each.

To add one, write the two files and register it below; from outside this package, call
`registry.SECTIONS.register`.
"""

from dogbreed.report.run.sections.calibration import calibration_section
from dogbreed.report.run.sections.classes import classes_section
from dogbreed.report.run.sections.confusions import confusions_section
from dogbreed.report.run.sections.data import data_section
from dogbreed.report.run.sections.debug import debug_section
from dogbreed.report.run.sections.hardest import hardest_section
from dogbreed.report.run.sections.profile import profile_section
from dogbreed.report.run.sections.registry import SECTIONS
from dogbreed.report.run.sections.results import results_section
from dogbreed.report.run.sections.run import run_section
from dogbreed.report.run.sections.training import training_section

# In the order of the page.
SECTIONS.register("results", results_section)
SECTIONS.register("training", training_section)
SECTIONS.register("debug", debug_section)
SECTIONS.register("calibration", calibration_section)
SECTIONS.register("confusions", confusions_section)
SECTIONS.register("hardest", hardest_section)
SECTIONS.register("classes", classes_section)
SECTIONS.register("data", data_section)
SECTIONS.register("profile", profile_section)
SECTIONS.register("run", run_section)
