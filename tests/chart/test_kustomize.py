"""`kubectl apply -k config` installs what the chart installs with its defaults."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from charts import ROOT, Document, Helm, documents, only

LABELS = {"app.kubernetes.io/name": "leeward"}


def built(folder: Path) -> list[Document]:
    kubectl = shutil.which("kubectl") or pytest.skip("kubectl is not on PATH")
    found = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 0, found.stderr
    return list(yaml.safe_load_all(found.stdout))


def plain(part: object) -> object:
    """Without labels, other than our own selector, and without the image's address."""
    if isinstance(part, list):
        return [plain(each) for each in part]
    if not isinstance(part, dict):
        return part
    shared = {key: LABELS for key, value in part.items() if isinstance(value, dict) and LABELS.items() <= value.items()}
    return {key: plain(value) for key, value in part.items() if key not in ("image", *shared)} | shared


@pytest.mark.parametrize("kind", ["Deployment", "Service", "NetworkPolicy"])
def test_the_operator_is_that_of_the_chart(helm: Helm, kind: str) -> None:
    written, rendered = only(documents(ROOT / "config/operator.yaml"), kind), only(helm.render("leeward"), kind)
    assert plain(written) == plain(rendered)


def test_kustomize_builds_the_same_kinds(helm: Helm) -> None:
    found = sorted(f"{document['kind']} {document['metadata']['name']}" for document in built(ROOT / "config"))
    chart = [f"{document['kind']} {document['metadata']['name']}" for document in helm.render("leeward")]
    assert found == sorted([*chart, "Namespace leeward-system"])


def test_an_overlay_names_the_image(tmp_path: Path) -> None:
    """The overlay that docs/install.md shows, with this checkout in the place of the repository."""
    text = (ROOT / "docs/install.md").read_text("utf-8")
    overlay = yaml.safe_load(text.split("```yaml\n# kustomization.yaml\n")[1].split("```")[0])
    shutil.copytree(ROOT / "config", tmp_path / "leeward/config")
    shutil.copytree(ROOT / "crds", tmp_path / "leeward/crds")
    overlay["resources"] = ["leeward/config"]
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    pod = only(built(tmp_path), "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "registry.example.com/leeward:0.1.0"
