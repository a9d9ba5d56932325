"""Compose, Kubernetes, Prometheus and Grafana files agree with the image and the server."""

import inspect
import json
import os
import re
import subprocess
import sys
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from acorn.features.feature_table import FeatureTable
from acorn.schemas.prediction import WorkersState
from deploy.dockerfile import assignments, read_stages
from service.observability.metrics import Metrics, ServerState, exposition
from service.settings import Settings, load_settings
from training.commands.pipeline.features import features

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
IMAGE = read_stages(ROOT / "Dockerfile")[-1]
VARIABLES = {f"ACORN_{name.upper()}" for name in Settings.model_fields}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(load(ROOT / "compose.yaml"))


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


def test_compose_files_and_volumes_are_there(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"acorn", "postgres", "prometheus", "grafana"}
    named = set()
    for service in compose["services"].values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).is_file(), source
            else:
                named.add(source)
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{port} is open to the network"
    assert named == set(compose["volumes"])


def test_compose_runs_the_server_as_it_should(compose: dict[str, Any]) -> None:
    acorn = compose["services"]["acorn"]
    assert acorn["environment"].keys() <= VARIABLES
    assert acorn["read_only"]
    assert acorn["cap_drop"] == ["ALL"]
    assert acorn["volumes"] == [f"acorn:{IMAGE.last('VOLUME')}"]
    assert acorn["ports"][0].endswith(f":{IMAGE.last('EXPOSE')}")
    (build, _) = read_stages(ROOT / "Dockerfile")
    declared = {e.value.partition("=")[0] for e in build.instructions if e.keyword == "ARG"}
    assert acorn["build"]["args"].keys() == declared
    grace = int(acorn["stop_grace_period"].rstrip("s"))
    defaults = Settings()
    assert grace > defaults.drain_seconds + defaults.shutdown_seconds


