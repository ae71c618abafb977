"""What the vendors' tests share: traffic held against a published schema."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.requests import Request
from starlette.responses import Response

from rota.sandbox import read_body
from rota_navixy.sandbox import NavixySandbox


class NavixyTraffic:
    """
    Holds calls against the official schemas and limits; ``problems`` are what failed.

    A request is judged where the sandbox took it: what it refused may be anything.
    """

    def __init__(self, folder: Path) -> None:
        document = json.loads((folder / "openapi-subset.json").read_text())
        limits = json.loads((folder / "constraints.json").read_text())
        self.problems: list[str] = []
        self.calls = 0
        self._http: dict[str, int] = limits["error_http"]
        self._errors: dict[str, list[int]] = limits["call_errors"]
        self._schemas: dict[str, tuple[Any, Any]] = {}
        parts = document["components"]
        for path, operations in document["paths"].items():
            call = operations["post"]
            body = call.get("requestBody", {}).get("content", {})
            answer = self._follow(call["responses"]["200"], parts)
            self._schemas[path.lstrip("/")] = tuple(
                Draft202012Validator({**json_body["schema"], "components": parts})
                if (json_body := content.get("application/json"))
                else None
                for content in (body, answer.get("content", {}))
            )
        error = parts["responses"]["ResponseError"]["content"]["application/json"]
        self._error = Draft202012Validator({**error["schema"], "components": parts})

    @staticmethod
    def _follow(node: Any, parts: Any) -> Any:
        name = node.get("$ref", "").rpartition("/")[2]
        return parts["responses"][name] if name else node

    def check(self, request: Request, response: Response) -> None:
        """Judge one call."""
        self.calls += 1
        path = request.path_params["path"].strip("/")
        name = next((n for n in self._schemas if f"/{path}".endswith(f"/{n}")), None)
        body = json.loads(bytes(response.body))
        if body["success"] is False:
            self._check_error(name, response, body)
        elif name is not None:
            asked, answered = self._schemas[name]
            sent = read_body(request)
            if asked is not None and sent.startswith(b"{"):
                self._note(f"{name} request", asked, json.loads(sent))
            if answered is not None:
                self._note(f"{name} answer", answered, body)

    def _check_error(self, name: str | None, response: Response, body: Any) -> None:
        self._note(f"{name} error", self._error, body)
        code = body["status"]["code"]
        status = self._http.get(str(code), self._http["default"])
        if response.status_code != status:
            self.problems.append(f"{name}: code {code} came as {response.status_code}")
        may = self._errors.get(name or "")
        special = code > 200 and "X-Rota-Inferred" not in response.headers
        if special and may is not None and code not in may:
            self.problems.append(f"{name}: code {code} is not among its errors")

    def _note(self, what: str, validator: Any, value: Any) -> None:
        self.problems += [
            f"{what}: {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
            for error in validator.iter_errors(value)
        ]


class CheckedNavixy(NavixySandbox):
    """The sandbox, with all that passes held against the published schemas."""

    traffic: NavixyTraffic | None = None

    def answer(self, request: Request) -> Response:
        response = super().answer(request)
        if self.traffic is not None:
            self.traffic.check(request, response)
        return response


@pytest.fixture
def make_navixy() -> Any:
    """Return what makes Navixy sandboxes, checked where the schemas are at hand."""
    beside = Path(__file__).parents[2].parent / "shared"
    folder = Path(os.environ.get("ROTA_SHARED") or beside) / "vendors" / "navixy"
    traffic = NavixyTraffic(folder) if folder.is_dir() else None

    def make(**options: Any) -> CheckedNavixy:
        sandbox = CheckedNavixy(**options)
        sandbox.traffic = traffic
        return sandbox

    checked: Callable[..., CheckedNavixy] = make
    yield checked
    if traffic is not None:
        assert traffic.problems == []
