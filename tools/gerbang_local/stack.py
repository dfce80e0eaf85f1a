"""What is served of a template: its functions, and the API, queues and streams that call them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gerbang_local.cors import Cors
from gerbang_local.http_api import ApiReader, Authorizer
from gerbang_local.intrinsics import References, Resolver
from gerbang_local.routes import Route
from gerbang_local.template import Resource, TemplateError, check_known, is_true, text_of

STACK_NAME: Final = "gerbang-local"
REGION: Final = "us-east-1"
ACCOUNT_ID: Final = "123456789012"

PSEUDO_PARAMETERS: Final[Mapping[str, str]] = {
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/{STACK_NAME}/local",
    "AWS::StackName": STACK_NAME,
    "AWS::URLSuffix": "amazonaws.com",
}

FUNCTION: Final = "AWS::Serverless::Function"
HTTP_API: Final = "AWS::Serverless::HttpApi"
LAYER: Final = "AWS::Serverless::LayerVersion"

_API_ID: Final = "local"
# Nothing on this machine sends these events. The function is loaded, and a notice is printed at start.
_NEVER_SENT: Final = frozenset({"CloudWatchEvent", "EventBridgeRule", "SNS", "Schedule", "ScheduleV2"})

# Properties that are read, and those that change nothing here. Any other stops the start.
_FUNCTION_PROPERTIES: Final = frozenset(
    {"CodeUri", "Environment", "Events", "FunctionName", "Handler", "Layers", "MemorySize", "Runtime", "Timeout"}
    | {"Architectures", "AutoPublishAlias", "AutoPublishAliasAllProperties", "DeploymentPreference", "Description"}
    | {"EphemeralStorage", "KmsKeyArn", "LoggingConfig", "PermissionsBoundary", "Policies", "PropagateTags"}
    | {"ReservedConcurrentExecutions", "Role", "RolePath", "SnapStart", "Tags", "Tracing"}
)
_QUEUE_PROPERTIES: Final = frozenset(
    {"BatchSize", "Enabled", "FunctionResponseTypes", "Queue"} | {"MaximumBatchingWindowInSeconds", "ScalingConfig"}
)
_STREAM_PROPERTIES: Final = frozenset(
    {"BatchSize", "FilterCriteria", "FunctionResponseTypes", "StartingPosition", "Stream"}
)
# Lambda's own: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-function.html
_TIMEOUT_SECONDS: Final = 3
_MEMORY_MB: Final = 128
# SQS events': https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
_BATCH_SIZE: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A Lambda function as the template describes it."""

    logical_id: str
    name: str
    arn: str
    folder: Path
    handler: str  # module.attribute
    environment: Mapping[str, str]
    layers: tuple[Path, ...]  # what goes on sys.path
    timeout_seconds: int
    memory_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A queue that Lambda reads for a function."""

    function: str  # logical id
    queue_arn: str
    batch_size: int
    reports_failures: bool  # FunctionResponseTypes has ReportBatchItemFailures


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTrigger:
    """A table's stream that Lambda reads for a function."""

    function: str  # logical id
    stream_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Everything that is served."""

    functions: Mapping[str, Function]  # by logical id
    routes: tuple[Route, ...]
    authorizers: Mapping[str, Authorizer]  # by name
    cors: Cors | None
    triggers: tuple[Trigger, ...]
    notices: tuple[str, ...]  # a sentence for each event that nothing here sends
    stream_triggers: tuple[StreamTrigger, ...] = ()


def serverless_references(resource: Resource) -> References | None:
    """Return what a template can refer to of a function, layer or API; None for any other resource.

    Their names and ARNs follow from their logical ids, so they can be referred to before they exist.
    """
    match resource.type:
        case "AWS::Serverless::Function":
            return References(ref=_function_name(resource), attributes={"Arn": _function_arn(resource)})
        case "AWS::Serverless::LayerVersion":
            return References(ref=_layer_arn(resource))
        case "AWS::Serverless::HttpApi":
            return References(ref=_API_ID)
        case _:
            return None


def _function_name(resource: Resource) -> str:
    return f"{STACK_NAME}-{resource.logical_id}"


def _function_arn(resource: Resource) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{_function_name(resource)}"


def _layer_arn(resource: Resource) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:layer:{resource.logical_id}:1"


def read_stack(resolver: Resolver, *, root: Path) -> Stack:
    """Return what *resolver*'s template serves; *root* is the folder that its paths start from.

    Raises:
        TemplateError: something about a function, a layer or the API is wrong or not known here.
    """
    resources = list(resolver.active_resources())
    apis = [one for one in resources if one.type == HTTP_API]
    if len(apis) > 1:
        raise TemplateError(f"{', '.join(one.logical_id for one in apis)}: one API is served here, not several")
    # Without an API in the template, SAM makes one of Globals.HttpApi.
    written = apis[0].properties if apis else resolver.template.globals.get("HttpApi", {})
    with _about(apis[0].logical_id if apis else "Globals.HttpApi"):
        api = ApiReader(resolver.resolve(written), logical_id=apis[0].logical_id if apis else None)
    layers = _layer_folders(resolver, resources, root)
    functions: dict[str, Function] = {}
    callers = _Callers()
    for resource in resources:
        if resource.type == FUNCTION:
            with _about(resource.logical_id):
                properties = resolver.resolve(resource.properties)
                functions[resource.logical_id] = _function(resource, properties, layers=layers, root=root)
                for name, event in properties.get("Events", {}).items():
                    callers.add(resource.logical_id, name, event, api)
    return Stack(
        functions=functions,
        routes=tuple(callers.routes),
        authorizers=dict(api.authorizers({function.arn: function.logical_id for function in functions.values()})),
        cors=api.cors,
        triggers=tuple(callers.triggers),
        stream_triggers=tuple(callers.stream_triggers),
        notices=tuple(callers.notices),
    )


@contextmanager
def _about(logical_id: str) -> Iterator[None]:
    """Add the resource to the beginning of every TemplateError that is raised in the block."""
    try:
        yield
    except TemplateError as error:
        raise TemplateError(f"{logical_id}: {error}") from error


def _layer_folders(resolver: Resolver, resources: Iterable[Resource], root: Path) -> dict[str, Path]:
    """Return the folder of each layer that goes on sys.path, by the layer's ARN."""
    folders = {}
    for resource in resources:
        if resource.type == LAYER:
            with _about(resource.logical_id):
                content = root / text_of(resolver.resolve(resource.properties.get("ContentUri")))
                if not content.is_dir():
                    raise TemplateError(f"ContentUri {content} is not a folder")
            folders[_layer_arn(resource)] = content / "python" if (content / "python").is_dir() else content
    return folders


