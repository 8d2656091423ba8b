"""Schemas for kubeconform, which would fetch them from the network, out of what registries bring.

`python -m tests.deploy.schemas OUT --kubernetes FOLDER --crd FILE ...`

* Kubernetes' own kinds: the folder `kubernetes-json-schema` of PyPI's `kubernetes-validate`. They
  call themselves by addresses, and would be looked for there: references are made relative.
* ServiceMonitor, PrometheusRule: the CRDs of the Go module
  `github.com/prometheus-operator/prometheus-operator`.
* KafkaTopic: no registry brings Strimzi's CRDs; `kafkatopic.json` beside this file was written by
  hand after the published ones (v1beta2; v1 differs in nothing that the chart uses).
"""

import argparse
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

VERSIONS = ("1.30.0", "1.37.0")
"""Of Kubernetes: the oldest that Chart.yaml allows, and the newest that there are schemas of."""

HAND_MADE = Path(__file__).with_name("kafkatopic.json")
_ABSOLUTE, _RELATIVE = '"$ref": "/api/_definitions.json#', '"$ref": "_definitions.json#'


def kubernetes(folder: Path, out: Path) -> None:
    """Write the strict schemas of `VERSIONS`; references then stay within their folder."""
    for version in VERSIONS:
        (out / f"v{version}").mkdir(parents=True, exist_ok=True)
        for file in (folder / f"v{version}-local-strict").glob("*.json"):
            schema = json.loads(file.read_text(encoding="utf-8").replace(_ABSOLUTE, _RELATIVE))
            schema.pop("$id", None)
            (out / f"v{version}" / file.name).write_text(json.dumps(schema), encoding="utf-8")


def crd(file: Path, out: Path) -> None:
    """Write a schema for each version of a CustomResourceDefinition, strict as a server is."""
    spec = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        kind = spec["names"]["kind"].lower()
        target = out / spec["group"] / f"{kind}_{version['name']}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(schema), encoding="utf-8")


def strict(schema: Any) -> Any:
    """The schema, refusing fields that it does not name: the API server would drop them."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(each) for name, each in schema.items()}
    named = isinstance(found.get("properties"), dict) and found.get("type") == "object"
    if named and not found.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


def main(arguments: Iterable[str] | None = None) -> None:
    """Write all schemas into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kubernetes", type=Path, required=True)
    parser.add_argument("--crd", type=Path, action="append", default=[])
    told = parser.parse_args(None if arguments is None else list(arguments))
    kubernetes(told.kubernetes, told.out)
    for file in told.crd:
        crd(file, told.out)
    strimzi = told.out / "kafka.strimzi.io"
    strimzi.mkdir(parents=True, exist_ok=True)
    shutil.copy(HAND_MADE, strimzi / "kafkatopic_v1.json")


if __name__ == "__main__":
    main()
