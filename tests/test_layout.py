"""The house rules that linters miss."""

from __future__ import annotations

import ast
import os
import platform
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import pytest
import ray

ROOT = Path(__file__).parent.parent
SOURCES = [
    path
    for root in ("platform", "services", "jobs", "tests", "helm")
    for path in (ROOT / root).rglob("*.py")
]
HEAVY = ("torch", "ray", "transformers", "pymilvus", "pyarrow")


def test_platform_is_still_the_standard_library() -> None:
    assert Path(platform.__file__).parent == Path(sysconfig.get_paths()["stdlib"])


@pytest.mark.ray
def test_platform_is_the_standard_library_in_a_worker(ray_session: None) -> None:
    @ray.remote
    def where() -> str:
        import platform

        return platform.__file__

    assert Path(ray.get(where.remote())).parent == Path(sysconfig.get_paths()["stdlib"])


@pytest.mark.slow
def test_platform_is_the_standard_library_in_a_submitted_job() -> None:
    """A submission ships our sources as py_modules, so `platform/` is near a Python path."""
    port = _free_port()
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    flags = ["--port=0", "--dashboard-host=127.0.0.1", f"--dashboard-port={port}"]
    token = {"RAY_AUTH_TOKEN": "0" * 64}
    environment = {**os.environ, **token}
    folder = tempfile.TemporaryDirectory(prefix="ray-")  # short: sockets lie in it
    command = [*ray, "start", "--head", "--block", f"--temp-dir={folder.name}", *flags]
    with folder, subprocess.Popen(command, env=environment, start_new_session=True) as head:
        try:
            logs = _submitted(f"http://127.0.0.1:{port}", token["RAY_AUTH_TOKEN"])
        finally:
            os.killpg(head.pid, signal.SIGTERM)
            head.wait(timeout=60)
    assert f"{sysconfig.get_paths()['stdlib']}/platform.py Linux" in logs


def _submitted(url: str, token: str) -> str:
    from ray.job_submission import JobStatus, JobSubmissionClient

    headers = {"Authorization": f"Bearer {token}"}
    deadline = time.monotonic() + 180
    code = "import platform, pliant; print(platform.__file__, platform.system())"
    modules = [str(ROOT / "platform" / "pliant")]
    while True:
        try:
            client = JobSubmissionClient(url, headers=headers)
            entrypoint = f'{sys.executable} -c "{code}"'
            job = client.submit_job(entrypoint=entrypoint, runtime_env={"py_modules": modules})
            break
        except (ConnectionError, RuntimeError):  # the head, or its agent, is not up yet
            assert time.monotonic() < deadline, "the cluster does not answer"
            time.sleep(1)
    while not client.get_job_status(job).is_terminal() and time.monotonic() < deadline:
        time.sleep(1)
    logs = client.get_job_logs(job)
    assert client.get_job_status(job) == JobStatus.SUCCEEDED, logs
    return logs


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_no_package_marker_where_none_may_be() -> None:
    assert not list((ROOT / "platform").glob("*.py"))
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_every_package_folder_has_its_marker() -> None:
    packages = ("platform/pliant", "services/pliant_services", "jobs/pliant_jobs")
    folders = {path.parent for name in packages for path in (ROOT / name).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_files_have_at_most_400_lines() -> None:
    lengths = {path: len(path.read_text(encoding="utf8").splitlines()) for path in SOURCES}
    assert {path: lines for path, lines in lengths.items() if lines > 400} == {}


def test_functions_have_at_most_60_lines_and_6_arguments() -> None:
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                names = [a.arg for a in arguments if a.arg not in ("self", "cls")]
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                test = path.is_relative_to(ROOT / "tests")
                if lines > 60 or (len(names) > 6 and not test):
                    found.append(f"{path}:{node.lineno} {node.name}")
    assert found == []


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    tops = {path.stem for path in SOURCES if path.parent in (ROOT / "platform", ROOT / "tests")}
    assert tops & set(sys.stdlib_module_names) == set()


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_need_nothing_heavy_and_half_a_second(option: str) -> None:
    code = (
        "import sys; from pliant_jobs.cli import main; code = main(sys.argv[1:]); "
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]; "
        "print(heavy, file=sys.stderr); sys.exit(code)"
    )
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code, option], capture_output=True, text=True, check=True
        )
        seconds.append(time.perf_counter() - started)
        assert done.stderr.strip() == "[]"
    assert min(seconds) <= 0.5