def _function(resource: Resource, properties: Mapping[str, Any], *, layers: Mapping[str, Path], root: Path) -> Function:
    check_known(properties, _FUNCTION_PROPERTIES)
    for required in ("CodeUri", "Handler"):
        if required not in properties:
            raise TemplateError(f"it has no {required}")
    folder = root / text_of(properties["CodeUri"])
    if not folder.is_dir():
        raise TemplateError(f"CodeUri {folder} is not a folder")
    for layer in properties.get("Layers", []):
        if layer not in layers:
            raise TemplateError(f"layer {layer} is not in the template")
    variables = properties.get("Environment", {}).get("Variables", {})
    return Function(
        logical_id=resource.logical_id,
        name=_function_name(resource),
        arn=_function_arn(resource),
        folder=folder,
        handler=text_of(properties["Handler"]),
        environment={name: text_of(value) for name, value in variables.items()},
        layers=tuple(layers[layer] for layer in properties.get("Layers", [])),
        timeout_seconds=int(properties.get("Timeout", _TIMEOUT_SECONDS)),
        memory_mb=int(properties.get("MemorySize", _MEMORY_MB)),
    )


def _trigger(function: str, details: Mapping[str, Any]) -> Trigger:
    check_known(details, _QUEUE_PROPERTIES, "SQS event: ")
    return Trigger(
        function=function,
        queue_arn=text_of(details.get("Queue")),
        batch_size=int(details.get("BatchSize", _BATCH_SIZE)),
        reports_failures="ReportBatchItemFailures" in details.get("FunctionResponseTypes", []),
    )


@dataclass(frozen=True, slots=True)
class _Callers:
    """What calls the functions: routes, queues and streams, collected from their events."""

    routes: list[Route] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    stream_triggers: list[StreamTrigger] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def add(self, function: str, name: str, event: Mapping[str, Any], api: ApiReader) -> None:
        """Add the event *name* of *function*."""
        kind, details = event.get("Type"), event.get("Properties", {})
        match kind:
            case "HttpApi":
                self.routes.append(api.route(function, details))
            case "SQS" if not is_true(details.get("Enabled", True)):
                self.notices.append(f"{function}.{name} is switched off.")
            case "SQS":
                self.triggers.append(_trigger(function, details))
            case "DynamoDB":
                check_known(details, _STREAM_PROPERTIES, "DynamoDB event: ")
                stream_arn = text_of(details.get("Stream"))
                self.stream_triggers.append(StreamTrigger(function=function, stream_arn=stream_arn))
            case _ if kind in _NEVER_SENT:
                self.notices.append(f"{function}.{name}: nothing here sends {kind} events.")
            case _:
                raise TemplateError(f"event {name} is of type {kind}, which is not served here")
