"""What a model would do when it is loaded, found out without loading it."""

from pitchey_inference.checks.checking import ModelLimits, check_model
from pitchey_inference.checks.survey import Survey, survey

__all__ = ["ModelLimits", "Survey", "check_model", "survey"]
