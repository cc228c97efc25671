"""What stands before moto's server: it notes every call, checks it, and breaks some on demand."""

import io
import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from contract.authorization import Authorization
from contract.policies import (
    PERSON,
    PIPELINE,
    SERVING,
    TRAINING,
    Need,
)
from contract.price_list import get_products
from contract.rest import INVOKE, INVOKE_ASYNC, REST_OPERATIONS, rest_operation
from contract.validation import problems
from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.scheduler.models import scheduler_backends

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Jobs and what serves sign with the key of the role that they run under, callers with their own.
CALLER_KEY = "AKIAIOSFODNN7EXAMPLE"
ROLE_KEY, SERVING_KEY = "ASIAIOSFODNN7EXAMPLE", "ASIAI44QH8DHBEXAMPLE"
# What a test itself does in the account is nobody's that a policy is for.
TEST_KEY = "AKIAI44QH8DHBEXAMPLE"
# The steps of a pipeline sign with the key of its role.
PIPELINE_KEY = "ASIAJ55QH8DHBEXAMPLE"
POLICIES_OF = {
    CALLER_KEY: PERSON,
    ROLE_KEY: (TRAINING,),
    SERVING_KEY: (SERVING,),
    PIPELINE_KEY: (PIPELINE,),
}

# S3 names no operation in a request: (method, is there a key, a word of the query or header).
S3_OPERATIONS = {
    ("GET", True, None): "GetObject",
    ("HEAD", True, None): "HeadObject",
    ("PUT", True, "uploadId"): "UploadPart",
    ("PUT", True, "copy"): "CopyObject",
    ("PUT", True, None): "PutObject",
    ("POST", True, "uploads"): "CreateMultipartUpload",
    ("POST", True, "uploadId"): "CompleteMultipartUpload",
    ("DELETE", True, "uploadId"): "AbortMultipartUpload",
    ("DELETE", True, None): "DeleteObject",
    ("GET", False, "list-type"): "ListObjectsV2",
    ("GET", False, "location"): "GetBucketLocation",
    ("GET", False, "uploads"): "ListMultipartUploads",
    ("GET", False, None): "ListObjects",
    ("HEAD", False, None): "HeadBucket",
    ("PUT", False, None): "CreateBucket",
    ("POST", False, "delete"): "DeleteObjects",
    ("DELETE", False, None): "DeleteBucket",
}


Answer = tuple[int, dict[str, str], bytes]  # status, headers, body


@dataclass(frozen=True)
class Call:
    """A request, as far as it is known before a service has read it."""

    service: str
    operation: str
    by_job: bool
    is_json: bool
    by_test: bool = False
    key: str = ""


@dataclass
class Fault:
    """An error to answer with, or no answer at all if it has no code."""

    operation: str | None
    times: int
    by_job: bool = False
    code: str | None = None
    message: str = ""
    status: int = 400
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False  # carried out, and no answer

    def meets(self, call: Call) -> bool:
        return self.by_job == call.by_job and self.operation in (None, call.operation)


