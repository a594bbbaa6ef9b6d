"""The charts give exactly the rights of config/, and those are no more than is explained."""

from collections.abc import Iterator
from itertools import product

import pytest
from charts import ROOT, Document, Helm, documents

Right = tuple[str, str, str, str]  # kind and name of the role, group, resource (and name, if it is one alone), verb

MEMBER, HOME, QUORUM, PEOPLE = (
    documents(ROOT / f"config/{name}.yaml") for name in ("member", "home", "quorum", "people")
)


def rights(found: list[Document]) -> set[Right]:
    """Every single right that the roles give."""

    def each(role: Document) -> Iterator[Right]:
        for rule in role["rules"]:
            assert set(rule) - {"resourceNames"} == {"apiGroups", "resources", "verbs"}, rule
            names = [f"/{name}" for name in rule.get("resourceNames", ())] or [""]
            for group, resource, name, verb in product(rule["apiGroups"], rule["resources"], names, rule["verbs"]):
                yield f"{role['kind']} {role['metadata']['name']}", group, resource + name, verb

    return {right for role in found if role["kind"] in ("Role", "ClusterRole") for right in each(role)}


def bindings(found: list[Document]) -> list[tuple[str, str, str, str]]:
    """Who gets which role, and in which namespace."""
    return sorted(
        (row["metadata"].get("namespace", ""), row["roleRef"]["kind"], row["roleRef"]["name"], str(row["subjects"]))
        for row in found
        if row["kind"] in ("RoleBinding", "ClusterRoleBinding")
    )


def test_the_home_cluster_gets_the_rights_of_config(helm: Helm) -> None:
    rendered = helm.render("leeward")
    assert rights(rendered) == rights(MEMBER + HOME + PEOPLE)
    assert bindings(rendered) == bindings(MEMBER + HOME)


def test_one_of_several_replicas_gets_the_rights_of_config(helm: Helm) -> None:
    rendered = helm.render("leeward", "quorum.region=us-east1")
    assert rights(rendered) == rights(MEMBER + HOME + QUORUM + PEOPLE)
    assert bindings(rendered) == bindings(MEMBER + HOME + QUORUM)


def test_a_member_gets_the_rights_of_config(helm: Helm) -> None:
    rendered = helm.render("leeward-member")
    assert rights(rendered) == rights(MEMBER)
    assert bindings(rendered) == bindings(MEMBER)


@pytest.mark.parametrize(("kind", "group", "resource", "verb"), sorted(rights(MEMBER + HOME + QUORUM + PEOPLE)))
def test_no_right_opens_the_way_to_more(kind: str, group: str, resource: str, verb: str) -> None:
    assert "*" not in group + resource + verb
    assert verb not in ("escalate", "bind", "impersonate", "deletecollection")
    assert group not in ("rbac.authorization.k8s.io", "admissionregistration.k8s.io", "certificates.k8s.io")
    assert resource != "serviceaccounts/token"
    if resource.startswith("configmaps") and kind.startswith("ClusterRole"):
        assert resource == "configmaps/leeward-authorities" and verb in ("get", "create", "patch")
    assert not resource.startswith("pods") or (resource, verb) == ("pods", "list")
    if resource == "secrets":
        assert (verb, kind.split(maxsplit=1)[0]) == ("get", "Role"), (
            "one at a time, by name, in the operator's namespace"
        )


def test_secrets_can_be_named(helm: Helm) -> None:
    rendered = helm.render("leeward", "rbac.secretNames={eu-west4-kubeconfig,eu-west4-prometheus}")
    named = {
        rule["resources"][0]: rule["resourceNames"]
        for role in rendered
        for rule in role.get("rules", ())
        if role["kind"] == "Role" and "resourceNames" in rule
    }
    assert named == {"secrets": ["eu-west4-kubeconfig", "eu-west4-prometheus"]}


def test_without_rbac_there_is_none(helm: Helm) -> None:
    kinds = {document["kind"] for document in helm.render("leeward", "rbac.create=false", "rbac.people=false")}
    assert not {kind for kind in kinds if "Role" in kind}
    assert "Deployment" in kinds


def test_people_get_rights_for_themselves_alone(helm: Helm) -> None:
    without = helm.render("leeward", "rbac.people=false")
    assert rights(without) == rights(MEMBER + HOME)
    people = {kind for kind, *_ in rights(PEOPLE)}
    bound = {f"{kind} {name}" for _, kind, name, _ in bindings(helm.render("leeward", "quorum.region=us-east1"))}
    assert not bound & people, "whom they are given to is for the cluster's administrators"


def test_who_may_view_the_cluster_may_view_models(helm: Helm) -> None:
    aggregated = {
        role["metadata"]["name"]
        for role in helm.render("leeward")
        if role["metadata"].get("labels", {}).get("rbac.authorization.k8s.io/aggregate-to-view") == "true"
    }
    assert aggregated == {"leeward-view"}
    writes = {"create", "update", "patch", "delete"}
    assert not {right for right in rights(PEOPLE) if right[0].endswith("leeward-view") and right[3] in writes}
