"""A trained model as the model.tar.gz that serves it, in the container of any registered server.

model.json, model.safetensors, openvino.xml/.bin, ...   the artifact's files
deployment.py, config.yaml                              what Ray Serve starts
code/inference.py                                       what TorchServe calls
code/dogbreed/                                          the modules that serve it
code/packages/                                          unpacked wheels, for the container's Python
code/requirements.txt                                   or what both install first: as in inference/
                                                        requirements.txt or requirements-timm.txt
"""

import ast
import gzip
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from dogbreed.artifact.file_names import DESCRIPTION
from dogbreed.artifact.folder import checked_file, find_artifact, read_description
from dogbreed.artifact.wheels import WheelMember, open_wheel, unpacked_names
from dogbreed.configuration.deploy import SERVERS
from dogbreed.errors import ArtifactError
from dogbreed.utils.files import atomic_write

CODE = "code"
PACKAGES = "packages"  # below it
REQUIREMENTS = "requirements.txt"
REQUIREMENTS_TIMM = "requirements-timm.txt"  # for a network of timm
TIMM = "timm/"  # how the names of those networks begin; their provider would import torch
# Weights hardly compress, at any level.
_LEVEL = 1


def pack_model(
    folder: Path, target: Path, *, install: bool = True, wheels: Sequence[Path] = ()
) -> None:
    """Write the model of a run's or a model's folder to `target`, in an atomic write.

    The same model gives the same bytes. `wheels` are those that the adapters import, for the
    container's Python: they are unpacked into the archive, so that the container needs no pip, no
    network and no disk to write to. Without any, `install` says whether it installs packages from
    an index when it starts; both containers stop if they can't be installed. With `install` false
    its own torch computes.

    Raises:
        ArtifactError: there is no model, one of its files is missing or changed, this dogbreed was
            installed without its adapters, the container would lack timm, or a wheel is damaged.
        OSError: `target` can't be written.
    """
    model = find_artifact(folder)
    members: dict[str, Path | WheelMember] = dict(
        _members(model, install=install and not wheels, timm=install or bool(wheels))
    )
    with (
        ExitStack() as opened,
        atomic_write(target) as temporary,
        temporary.open("wb") as file,
        # Neither the archive nor its members contain a time, a place or a user.
        gzip.GzipFile("", "wb", compresslevel=_LEVEL, fileobj=file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tape,
    ):
        for wheel in wheels:
            members |= unpacked_names(opened.enter_context(open_wheel(wheel)), f"{CODE}/{PACKAGES}")
        for name, source in sorted(members.items()):
            member = tarfile.TarInfo(name)
            size = source.stat().st_size if isinstance(source, Path) else source.size_bytes
            member.size = size
            with source.open("rb") if isinstance(source, Path) else source.open() as content:
                tape.addfile(member, content)


def adapters_dir() -> Path:
    """The folder of the adapters: inside the installed package, or at the checkout's top."""
    package = _package()
    inside = package / "inference"
    return inside if inside.is_dir() else package.parent / "inference"


def requirements_for(folder: Path) -> Path:
    """The file of inference/ with what serves the model in `folder`.

    Raises:
        ArtifactError: there is no model.
    """
    return requirements_of(str(read_description(find_artifact(folder)).backbone["name"]))


def requirements_of(backbone: str) -> Path:
    """The file of inference/ with what serves a model with this backbone."""
    return adapters_dir() / (REQUIREMENTS_TIMM if backbone.startswith(TIMM) else REQUIREMENTS)


def _members(folder: Path, *, install: bool, timm: bool) -> Iterator[tuple[str, Path]]:
    """Each file's name in the archive, and where it is; `timm`: the container will have it."""
    description = read_description(folder)
    yield DESCRIPTION, folder / DESCRIPTION
    for name in description.sha256:
        yield name, checked_file(folder, description, name)
    adapters = adapters_dir()
    sources: dict[str, Path] = {}
    network = description.backbone["name"]
    if install:
        installed = REQUIREMENTS_TIMM if network.startswith(TIMM) else REQUIREMENTS
        sources[f"{CODE}/{REQUIREMENTS}"] = Path(installed)
    elif network.startswith(TIMM) and not timm:
        raise ArtifactError(
            f"{network} needs timm, which the container doesn't have: set deploy.install=wheels."
        )
    for server in SERVERS.values():
        sources |= {name: Path(source) for name, source in server.files.items()}
    for name, source in sources.items():
        if not (adapters / source).is_file():
            raise ArtifactError(
                f"{adapters / source} is missing: install dogbreed again, or pack in a checkout."
            )
        yield name, adapters / source
    modules = {module for server in SERVERS.values() for module in server.modules}
    for path in imported_files(modules):
        yield f"{CODE}/dogbreed/{path.relative_to(_package())}", path


def imported_files(modules: Iterable[str]) -> set[Path]:
    """The files of this package that `modules` consist of: themselves and all that they import.

    Imports inside functions count, those for type checkers don't.
    """
    files: set[Path] = set()
    pending = list(modules)
    while pending:
        name = pending.pop()
        path = _file_of(name)
        if path is None or path in files:
            continue
        files.add(path)
        pending += [name.rpartition(".")[0], *_imports(ast.parse(path.read_text("utf-8")))]
    return files


def _file_of(module: str) -> Path | None:
    """The file of a module of this package; None for a name inside a module, or another's."""
    first, *rest = module.split(".")
    path = _package().joinpath(*rest)
    if first != _package().name:
        return None
    found = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in found if file.is_file()), None)


def _imports(node: ast.AST) -> Iterator[str]:
    """Every name that code imports: `from a import b` gives a and a.b, as b may be a module."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child)


def _package() -> Path:
    return Path(__file__).parents[1]
