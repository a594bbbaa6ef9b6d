"""`leeward join`: what is wrong with a line or a kubeconfig is told before anything is written."""

from pathlib import Path

import pytest
import yaml
from recorded import leeward

from leeward.cli.joining import kubeconfig, rights, way_of
from leeward.ports import BadReference

GIVEN = {
    "current-context": "a",
    "clusters": [{"name": "a", "cluster": {"server": "https://10.0.0.1:6443", "certificate-authority-data": "Q0E="}}],
    "users": [{"name": "a", "user": {"token": "t"}}],
    "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
}


def given(**cluster: object) -> str:
    entry = {**GIVEN["clusters"][0]["cluster"], **cluster}  # type: ignore[index]  # a mapping, as it stands above
    return yaml.safe_dump({**GIVEN, "clusters": [{"name": "a", "cluster": entry}]})


def test_the_new_kubeconfig_has_the_way_and_the_token_and_nothing_else() -> None:
    made = yaml.safe_load(kubeconfig("eu", way_of(given(), Path(), None, None), "secret"))
    assert made["clusters"] == [{"name": "eu", "cluster": GIVEN["clusters"][0]["cluster"]}]  # type: ignore[index]
    assert made["users"] == [{"name": "leeward", "user": {"token": "secret"}}]
    assert made["current-context"] == "eu"


def test_an_authority_in_a_file_comes_along(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("CA")
    text = given(**{"certificate-authority": "ca.crt"}).replace("certificate-authority-data: Q0E=", "")
    assert way_of(text, tmp_path, None, None).entry["certificate-authority-data"] == "Q0E="


@pytest.mark.parametrize(
    ("text", "context", "sentence"),
    [
        (given(), "b", "has no context 'b' with a cluster"),
        (given(**{"insecure-skip-tls-verify": True}), None, "does not verify TLS"),
        (given(server="http://10.0.0.1"), None, "is not https: name the API server's address with --server"),
        (given(server="https://127.0.0.1:6443"), None, "only this machine reaches"),
        (given(server="https://localhost:6443"), None, "only this machine reaches"),
        (given(server="https://[::1]:6443"), None, "only this machine reaches"),
        ("[]", None, "names no cluster"),
        ("{", None, "is not YAML"),
    ],
)
def test_a_kubeconfig_that_does_not_do_is_refused(text: str, context: str | None, sentence: str) -> None:
    with pytest.raises(BadReference, match=sentence.replace("[", r"\[")):
        way_of(text, Path(), context, None)


def test_another_address_replaces_one_that_only_this_machine_reaches() -> None:
    found = way_of(given(server="https://127.0.0.1:6443"), Path(), None, "https://eu.example.com")
    assert found.server == "https://eu.example.com"


def test_rights_follow_the_operators_namespace() -> None:
    made = {each["kind"]: each for each in rights("elsewhere")}
    assert made["ServiceAccount"]["metadata"]["namespace"] == "elsewhere"
    assert made["ClusterRoleBinding"]["subjects"][0]["namespace"] == "elsewhere"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (("--gateway", "a/b"), "give --gateway and --address together"),
        (("--witness", "--gateway", "a/b", "--address", "x"), "or --witness"),
        (("--gateway", "models", "--address", "x.example.com"), "write NAMESPACE/NAME"),
        (("--witness", "--prometheus", "ftp://x"), "no Region can be made of this: spec.prometheus.url"),
        (("--witness", "--domain", "aws"), "write KEY=VALUE"),
        (("--token-for", "2"), "is no length of time"),
    ],
)
def test_a_wrong_line_is_refused_with_the_fix(line: tuple[str, ...], sentence: str) -> None:
    result = leeward("join", "eu-west4", *line)
    assert (result.exit_code, sentence in result.stderr) == (2, True), result.stderr
