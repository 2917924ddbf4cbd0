"""The chart lints, passes values on unchanged, is safe by default and fits KubeRay's schemas."""

import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

Manifest = dict[str, Any]
Render = Callable[..., dict[str, Manifest]]
CRDS = Path(__file__).parents[3] / "shared" / "kuberay-crds"
CRD_FILES = {"RayService": "ray.io_rayservices.yaml", "RayJob": "ray.io_rayjobs.yaml"}


def test_lints_strictly(helm: str, chart: Path):
    command = [helm, "lint", "--strict", str(chart)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_makes_one_service_and_one_job(render: Render):
    assert set(render()) == {"ServiceAccount", "RayService", "RayJob"}


def test_leaves_out_what_is_switched_off(render: Render):
    only_account = render("service.enabled=false", "job.enabled=false")
    assert set(only_account) == {"ServiceAccount"}


def test_passes_the_serve_configuration_on_unchanged(render: Render):
    service = render('service.serveConfig={"applications":[{"name":"a","args":{"depth":3}}]}')
    passed = yaml.safe_load(service["RayService"]["spec"]["serveConfigV2"])
    assert passed == {"applications": [{"name": "a", "args": {"depth": 3}}]}


def test_runs_the_entrypoint_given(render: Render):
    job = render("job.entrypoint=\"pliant embed s3://bucket --collection 'a b'\"")["RayJob"]
    assert job["spec"]["entrypoint"] == "pliant embed s3://bucket --collection 'a b'"


def test_every_pod_is_safe_by_default(render: Render):
    pods = [pod for manifest in render().values() for pod in _pods(manifest)]
    assert len(pods) == 5
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert set(container["resources"]) == {"requests", "limits"}


def test_refuses_an_unknown_value(helm: str, chart: Path):
    command = [helm, "template", str(chart), "--set", "job.entrypiont=x"]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("kind", CRD_FILES)
def test_fits_the_schema_of_kuberay(render: Render, kind: str):
    settings = ['volumes=[{"name":"data","emptyDir":{}}]', 'env=[{"name":"A","value":"b"}]']
    assert _findings(render(*settings)[kind]) == []


def test_the_schema_check_finds_a_misspelt_field(render: Render):
    job = render()["RayJob"]
    job["spec"]["entryPoint"] = "pliant"
    assert any("entryPoint" in finding for finding in _findings(job))


def test_every_value_has_a_sentence(chart: Path):
    lines = (chart / "values.yaml").read_text(encoding="utf-8").splitlines()
    sentences = [line.strip() for line in lines if line.strip().startswith("#")]
    assert all(sentence.endswith(".") for sentence in sentences)
    undescribed = [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if line and line[0] not in "# " and not line.endswith(":") and not before.startswith("#")
    ]
    assert undescribed == []


def _pods(manifest: object) -> Iterator[Manifest]:
    if isinstance(manifest, dict):
        if "containers" in manifest:
            yield manifest
        for value in manifest.values():
            yield from _pods(value)
    elif isinstance(manifest, list):
        for value in manifest:
            yield from _pods(value)


def _findings(manifest: Manifest) -> list[str]:
    schema = _crd_schema(CRD_FILES[manifest["kind"]])
    return [error.message for error in Draft202012Validator(schema).iter_errors(manifest)]


@cache
def _crd_schema(file_name: str) -> Manifest:
    path = CRDS / file_name
    if not path.exists():
        pytest.skip(f"KubeRay's schemas are not here: {path.parent.name}/{file_name}")
    definition = yaml.load(path.read_bytes(), yaml.CSafeLoader)
    version = next(v for v in definition["spec"]["versions"] if v["name"] == "v1")
    return _strict(version["schema"]["openAPIV3Schema"])


def _strict(schema: Manifest) -> Manifest:
    """Turn an OpenAPI schema into a JSON schema that refuses fields it does not name."""
    strict: Manifest = {
        key: value for key, value in schema.items() if key not in ("default", "example")
    }
    if "properties" in schema:
        strict["properties"] = {name: _strict(part) for name, part in schema["properties"].items()}
        strict.setdefault("additionalProperties", False)
    if isinstance(schema.get("additionalProperties"), dict):
        strict["additionalProperties"] = _strict(schema["additionalProperties"])
    if "items" in schema:
        strict["items"] = _strict(schema["items"])
    if schema.get("x-kubernetes-int-or-string"):
        strict = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        strict["additionalProperties"] = True
    return {"anyOf": [strict, {"type": "null"}]} if schema.get("nullable") else strict