def test_kubernetes_objects_belong_together(objects: dict[str, Any]) -> None:
    labels = {"app.kubernetes.io/name": "acorn"}
    spec = objects["Deployment"]["spec"]
    assert (
        spec["template"]["metadata"]["labels"] == labels == objects["Service"]["spec"]["selector"]
    )
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    target = objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["kind"] == "Deployment"
    assert target["name"] == objects["Deployment"]["metadata"]["name"]
    (container,) = spec["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert objects["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert str(port["containerPort"]) == IMAGE.last("EXPOSE")


def test_kubernetes_runs_the_server_as_it_should(objects: dict[str, Any]) -> None:
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    security = pod["securityContext"]
    assert security["runAsNonRoot"]
    assert f"{security['runAsUser']}:{security['runAsGroup']}" == IMAGE.last("USER")
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    assert mounts.keys() == {"/tmp", IMAGE.last("VOLUME")}  # noqa: S108 (inside)
    assert set(mounts.values()) == {each["name"] for each in pod["volumes"]}
    assert container["startupProbe"]["httpGet"]["path"] == "/health/live"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"


def test_kubernetes_settings_are_settings(
    objects: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    data = objects["ConfigMap"]["data"]
    assert {*data, *(each["name"] for each in pod["containers"][0]["env"])} <= VARIABLES
    for name, value in data.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.workers == int(data["ACORN_WORKERS"])
    assert pod["terminationGracePeriodSeconds"] > settings.drain_seconds + settings.shutdown_seconds


@pytest.mark.parametrize("file", ["kubernetes.yaml", "features-job.yaml", "kuberay.yaml"])
def test_kubernetes_objects_keep_to_their_schemas(file: str) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    for document in yaml.safe_load_all((DEPLOY / file).read_text()):
        own = [document] if document["kind"] != "RayService" else ray_pods(document)
        for each in own:
            validator.validate(each, validator.latest_version(), strict=True)


def ray_pods(service: dict[str, Any]) -> list[dict[str, Any]]:
    """The pods of a cluster of KubeRay, whose own schema no package has."""
    cluster = service["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [{"apiVersion": "v1", "kind": "Pod", **group["template"]} for group in groups]


@pytest.fixture(scope="module")
def kuberay() -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings and the service."""
    settings, service = yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text())
    return settings, service


def test_kuberay_fields_are_known(kuberay: tuple[dict[str, Any], dict[str, Any]]) -> None:
    _, service = kuberay
    assert (service["apiVersion"], service["kind"]) == ("ray.io/v1", "RayService")
    assert service["spec"].keys() == {"serveConfigV2", "rayClusterConfig"}
    cluster = service["spec"]["rayClusterConfig"]
    assert cluster.keys() == {"rayVersion", "headGroupSpec", "workerGroupSpecs"}
    assert cluster["headGroupSpec"].keys() == {"rayStartParams", "template"}
    (group,) = cluster["workerGroupSpecs"]
    counts = {"replicas", "minReplicas", "maxReplicas"}
    assert group.keys() == {"groupName", "rayStartParams", "template", *counts}
    pins = (ROOT / "requirements-extras.lock").read_text().splitlines()
    assert f"ray=={cluster['rayVersion']}" in pins


def test_kuberay_runs_the_server_as_it_should(
    kuberay: tuple[dict[str, Any], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, service = kuberay
    pods = ray_pods(service)
    for pod in pods:
        (container,) = pod["spec"]["containers"]
        assert {each["name"] for each in container["env"]} <= VARIABLES
        assert container["envFrom"] == [{"configMapRef": {"name": config["metadata"]["name"]}}]
        mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        assert mounts.keys() == {"/tmp", IMAGE.last("VOLUME")}  # noqa: S108 (inside)
        assert set(mounts.values()) == {each["name"] for each in pod["spec"]["volumes"]}
        security = pod["spec"]["securityContext"]
        assert f"{security['runAsUser']}:{security['runAsGroup']}" == IMAGE.last("USER")
        for probe in ("livenessProbe", "readinessProbe"):
            assert "httpGet" in container[probe], "the image has no wget"
    for name, value in config["data"].items():
        assert name in VARIABLES or name.startswith("RAY_")
        monkeypatch.setenv(name, value)
    settings = load_settings()
    grace = pods[-1]["spec"]["terminationGracePeriodSeconds"]
    assert grace > settings.shutdown_seconds
    serve = yaml.safe_load(service["spec"]["serveConfigV2"])
    assert str(serve["http_options"]["port"]) == IMAGE.last("EXPOSE")
    # A processor for each replica and each worker; the head has none.
    (group,) = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    processors = int(container["resources"]["limits"]["cpu"])
    assert settings.backend == "ray"
    needed = settings.replicas * (1 + settings.workers * settings.threads)
    assert group["replicas"] * processors == needed


FEATURES = {f"ACORN_{name.upper()}" for name in inspect.signature(features).parameters}


def test_the_job_computes_each_shard_once() -> None:
    (job,) = yaml.safe_load_all((DEPLOY / "features-job.yaml").read_text())
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert variables.keys() <= FEATURES
    security = pod["securityContext"]
    assert f"{security['runAsUser']}:{security['runAsGroup']}" == IMAGE.last("USER")
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    assert set(mounts.values()) == {each["name"] for each in pod["volumes"]}
    (line,) = container["args"]
    assert "/features" in mounts
    shards = set()
    for index in range(spec["completions"]):
        command = [*container["command"], line.replace("exec acorn", "echo")]
        environment = {"JOB_COMPLETION_INDEX": str(index), "PATH": os.environ["PATH"]}
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        words = ran.stdout.split()
        assert words[0] == "features"
        options = dict(zip(words[1::2], words[2::2], strict=True))
        assert options["--out"] == f"/features/parts/{index}.parquet"
        shards.add(options["--shard"])
    n = spec["completions"]
    assert shards == {f"{i}/{n}" for i in range(1, n + 1)}


def test_the_slurm_script_is_sound() -> None:
    script = DEPLOY / "features.sbatch"
    subprocess.run(["bash", "-n", script], check=True)
    text = script.read_text()
    assert set(re.findall(r"export (ACORN_\w+)", text)) <= FEATURES
    (last,) = re.findall(r"^#SBATCH --array=1-(\d+)$", text, re.MULTILINE)
    assert f'SHARDS="${{SHARDS:-{last}}}"' in text
    outside = {"PATH": os.environ["PATH"]}
    refused = subprocess.run(["bash", script], env=outside, capture_output=True, text=True)
    assert refused.returncode != 0
    assert "submit it with sbatch" in refused.stderr


@pytest.mark.slow
def test_the_tasks_of_the_slurm_script_make_one_table(tmp_path: Path) -> None:
    archs = [f"8:8:8:8:{width}" for width in (8, 16, 24, 32, 40)]
    (tmp_path / "archs.txt").write_text("\n".join(archs))
    environment = {
        **os.environ,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "PYTHONPATH": str(ROOT),
        "SHARDS": "2",
        "ACORN_SPACE": "nats_sss",
        "ACORN_ARCHS": "archs.txt",
        "ACORN_PROXIES": "params",
        "ACORN_BATCH_SIZE": "2",
        "ACORN_WORKERS": "1",
    }
    run = partial(subprocess.run, cwd=tmp_path, check=True, capture_output=True, text=True)
    for task in ("1", "2"):
        run([DEPLOY / "features.sbatch"], env={**environment, "SLURM_ARRAY_TASK_ID": task})
    join = ["acorn", "features", "--dataset", "cifar10", "--parts", "parts"]
    joined = run([*join, "--out", "features.parquet", "--json"], env=environment)
    assert json.loads(joined.stdout)["rows"] == len(archs)
    tables = sorted((tmp_path / "parts").glob("*.parquet"))
    assert [len(FeatureTable.read(path)) for path in tables] == [3, 2]


def test_the_images_variables_are_settings() -> None:
    ours = {name for name in assignments(IMAGE.last("ENV") or "", {}) if name.startswith("ACORN_")}
    assert ours <= VARIABLES


def queries() -> list[str]:
    """Every query of dashboard and alerts."""
    dashboard = json.loads((DEPLOY / "grafana" / "acorn.json").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    chosen = [each["query"]["query"] for each in dashboard["templating"]["list"]]
    groups = load(DEPLOY / "alerts.yml")["groups"]
    return [*shown, *chosen, *(rule["expr"] for group in groups for rule in group["rules"])]


IDLE = ServerState(
    is_ready=True,
    workers=WorkersState(ready=1, wanted=1, waiting=0, computing=0, restarts=0),
    quarantined=0,
    store_failures=0,
    forests=(),
    refused_forests=0,
)


def test_every_metric_of_dashboard_and_alerts_is_one_of_the_servers() -> None:
    metrics = Metrics()
    metrics.watch(lambda: IDLE)
    text, _ = exposition(metrics.registry.collect(), "text/plain")
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
    known = {
        family.name + ending
        for family in text_string_to_metric_families(text.decode())
        for ending in endings[family.type]
    }
    used = set(chain.from_iterable(re.findall(r"\b(?:acorn|process)_\w+", q) for q in queries()))
    assert used, "the dashboard shows nothing"
    assert used <= known
    families = {family.name for family in metrics.registry.collect() if "acorn" in family.name}
    assert not {name for name in families if not any(u.startswith(name) for u in used)}, "not shown"


def test_prometheus_reads_what_grafana_asks() -> None:
    (scrape,) = load(DEPLOY / "prometheus.yml")["scrape_configs"]
    assert scrape["job_name"] == "acorn"
    assert scrape["static_configs"][0]["targets"] == [f"acorn:{IMAGE.last('EXPOSE')}"]
    (source,) = load(DEPLOY / "grafana" / "datasources.yml")["datasources"]
    dashboard = json.loads((DEPLOY / "grafana" / "acorn.json").read_text())
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["uid"]}
