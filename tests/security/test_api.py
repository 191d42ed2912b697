"""The REST interface against its own document: made-up requests of every operation, as people of every role.

No request is a fault, and every answer is one that the document tells. schemathesis reads the document and makes the
requests; they go straight to the application, without a network.
"""

from __future__ import annotations

import os
import uuid
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.plant import Plant
from tests.security.conftest import SignedIn
from tests.security.routes import openapi, operations

EXAMPLES = 300 if os.environ.get("BARO_SOAK") else 12
KEEPS_THE_DOCUMENT = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def document() -> Any:
    schema = schemathesis.openapi.from_dict(openapi())
    schema.app = get_wsgi_application()
    schema.config.base_url = "http://127.0.0.1"
    # who asks is said by the test, not made up
    schema.config.generation.update(with_security_parameters=False)
    return schema


def ask_everything(document: Any, headers: dict[str, str]) -> int:
    """Made-up requests of each operation; how many there were."""
    asked = 0
    for found in document.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def no_fault(case: Any) -> None:
            nonlocal asked
            asked += 1
            answer = case.call(headers=headers)
            case.validate_response(answer, checks=KEEPS_THE_DOCUMENT)

        no_fault()
    return asked


@pytest.mark.clause("Annex 11 4.7", "ASVS 2.2.1", "ASVS 15.3.1", "ASVS 15.3.5", "ASVS 4.1.1", "ASVS 16.5.3")
@pytest.mark.parametrize("who", ["quality1", "admin1", "operator1"])
def test_every_answer_is_one_of_the_document(document: Any, stranger: Plant, browser_of: SignedIn, who: str) -> None:
    session = browser_of(who, stranger).cookies["sessionid"].value
    token = "k" * 32
    headers = {"Cookie": f"sessionid={session}; csrftoken={token}", "X-CSRFToken": token}
    assert ask_everything(document, headers) >= len(list(operations()))


@pytest.mark.clause("Annex 11 12.1", "ASVS 8.2.1", "ASVS 8.3.1")
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer made-up"}, {"Cookie": "sessionid=made-up"}])
def test_without_a_person_every_operation_is_refused(document: Any, database: str, headers: dict[str, str]) -> None:
    for found in document.get_all_operations():
        operation = found.ok()
        places = {place.name: some(place.definition.get("schema", {})) for place in operation.path_parameters}
        case = operation.Case(path_parameters=places)
        answer = case.call(headers=headers)
        assert answer.status_code == 401, (operation.label, answer.status_code)
        assert set(answer.json()) == {"code", "text", "kept", "advice"}


def some(schema: dict[str, Any]) -> object:
    """A value that the address takes, of nothing there is."""
    if schema.get("format") == "uuid":
        return str(uuid.uuid4())
    return 1 if schema.get("type") == "integer" else "nothing"