class Gate:
    """A WSGI application around moto's."""

    def __init__(self, app: "WSGIApplication", region: str) -> None:
        self._app = app
        self._authorization = Authorization(region)
        self.needs: dict[str, list[Need]] = {key: [] for key in POLICIES_OF}  # by whose key
        # What answers InvokeEndpoint in moto's place: its body and environment, to an answer.
        self.invoke: Callable[[bytes, WSGIEnvironment], Answer] | None = None
        self.calls: list[tuple[str, str]] = []  # every caller's: service, operation
        self.after: dict[str, Callable[[], None]] = {}  # what to do after an operation, once
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.untagged: list[str] = []  # what a caller made without the project's tag
        self.without_owner: list[str] = []  # S3 requests that name no owner

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        call = read_call(environ)
        parameters: dict[str, Any] = {}
        needs = self._authorization.needs(
            call.service, call.operation, environ, body_of(call, environ)
        )
        self.needs.get(call.key, []).extend(needs)
        if not (call.by_job or call.by_test):
            self.calls.append((call.service, call.operation))
        if call.service == "sagemaker" and call.is_json:
            parameters = json.loads(_peek(environ) or b"{}")
            if not call.by_job:
                self.requests.append((call.operation, parameters))
            if not (call.by_job or call.by_test or is_tagged(call.operation, parameters)):
                self.untagged.append(call.operation)
        if call.operation == "PutMetricAlarm" and not call.by_test:
            tagged = is_tagged("CreateAlarm", json.loads(_peek(environ)))
            self.untagged += [] if tagged else [call.operation]
        if not (call.by_job or call.by_test or names_owner(call, environ)):
            self.without_owner.append(call.operation)
        fault = self._due(call)
        if fault is None:
            fault = refused_by_owner(call, environ)
        if fault is None:
            fault = refused_by_state(call, environ)
        if fault is None and call.service == "sagemaker" and call.is_json:
            fault = refusal(call.operation, parameters)
        if fault is None and self.invoke is not None and call.operation in (INVOKE, INVOKE_ASYNC):
            status, headers, answer = self.invoke(_peek(environ), environ)
            headers["Content-Length"] = str(len(answer))
            start_response(f"{status} Answer", list(headers.items()))
            self._was_called(call)
            return [answer]
        if fault is None and call.service == "pricing":  # moto has no such service
            answer = json.dumps(get_products(json.loads(_peek(environ)))).encode()
            lines = [("Content-Type", "application/x-amz-json-1.1")]
            start_response("200 OK", [*lines, ("Content-Length", str(len(answer)))])
            return [answer]
        if fault is None:
            done = self._app(environ, start_response)
            self._was_called(call)
            return done
        _peek(environ)  # an answer before the body is read would look like a broken connection
        if fault.lost:
            list(self._app(environ, lambda *more: lambda data: None))
        if fault.code is None:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError("dropped on demand")  # werkzeug takes it for the caller's
        body, kind = error_body(call, fault)
        lines = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        lines += [("x-amzn-ErrorType", fault.code)] if call.service in REST_OPERATIONS else []
        start_response(f"{fault.status} Error", [*lines, *fault.headers.items()])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _was_called(self, call: Call) -> None:
        if not (call.by_job or call.by_test) and call.operation in self.after:
            self.after.pop(call.operation)()

    def _due(self, call: Call) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.meets(call):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                    return fault
        return None


def is_tagged(operation: str, parameters: dict[str, Any]) -> bool:
    """Whether a request to SageMaker makes nothing without the tags of the project and the owner. A
    version in the model registry can have none, its group has."""
    if not operation.startswith("Create") or operation == "CreateModelPackage":
        return True
    tags = {each["Key"]: each["Value"] for each in parameters.get("Tags", [])}
    return tags.get("project") == "dogbreed" and "owner" in tags


def names_owner(call: Call, environ: "WSGIEnvironment") -> bool:
    """Whether a request to S3 names the account that must own the bucket, if it can."""
    if call.service != "s3" or call.operation == "CreateBucket":
        return True
    return environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER") == DEFAULT_ACCOUNT_ID


def refused_by_owner(call: Call, environ: "WSGIEnvironment") -> Fault | None:
    """What S3 refuses, and moto doesn't: a bucket of another account than the one expected."""
    expected = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")
    bucket = environ.get("PATH_INFO", "").strip("/").partition("/")[0]
    _, owner = s3_backends.bucket_accounts.get(bucket, ("", expected))
    if call.service != "s3" or expected in (None, owner):
        return None
    return Fault(call.operation, 1, code="AccessDenied", message="Access Denied", status=403)


