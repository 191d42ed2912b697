"""Everything that changes a record of the PAT room, a module for each stage of a model's life."""

from baro.apps.pat.services.changes import approve_change, change_content, refuse_change, request_change
from baro.apps.pat.services.data import draft_data_set, exclude_sample, freeze_data_set, record_look
from baro.apps.pat.services.methods import create_method, retire_method, set_criteria, set_scope
from baro.apps.pat.services.models import (
    approve_model,
    build_model,
    import_model,
    import_pipeline,
    model_content,
    model_is_approved,
    operator_for,
    register_model,
    retire_model,
    store_predictions,
)
from baro.apps.pat.services.searches import resume_search, start_search, stop_search
from baro.apps.pat.services.transfers import build_transferred_model, give_up_transfer, make_transfer
from baro.apps.pat.services.upkeep import answer_alarm, raise_alarm, record_health_check, record_parallel_test
from baro.apps.pat.services.use import (
    approve_deployment,
    deployment_content,
    deployment_holds,
    end_deployment,
    models_on,
    request_deployment,
    sources_in_force,
)
from baro.apps.pat.services.validation import draft_protocol, fix_protocol, protocol_content, run_protocol
from baro.apps.pat.services.watching import watch_models

__all__ = [
    "answer_alarm",
    "approve_change",
    "approve_deployment",
    "approve_model",
    "build_model",
    "build_transferred_model",
    "change_content",
    "create_method",
    "deployment_content",
    "deployment_holds",
    "draft_data_set",
    "draft_protocol",
    "end_deployment",
    "exclude_sample",
    "fix_protocol",
    "freeze_data_set",
    "give_up_transfer",
    "import_model",
    "import_pipeline",
    "make_transfer",
    "model_content",
    "model_is_approved",
    "models_on",
    "operator_for",
    "protocol_content",
    "raise_alarm",
    "record_health_check",
    "record_look",
    "record_parallel_test",
    "refuse_change",
    "register_model",
    "request_change",
    "request_deployment",
    "resume_search",
    "retire_method",
    "retire_model",
    "run_protocol",
    "set_criteria",
    "set_scope",
    "sources_in_force",
    "start_search",
    "stop_search",
    "store_predictions",
    "watch_models",
]
