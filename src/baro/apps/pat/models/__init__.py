"""The records of process analytical technology, in the order of a model's life."""

from baro.apps.pat.models.data import DataSet, DataSetPart, Exclusion, TestLook
from baro.apps.pat.models.method import Method, ModelChange
from baro.apps.pat.models.online import CalibrationModel, PredictionBlock
from baro.apps.pat.models.search import Search
from baro.apps.pat.models.upkeep import HealthCheck, ParallelTest, Transfer, UpkeepAlarm
from baro.apps.pat.models.use import Deployment
from baro.apps.pat.models.validation import Protocol, ValidationRun

__all__ = [
    "CalibrationModel",
    "DataSet",
    "DataSetPart",
    "Deployment",
    "Exclusion",
    "HealthCheck",
    "Method",
    "ModelChange",
    "ParallelTest",
    "PredictionBlock",
    "Protocol",
    "Search",
    "TestLook",
    "Transfer",
    "UpkeepAlarm",
    "ValidationRun",
]