def refused_by_state(call: Call, environ: "WSGIEnvironment") -> Fault | None:
    """What services refuse since it is there or isn't, and moto does or fails at."""
    if call.operation in ("RegisterScalableTarget", "DeregisterScalableTarget"):
        request = json.loads(_peek(environ))
        scaling = applicationautoscaling_backends[DEFAULT_ACCOUNT_ID].values()
        places = {
            place for backend in scaling for each in backend.targets.values() for place in each
        }
        if call.operation.startswith("Deregister") and request["ResourceId"] not in places:
            message = f"No scalable target found for resource ID: {request['ResourceId']}"
            return Fault(call.operation, 1, code="ObjectNotFoundException", message=message)
        if "Tags" in request and request["ResourceId"] in places:
            message = (
                "The scalable target that you tried to tag already exists. To update tags on an "
                "existing scalable target, call TagResource."
            )
            return Fault(call.operation, 1, code="ValidationException", message=message)
    if call.operation == "CreateScheduleGroup":
        name = environ["PATH_INFO"].rpartition("/")[2]
        schedulers = scheduler_backends[DEFAULT_ACCOUNT_ID].values()
        if any(name in backend.schedule_groups for backend in schedulers):
            message = f"Schedule group {name} already exists."
            return Fault(call.operation, 1, code="ConflictException", message=message, status=409)
    return None


def refusal(operation: str, parameters: dict[str, Any]) -> Fault | None:
    """The service's own check of a request against its model."""
    found = problems(operation, parameters)
    if not found:
        return None
    count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
    return Fault(operation, 1, code="ValidationException", message=count + "; ".join(found))


def read_call(environ: "WSGIEnvironment") -> Call:
    """Service and caller from the signature's scope, the operation from where each has it."""
    key, service = "", "s3"
    _, _, credential = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")
    if credential.count("/") >= 4:
        key, _, _, service = credential.split(",")[0].split("/")[:4]
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        operation = target.rpartition(".")[2]
    elif service in REST_OPERATIONS:
        operation = rest_operation(service, environ)
    elif service == "s3":
        operation = _s3_operation(environ)
    else:
        operation = parse_qs(_peek(environ).decode()).get("Action", [""])[0]
    by_job = key in (ROLE_KEY, SERVING_KEY)
    return Call(service, operation, by_job, bool(target), key == TEST_KEY, key)


def body_of(call: Call, environ: "WSGIEnvironment") -> dict[str, Any]:
    """What a request has to say beyond its address, as far as rights depend on it."""
    if call.service == "iam":
        return {"form": parse_qs(_peek(environ).decode())}
    if call.operation == "DeleteObjects":
        return {"xml": _peek(environ).decode()}
    if call.is_json or call.service == "scheduler":
        found: dict[str, Any] = json.loads(_peek(environ) or b"{}")
        return found
    return {}


def error_body(call: Call, fault: Fault) -> tuple[bytes, str]:
    """The error in the service's own protocol, and its content type."""
    if call.is_json or call.service in REST_OPERATIONS:
        error = {"__type": fault.code, "message": fault.message}
        return json.dumps(error).encode(), "application/x-amz-json-1.1"
    error_xml = f"<Code>{fault.code}</Code><Message>{escape(fault.message)}</Message>"
    if call.service == "s3":
        text = f"<Error>{error_xml}<RequestId>1</RequestId></Error>"
    else:
        text = f"<ErrorResponse><Error><Type>Sender</Type>{error_xml}</Error></ErrorResponse>"
    return text.encode(), "text/xml"


def _s3_operation(environ: "WSGIEnvironment") -> str:
    """The S3 operation of a path-style request."""
    _, _, key = environ.get("PATH_INFO", "").strip("/").partition("/")
    words = set(parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if "HTTP_X_AMZ_COPY_SOURCE" in environ:
        words.add("copy")
    method = environ["REQUEST_METHOD"]
    for (its_method, has_key, word), name in S3_OPERATIONS.items():
        if its_method == method and has_key == bool(key) and (word is None or word in words):
            return name
    return ""


def _peek(environ: "WSGIEnvironment") -> bytes:
    """The body, left in place for moto to read again."""
    if environ.get("wsgi.input_terminated"):
        body: bytes = environ["wsgi.input"].read()
    else:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body
